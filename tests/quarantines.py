"""What the tests of quarantines share: managers by a rule that quarantines, and what is where."""

import os
from pathlib import Path

from temp_file_manager import TempFileManager
from temp_file_manager.clock import Clock
from temp_file_manager.records import Kind, TempFile
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import Settings

AGE, UNDO = 10.0, 100.0
RULE = Rule("undo", age=AGE, quarantine=UNDO)


def quarantining(base: Path, clock: Clock, *rules: Rule, **settings: object) -> TempFileManager:
    """Return a manager that quarantines what is due for so long."""
    told = Settings(rules=rules or (RULE,), **settings)  # type: ignore[arg-type]  # passed on as they come
    return TempFileManager(base, max_age=AGE, registry="sqlite:", settings=told, clock=clock)


def folder_of(base: Path) -> Path:
    return base / ".temp-file-manager" / "quarantine"


def contents(directory: Path) -> list[str]:
    """Return what is written in each file of a directory, in order."""
    return sorted(path.read_text() for path in directory.iterdir()) if directory.exists() else []


def away(manager: TempFileManager) -> list[TempFile]:
    """Return the records of what is in quarantine."""
    return list(manager.context.restorer.quarantined())


def made(directory: Path, *names: str) -> list[Path]:
    """Make files, each with its name in it."""
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).write_text(name)
    return [directory / name for name in names]


def on_record(manager: TempFileManager) -> dict[str, Kind]:
    """Return what is on record, and as what; each path once."""
    records: list[TempFile] = []
    cursor: object | None = None
    while True:
        page = manager.registry.page(None, now=0.0, limit=100, after=cursor)
        records += page.records
        cursor = page.cursor
        if cursor is None:
            break
    assert len({record.path for record in records}) == len(records)
    return {record.path: record.kind for record in records}


def strays(manager: TempFileManager) -> set[str]:
    """Return what lies in the folder, and is not on record there."""
    folder = folder_of(Path(manager.base_dir))
    there = {os.path.join(folder, name) for name in os.listdir(folder)} if folder.exists() else set()
    return there - {record.path for record in away(manager)}
