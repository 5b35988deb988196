"""A tour: a real folder, files of several kinds, a dry run, a sweep, and why each file went or stayed.

Run it as ``python examples/tour.py [--dir DIR]``. It uses nothing but the public interface.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from temp_file_manager import Outcome, Status, SweepReport, TempFileManager

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

CLOSING = """
The file held open was due, and stays: the kernel was asked who has it open. (The scheduler and the
command sweep always ask; a bare cleanup() does not, as the class it replaces does not.)"""


class Row(NamedTuple):
    """What the tour has to say about one file."""

    file: str
    about: str
    dry_run: str
    outcome: str
    why: str


class Result(NamedTuple):
    """What the tour did."""

    planned: SweepReport
    done: SweepReport
    rows: list[Row]
    read_after_sweep: bytes
    left: list[str]

    @property
    def as_told(self) -> bool:
        """Whether the sweep did exactly what the dry run said, and the holder could go on reading."""
        said = [(outcome.record.path, outcome.status) for outcome in self.planned.outcomes]
        did = [(outcome.record.path, outcome.status) for outcome in self.done.outcomes]
        return said == did and self.read_after_sweep == HELD


def main(argv: Sequence[str] | None = None) -> int:
    """Take the tour; return 0, or 1 when the sweep did something else than the dry run said."""
    parser = argparse.ArgumentParser(description="Create, register and sweep files, and explain each outcome.")
    parser.add_argument("--dir", help="an empty or absent folder to use, which stays; default: one that goes")
    args = parser.parse_args(argv)
    # The failure that the tour stages is in its table.
    logging.getLogger("aiecs.tools.temp_file_manager").addHandler(logging.NullHandler())
    with folder_of(args.dir, parser) as folder:
        with TempFileManager(folder, HOUR) as manager:
            result = play(manager)
        tell(folder, result, stays=args.dir is not None)
    return 0 if result.as_told else 1


@contextmanager
def folder_of(given: str | None, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the folder to use; one that was given stays, one of our own goes."""
    if given is None:
        with tempfile.TemporaryDirectory(prefix="temp-file-manager-tour-") as folder:
            yield folder
        return
    try:
        os.makedirs(given, exist_ok=True)
        occupied = bool(os.listdir(given))
    except OSError as error:
        parser.error(f"cannot use --dir {given!r}: {error.strerror}")
    if occupied:
        parser.error(f"--dir {given!r} is not empty: give an empty or absent folder")
    yield os.path.abspath(given)


# -- what is done


def play(manager: TempFileManager) -> Result:
    """Create, register, age, disturb and sweep; the order of the tale."""
    abouts = {create(manager, name, ttl): (about, old) for name, about, old, ttl in FILES}
    fd, scratch = manager.mkstemp(prefix="scratch-")
    os.close(fd)
    abouts[scratch] = ("made by mkstemp", True)
    abouts[link(manager)] = (f"a link to {OUTSIDE}", True)
    with manager.open(suffix=".log") as held:
        held.write(HELD)
        held.flush()
        abouts[held.name] = ("held open by this tour", True)
        with manager.lock:
            for path, (_, old) in abouts.items():
                if old:
                    manager.files[path] = time.time() - 2 * HOUR
        disturb(manager.base_dir)
        return sweep(manager, {path: about for path, (about, _) in abouts.items()}, held)


def create(manager: TempFileManager, name: str, ttl: float | None) -> str:
    """Create and register a file; return its path."""
    path = os.path.join(manager.base_dir, name)
    with open(path, "xb") as file:
        file.write(b"tour\n")
    manager.register_file(path, ttl=ttl)
    return path


def link(manager: TempFileManager) -> str:
    """Create a file, and register a link to it; return the link's path."""
    target = os.path.join(manager.base_dir, OUTSIDE)
    with open(target, "xb") as file:
        file.write(b"nobody registered me\n")
    path = os.path.join(manager.base_dir, "latest.csv")
    os.symlink(target, path)
    manager.register_file(path)
    return path


def disturb(folder: str) -> None:
    """Do what other programs do to registered files: move one away, put a directory in another's place."""
    os.rename(os.path.join(folder, "vanished.json"), os.path.join(folder, "moved-away.json"))
    replaced = os.path.join(folder, "replaced.tmp")
    os.rename(replaced, replaced + ".before")
    os.mkdir(replaced)


def sweep(manager: TempFileManager, abouts: dict[str, str], held: IO[Any]) -> Result:
    """Ask for each file's status, plan a sweep, and sweep."""
    before = {status.path: status.reason for status in manager.statuses(abouts).files}
    planned = manager.sweep(dry_run=True, protect_open=True)
    done = manager.sweep(protect_open=True)
    said = {outcome.record.path: str(outcome.status) for outcome in planned.outcomes}
    did = {outcome.record.path: outcome for outcome in done.outcomes}
    rows = [
        Row(os.path.basename(path), about, said.get(path, "kept"), *outcome_of(did.get(path), before[path]))
        for path, about in abouts.items()
    ]
    held.seek(0)
    return Result(planned, done, rows, held.read(), sorted(os.listdir(manager.base_dir)))


def outcome_of(outcome: Outcome | None, why: str) -> tuple[str, str]:
    """Return what became of a file, and why; None is what the sweep had nothing to do with."""
    if outcome is None:
        return "kept", why
    # The path that an OSError ends with is the row's own.
    reason = outcome.reason.partition(f": '{os.path.dirname(outcome.record.path)}")[0]
    return str(outcome.status), f"{why}; {reason}" if reason else why


# -- what is told


def tell(folder: str, result: Result, *, stays: bool) -> None:
    """Print what was done."""
    rows = result.rows
    kept = sum(row.outcome == Status.KEPT for row in rows)
    print(f"A real folder: {shown(folder)}")
    print(f"{len(rows)} files registered, max_age 1 h 0 min; most of them are made to look 2 hours old.\n")
    print(f"Dry run: {counts(result.planned)}, {kept} kept. Nothing was changed.")
    print(f"Sweep:   {counts(result.done)}, {kept} kept.\n")
    table(("file", "what it is", "dry run", "outcome", "why"), rows)
    print(CLOSING)
    print(f"Its holder went on reading {result.read_after_sweep.decode()!r} from it.\n")
    print("Left after the sweep:")
    states = {row.file: f"registered, {row.outcome}" for row in rows if row.outcome in (Status.KEPT, Status.FAILED)}
    states[OUTSIDE] = "never registered: only the link to it was, and only the link went"
    table(("  file", "state"), [(f"  {name}", states.get(name, "never registered")) for name in result.left])
    print("\nLeaving the manager's with block then retired what was still registered and could be removed.")
    print("The folder stays, as it was given." if stays else "The tour's folder, which it made itself, goes now.")


def counts(report: SweepReport) -> str:
    """Return a report's numbers in words."""
    return f"{report.removed} removed, {report.gone} already gone, {report.failed} failed"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in aligned columns."""
    cells = [[shown(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def shown(text: str) -> str:
    """Return a name so that it moves no terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


if __name__ == "__main__":
    sys.exit(main())
