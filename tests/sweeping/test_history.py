"""What happened: samples a step apart, whoever takes them; sweeps that are worth a line, and why files stayed."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from contexts import jobs_of, removing_by
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.errors import RegistryError
from temp_file_manager.events import SweepFinished
from temp_file_manager.records import Status
from temp_file_manager.registry import MemoryRegistry, Registry, counters
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.reports import Reason, SweepReport
from temp_file_manager.storage.contract import Removal
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.sweeping.history import STEPS, SWEEPS, History
from temp_file_manager.testing import FailingStorage, FakeClock
from temp_file_manager.testing.processes import in_child

DAY = 86400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000 * DAY)


@pytest.fixture(params=["memory", "sqlite"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    made = MemoryRegistry() if request.param == "memory" else SqliteRegistry(str(tmp_path / "r.db"), str(tmp_path))
    yield made
    made.close()


@pytest.fixture
def history(registry: Registry, clock: FakeClock) -> History:
    return History(registry, clock)


def at(history: History, step: int = 60, since: float = 0) -> list[float]:
    """Return when samples were taken, in seconds from where the clock began."""
    return [sample.at - 1000 * DAY for sample in history.samples(step, since)]


class TestSamples:
    def test_there_is_one_a_step(self, history: History, registry: Registry, clock: FakeClock) -> None:
        for seconds in (0, 30, 29.9, 0.1, 60, 59.9, 839.9):
            clock.advance(seconds)
            for one in (history, History(registry, clock)):
                one.sample()
        assert at(history) == [0, 60, 120, 960]
        assert at(history, 900) == [0, 900]
        assert at(history, DAY) == [0]

    def test_they_tell_what_there_was(self, history: History, registry: Registry, clock: FakeClock) -> None:
        history.sample()
        registry.add([("/f/a", None, 5, (), None, None), ("/f/b", None, 70, (), None, None)], clock.wall())
        clock.advance(60)
        history.sample()
        assert [tuple(sample)[1:] for sample in history.samples(60)] in (
            [(0, 0), (2, 75)],
            [(0, None), (2, None)],
        )

    def test_a_clock_that_goes_back(self, history: History, clock: FakeClock) -> None:
        """They come in the order of their times, and each time once: of two that one written last."""
        for wall in (0, 60, 120, 60, 90, 120, 180):
            clock.set(wall=1000 * DAY + wall)
            history.sample()
        assert at(history) == [0, 60, 120, 180]

    def test_the_last_of_two_at_the_same_time_counts(
        self, history: History, registry: Registry, clock: FakeClock
    ) -> None:
        for wall, count in ((0, 0), (60, 1), (0, 2)):
            clock.set(wall=1000 * DAY + wall)
            registry.add([(f"/f/{number}", None, 1, (), None, None) for number in range(count)], clock.wall())
            history.sample()
        assert [(sample.at - 1000 * DAY, sample.records) for sample in history.samples(60)] == [(0, 2), (60, 1)]

    @pytest.mark.parametrize("step", STEPS)
    def test_so_many_stay(self, history: History, registry: Registry, clock: FakeClock, step: int) -> None:
        if registry.properties.outlives_process and step != 60:
            return  # the same code, and slow
        for _ in range(STEPS[step] + 5):
            history.sample()
            clock.advance(step)
        assert at(history, step) == [step * number for number in range(5, STEPS[step] + 5)]

    def test_since(self, history: History, clock: FakeClock) -> None:
        for _ in range(5):
            history.sample()
            clock.advance(60)
        assert at(history, since=1000 * DAY + 120) == [120, 180, 240]
        assert at(history, since=1000 * DAY + 121) == [180, 240]
        assert at(history, since=1000 * DAY + 1000) == []

    def test_another_process_takes_none_in_the_same_step(self, tmp_path: Path, clock: FakeClock) -> None:
        """Nor this one, after the other had one; nor does a restart."""

        def sample() -> list[float]:
            with closing(SqliteRegistry(str(tmp_path / "r.db"), str(tmp_path))) as registry:
                history = History(registry, clock)
                history.sample()
                return [len(history.samples(60)), len(registry.read("samples.60", limit=99))]

        assert sample() == [1, 1]
        assert in_child(sample) == [1, 1]
        clock.advance(60)
        assert in_child(sample) == [2, 2]
        assert sample() == [2, 2]


REPORTS = {
    "removed": SweepReport(removed=1),
    "gone": SweepReport(gone=1),
    "replaced": SweepReport(replaced=1),
    "kept": SweepReport(kept=1),
    "failed": SweepReport(failed=1),
    "skipped": SweepReport(skipped=1),
    "nothing": SweepReport(),
    "dry run": SweepReport(removed=1, dry_run=True),
}


class TestSwept:
    def kept(self, history: History, *, scheduled: bool) -> set[str]:
        found = set()
        for name, report in REPORTS.items():
            before = len(history.sweeps(SWEEPS))
            history.swept(report, scheduled=scheduled)
            if len(history.sweeps(SWEEPS)) > before:
                found.add(name)
        return found

    def test_what_somebody_asked_for_is_kept_if_it_did_something(self, history: History, registry: Registry) -> None:
        did = {"removed", "gone", "replaced", "kept", "failed"}
        assert self.kept(history, scheduled=False) == (did if registry.properties.outlives_process else set())
        # How long it took counts either way.
        assert counters.durations(registry.stats().counters).counts[-1] == len(did)

    def test_what_is_scheduled_is_kept_but_for_a_dry_run(self, history: History, registry: Registry) -> None:
        assert self.kept(history, scheduled=True) == set(REPORTS) - {"dry run"}
        assert counters.durations(registry.stats().counters).counts[-1] == len(REPORTS) - 1

    def test_it_is_told_as_it_was(self, history: History, clock: FakeClock) -> None:
        """The newest first, names that no encoding holds among them."""
        reasons = (Reason("failed", "no ß\n'\"", 3, "/f/\udcff"), Reason("kept", "in use", 1, "/f/b"))
        one = SweepReport(1, 2, 3, 4, 5, 6, (), reasons, "budget", False, 0.25, quarantined=7, compressed=8)
        history.swept(one, scheduled=True)
        clock.advance(5)
        history.swept(SweepReport(), scheduled=True)
        last, first = history.sweeps(9)
        assert (last.at, first.at) == (1000 * DAY + 5, 1000 * DAY)
        assert (last.removed, last.reasons, last.stopped) == (0, (), "")
        assert tuple(first)[1:] == (True, 0.25, 1, 2, 3, 4, 5, 6, "budget", reasons, 7, 8)
        assert first.reasons[0].example == "/f/\udcff"
        assert json.loads(json.dumps(first.described()))["reasons"][1]["reason"] == "in use"
        assert len(history.sweeps(1)) == 1

    def test_lines_of_before_there_was_a_quarantine_are_read(self, history: History, registry: Registry) -> None:
        registry.write("sweeps", json.dumps([5.0, True, 0.25, 1, 2, 3, 4, 5, 6, "", []]), 5.0, keep=9)
        (sweep,) = history.sweeps(9)
        assert (sweep.removed, sweep.quarantined, sweep.compressed) == (1, 0, 0)

    def test_so_many_stay(self, history: History) -> None:
        for number in range(SWEEPS + 3):
            history.swept(SweepReport(removed=number), scheduled=True)
        assert [sweep.removed for sweep in history.sweeps(9999)] == list(range(SWEEPS + 2, 2, -1))


def test_a_sweep_that_cannot_be_noted_has_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it did is done: its report reaches who asked, and hooks hear of it."""
    heard: list[object] = []

    def fail(*_: object, **__: object) -> None:
        raise RegistryError("locked by\nanother")

    with closing(TempFileManager(tmp_path / "base", registry="sqlite:", hooks=[heard.append])) as manager:
        os.close(manager.mkstemp()[0])
        monkeypatch.setattr(manager.registry, "write", fail)
        assert manager.clear_all() == 1
    assert isinstance(heard[-1], SweepFinished)
    assert "A sweep has ended, and could not be noted: locked by\\nanother" in caplog.messages


class TestReasons:
    """What a sweep tells of files that it did not simply remove."""

    @pytest.fixture(params=["memory:", "sqlite:"])
    def manager(self, request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
        with closing(TempFileManager(tmp_path / "base", registry=request.param, clock=clock)) as made:
            yield made

    def make(self, manager: TempFileManager, tmp_path: Path, count: int) -> list[str]:
        paths = [str(tmp_path / f"it's\n{number}") for number in range(count)]
        for path in paths:
            Path(path).touch()
        assert manager.register_files(paths).registered == count
        return paths

    def test_alike_ones_are_one_and_name_no_path(self, manager: TempFileManager, tmp_path: Path) -> None:
        paths = self.make(manager, tmp_path, 60)
        for path in paths[:55]:
            os.remove(path)
            os.mkdir(path)  # the system's error would name it
        report = manager.sweep(force=True)
        assert report.removed == 5
        (reason,) = report.reasons
        assert (reason.files, reason.example) == (55, paths[0])
        assert str(tmp_path) not in reason.reason

    def test_those_of_the_system_name_no_path_either(self, manager: TempFileManager, tmp_path: Path) -> None:
        paths = self.make(manager, tmp_path, 60)
        manager = removing_by(manager, FailingStorage(errno.EIO, paths[:55]))
        manager.sweep(force=True)
        report = manager.sweep(force=True)
        assert report.reasons == (Reason("failed", "Input/output error", 55, paths[0], "refused"),)
        assert report.failed == 55
        kept = History(manager.registry, manager.context.clock).sweeps(9)
        outlives = manager.registry.properties.outlives_process
        assert [sweep.reasons for sweep in kept] == [report.reasons] * 2 * outlives

    def test_what_no_file_is_called_stops_no_sweep(self, tmp_path: Path) -> None:
        """Callers write anything to ``files``; in memory it is only found out when it is to be removed."""
        with closing(TempFileManager(tmp_path)) as manager:
            manager.files["/x/\ud800"] = 0.0
            assert manager.register_files(self.make(manager, tmp_path, 200)).registered == 200
            report = manager.sweep(force=True)
        assert (report.removed, report.failed, len(report.reasons)) == (200, 1, 1)

    def test_of_many_kinds_the_first_are_told(self, manager: TempFileManager, tmp_path: Path) -> None:
        paths = self.make(manager, tmp_path, 120)

        class Inventive(LocalStorage):
            def remove(self, removal: Removal) -> None:
                for at, path in removal.each(removal.records.paths()):
                    removal.note(at, Status.FAILED, Cause.ERROR, f"reason {paths.index(path) % 30}")

        manager = removing_by(manager, Inventive())
        report = manager.sweep(force=True)
        assert report.failed == 120
        assert [reason.reason for reason in report.reasons] == [f"reason {number}" for number in range(20)]
        assert {reason.files for reason in report.reasons} == {4}
        assert {reason.status for reason in report.reasons} == {Status.FAILED}


SWEEPING = """
import sys
from temp_file_manager import TempFileManager
TempFileManager(sys.argv[1], registry="sqlite:").clear_all()
"""


def test_a_sweep_of_another_process_is_told_here(tmp_path: Path) -> None:
    with closing(TempFileManager(tmp_path, registry="sqlite:")) as manager:
        os.close(manager.mkstemp()[0])
        assert History(manager.registry, manager.context.clock).sweeps(9) == ()
        subprocess.run([sys.executable, "-c", SWEEPING, str(tmp_path)], check=True)
        (sweep,) = History(manager.registry, manager.context.clock).sweeps(9)
        assert (sweep.removed, sweep.scheduled, sweep.failed) == (1, False, 0)


def test_scheduled_sweeps_are_told_also_when_there_was_nothing_to_do(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(TempFileManager(tmp_path, clock=clock)) as manager:
        manager.start()
        clock.until_waiting(jobs_of(manager))
        clock.advance(301)
        clock.until_waiting(jobs_of(manager))
        sweeps = History(manager.registry, clock).sweeps(9)
        assert [sweep.scheduled for sweep in sweeps] == [True, True]
