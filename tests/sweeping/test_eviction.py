"""Limits at work on real files: what goes, in which order, what stays, and what is said of it."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from limited import BLOCK, Place, limit, names, told
from temp_file_manager import (
    LargeSweepError,
    LimitError,
    LimitUnmet,
    RecordsSettled,
    Settings,
    SettingsError,
    TempFileManager,
    jobs,
)
from temp_file_manager.inspection import health
from temp_file_manager.inspection.health import Grade
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Order
from temp_file_manager.rules.rule import Rule
from temp_file_manager.sweeping import candidates
from temp_file_manager.sweeping.eviction import NAME
from temp_file_manager.sweeping.sweep import CHUNK
from temp_file_manager.testing import FakeClock

FILES, BYTES = Measure.FILES, Measure.BYTES


@pytest.fixture
def clock() -> FakeClock:
    """A clock that agrees with the file system's."""
    import time

    return FakeClock(time.time())


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    made = Place(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture(params=["memory:", "sqlite:"])
def either(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    made = Place(tmp_path, clock, request.param)
    yield made
    made.close()


def abc(count: int) -> list[str]:
    return [chr(ord("a") + number) for number in range(count)]


# -- what goes


def test_the_oldest_go_until_removing_ends(either: Place, caplog: pytest.LogCaptureFixture) -> None:
    manager = either.manager(limit(FILES, 7, 5))
    either.add(manager, *abc(7))
    assert manager.sweep().removed == 0
    either.add(manager, "h")
    with caplog.at_level(logging.INFO):
        report = manager.sweep()
    assert (report.removed, report.evicted) == (3, 3)
    assert either.left() == ["d", "e", "f", "g", "h"]
    assert told(caplog, "limit") == ['Removed 3 temporary files for limit "base": 5 files']
    counters = manager.registry.stats().counters
    assert (counters["evicted"], counters["removed"]) == (3, 3)


def test_what_is_due_goes_first(either: Place) -> None:
    manager = either.manager(limit(FILES, 3))
    either.add(manager, *abc(4))
    either.add(manager, "e", "f", ttl=0)
    report = manager.sweep()
    assert (report.removed, report.evicted) == (3, 1)
    assert either.left() == ["b", "c", "d"]


def test_what_is_cheap_to_make_again_goes_before_the_rest(either: Place) -> None:
    manager = either.manager(limit(FILES, 3, first=("preview", "thumb")))
    either.add(manager, "a", "b")
    either.add(manager, "c", "d", tags=("thumb",))
    either.add(manager, "e", tags=("x", "preview"))
    either.add(manager, "f")
    manager.sweep()
    assert either.left() == ["a", "b", "f"]
    either.add(manager, "g")
    manager.sweep()
    assert either.left() == ["b", "f", "g"]


def test_a_limit_of_some_tags_measures_and_takes_those_alone(either: Place) -> None:
    manager = either.manager(limit(FILES, 2, 1, tags=("cache", "c"), first=("c",)))
    either.add(manager, "a", "b")
    either.add(manager, "c", "d", tags=("cache",))
    either.add(manager, "e", tags=("c", "cache"))
    manager.sweep()
    assert either.left() == ["a", "b", "d"]


def test_bytes_are_what_files_take_on_the_disk(place: Place) -> None:
    manager = place.manager(limit(BYTES, 4 * BLOCK))
    place.add(manager, "a", blocks=2)
    place.add(manager, "b", blocks=3)
    os.truncate(place.path("a"), 1)
    with open(place.path("hole"), "wb") as file:
        file.truncate(1 << 30)
    manager.register_file(place.path("hole"))
    manager.sweep()
    assert place.left() == ["b", "hole"], "a gigabyte that is not there is no reason"
    counters = manager.registry.stats().counters
    assert counters["evicted_bytes"] == 2 * BLOCK


def test_the_largest_go_first(place: Place) -> None:
    manager = place.manager(limit(BYTES, 5 * BLOCK, order=Order.LARGEST))
    for name, blocks in (("a", 1), ("b", 3), ("c", 2), ("d", 1)):
        place.add(manager, name, blocks=blocks)
    manager.sweep()
    assert place.left() == ["a", "c", "d"]


def use(place: Place, name: str, at: float) -> None:
    os.utime(place.path(name), (at, at))


def test_what_was_not_used_for_the_longest_time_goes_first(place: Place, clock: FakeClock) -> None:
    manager = place.manager(limit(FILES, 3, order=Order.LEAST_USED))
    place.add(manager, *abc(5))
    clock.advance(100)
    use(place, "a", clock.wall() - 1)
    use(place, "b", clock.wall() - 2)
    use(place, "c", clock.wall() - 50)
    manager.sweep()
    assert place.left() == ["a", "b", "c"]
    use(place, "c", clock.wall())
    place.add(manager, "f")
    manager.sweep()
    assert place.left() == ["a", "c", "f"], "b was noted as used before a"


@pytest.mark.parametrize("how", [{"keep": True}, {"age": 1e9}, {"keep_last": 9}])
def test_what_a_new_rule_keeps_a_limit_may_take(place: Place, clock: FakeClock, how: dict[str, Any]) -> None:
    """Also in a dry run, when no sweep has put the rule in force yet and the records are due without it."""
    place.add(place.manager(), "a", "b", "c")
    clock.advance(2e6)
    manager = place.manager(limit(Measure.FILES, 1), rules=(Rule("kept", **how),))
    foretold, done = manager.sweep(dry_run=True), manager.sweep()
    for report in (foretold, done):
        assert names(one.record.path for one in report.outcomes) == ["a", "b"]
    assert place.left() == ["c"]


def test_a_dry_run_notes_nothing_of_what_it_sees(place: Place, clock: FakeClock) -> None:
    manager = place.manager(limit(FILES, 2, order=Order.LEAST_USED))
    place.add(manager, *abc(3))
    clock.advance(100)
    use(place, "a", clock.wall())

    def noted() -> float | None:
        return manager.registry.get([place.path("a")])[place.path("a")].used_at

    assert (manager.sweep(dry_run=True).evicted, noted()) == (1, None)
    manager.sweep()
    assert noted() == pytest.approx(clock.wall())


def test_a_scheduled_one_ends_when_its_time_is_up(place: Place, clock: FakeClock) -> None:
    """After the chunk in hand; the next goes on."""
    manager = place.manager(
        limit(FILES, 1), cleanup_timeout=5.0, hooks=[lambda event: clock.advance(6 * isinstance(event, RecordsSettled))]
    )
    place.add(manager, *(f"{number:04}" for number in range(CHUNK + 101)))
    jobs.sweep(manager.context, lambda: False)
    assert len(place.left()) == 101
    jobs.sweep(manager.context, lambda: False)
    assert len(place.left()) == 1


def test_however_many_were_used_meanwhile(place: Place, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MOST_USED", 3)
    manager = place.manager(limit(FILES, 4, order=Order.LEAST_USED))
    place.add(manager, *abc(20))
    clock.advance(100)
    for number, name in enumerate(reversed(abc(18))):
        use(place, name, clock.wall() - 50 + number)
    manager.pin(place.path("t"))
    manager.sweep()
    assert place.left() == ["a", "b", "c", "t"]


# -- what stays


def test_nothing_protected_goes(place: Place, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[object] = []
    manager = place.manager(limit(BYTES, BLOCK, spare=50.0), hooks=[heard.append])
    place.add(manager, *abc(5), blocks=2)
    clock.advance(100)
    manager.pin(place.path("a"))
    place.add(manager, "young")
    with manager.hold(place.path("b")), open(place.path("c")):
        with caplog.at_level(logging.INFO):
            assert manager.sweep().evicted == 2
            assert place.left() == ["a", "b", "c", "young"]
            assert manager.sweep().evicted == 0
        reason = (
            "24.0 KiB more would have to go; there are 8.0 KiB pinned, 8.0 KiB held, 4.0 KiB too young, "
            "8.0 KiB in use, or not to be removed"
        )
        assert told(caplog, "not met") == [f'Limit "base" is not met: {reason}'], "said once"
        assert [event for event in heard if isinstance(event, LimitUnmet)] == [LimitUnmet("base", reason)]
        found = health.examine(manager.context)
        assert (found.status, found.reasons) == (
            Grade.DEGRADED,
            (f'limit "base" is not met: {reason}; ask temp-file-manager limits',),
        )
        elsewhere = place.manager(limit(BYTES, BLOCK))
        assert health.examine(elsewhere.context).status is Grade.DEGRADED, "whoever asks is told"
    manager.unpin(place.path("a"))
    clock.advance(100)
    with caplog.at_level(logging.INFO):
        manager.sweep()
    assert place.left() == ["young"]
    assert told(caplog, "is met again") == ['Limit "base" is met again']
    assert health.examine(manager.context).status is Grade.HEALTHY


def test_what_a_living_session_has_stays_also_by_another_path_of_its_directory(place: Place) -> None:
    manager = place.manager(limit(FILES, 1))
    other = place.folder.with_name("other")
    other.symlink_to(place.folder)
    place.add(manager, "a", "b")
    with manager.session() as session:
        session.register_file(other / "a")
        assert manager.sweep(dry_run=True).evicted == manager.sweep().evicted == 1
        assert place.left() == ["a"]
        manager.sweep()
        assert place.left() == ["a"]
        session.keep(other / "a")
    manager.sweep()
    assert place.left() == []


def test_a_file_is_spared_for_a_while(either: Place, clock: FakeClock) -> None:
    manager = either.manager(limit(FILES, 1, spare=60.0))
    either.add(manager, *abc(3))
    assert manager.sweep().evicted == 0
    clock.advance(58)
    assert manager.sweep().evicted == 2


# -- when


class Scheduled:
    """The jobs of a manager, done one at a time."""

    def __init__(self, manager: TempFileManager) -> None:
        self.jobs = {job.name: job for job in jobs.jobs(manager.context)}

    def __call__(self, name: str = "limits") -> None:
        self.jobs[name].work(lambda: False)

    @property
    def rest(self) -> float:
        return self.jobs["limits"].rest()


def test_without_limits_there_is_no_job(place: Place) -> None:
    assert "limits" not in {job.name for job in jobs.jobs(place.manager().context)}


def test_the_job_sweeps_what_is_due_and_evicts(either: Place) -> None:
    manager = either.manager(limit(FILES, 2))
    run = Scheduled(manager)
    either.add(manager, "a", "b")
    either.add(manager, "due", ttl=0)
    run()
    assert either.left() == ["a", "b"]
    either.add(manager, "c")
    run()
    assert either.left() == ["b", "c"]


def test_under_its_marks_it_sweeps_nothing(either: Place) -> None:
    manager = either.manager(limit(FILES, 2))
    either.add(manager, "due", ttl=0)
    Scheduled(manager)()
    assert either.left() == ["due"]


def test_the_sweep_job_sees_to_limits_too(either: Place) -> None:
    manager = either.manager(limit(FILES, 2))
    either.add(manager, *abc(3))
    Scheduled(manager)("sweep")
    assert either.left() == ["b", "c"]


def test_only_when_passed_for_so_long(either: Place, clock: FakeClock) -> None:
    manager = either.manager(limit(FILES, 1, after=30.0))
    run = Scheduled(manager)
    either.add(manager, "a", "b")
    run()
    assert (either.left(), run.rest) == (["a", "b"], 30)
    clock.advance(29)
    run()
    manager.pin(either.path("b"))
    os.remove(either.path("a"))
    manager.sweep()
    either.add(manager, "c")
    run()
    assert either.left() == ["b", "c"], "it was kept in between"
    clock.advance(30)
    run()
    assert either.left() == ["b"]


def test_what_could_not_be_is_tried_again_ever_more_seldom(either: Place, clock: FakeClock) -> None:
    manager = either.manager(limit(FILES, 1))
    run = Scheduled(manager)
    either.add(manager, "a", "b")
    manager.pin(either.path("a"))
    manager.pin(either.path("b"))
    run()
    for seconds in (60, 120, 240):
        clock.advance(seconds - 1)
        manager.unpin(either.path("a"))
        run()
        assert either.left() == ["a", "b"]
        manager.pin(either.path("a"))
        clock.advance(1)
        run()
    manager.unpin(either.path("a"))
    clock.advance(480)
    run()
    assert either.left() == ["b"]


def test_it_looks_as_often_as_room_goes(either: Place, clock: FakeClock) -> None:
    manager = either.manager(limit(FILES, 100))
    run = Scheduled(manager)
    run()
    assert run.rest == 1, "to find out"
    clock.advance(10)
    run()
    assert run.rest == 60, "nothing comes"
    either.add(manager, *[f"{number:02}" for number in range(20)])
    run()
    assert run.rest == 40, "half of the time until 80 more have come, one each second"


def test_what_this_process_registers_wakes_the_job(either: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = either.manager(limit(FILES, 3))
    woken: list[str] = []
    monkeypatch.setattr(type(manager.context.scheduler), "wake", lambda _, name: woken.append(name))
    run = Scheduled(manager)
    run()
    either.add(manager, *abc(3))
    assert woken == []
    either.add(manager, "d")
    assert woken == ["limits"]
    either.add(manager, *abc(3))
    assert woken == ["limits"], "once a look"


def test_one_evicts_at_a_time(either: Place) -> None:
    manager = either.manager(limit(FILES, 1))
    either.add(manager, "a", "b")
    with manager.registry.exclusive(NAME) as alone:
        assert alone
        assert manager.sweep().evicted == 0
    assert manager.sweep().evicted == 1


def test_within_bounds(either: Place) -> None:
    manager = either.manager(limit(FILES, 1))
    either.add(manager, *abc(4))
    either.add(manager, "due", ttl=0)
    assert manager.sweep(limit=1).evicted == 0
    assert manager.sweep(limit=2).evicted == 2
    assert manager.sweep(stop=lambda: True).evicted == 0
    assert manager.sweep(budget=0).evicted == 0
    assert either.left() == ["c", "d"]


# -- refusing


def test_a_limit_may_refuse_new_files(either: Place, clock: FakeClock) -> None:
    manager = either.manager(limit(FILES, 1, refuse=True))
    either.add(manager, "a", "b")
    for make in (manager.mkstemp, manager.open, manager.mkdtemp):
        with pytest.raises(LimitError, match='limit "base" is passed') as caught:
            make()
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == 28
    either.add(manager, "c")
    assert len(manager.files) == 3, "registering is never refused"
    manager.sweep()
    os.close(manager.mkstemp()[0])


def test_a_limit_that_refuses_is_looked_at_each_second_at_most(either: Place, clock: FakeClock) -> None:
    manager = either.manager(limit(FILES, 1, refuse=True))
    os.close(manager.mkstemp()[0])
    manager.registry.add([("/b", None, None, (), None, None), ("/c", None, None, (), None, None)], clock.wall())
    clock.advance(0.5)
    os.close(manager.mkstemp()[0])
    clock.advance(2.0)
    with pytest.raises(LimitError):
        manager.mkstemp()


# -- a surprise


def many(place: Place, manager: TempFileManager, count: int) -> None:
    paths = [place.path(f"{number:04}") for number in range(count)]
    for path in paths:
        Path(path).touch()
    manager.register_files(paths)


def test_a_new_limit_asks_before_it_takes_much(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    many(place, place.manager(), 2100)
    manager = place.manager(limit(FILES, 1000))
    with pytest.raises(LargeSweepError, match=r"more than 1050 of 2100 .*--allow-large N") as caught:
        manager.sweep(allow_large=0)
    assert 'limit "base" (files over 1,000 files, to 1,000 files, oldest first) is new' in str(caught.value)
    with caplog.at_level(logging.WARNING):
        Scheduled(manager)()
        Scheduled(manager)()
    assert len(told(caplog, "is not met: more than 1050")) == 1
    assert len(place.left()) == 2100
    assert manager.sweep(dry_run=True, allow_large=0).evicted == 1100, "looking is free"
    assert manager.sweep(allow_large=1100).evicted == 1100
    assert Scheduled(manager).rest <= 60


def test_a_limit_that_was_kept_lately_asks_nothing(place: Place) -> None:
    many(place, place.manager(), 10)
    manager = place.manager(limit(FILES, 2000, 200))
    manager.sweep(allow_large=0)
    many(place, manager, 2100)
    for stricter in (limit(FILES, 1999, 200), limit(FILES, 2000, 199)):
        with pytest.raises(LargeSweepError):
            place.manager(stricter).sweep(allow_large=0)
    assert place.manager(limit(FILES, 2050, 300, name="looser")).sweep(allow_large=0).evicted == 1800
    assert manager.sweep(allow_large=0).evicted == 0


# -- what cannot be


@pytest.mark.parametrize("writing", [False, True], ids=["nobody writes", "somebody does"])
def test_what_makes_no_room_does_not_cost_all_files(
    either: Place, clock: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, writing: bool
) -> None:
    """A snapshot has it still, or the file system frees it later. Where others register files, those may have it."""
    numbers = iter(range(100))

    def written(event: object) -> None:
        if writing and isinstance(event, RecordsSettled):
            either.add(manager, f"new {next(numbers)}")

    manager = either.manager(limit(Measure.FREE, 102 * BLOCK), hooks=[written])
    either.add(manager, *abc(20))
    found = SimpleNamespace(f_bavail=100, f_blocks=1000, f_frsize=BLOCK, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    run = Scheduled(manager)
    run()
    if writing:
        assert [name for name in either.left() if "new" not in name] == []
        return
    assert either.left() == abc(20)[4:]
    (said,) = told(caplog, "not met")
    assert "16.0 KiB have gone, and the file system does not show it" in said
    clock.advance(59)
    run()
    assert len(either.left()) == 16
    clock.advance(2)
    found.f_bavail = 104
    run()
    assert len(either.left()) == 16


def test_what_is_too_young_is_tried_again_when_it_is_old_enough(either: Place, clock: FakeClock) -> None:
    """If that will do, to the last file; else as rarely as what fails."""
    manager = either.manager(limit(FILES, 0, spare=20.0))
    either.add(manager, "a", "b")
    run = Scheduled(manager)
    run()
    assert either.left() == ["a", "b"]
    clock.advance(21)
    run()
    assert either.left() == []


def test_room_that_comes_back_is_made_to_the_end(
    either: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little is lacking in the end, beside what has gone by then."""
    manager = either.manager(limit(Measure.FREE, 112 * BLOCK), cleanup_batch_size=2)
    either.add(manager, *abc(20))

    def found(_: object) -> SimpleNamespace:
        free = 120 - len(either.left())
        return SimpleNamespace(f_bavail=free, f_blocks=1000, f_frsize=BLOCK, f_files=0, f_favail=0)

    monkeypatch.setattr(os, "statvfs", found)
    Scheduled(manager)()
    assert either.left() == abc(20)[12:]
    assert told(caplog, "not met") == []


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (limit(BYTES, 5), "memory: keeps no sizes and no uses, which bytes needs: set registry to sqlite:"),
        (limit(FILES, 5, order=Order.LARGEST), "which the order largest needs"),
        (limit(FILES, 5, order=Order.LEAST_USED), "which the order least used needs"),
        (limit(Measure.MEMORY, 5), "the base directory is on no tmpfs"),
    ],
)
def test_what_cannot_be_done_is_refused_at_the_start(tmp_path: Path, one: Limit, problem: str) -> None:
    settings = Settings(base_dir=str(tmp_path / "base"), limits=(one, limit(FILES, 9, name="other")))
    with pytest.raises(SettingsError, match=problem) as caught:
        TempFileManager.from_settings(settings)
    assert len(caught.value.problems) == 1
    if one.measure is not Measure.MEMORY:
        TempFileManager.from_settings(settings, registry="sqlite:").close()


def test_a_share_of_what_is_not_there_takes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = place.manager(Limit("base", Measure.FREE, Mark(1.0, share=True), Mark(1.0, share=True), spare=0.0))
    place.add(manager, "a")

    def gone(_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "statvfs", gone)
    assert manager.sweep().evicted == 0
