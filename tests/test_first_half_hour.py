"""The first half hour of three users, each step as they take it, with the wheel that is published."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_line import SECONDS, environment
from places import DEPLOY, ROOT
from serving import Client, until
from wheels import build

DAY = 86400.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it, and what the extras need, as ``pip install '.[all]'`` brings it."""
    folder = tmp_path_factory.mktemp("first")
    build(ROOT, folder / "dist")
    (wheel,) = (folder / "dist").glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True)
    (packages,) = (folder / "venv/lib").glob("python*/site-packages")
    (packages / "extras.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv" / "bin"


class Shell:
    """A shell in a directory of one's own, with the program on PATH and a base directory."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        path = f"{programs}:{os.environ['PATH']}"
        self.env = environment(TEMP_FILE_BASE_DIR=str(folder / "base"), HOME=str(folder)) | {"PATH": path}
        self.env.pop("PYTHONPATH", None)

    def __call__(self, line: str, code: int = 0) -> str:
        """Type a line, check its exit code, and return what was seen, errors too."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, (line, done)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def make(self, name: str, text: str = "x\n", age: float = 0.0) -> Path:
        """Make a file that was last written some seconds ago."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    @contextmanager
    def running(self, line: str) -> Iterator[list[str]]:
        """Leave a service running meanwhile; yield what it says. It ends well at SIGTERM."""
        said: list[str] = []
        with subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=self.folder, env=self.env, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
            reader.start()
            self.process = process
            try:
                until(lambda: any("Running: base_dir" in one for one in said) or process.poll() is not None)
                yield said
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(SECONDS) == 0, said
                reader.join(SECONDS)


@pytest.fixture
def shell(tmp_path: Path, installed: Path) -> Shell:
    return Shell(tmp_path, installed)


def test_a_newcomer(shell: Shell) -> None:
    # What is this? Three examples, and nothing happens.
    assert "tfm register report.csv --ttl 2h" in shell("env -u TEMP_FILE_BASE_DIR tfm")
    assert "did you mean list?" in shell("tfm lsit", code=2)
    assert "did you mean --version?" in shell("tfm --verison", code=2)
    assert "tfm sweep --dry-run" in shell("tfm help sweep")

    # Looking leaves no trace.
    assert "records           0" in shell("tfm stats")
    assert shell("tfm list") == ""
    assert not (shell.folder / "base").exists()

    # A file that may live ten minutes, and one that is due at once.
    report, chart = shell.make("report.csv"), shell.make("chart.svg")
    assert "1 file registered." in shell("tfm register report.csv --ttl 10m")
    assert "1 file registered." in shell("tfm register chart.svg --ttl 0 --tag charts")
    assert str(chart) in shell("tfm list --due")
    assert "its ttl ends in" in shell("tfm why report.csv")
    assert "goes with the next sweep" in shell("tfm why chart.svg")

    # Nothing happens unasked; then the one that is due goes, and the other stays.
    assert "Dry run: 1 removed" in shell("tfm sweep --dry-run")
    assert chart.exists()
    assert "1 removed, 0 failed" in shell("tfm sweep")
    assert (chart.exists(), report.exists()) == (False, True)
    assert "not registered, and not there" in shell("tfm why chart.svg", code=1)

    # Mistakes are told, and lose nothing.
    assert "No such file or directory" in shell("tfm register nowhere.csv", code=1)
    assert "it lies in the system's /etc" in shell("tfm register /etc/hostname /etc/passwd", code=1)
    assert "is no time" in shell("tfm register report.csv --ttl soon", code=2)
    assert "complete -F" in shell("tfm completion bash")
    assert shell("tfm --base-dir base list --json | wc -l").strip() == "1"


TOOL = """
import os, time
from temp_file_manager import TempFileManager

with TempFileManager("base", max_age=3600, registry="sqlite:") as manager:
    fd, chart = manager.mkstemp(suffix=".svg")
    os.close(fd)
    with manager.open("w", suffix=".csv") as table:
        table.write("a,b\\n")
    report = "report.pdf"
    open(report, "w").close()
    manager.register_file(report, ttl=600, tags=["reports"])
    with manager.session("request") as session:
        part = "part.tmp"
        open(part, "w").close()
        session.register_file(part)
    print(os.path.exists(part))             # the session has ended
    print(len(manager.files))               # chart, table, report
    print(manager.status(report).reason)
    print(manager.sweep(dry_run=True).removed)
    with manager.hold(chart):
        print(manager.cleanup(force=True))  # all but what is held
    print(os.path.exists(chart))
print(os.path.exists(chart))                # leaving removes what was registered here
"""


def test_a_data_engineer_with_a_service(shell: Shell) -> None:
    # A tool that makes files, in Python.
    shell.make("tool.py", TOOL)
    said = shell("python tool.py").splitlines()
    assert said[:2] == ["False", "3"]
    assert said[2].startswith("its ttl ends in")
    assert said[3:] == ["0", "2", "True", "False"]

    # A service that cleans up after it, with a page, an API and metrics.
    shell.env |= {"TEMP_FILE_API_TOKEN": "0123456789abcdef0123456789abcdef"}
    with shell.running("tfm run --http-port 0 --max-age 1h") as said:
        address = next(line for line in said if "Page and API" in line).split("http://")[1].split("/")[0]
        host, _, port = address.partition(":")
        client = Client((host, int(port)))
        assert client.get("/livez").status == 200
        assert b"<title>" in client.get("/").body
        # What another process registers is seen at once.
        upload = shell.make("upload.csv")
        shell("tfm register upload.csv --ttl 1d --tag uploads")
        assert client.get("/v1/overview").json["stats"]["records"] == 1
        assert client.get("/v1/files?contains=upload").json["files"][0]["path"] == str(upload)
        # Who may only look changes nothing.
        assert client.post("/v1/sweep", {}).status in (401, 403)
    assert "healthy" in shell("tfm health --json")


def test_a_platform_engineer_who_comes_from_cron(shell: Shell) -> None:
    # find scratch -mtime +7 -delete, until today.
    for name in ("scratch/old-1", "scratch/old-2"):
        shell.make(name, age=10 * DAY)
    shell.make("scratch/new")
    (shell.folder / "scratch" / "empty").mkdir()
    os.utime(shell.folder / "scratch" / "empty", (time.time() - 10 * DAY,) * 2)

    # The plan names files, and says why none of them is due: unpacking them here has changed them today.
    plan = shell("tfm adopt scratch --max-age 7d")
    assert "3 files" in plan
    assert "--by mtime" in plan
    plan = shell("tfm adopt scratch --max-age 7d --by mtime")
    assert "due now: 2" in plan
    assert "old-1" in plan
    assert "now counts as old as the date that it carries" in plan
    named = [
        json.loads(line) for line in shell("tfm adopt scratch --max-age 7d --by mtime --json 2>/dev/null").splitlines()
    ]
    assert len(named) == 4, "three files and the plan"
    assert sorted(os.listdir(shell.folder / "scratch")) == ["empty", "new", "old-1", "old-2"]

    # Then it is done, once, as cron would.
    shell("tfm adopt --once --yes --prune scratch --max-age 7d --by mtime")
    assert os.listdir(shell.folder / "scratch") == ["new"], "the directory was as old"

    # What tmpfiles.d said becomes rules; limits and health have exit codes for scripts.
    shell.make("tmp.conf", f"d {shell.folder}/scratch 0755 root root 7d\n")
    assert "[[rule]]" in shell("tfm rules from-tmpfiles tmp.conf 2>/dev/null; true")
    assert "max_bytes" in shell("tfm limits --max-bytes 1GiB")
    shell.make("base/late")
    shell("tfm register base/late")
    shell("tfm health")
    shell("tfm doctor scratch")
    shell("tfm health --base-dir /proc/nowhere", code=2)

    # Settings change without a restart; what cannot be used leaves the former in force.
    settings = shell.make("settings.toml", "[manager]\nmax_age = '1h'\n")
    with shell.running("tfm run --config settings.toml --http-port off") as said:
        settings.write_text("[manager]\nmax_age = '2h'\n")
        shell.process.send_signal(signal.SIGHUP)
        until(lambda: any("7200" in line or "2h" in line or "2 h" in line for line in said[1:]))
        settings.write_text("[manager]\nmax_aeg = '2h'\n")
        shell.process.send_signal(signal.SIGHUP)
        until(lambda: any("max_aeg" in line for line in said))
    for unit in (DEPLOY / "systemd").glob("*.service"):
        assert "ExecReload" in unit.read_text()
