"""Storms: real files are registered again, pinned, held and forgotten while sweeps are at work on them.

Whatever is acknowledged is there, and stays. Each storm is bounded by its work, not by time.
"""

import math
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.events import Event, FilesRegistered, RecordsSettled
from temp_file_manager.inspection.check import check
from temp_file_manager.records import Outcome, Status
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.settings import Settings
from temp_file_manager.testing.threads import LONG, Work
from ticking import TickingClock

BATCH = Settings(cleanup_batch_size=7)
"""Small claims, so that there are many."""

ENOUGH, MOST = 30, 300
"""Changes of a thread that are acknowledged, and those that are refused, at least; and turns, at most."""

Storm = Callable[[TempFileManager], Any]
"""Has sweeps at work on what a manager has on record, for as long as its block lasts."""


def again(manager: TempFileManager, path: str) -> bool:
    """Register it again, in a batch with another; if it has gone, make it anew."""
    if not os.path.exists(path):
        open(path, "w").close()
    return path not in dict(manager.register_files([path, f"{path}-new"]).refused)


def again_alone(manager: TempFileManager, path: str) -> bool:
    """Register it again by itself; what it was due by has gone then."""
    manager.register_file(path)
    record = manager.status(path).record
    return record is not None and record.due_at is None


def pin(manager: TempFileManager, path: str) -> bool:
    try:
        manager.pin(path)
    except InvalidArgumentError:
        return False
    return True


def hold(manager: TempFileManager, path: str) -> bool:
    return manager.registry.keep([path], math.inf, THIS_PROCESS) == (path,)


def forget(manager: TempFileManager, path: str) -> bool:
    return manager.registry.forget([path]) == 1


CHANGES = (again, again_alone, pin, hold, forget)


class Change:
    """A thread's work: files are put on record as due, a few at a time, and then each is changed in some way.

    Attributes:
        there: The paths of which a change was acknowledged.
        counts: How often each change was acknowledged, or not.
    """

    def __init__(self, manager: TempFileManager, directory: Path, seed: int) -> None:
        self.there: list[str] = []
        self.counts: Counter[tuple[str, bool]] = Counter()
        self._manager = manager
        self._directory = directory
        self._random = Random(seed)

    def run(self) -> None:
        self._directory.mkdir()
        for turn in range(MOST):
            if min(self.counts.total() - len(self.there), len(self.there)) >= ENOUGH:
                break
            paths = [str(self._directory / f"{turn}-{number}") for number in range(9)]
            for path in paths:
                open(path, "w").close()
                open(f"{path}-new", "w").close()
            assert self._manager.register_files(paths, ttl=0).registered == len(paths)
            self._random.shuffle(paths)
            for path in paths:
                self._change(path, self._random.choice(CHANGES))

    def _change(self, path: str, change: Callable[[TempFileManager, str], bool]) -> None:
        acknowledged = change(self._manager, path)
        self.counts[change.__name__, acknowledged] += 1
        if acknowledged:
            assert os.path.exists(path), change.__name__
            self.there.append(path)


@contextmanager
def two_threads(manager: TempFileManager) -> Iterator[None]:
    """Sweeps by the manager itself."""
    over = threading.Event()

    def sweep() -> None:
        while not over.is_set():
            manager.cleanup()

    sweeping = [Work(sweep) for _ in range(2)]
    try:
        yield
    finally:
        over.set()
        for work in sweeping:
            work.end()


@contextmanager
def another_manager(manager: TempFileManager) -> Iterator[None]:
    """Sweeps by a manager of its own, in this process."""
    other = TempFileManager(manager.base_dir, registry="sqlite:", settings=BATCH)
    with two_threads(other):
        yield
    other.close()


SWEEPING = """
import sys
from temp_file_manager import TempFileManager
from temp_file_manager.registry import THIS_PROCESS
from temp_file_manager.settings import Settings
manager = TempFileManager(sys.argv[1], registry="sqlite:", settings=Settings(cleanup_batch_size=7))
over = []
import threading
threading.Thread(target=lambda: over.append(sys.stdin.read())).start()
print("sweeping", flush=True)
while not over:
    manager.cleanup()
"""


@contextmanager
def another_process(manager: TempFileManager) -> Iterator[None]:
    """Sweeps by a manager in another process."""
    command = [sys.executable, "-c", SWEEPING, manager.base_dir]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"sweeping\n"
        yield
        process.communicate(timeout=LONG)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("registry", "sweeping"),
    [("memory:", two_threads), ("sqlite:", two_threads), ("sqlite:", another_manager), ("sqlite:", another_process)],
)
def test_what_is_acknowledged_while_sweeps_are_at_work_stays(tmp_path: Path, registry: str, sweeping: Storm) -> None:
    """Also what the manager's other threads, another manager and another process sweep."""
    manager = TempFileManager(tmp_path / "base", registry=registry, settings=BATCH)
    changes = [Change(manager, tmp_path / str(seed), seed) for seed in range(4)]
    with sweeping(manager):
        for work in [Work(change.run) for change in changes]:
            work.end()
    manager.cleanup()
    there = [path for change in changes for path in change.there]
    assert [path for path in there if not os.path.exists(path)] == []
    manager.registry.release(there, THIS_PROCESS)  # what is held keeps the registry's lock file
    assert check(manager.context) == ()
    manager.close()
    counts = sum((change.counts for change in changes), Counter[tuple[str, bool]]())
    assert {name for name, acknowledged in counts if acknowledged} == {change.__name__ for change in CHANGES}
    refused = sum(count for (_, acknowledged), count in counts.items() if not acknowledged)
    assert min(refused, len(there)) >= 4 * ENOUGH, "sweeps come too early or late: this no longer tries what it says"


@pytest.mark.parametrize(("registry", "times"), [("memory:", 300), ("sqlite:", 100)])
def test_what_is_registered_over_and_over_goes_by_its_own_sweep(tmp_path: Path, registry: str, times: int) -> None:
    """Each registration that succeeded is removed by a sweep of that very registration, or its file is there."""
    clock = TickingClock()
    outcomes: list[Outcome] = []
    here = threading.local()

    def hear(event: Event) -> None:
        if isinstance(event, RecordsSettled):
            outcomes.extend(event.outcomes)
        elif isinstance(event, FilesRegistered):
            here.succeeded = True

    manager = TempFileManager(tmp_path / "base", 0, registry=registry, clock=clock, hooks=[hear])
    (tmp_path / "files").mkdir()
    registrations = Counter[bool]()
    vanished: list[tuple[str, float, float]] = []

    def register_over_and_over(name: str) -> None:
        path = str(tmp_path / "files" / name)
        for _ in range(times):
            open(path, "w").close()
            here.succeeded = False
            earliest = clock.wall()
            manager.register_file(path)
            latest = clock.wall()
            registrations[here.succeeded] += 1
            if here.succeeded and not os.path.exists(path):
                vanished.append((path, earliest, latest))

    with two_threads(manager):
        for work in [Work(register_over_and_over, f"f{number}") for number in range(4)]:
            work.end()
    manager.cleanup()
    removed = Counter((o.record.path, float(o.record.registered_at)) for o in outcomes if o.status is Status.REMOVED)
    assert set(removed.values()) == {1}, "a registration was removed twice"
    lost = [
        (path, earliest)
        for path, earliest, latest in vanished
        if not any(where == path and earliest < when < latest for where, when in removed)
    ]
    assert not lost, f"{len(lost)} of {registrations[True]} files were lost though their registration succeeded"
    assert registrations[True] > 2 * times, "most registrations succeed"
    assert os.listdir(tmp_path / "files") == []
    manager.close()
