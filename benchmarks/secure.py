"""Overwriting small files before removing them, against ``shred``: what ``TEMP_FILE_SECURE_DELETE`` costs."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable

from benchmarks.measures import Plan, timed
from benchmarks.tables import Table, compared, interleaved, unmeasured
from temp_file_manager import Settings, TempFileManager

FILES = 1000
SIZE = 4096
OURS = "ours, 4 threads"
SINGLE = "ours, 1 thread"
SHRED = "shred -u -n1"
PLAIN = "ours, not overwritten"


def _filled(directory: str, count: int) -> list[str]:
    paths = [os.path.join(directory, f"{number:04}") for number in range(count)]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"x" * SIZE)
    os.sync()  # it is the overwriting that is measured, not the first write
    return paths


def _swept(settings: Settings, paths: list[str], base: str) -> float:
    manager = TempFileManager(base, settings=settings)
    manager.register_files(paths)
    took = timed(manager.clear_all)
    left = sum(map(os.path.lexists, paths))
    if left:
        raise RuntimeError(f"{left} files were left")
    return took


def _contestants() -> dict[str, Callable[[list[str], str], float]]:
    able: dict[str, Callable[[list[str], str], float]] = {
        OURS: lambda paths, base: _swept(Settings(secure_delete=True, cleanup_threads=4), paths, base),
        SINGLE: lambda paths, base: _swept(Settings(secure_delete=True, cleanup_threads=1), paths, base),
        PLAIN: lambda paths, base: _swept(Settings(), paths, base),
    }
    if shutil.which("shred"):
        shred = ["shred", "-u", "-n1"]
        able[SHRED] = lambda paths, _: timed(lambda: subprocess.run([*shred, *paths], check=True))
    return able


def secure(plan: Plan) -> Table:
    """Overwrite and remove files of 4 KiB."""
    able, count = _contestants(), min(FILES, max(1, plan.files // 10))
    samples = unmeasured((OURS, SINGLE, SHRED, PLAIN), plan.rounds)
    notes = {
        SHRED: "renames each file seven times as well" if SHRED in able else "not installed",
        PLAIN: "what removing alone takes",
    }
    for turn, name in interleaved(list(able), plan.rounds):
        with tempfile.TemporaryDirectory(dir=plan.scratch) as directory:
            paths = _filled(directory, count)
            try:
                samples[name][turn] = able[name](paths, plan.scratch) / count * 1e6
            except (RuntimeError, subprocess.SubprocessError) as error:
                notes[name] = f"failed: {error}"
    return compared("secure", f"Overwriting {count:,} files of 4 KiB", "µs a file", samples, notes, ours=OURS)
