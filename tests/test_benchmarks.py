"""The benchmark runs, and says what it is meant to say. How fast anything was is nobody's business here."""

import importlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from patience import HUNG, WHOLE
from places import ROOT

TABLES = {"import", "memory", "idle", "register", "concurrency", "service", "secure", "clean", "waiting", "claimed"}
TABLES |= {"changing", "server", "looking", "sessions", "evicting", "quarantining", "units", "compressing", "postgres"}
STEPS = {"steps of registering", "sql of registering", "steps of sweeping", "sql of sweeping"}
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
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    # Few files: right after other tests have removed many, ext4 takes 0.4 ms to create one.
    quick = ["--quick", "--files", "100", "--results", "results", "--dir", str(trees)]
    command = [sys.executable, "-m", "benchmarks", *quick, *flags]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=WHOLE, check=False
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


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.tables")


def test_what_is_compared_is_compared_round_by_round(tables: ModuleType) -> None:
    samples = {"ours": [10.0, 30.0, None, 8.0], "theirs": [5.0, 10.0, 1.0, None], "nobody": [None] * 4}
    table = tables.compared("key", "title", "µs", samples, {}, ours="ours")
    rows = {row["name"]: row for row in table.rows}
    assert (rows["theirs"]["ratio"], rows["theirs"]["ratios"]) == (2.5, "2.00 - 3.00")
    assert (rows["ours"]["median"], rows["ours"]["spread"]) == (10.0, "8.00 - 30.00")
    assert (rows["nobody"]["median"], rows["nobody"]["ratio"], rows["nobody"]["ratios"]) == (None, None, None)
    assert tables.ratios(table.samples("ours"), table.samples("theirs")) == [2.0, 3.0]
    assert tables.ratios(table.samples("ours"), table.samples("no such row")) == []


@pytest.mark.timeout(HUNG)
def test_without_the_published_class_everything_else_is_measured(tmp_path: Path) -> None:
    shown, content = run(tmp_path)
    assert set(content["tables"]) == TABLES | {"goals"}
    for table in content["tables"].values():
        assert f"## {table['title']}" in shown
    assert {"python", "kernel", "cpus", "filesystem"} <= set(content["machine"])
    cleaned = names(content, "clean")
    ours = ("clear_all()", "cleanup() of expired", "SQLite, clear_all()", "SQLite, cleanup() of expired")
    for who in (*(f"ours, {what}" for what in ours), "os.remove loop"):
        assert cleaned[who]["median"] > 0
    assert cleaned["AIECS 2.2.0"]["median"] is None
    assert "unavailable" in cleaned["AIECS 2.2.0"]["note"]
    for what in (
        "register_files",
        *(f"SQLite, {how}" for how in ("register_files", "register_file", "registered again")),
    ):
        assert names(content, "register")[f"ours, {what}"]["median"] > 0
    assert names(content, "register")["ours, SQLite, register_file, 8 threads"]["median"] > 0
    for what in ("ours", "ours, SQLite"):
        assert names(content, "idle")[f"{what}, 10,000 records"]["median"] > 0
    assert waited(content, "ours, register_file")
    assert names(content, "import")["beyond the standard library"]["foreign"] == ""
    assert waited(content, "ours, SQLite, register_file by another process")
    verdicts = {row["name"]: row["verdict"] for row in names(content, "goals").values()}
    assert verdicts["clean, memory / published class"] == "not measured"
    for goal in (
        "clean, SQLite / rm -rf",
        "sweeping, speed of 4 processes / one",
        "the wait, memory, a removal hangs, s",
    ):
        assert verdicts[goal] in {"ok", "missed"}
    served = names(content, "service")
    assert all(row["median"] is not None and not row.get("note") for row in served.values())
    assert len(served) == 9
    assert verdicts["service: resident memory, MiB"] in {"ok", "missed"}
    assert not any(row["note"].startswith("failed") for row in names(content, "claimed").values())
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
    assert set(content["tables"]) == {"goals", "clean", "register", "idle", "waiting", "memory"}
    assert names(content, "clean")["AIECS 2.2.0"]["median"] > 0
    assert names(content, "memory")["AIECS 2.2.0, 10,000 records"]["median"] > 0
    assert names(content, "memory")["ours, SQLite, 20,000 records"]["resident"] > 0
    assert waited(content, "AIECS 2.2.0, register_file")
    verdicts = {row["name"]: row["verdict"] for row in names(content, "goals").values()}
    assert verdicts["clean, memory / published class"] in {"ok", "missed"}
    assert verdicts["register in bulk, SQLite / published class"] in {"ok", "missed"}
    assert verdicts["resident memory, 20,000 records on SQLite, MiB"] in {"ok", "missed"}
    assert verdicts["import, ms more"] == "not measured"


def test_the_steps_of_a_sweep_and_of_a_registration_are_told(tmp_path: Path) -> None:
    _, content = run(tmp_path, "--steps")
    assert set(content["tables"]) == STEPS
    sweeping, registering = (names(content, f"steps of {what}") for what in ("sweeping", "registering"))
    for column in ("memory", "SQLite"):
        for step in ("claim, with the settling of the chunk before", "remove: the system call itself"):
            assert sweeping[step][column] > 0
        for how in ("one by one", "in bulk"):
            assert registering["looking at the files"][f"{column}, {how}"] > 0
    assert (sweeping["SQL in all of it"]["memory"], sweeping["SQL in all of it"]["SQLite"] > 0) == (None, True)
    assert names(content, "sql of sweeping")["`COMMIT`"]["SQLite runs"] > 0


def test_a_process_that_fails_or_says_anything_has_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import concurrency

    worker = tmp_path / "worker.py"
    monkeypatch.setattr(concurrency, "WORKER", str(worker))
    for said, why in (("print('database is locked', file=sys.stderr)", "locked"), ("sys.exit(3)", "exit code 3")):
        worker.write_text(f"import sys\nprint('ready', flush=True)\nsys.stdin.read()\nprint('{{}}')\n{said}\n")
        with pytest.raises(RuntimeError, match=why):
            concurrency.together([["sweep"], ["sweep"]])
