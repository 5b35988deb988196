"""The guard of large sweeps: a changed setting that empties the registry asks first, passing time never does."""

import math
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.errors import LargeSweepError, RegistryFullError, TempFileError
from temp_file_manager.events import Hooks
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import NewFile, Selection
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registry import Registry
from temp_file_manager.registry.answers import Note
from temp_file_manager.registry.journal import last_line
from temp_file_manager.registry.schemes import open_registry
from temp_file_manager.reports import SweepReport
from temp_file_manager.settings import Settings
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.system_files import SystemFiles
from temp_file_manager.sweeping.large_sweep_guard import IN_FORCE, LargeSweepGuard
from temp_file_manager.sweeping.sweep import Bounds, Sweeper
from temp_file_manager.testing import NOW, FakeClock

DAY, HOUR = Selection(NOW, 86400), Selection(NOW, 3600)
DONE = SweepReport()


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    made = open_registry(request.param, str(tmp_path))
    yield made
    made.close()


@pytest.fixture
def guard(registry: Registry) -> LargeSweepGuard:
    return LargeSweepGuard(registry)


def add(registry: Registry, count: int, age: float, *, ttl: float | None = None, name: str = "") -> None:
    born = NOW - age
    due_at = None if ttl is None else born + ttl
    files: list[NewFile] = [(f"/c/{name}{age}-{ttl}-{number}", due_at, None, (), None, None) for number in range(count)]
    registry.add(files, born)


def swept(guard: LargeSweepGuard, due: Selection, report: SweepReport = DONE) -> None:
    guard.check(due, now=0)
    guard.completed(due, report)


def held(guard: LargeSweepGuard, due: Selection, allow: int = 0) -> bool:
    try:
        guard.check(due, now=0, allow=allow)
    except LargeSweepError:
        return True
    return False


def test_a_shorter_age_that_takes_most_is_held(registry: Registry, guard: LargeSweepGuard) -> None:
    add(registry, 1200, 7200)
    add(registry, 800, 60)
    swept(guard, DAY)
    with pytest.raises(LargeSweepError) as caught:
        guard.check(HOUR, now=0)
    assert isinstance(caught.value, TempFileError)
    message = str(caught.value)
    for part in ("more than 1000 of 2000", "max_age was 86400 and is 3600", "--allow-large N", "--dry-run"):
        assert part in message
    assert caught.value.former == {"max_age": 86400.0}
    assert held(guard, HOUR), "and stays so, also for another sweep"
    assert held(LargeSweepGuard(registry), HOUR)
    assert not held(guard, DAY), "undone"


@pytest.mark.parametrize(
    ("due", "young", "is_held"),
    [(1000, 0, False), (1001, 0, True), (1001, 1000, True), (1001, 1001, False), (1500, 1499, True)],
)
def test_more_than_a_thousand_and_more_than_half(
    registry: Registry, guard: LargeSweepGuard, due: int, young: int, is_held: bool
) -> None:
    add(registry, due, 7200)
    add(registry, young, 60)
    swept(guard, DAY)
    assert held(guard, HOUR) is is_held


def test_allowing_raises_the_bound(registry: Registry, guard: LargeSweepGuard) -> None:
    add(registry, 2500, 7200)
    swept(guard, DAY)
    assert held(guard, HOUR, allow=2499)
    assert not held(guard, HOUR, allow=2500)
    registry.forget(list(registry.files)[1000:])
    assert not held(guard, HOUR, allow=5), "and never lowers it"


def test_what_was_due_before_is_not_counted(registry: Registry, guard: LargeSweepGuard) -> None:
    """By age, or by a ttl of its own."""
    swept(guard, DAY)
    add(registry, 3000, 2 * 86400)
    add(registry, 3000, 7200, ttl=10)
    add(registry, 900, 7200)
    assert not held(guard, HOUR)


def test_a_ttl_is_no_business_of_max_age(registry: Registry, guard: LargeSweepGuard) -> None:
    add(registry, 3000, 7200, ttl=86400)
    swept(guard, DAY)
    assert not held(guard, HOUR)


def test_a_longer_age_is_not_held(registry: Registry, guard: LargeSweepGuard) -> None:
    add(registry, 3000, 2 * 86400)
    swept(guard, HOUR)
    assert not held(guard, DAY)


def test_passing_time_is_not_held_and_costs_one_read(
    registry: Registry, guard: LargeSweepGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(guard, HOUR)
    add(registry, 5000, 7200)
    asked: list[str] = []
    notes = registry.read("swept_with", limit=1)

    def read(journal: str, *, limit: int) -> list[Note]:
        asked.append(journal)
        return notes[:limit]

    def fail(*_: object, **__: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(registry, "read", read)
    for name in ("page", "stats", "write", "claim"):
        monkeypatch.setattr(registry, name, fail)
    guard.check(HOUR, now=0)
    guard.completed(HOUR, DONE)
    guard.check(replace(HOUR, max_age=3600.0, patient=True), now=0)
    assert asked == ["swept_with"] * 2


def test_counting_ends_when_the_answer_is_clear(
    registry: Registry, guard: LargeSweepGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(registry, 9000, 7200)
    swept(guard, DAY)
    pages: list[int] = []
    real = registry.page

    def page(due: Selection | None, *, now: float, limit: int, after: object | None = None) -> Any:
        pages.append(limit)
        return real(due, now=now, limit=limit, after=after)

    monkeypatch.setattr(registry, "page", page)
    assert held(guard, HOUR)
    assert len(pages) == 5, "half of them and one more, not all"
    pages.clear()
    assert not held(guard, HOUR, allow=9000)
    assert pages == [], "there are no more than are allowed"


def test_two_programs_with_settings_of_their_own_do_not_hold_each_other_up(
    registry: Registry, guard: LargeSweepGuard
) -> None:
    """Once each has been let through; what both would leave is asked about all the same."""
    other = LargeSweepGuard(registry)
    swept(guard, DAY)
    add(registry, 3000, 7200)
    assert held(other, HOUR), "so far it is a change"
    other.check(HOUR, now=0, allow=3000)
    other.completed(HOUR, DONE)
    for hours in range(0, 30 * 24, 12):
        at = NOW + hours * 3600
        swept(guard, replace(DAY, asof=at))
        assert not held(other, replace(HOUR, asof=at))
        swept(other, replace(HOUR, asof=at))
    registry.replace([])
    add(registry, 3000, 60)
    assert held(guard, Selection(NOW, 30)), "and another change still is one"


def test_settings_that_were_in_force_long_ago_are_a_change(registry: Registry, guard: LargeSweepGuard) -> None:
    """Nobody sweeps by them any more: what has gathered since is not what expires in the ordinary way."""
    swept(guard, HOUR)
    swept(guard, DAY)
    add(registry, 3000, 7200)
    assert not held(guard, replace(HOUR, asof=NOW + 3600))
    later = replace(HOUR, asof=NOW + IN_FORCE)
    registry.replace([(path, NOW + IN_FORCE - 7200) for path in registry.files])
    assert held(guard, later)


def test_the_first_sweep_of_all_is_not_held(registry: Registry, guard: LargeSweepGuard) -> None:
    add(registry, 3000, 7200)
    assert not held(guard, HOUR)


def test_a_forced_sweep_is_not_held_and_not_kept(
    registry: Registry, guard: LargeSweepGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(registry, 3000, 7200)
    swept(guard, DAY)
    with monkeypatch.context() as patch:
        patch.setattr(registry, "page", None)
        guard.check(replace(HOUR, force=True), now=0)
    swept(guard, replace(HOUR, force=True))
    assert held(guard, HOUR)


@pytest.mark.parametrize(
    "report", [SweepReport(dry_run=True), SweepReport(stopped="budget"), SweepReport(stopped="limit")]
)
def test_only_a_completed_sweep_is_kept(registry: Registry, guard: LargeSweepGuard, report: SweepReport) -> None:
    add(registry, 900, 7200)
    swept(guard, DAY)
    swept(guard, HOUR, report)
    add(registry, 900, 7300)
    assert held(guard, HOUR)
    registry.forget([path for path in registry.files if "7300" in path])
    swept(guard, HOUR)
    add(registry, 900, 7300)
    assert not held(guard, HOUR), "they have become due since"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3600", '{"max_age": null}', '{"max_age": NaN}'])
def test_settings_that_cannot_be_read_are_taken_for_others(
    registry: Registry, guard: LargeSweepGuard, text: str
) -> None:
    registry.write("swept_with", text, NOW, keep=1)
    add(registry, 900, 7200)
    assert not held(guard, HOUR)
    add(registry, 900, 7300)
    with pytest.raises(LargeSweepError, match="max_age was inf and is 3600") as caught:
        guard.check(HOUR, now=0)
    assert caught.value.former == {"max_age": math.inf}
    swept_anyway = LargeSweepGuard(registry, files=5000)
    swept(swept_anyway, HOUR)
    assert not held(guard, HOUR)


def test_a_later_versions_settings_do_not_hold(registry: Registry, guard: LargeSweepGuard) -> None:
    registry.write("swept_with", '{"max_age": 3600.0, "rules": []}', NOW, keep=1)
    add(registry, 3000, 7200)
    assert not held(guard, HOUR)


def test_a_full_disk_stops_no_sweep(
    registry: Registry, guard: LargeSweepGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RegistryFullError("on purpose")

    monkeypatch.setattr(registry, "write", fail)
    swept(guard, HOUR)
    monkeypatch.undo()
    assert last_line(registry, "swept_with") is None
    swept(guard, HOUR)
    assert last_line(registry, "swept_with") == '{"max_age": 3600.0}'


def test_held_sweeps_remove_nothing_and_what_was_due_anyway_can_go(tmp_path: Path, registry: Registry) -> None:
    """As the scheduler and the command line are to use it."""
    clock, hooks = FakeClock(), Hooks()
    registrar = Registrar(registry, clock, hooks, Settings(), SystemFiles(str(tmp_path)))
    sweeper = Sweeper(registry, clock, hooks)
    guard = LargeSweepGuard(registry, files=3)

    def register(name: str, count: int) -> None:
        for number in range(count):
            path = tmp_path / f"{name}{number}"
            path.write_text("x")
            registrar.one(path, None, ())

    def sweep(max_age: float, allow: int = 0) -> int:
        due = Selection(clock.wall(), max_age, patient=True)
        guard.check(due, now=clock.elapsed(), allow=allow)
        report = sweeper.run(due, Bounds(), LocalStorage())
        guard.completed(due, report)
        return report.removed

    register("old", 5)
    clock.advance(50)
    register("young", 6)
    assert sweep(1000) == 0
    clock.advance(960)
    for _ in range(2):
        with pytest.raises(LargeSweepError) as caught:
            sweep(10, allow=5)
        assert caught.value.former == {"max_age": 1000.0}
    assert sweep(caught.value.former["max_age"]) == 5
    assert sorted(name for name in os.listdir(tmp_path) if name[0] in "oy") == [f"young{n}" for n in range(6)]
    assert sweep(10, allow=6) == 6
    register("young", 6)
    clock.advance(11)
    assert sweep(10) == 6


def test_who_is_told_to_stop_counts_no_further_and_sweeps_nothing(tmp_path: Path) -> None:
    """Counting takes a look at every record: a process that is to end has not the time."""
    clock = FakeClock()
    with closing(TempFileManager(tmp_path / "base", 3600, registry="sqlite:", clock=clock)) as manager:
        manager.sweep(allow_large=0)
        add(manager.registry, 3000, 60)
        manager.max_age = 1
        asked = iter([False, True, True])
        report = manager.sweep(allow_large=0, stop=lambda: next(asked))
        assert (report.stopped, report.retired) == ("stopped", 0)
        assert list(asked) == [], "once while it counted, and once before the first chunk"
        with pytest.raises(LargeSweepError):
            manager.sweep(allow_large=0)


@pytest.mark.parametrize("mark", [Mark(1000), Mark(0.2, share=True)])
@pytest.mark.parametrize("measure", [Measure.FREE, Measure.BYTES])
def test_a_limit_that_is_as_strict_as_one_in_force_is_no_change(
    guard: LargeSweepGuard, measure: Measure, mark: Mark
) -> None:
    def asks(factor: float) -> bool:
        one = mark._replace(value=mark.value * factor)
        try:
            guard.check_limit(Limit("x", measure, one, one), 5000, NOW, lambda most: most, 0)
        except LargeSweepError:
            return True
        return False

    guard.in_force(Limit("x", measure, mark, mark), NOW)
    more = measure.is_room
    assert (asks(0.5), asks(1.0), asks(2.0)) == (not more, False, more)
