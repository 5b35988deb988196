"""Limits and quarantine: what can be had back is the first that goes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limited import BLOCK, Place, limit
from quarantines import away, strays
from temp_file_manager.limits import Measure
from temp_file_manager.rules.rule import Rule
from temp_file_manager.testing import FakeClock

AGE, UNDO = 100.0, 10_000.0
RULES = (Rule("undo", match=("/**",), age=AGE, quarantine=UNDO),)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that agrees with the file system's."""
    return FakeClock(time.time())


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    made = Place(tmp_path, clock)
    yield made
    made.close()


def test_what_is_in_quarantine_goes_first(place: Place, clock: FakeClock) -> None:
    before = place.manager(rules=RULES, max_age=AGE)
    place.add(before, "old", "older", blocks=2)
    clock.advance(AGE)
    assert before.sweep().quarantined == 2
    manager = place.manager(limit(Measure.BYTES, 6 * BLOCK, spare=60.0), rules=RULES, max_age=1e6)
    place.add(manager, "a", "b", "c")
    clock.advance(60)
    report = manager.sweep()
    assert (report.evicted, report.removed) == (1, 1), "one of two blocks is enough"
    assert [os.path.basename(one.origin) for one in away(manager)] == ["older"]
    assert place.left() == ["a", "b", "c"]
    assert strays(manager) == set()


def test_a_sweep_and_its_dry_run_take_as_much(place: Place, clock: FakeClock) -> None:
    """What the sweep quarantines frees nothing, and goes for the limit at once."""
    manager = place.manager(limit(Measure.FILES, 3), rules=RULES, max_age=AGE)
    place.add(manager, "a", "b")
    clock.advance(AGE)
    place.add(manager, "c", "d")
    foretold, done = manager.sweep(dry_run=True), manager.sweep()
    for report in (foretold, done):
        assert (report.quarantined, report.evicted, report.removed) == (2, 1, 1)
    assert (len(away(manager)), place.left()) == (1, ["c", "d"])


@pytest.mark.parametrize("marks", [(3, 1), (2, 2), (1, 3), (0, 4)])
def test_what_a_dry_run_quarantines_goes_for_a_limit_once(place: Place, marks: tuple[int, int]) -> None:
    """Also what is due by a rule alone, as it is none of the newest."""
    mark, evicted = marks
    manager = place.manager(limit(Measure.FILES, mark), rules=(Rule("newest", keep_last=1, quarantine=1e6),))
    place.add(manager, *"abcd")
    foretold, done = manager.sweep(dry_run=True), manager.sweep()
    for report in (foretold, done):
        assert (report.quarantined, report.evicted) == (3, evicted)
    told, was = ({(one.record.origin or one.record.path, one.status) for one in it.outcomes} for it in (foretold, done))
    assert told == was


def test_where_others_fill_the_disk_it_goes_all_the_same(place: Place, clock: FakeClock) -> None:
    free = os.statvfs(place.folder).f_bavail * os.statvfs(place.folder).f_frsize
    manager = place.manager(limit(Measure.FREE, 4 * free, 4 * free), rules=RULES, max_age=AGE)
    place.add(manager, "a")
    clock.advance(AGE)
    place.add(manager, "b")
    report = manager.sweep(allow_large=None)
    assert (report.quarantined, report.evicted, len(away(manager))) == (1, 1, 0)
    assert place.left() == ["b"], "it may go, and would not do"
