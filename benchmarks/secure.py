"""Overwriting small files before removing them, against ``shred``: what ``TEMP_FILE_SECURE_DELETE`` costs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable

from benchmarks.measures import Plan, timed
from benchmarks.tables import Table, compared, interleaved
from temp_file_manager.records import TempFile
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.wrappers.secure import SecureStorage

FILES = 1000
SIZE = 4096
CHUNK = 50  # as a sweep hands them over
OURS = "ours, 4 threads"
SINGLE = "ours, 1 thread"
SHRED = "shred -u -n1"
PLAIN = "ours, not overwritten"
GOAL = 0.25


def _filled(directory: str) -> list[str]:
    paths = [os.path.join(directory, f"{number:04}") for number in range(FILES)]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"x" * SIZE)
    os.sync()  # it is the overwriting that is measured, not the first write
    return paths


def _removed(storage: LocalStorage, paths: list[str]) -> None:
    for first in range(0, len(paths), CHUNK):
        records = [TempFile(path, 0.0) for path in paths[first : first + CHUNK]]
        for outcome in storage.remove(records, lambda _: None):
            if outcome.reason:
                raise RuntimeError(outcome.reason)


def _contestants() -> dict[str, Callable[[list[str]], object]]:
    able: dict[str, Callable[[list[str]], object]] = {
        OURS: lambda paths: _removed(SecureStorage(4), paths),
        SINGLE: lambda paths: _removed(SecureStorage(1), paths),
        PLAIN: lambda paths: _removed(LocalStorage(), paths),
    }
    if shutil.which("shred"):
        able[SHRED] = lambda paths: subprocess.run(["shred", "-u", "-n1", *paths], check=True)
    return able


def secure(plan: Plan) -> Table:
    """Overwrite and remove files of 4 KiB."""
    able = _contestants()
    samples: dict[str, list[float]] = {name: [] for name in (OURS, SINGLE, SHRED, PLAIN)}
    notes = {
        SHRED: "renames each file seven times as well" if SHRED in able else "not installed",
        PLAIN: "what removing alone takes",
    }
    for _, name in interleaved(list(able), plan.rounds):
        with tempfile.TemporaryDirectory(dir=plan.scratch) as directory:
            paths = _filled(directory)
            try:
                samples[name].append(timed(able[name], paths) / FILES * 1e6)
            except (RuntimeError, subprocess.SubprocessError) as error:
                notes[name] = f"failed: {error}"
    return compared("secure", f"Overwriting {FILES:,} files of 4 KiB", "µs a file", samples, notes, ours=OURS)
