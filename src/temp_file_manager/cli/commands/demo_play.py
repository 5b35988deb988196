"""What ``demo`` does, through the public interface alone: the files, what happens to them, the sweep."""

import os
import time
from typing import IO, Any, NamedTuple

from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Outcome
from temp_file_manager.reports import SweepReport

HOUR = 3600.0
OUTSIDE = "precious.txt"
HELD = b"still readable\n"

FILES: tuple[tuple[str, str, bool, float | None], ...] = (
    ("chart.svg", "a chart", True, None),
    ("report.csv", "a report, made just now", False, None),
    ("stage-2.parquet", "an intermediate result", True, None),
    ("preview.png", "its own ttl is 10 min", True, HOUR / 6),
    ("app.log", "a log, its own ttl is 1 day", True, 24 * HOUR),
    ("\x1b[2J\nname.txt", "a name that plays tricks", True, None),
    ("vanished.json", "moved away meanwhile", True, None),
    ("replaced.tmp", "a directory by now", True, None),
)
"""Name, what it is, whether it is made two hours old, its own ttl in seconds."""


class Row(NamedTuple):
    """What the demo has to say about one file."""

    file: str
    about: str
    dry_run: str
    outcome: str
    why: str


class Result(NamedTuple):
    """What the demo did."""

    planned: SweepReport
    done: SweepReport
    rows: list[Row]
    read_after_removal: str
    left: list[str]
    outside: str = OUTSIDE
    max_age: float = HOUR

    @property
    def as_told(self) -> bool:
        """Whether the sweep did exactly what the dry run said, and the holder could go on reading."""
        said = [(outcome.record.path, outcome.status) for outcome in self.planned.outcomes]
        did = [(outcome.record.path, outcome.status) for outcome in self.done.outcomes]
        return said == did and self.read_after_removal == HELD.decode()


def play(manager: TempFileManager) -> Result:
    """Create, register, age, disturb and sweep; the order of the tale."""
    abouts = {_create(manager, name, ttl): (about, old) for name, about, old, ttl in FILES}
    fd, scratch = manager.mkstemp(prefix="scratch-")
    os.close(fd)
    abouts[scratch] = ("made by mkstemp", True)
    abouts[_link(manager)] = (f"a link to {OUTSIDE}", True)
    with manager.open(suffix=".log") as held:
        held.write(HELD)
        held.flush()
        abouts[held.name] = ("held open by this demo", True)
        with manager.lock:
            for path, (_, old) in abouts.items():
                if old:
                    manager.files[path] = time.time() - 2 * HOUR
        _disturb(manager.base_dir)
        return _swept(manager, {path: about for path, (about, _) in abouts.items()}, held)


def _swept(manager: TempFileManager, abouts: dict[str, str], held: IO[Any]) -> Result:
    before = {status.path: status.reason for status in manager.statuses(abouts).files}
    planned = manager.sweep(dry_run=True, protect_open=True)
    done = manager.sweep(protect_open=True)
    said = {outcome.record.path: str(outcome.status) for outcome in planned.outcomes}
    did = {outcome.record.path: outcome for outcome in done.outcomes}
    rows = [
        Row(os.path.basename(path), about, said.get(path, "kept"), *_outcome(did.get(path), before[path]))
        for path, about in abouts.items()
    ]
    held.seek(0)
    return Result(planned, done, rows, held.read().decode(), sorted(os.listdir(manager.base_dir)))


def _outcome(outcome: Outcome | None, why: str) -> tuple[str, str]:
    if outcome is None:
        return "kept", why
    # The path an OSError ends with is the row's own.
    reason = outcome.reason.partition(f": '{os.path.dirname(outcome.record.path)}")[0]
    return str(outcome.status), f"{why}; {reason}" if reason else why


def _create(manager: TempFileManager, name: str, ttl: float | None) -> str:
    path = os.path.join(manager.base_dir, name)
    with open(path, "xb") as file:
        file.write(b"demo\n")
    manager.register_file(path, ttl=ttl)
    return path


def _link(manager: TempFileManager) -> str:
    target = os.path.join(manager.base_dir, OUTSIDE)
    with open(target, "xb") as file:
        file.write(b"nobody registered me\n")
    path = os.path.join(manager.base_dir, "latest.csv")
    os.symlink(target, path)
    manager.register_file(path)
    return path


def _disturb(folder: str) -> None:
    """Do what other programs do to registered files: move one away, put a directory in another's place."""
    os.rename(os.path.join(folder, "vanished.json"), os.path.join(folder, "moved-away.json"))
    replaced = os.path.join(folder, "replaced.tmp")
    os.rename(replaced, replaced + ".before")
    os.mkdir(replaced)
