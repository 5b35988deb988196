"""The benchmark runs, and says what it is meant to say. How fast anything was is nobody's business here."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from places import ROOT

TABLES = {"import", "memory", "idle", "register", "concurrency", "service", "secure", "clean", "waiting", "goals"}
PUBLISHED = """
import os, threading, time

class TempFileManager:
    def __init__(self, base_dir, max_age=3600):
        self.files, self.lock, self.max_age = {}, threading.Lock(), max_age

    def register_file(self, path):
        with self.lock:
            self.files[path] = time.time()

    def cleanup(self, force=False):
        with self.lock:
            for path in [p for p, when in self.files.items() if force or time.time() - when > self.max_age]:
                os.remove(path)
                del self.files[path]

    def clear_all(self):
        return self.cleanup(force=True)
"""


def run(tmp_path: Path, *flags: str) -> tuple[str, dict]:
    """Run the benchmark with nothing but this machine; return what it printed and its JSON."""
    trees = tmp_path / "trees"
    trees.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    # Few files: right after other tests have removed many, ext4 takes 0.4 ms to create one.
    quick = ["--quick", "--files", "100", "--results", "results", "--dir", str(trees)]
    command = [sys.executable, "-m", "benchmarks", *quick, *flags]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(trees.iterdir()) == []
    (found,) = (tmp_path / "results").glob("*.json")
    assert found.with_suffix(".md").read_text() == done.stdout.removesuffix("\n")
    return done.stdout, json.loads(found.read_text())


def names(content: dict, table: str) -> dict[str, dict]:
    return {row["name"]: row for row in content["tables"][table]["rows"]}


def waited(content: dict, who: str) -> bool:
    """Say whether waits were counted, or none could be: on a busy machine so few files are gone too soon."""
    row = names(content, "waiting")[who]
    return row.get("waits", 0) > 0 or "over before a wait was counted" in row["note"]


def test_without_the_published_class_everything_else_is_measured(tmp_path: Path) -> None:
    shown, content = run(tmp_path)
    assert set(content["tables"]) == TABLES
    for table in content["tables"].values():
        assert f"## {table['title']}" in shown
    assert {"python", "kernel", "cpus", "filesystem"} <= set(content["machine"])
    cleaned = names(content, "clean")
    ours = ("clear_all()", "cleanup() of expired", "SQLite, clear_all()", "SQLite, cleanup() of expired")
    for who in (*(f"ours, {what}" for what in ours), "os.remove loop"):
        assert cleaned[who]["median"] > 0
    assert cleaned["AIECS 2.2.0"]["median"] is None
    assert "unavailable" in cleaned["AIECS 2.2.0"]["note"]
    for what in ("register_files", "SQLite, register_files", "SQLite, register_file", "SQLite, registered again"):
        assert names(content, "register")[f"ours, {what}"]["median"] > 0
    for what in ("ours", "ours, SQLite"):
        assert names(content, "idle")[f"{what}, 10,000 records"]["median"] > 0
    assert waited(content, "ours, register_file")
    assert names(content, "import")["beyond the standard library"]["foreign"] == ""
    verdicts = {row["name"]: row["verdict"] for row in names(content, "goals").values()}
    assert verdicts["clear_all / AIECS's"] == "not measured"
    assert verdicts["clear_all on SQLite / rm -rf"] in {"ok", "missed"}
    assert verdicts["idle cleanup on SQLite, 10,000 records, ms"] in {"ok", "missed"}
    served = names(content, "service")
    assert all(row["median"] is not None and not row.get("note") for row in served.values())
    assert len(served) == 9
    assert verdicts["service: resident memory, MiB"] in {"ok", "missed"}
    shared = names(content, "concurrency")
    assert [row["note"] for row in shared.values()] == [""] * 7  # nobody was locked out, each file went once
    assert all(row["rate"] > 0 for row in shared.values())
    assert all((row["p99"] is None) == name.startswith("clear_all") for name, row in shared.items())


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
def test_the_published_class_is_taken_from_the_cached_wheel(tmp_path: Path) -> None:
    cache = tmp_path / "results" / "cache"
    cache.mkdir(parents=True)
    with zipfile.ZipFile(cache / "aiecs-2.2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("aiecs/tools/temp_file_manager.py", PUBLISHED)
    flags = [f"--only={name}" for name in ("clean", "register", "idle", "waiting", "memory")]
    _, content = run(tmp_path, *flags)
    assert set(content["tables"]) == TABLES - {"import", "concurrency", "service", "secure"}
    assert names(content, "clean")["AIECS 2.2.0"]["median"] > 0
    assert names(content, "memory")["AIECS 2.2.0, 10,000 records"]["median"] > 0
    assert names(content, "memory")["ours, SQLite, 20,000 records"]["resident"] > 0
    assert waited(content, "AIECS 2.2.0, register_file")
    verdicts = {row["name"]: row["verdict"] for row in names(content, "goals").values()}
    assert verdicts["clear_all / AIECS's"] in {"ok", "missed"}
    assert verdicts["register_files on SQLite / AIECS's register_file"] in {"ok", "missed"}
    assert verdicts["resident memory, 20,000 records on SQLite, MiB"] in {"ok", "missed"}
    assert verdicts["import, ms more"] == "not measured"


def test_a_process_that_fails_or_says_anything_has_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import concurrency

    worker = tmp_path / "worker.py"
    monkeypatch.setattr(concurrency, "WORKER", str(worker))
    for said, why in (("print('database is locked', file=sys.stderr)", "locked"), ("sys.exit(3)", "exit code 3")):
        worker.write_text(f"import sys\nprint('ready', flush=True)\nsys.stdin.read()\nprint('{{}}')\n{said}\n")
        with pytest.raises(RuntimeError, match=why):
            concurrency.together([["sweep"], ["sweep"]])
