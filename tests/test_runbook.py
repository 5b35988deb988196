"""What the runbook tells operators to type, typed where the fault has really been made."""

import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import small_disk
from command_line import environment
from pages import slug
from patience import PATIENCE
from places import DOCS, SPECIFICATION
from temp_file_manager import TempFileManager, cli
from temp_file_manager.cli.completion import grammar
from temp_file_manager.clock import SystemClock
from temp_file_manager.logs import logger
from temp_file_manager.sweeping.clock_guard import ClockGuard

RUNBOOK = (DOCS / "runbook.md").read_text()
SECONDS = PATIENCE
HOUR = 3600.0
OVERRIDING = (1, 2, 3)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: root heeds modes without them
PR_CAPBSET_DROP = 24


class Exchange(NamedTuple):
    """A block of commands with the exit codes written behind them, and the output shown below it."""

    commands: list[tuple[str, int]]
    output: str


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", RUNBOOK, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def exchanges(section: str) -> list[Exchange]:
    pairs = re.findall(r"```bash\n(.*?)```\n\n```text\n(.*?)```", section, re.DOTALL)
    assert len(pairs) == section.count("```bash") == section.count("```text")
    return [Exchange([command(line) for line in typed.splitlines()], shown) for typed, shown in pairs]


def command(line: str) -> tuple[str, int]:
    typed, _, code = line.partition("  # exit code ")
    return typed, int(code or 0)


def pattern(shown: str) -> str:
    """What the output must match: numbers may be others, ``…`` is anything, and a line of it any lines."""
    lines = ("(?:.*\n)*" if line == "…" else f"{_loosely(line)}\n" for line in shown.splitlines())
    return "".join(lines)


def _loosely(line: str) -> str:
    line = re.escape(line).replace("…", ".*")
    # As a number looks after ``re.escape``; small times may come as 9.5e-05.
    return re.sub(r"\d+(?:\\\.\d+)?", r"\\d+(?:\\.\\d+)?(?:e-\\d+)?", line)


# -- the faults


class Sandbox:
    """A base directory with its records, and commands typed as its user, who need not be root."""

    def __init__(self, folder: Path, base: Path | None = None) -> None:
        self.base = base or folder / "base"
        self.log = folder / "log"
        self.variables = {"TEMP_FILE_BASE_DIR": str(self.base)}

    def set(self, **variables: str) -> None:
        self.variables |= variables

    def make(self, *names: str, content: bytes = b"12345", hours: float = 3) -> list[str]:
        """Make files, and register them so many hours ago."""
        paths = [self.base / name for name in names]
        with self.manager() as manager:
            for path in paths:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            manager.register_files(paths)
            began = time.time() - hours * HOUR
            manager.files.update({str(path): began + number * 1e-3 for number, path in enumerate(paths)})
        return [str(path) for path in paths]

    def manager(self) -> AbstractContextManager[TempFileManager]:
        return closing(TempFileManager(self.base, registry="sqlite:"))

    def here(self, text: str) -> str:
        """Return what the runbook writes as it is called here."""
        return text.replace("/tmp/aiecs_temp", str(self.base)).replace("/var/log/aiecs", str(self.log))

    def type(self, typed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", self.here(typed)],
            env=environment(**self.variables, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
            preexec_fn=heeding_modes,
        )


def heeding_modes() -> None:
    for capability in OVERRIDING:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # without root: refused, and not needed


Fault = Callable[[Path], AbstractContextManager[Sandbox]]


@contextmanager
def nothing_sweeps(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder)
    sandbox.make("report-1.csv", "report-2.csv", "report-3.csv")
    yield sandbox


@contextmanager
def locked(folder: Path) -> Iterator[Sandbox]:
    """A directory that may not be written to, and a sweep that has tried."""
    sandbox = Sandbox(folder)
    (path,) = sandbox.make("locked/report.csv")
    os.chmod(os.path.dirname(path), 0o500)
    assert sandbox.type("temp-file-manager sweep").returncode == 1
    try:
        yield sandbox
    finally:
        os.chmod(os.path.dirname(path), 0o700)


@contextmanager
def in_use(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder)
    (path,) = sandbox.make("report.csv")
    with open(path, "rb") as file:
        program = subprocess.Popen(["sleep", "600"], stdin=file)
    with program:
        try:
            yield sandbox
        finally:
            program.kill()


@contextmanager
def too_many(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder)
    sandbox.set(MAX_TEMP_FILES="2000", TEMP_FILE_MAX_AGE="86400")
    sandbox.make(*(f"{number:04}" for number in range(2500)))
    assert sandbox.type("temp-file-manager sweep").returncode == 0  # by the settings that are about to change
    yield sandbox


class Behind(SystemClock):
    """Two hours, as before somebody put the clock on."""

    def wall(self) -> float:
        return super().wall() - 2 * HOUR


@contextmanager
def jumped(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder)
    (path,) = sandbox.make("report.csv")
    with sandbox.manager() as manager:
        ClockGuard(manager.registry, Behind()).accept()
        manager.files[path] = Behind().wall() - 60
    yield sandbox


@contextmanager
def full(folder: Path) -> Iterator[Sandbox]:
    with small_disk.mounted(folder / "disk", "size=64m,nr_inodes=16k") as done:
        if not done:
            pytest.skip("not tried: a full disk, which takes the right to mount")
        sandbox = Sandbox(folder, folder / "disk" / "base")
        sandbox.make("report-1.csv", "report-2.csv", "report-3.csv", content=bytes(4 << 20), hours=1.5)
        small_disk.fill(folder / "disk")
        yield sandbox


@contextmanager
def unmet(folder: Path) -> Iterator[Sandbox]:
    """More than a limit allows, all of it pinned, and a sweep that has tried."""
    sandbox = Sandbox(folder)
    sandbox.set(TEMP_FILE_MAX_BYTES="160 KiB", TEMP_FILE_MAX_AGE="86400")
    paths = sandbox.make("report-1.csv", "report-2.csv", "report-3.csv", content=bytes(64 << 10))
    with sandbox.manager() as manager:
        for path in paths:
            manager.pin(path)
    assert sandbox.type("temp-file-manager sweep").returncode == 0
    yield sandbox


@contextmanager
def gone(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder)
    _, second, _ = sandbox.make("report-1.csv", "report-2.csv", "report-3.csv")
    os.remove(second)
    yield sandbox


@contextmanager
def replaced(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(folder)
    first, _ = sandbox.make("report-1.csv", "report-2.csv")
    os.rename(first, folder / "moved")  # so that no inode is used again
    Path(first).symlink_to(folder / "moved")  # a file would count as rewritten, and stay on record
    yield sandbox


@contextmanager
def logged(folder: Path) -> Iterator[Sandbox]:
    """A log of a registration, a removal and a failure."""
    sandbox = Sandbox(folder)
    locked = sandbox.base / "locked"
    sandbox.set(LOG_FILE=str(sandbox.log / "temp_file_manager.log"), LOG_LEVEL="DEBUG", TEMP_FILE_MAX_AGE="0")
    sandbox.make("report.csv", "locked/report.csv")
    paths = f"{sandbox.base}/report.csv {locked}/report.csv"
    assert sandbox.type(f"temp-file-manager register {paths}").returncode == 0
    locked.chmod(0o500)
    assert sandbox.type("temp-file-manager sweep").returncode == 1
    locked.chmod(0o700)
    yield sandbox


FAULTS: dict[str, Fault] = {
    "Nothing sweeps": nothing_sweeps,
    "Files cannot be removed": locked,
    "Files stay, and nothing fails": in_use,
    "Too many files": too_many,
    "The clock is not trusted": jumped,
    "The disk is full": full,
    "A limit is not met": unmet,
    "Memory grows": gone,
    "Counts do not agree": replaced,
    "Reading the log": logged,
}


# -- what is shown is what is said


def test_every_section_with_commands_has_its_fault() -> None:
    assert list(FAULTS) == [name for name, text in sections().items() if "```bash" in text]


@pytest.mark.parametrize("name", FAULTS)
def test_section(name: str, tmp_path: Path) -> None:
    with FAULTS[name](tmp_path) as sandbox:
        for typed, shown in exchanges(sections()[name]):
            said = ""
            for line, code in typed:
                done = sandbox.type(line)
                assert done.returncode == code, (line, done.stdout)
                said += done.stdout
            assert re.fullmatch(pattern(sandbox.here(shown)), said), said


def test_it_names_commands_and_flags_that_there_are() -> None:
    # Those in the text, which nobody runs.
    commands = {command.name: command.flags for command in grammar.commands(cli.parsers()[1])}
    for word, rest in re.findall(r"`(?:temp-file-manager )?([a-z]+)((?: -[^`]*)?)`", RUNBOOK):
        for flag in re.findall(r"--[a-z-]+", rest if word in commands else ""):
            assert any(flag in one.names for one in commands[word]), (word, flag)


@pytest.mark.parametrize(
    "anchor",
    [
        *("scheduler-dead", "removals-failing", "too-many-files", "clock-not-trusted", "disk-nearly-full"),
        *("limit-unmet", "registry-down", "policy-paused", "settings-refused"),
    ],
)
def test_anchors(anchor: str) -> None:
    assert anchor in {slug(name) for name in sections()} or f'<a id="{anchor}"></a>\n## ' in RUNBOOK


# -- what is said of the specification's advice (more of it in test_specification)


def advice(block: str, **names: Any) -> dict[str, Any]:
    exec((SPECIFICATION / f"{block}.txt").read_text(), names)
    return names


def test_a_files_mode_does_not_matter(tmp_path: Path) -> None:
    with locked(tmp_path) as sandbox:
        (path,) = (sandbox.base / "locked").iterdir()
        assert advice("8_2_1_failure")["check_file_permissions"](str(path))
        assert path.stat().st_mode & 0o777 == 0o666
        assert sandbox.type("temp-file-manager sweep").returncode == 1
        assert path.exists()


def test_force_takes_what_is_young_and_open(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    (path,) = sandbox.make("report.csv")
    with sandbox.manager() as manager, open(path, "rb"):
        manager.register_file(path)
        advice("8_2_1_failure")["force_cleanup_with_retry"](manager)
    assert not os.path.exists(path)


def test_batch_cleanup_removes_by_name(tmp_path: Path) -> None:
    with replaced(tmp_path) as sandbox, sandbox.manager() as manager:
        first, second = map(str, manager.files)
        manager.pin(second)
        assert manager.sweep(dry_run=True).removed == 0
        assert advice("8_3_batch", os=os, time=time)["batch_cleanup"](manager) == 2
        assert not os.path.exists(first)
        assert not os.path.exists(second)


def test_optimize_memory_usage_loses_what_is_registered_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = Sandbox(tmp_path)
    (path,) = sandbox.make("report.csv")
    meanwhile = sandbox.base / "meanwhile.csv"
    meanwhile.touch()
    with sandbox.manager() as manager:

        class Watching:
            """``os`` for the specification's code: another thread registers a file while it looks."""

            class path:  # noqa: N801 - it stands for os.path
                @staticmethod
                def exists(name: str) -> bool:
                    manager.register_file(meanwhile)
                    return os.path.exists(name)

        advice("8_3_memory", os=Watching, logger=logger)["optimize_memory_usage"](manager)
        assert list(manager.files) == [path]
    assert meanwhile.exists()


def test_check_fix_is_what_it_was_meant_to_be(tmp_path: Path) -> None:
    with gone(tmp_path) as sandbox:
        assert sandbox.type("temp-file-manager check --fix").returncode == 0
        with sandbox.manager() as manager:
            assert [Path(name).name for name in manager.files] == ["report-1.csv", "report-3.csv"]
