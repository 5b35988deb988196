"""What the tests of units share: how long they live, and one with files at two depths."""

from pathlib import Path

from temp_file_manager import TempFileManager

AGE = 100.0
"""Seconds."""


def filled(manager: TempFileManager, name: str = "unit") -> Path:
    """Return a unit with files at two depths."""
    unit = Path(manager.base_dir, name)
    (unit / "deep" / "er").mkdir(parents=True)
    for path in ("a", "deep/b", "deep/er/c"):
        (unit / path).write_text(path)
    manager.register_directory(unit)
    return unit
