"""The benchmark runs, and says what it is meant to say. How fast anything was is nobody's business here."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLES = {"import", "memory", "idle", "register", "clean", "waiting", "goals"}
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
    quick = ["--quick", "--files", "500", "--results", "results", "--dir", str(trees)]
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


def test_without_the_published_class_everything_else_is_measured(tmp_path: Path) -> None:
    shown, content = run(tmp_path)
    assert set(content["tables"]) == TABLES
    for table in content["tables"].values():
        assert f"## {table['title']}" in shown
    assert {"python", "kernel", "cpus", "filesystem"} <= set(content["machine"])
    cleaned = names(content, "clean")
    for who in ("ours, clear_all()", "ours, cleanup() of expired", "os.remove loop"):
        assert cleaned[who]["median"] > 0
    assert cleaned["AIECS 2.2.0"]["median"] is None
    assert "unavailable" in cleaned["AIECS 2.2.0"]["note"]
    assert names(content, "register")["ours, register_files"]["median"] > 0
    assert names(content, "idle")["ours, 10,000 records"]["median"] > 0
    assert names(content, "waiting")["ours, register_file"]["waits"] > 0
    assert names(content, "import")["beyond the standard library"]["foreign"] == ""
    verdicts = {row["name"]: row["verdict"] for row in names(content, "goals").values()}
    assert verdicts["clear_all / AIECS's"] == "not measured"


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
def test_the_published_class_is_taken_from_the_cached_wheel(tmp_path: Path) -> None:
    cache = tmp_path / "results" / "cache"
    cache.mkdir(parents=True)
    with zipfile.ZipFile(cache / "aiecs-2.2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("aiecs/tools/temp_file_manager.py", PUBLISHED)
    flags = [f"--only={name}" for name in ("clean", "register", "idle", "waiting", "memory")]
    _, content = run(tmp_path, *flags)
    assert set(content["tables"]) == TABLES - {"import"}
    assert names(content, "clean")["AIECS 2.2.0"]["median"] > 0
    assert names(content, "memory")["AIECS 2.2.0, 10,000 records"]["median"] > 0
    assert names(content, "waiting")["AIECS 2.2.0, register_file"]["waits"] >= 1
    verdicts = {row["name"]: row["verdict"] for row in names(content, "goals").values()}
    assert verdicts["clear_all / AIECS's"] in {"ok", "missed"}
    assert verdicts["import, ms more"] == "not measured"
