"""What Prometheus reads, read as Prometheus reads it."""

import errno
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from command_line import tfm
from contexts import jobs_of, removing_by
from temp_file_manager import MemoryRegistry, RegistryError, Status, TempFileManager
from temp_file_manager.adopt import watched
from temp_file_manager.causes import Cause
from temp_file_manager.inspection import metrics
from temp_file_manager.inspection.limits import LimitReading
from temp_file_manager.inspection.metrics import ManagerCollector, render
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.registry import Stats
from temp_file_manager.settings import Settings
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.contract import Removal
from temp_file_manager.sweeping.clock_guard import ClockGuard
from temp_file_manager.testing import NOW, FailingStorage, FakeClock
from temp_file_manager.version import VERSION

SPECIFIED = {
    "temp_files_registered_total": "counter",
    "temp_files_cleaned_total": "counter",
    "temp_files_active": "gauge",
    "temp_file_age_seconds": "histogram",
    "temp_file_cleanup_duration_seconds": "histogram",
}
OF_THE_REGISTRY = {
    "temp_files_registered_total",
    "temp_files_cleaned_total",
    "temp_files_failed_total",
    "temp_files_replaced_total",
    "temp_files_kept_in_use_total",
    "temp_files_kept_unknown_total",
    "temp_files_kept_unproven_total",
    "temp_files_freed_bytes_total",
    "temp_files_compressed_total",
    "temp_files_compressed_saved_bytes_total",
    "temp_files_evicted_total",
    "temp_file_order_failures_total",
    "temp_files_active",
    "temp_file_sessions",
    "temp_file_oldest_age_seconds",
    "temp_file_overdue_seconds",
    "temp_file_sweeps_paused",
    "temp_file_age_seconds_count",
    "temp_file_cleanup_duration_seconds_sum",
}
ALWAYS = {
    "temp_file_watched_directories",
    "temp_file_unwatched_directories",
    "temp_file_health",
    "temp_files_limit",
    "temp_file_cleanup_interval_seconds",
    "temp_file_sweep_errors_total",
    "temp_file_disk_free_bytes",
    "temp_file_disk_size_bytes",
    "temp_file_manager_info",
    "temp_file_registry_up",
    "temp_file_policy_paused",
    "temp_file_settings_refused",
}
MANY = Settings(max_files=2)


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", 100, registry=request.param, settings=MANY, clock=clock)) as made:
        yield made


@pytest.fixture
def durable(tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", 100, registry="sqlite:", clock=clock)) as made:
        yield made


def parsed(text: bytes) -> dict[str, float]:
    """Return the values by their names; those of buckets and limits are beside them, and no other has a label."""
    values = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            told = set(sample.labels) - {"le", "limit", "version", "base"}
            assert not told
            values[sample.name + sample.labels.get("le", sample.labels.get("limit", ""))] = sample.value
    return values


def scraped(manager: TempFileManager) -> dict[str, float]:
    return parsed(render(ManagerCollector(manager.context)))


def make(manager: TempFileManager, *names: str, text: str = "12345") -> list[str]:
    paths = [os.path.join(manager.base_dir, name) for name in names]
    for path in paths:
        Path(path).write_text(text)
    assert manager.register_files(paths).registered == len(names)
    return paths


def counts(found: dict[str, float], *names: str) -> list[float]:
    return [found[f"temp_files_{name}"] for name in names]


class TestNames:
    def test_the_specifications_are_there_as_it_spells_them(self, manager: TempFileManager) -> None:
        kinds = {}
        for line in render(ManagerCollector(manager.context)).decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in kinds
                kinds[name] = kind
        assert SPECIFIED.items() <= kinds.items()
        assert set(scraped(manager)) >= OF_THE_REGISTRY | ALWAYS

    def test_no_path_is_told_but_the_base_directorys(self, manager: TempFileManager) -> None:
        make(manager, "secret-name")
        manager.files["/nowhere/secret-name"] = NOW
        manager.cleanup()
        text = render(ManagerCollector(manager.context)).decode()
        assert "secret-name" not in text
        assert [line for line in text.splitlines() if manager.base_dir in line] == [
            f'temp_file_manager_info{{base="{manager.base_dir}",version="{VERSION}"}} 1.0'
        ]
        assert "/nowhere" not in text

    def test_bytes_are_told_where_sizes_are_kept(self, manager: TempFileManager) -> None:
        paths = make(manager, "a", "b")
        room = sum(512 * os.stat(path).st_blocks for path in paths)
        told = scraped(manager).get("temp_files_bytes")
        assert told == (room if manager.registry.properties.keeps_identity else None)

    def test_a_heartbeat_is_told_once_there_is_one(self, manager: TempFileManager, clock: FakeClock) -> None:
        name = "temp_file_scheduler_heartbeat_timestamp_seconds"
        assert name not in scraped(manager)
        manager.start()
        clock.until_waiting(jobs_of(manager))
        assert scraped(manager)[name] == NOW


class TestValues:
    def test_registering(self, manager: TempFileManager, clock: FakeClock) -> None:
        make(manager, "a", "b")
        clock.advance(30)
        make(manager, "a", "c")
        found = scraped(manager)
        assert counts(found, "registered_total", "active", "cleaned_total", "limit") == [4, 3, 0, 2]
        assert found["temp_file_oldest_age_seconds"] == 30
        assert found["temp_file_health"] == 1, "more than max_files"
        assert found["temp_file_age_seconds_count"] == found["temp_file_cleanup_duration_seconds_count"] == 0

    def test_sweeping(self, manager: TempFileManager, clock: FakeClock) -> None:
        removed, gone, failing = make(manager, "removed", "gone", "failing")
        os.remove(gone)
        manager = removing_by(manager, FailingStorage(errno.EIO, [failing]))
        clock.advance(101)
        assert scraped(manager)["temp_file_overdue_seconds"] == 1
        assert manager.cleanup() == 2
        found = scraped(manager)
        assert counts(found, "registered_total", "cleaned_total", "failed_total", "active") == [3, 2, 1, 1]
        assert found["temp_file_age_seconds_sum"] == 202
        assert [found[f"temp_file_age_seconds_bucket{le}"] for le in ("60.0", "300.0", "+Inf")] == [0, 2, 2]
        assert found["temp_file_cleanup_duration_seconds_count"] == 1
        manager.cleanup()
        assert counts(scraped(manager), "cleaned_total", "failed_total", "active") == [2, 2, 1]
        assert not os.path.exists(removed)

    def test_what_was_replaced_stays_and_is_not_cleaned(
        self, durable: TempFileManager, clock: FakeClock, tmp_path: Path
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        path = str(tmp_path / "elsewhere" / "a")
        Path(path).write_text("one")
        durable.register_file(path)
        os.rename(path, f"{path}-before")
        Path(path).write_text("another")
        clock.advance(101)
        durable.cleanup()
        found = scraped(durable)
        assert counts(found, "replaced_total", "cleaned_total", "freed_bytes_total", "active") == [1, 0, 0, 0]
        assert found["temp_files_bytes"] == 0
        assert os.path.exists(path)

    def test_what_was_kept_is_told_by_its_reason(self, manager: TempFileManager, clock: FakeClock) -> None:
        make(manager, "a", "b", "c")
        clock.advance(101)

        class Keeping(LocalStorage):
            def remove(self, removal: Removal) -> None:
                for at, cause in removal.each((Cause.IN_USE, Cause.IN_USE, Cause.USE_UNKNOWN)):
                    removal.note(at, Status.KEPT, cause)

        manager = removing_by(manager, Keeping())
        manager.cleanup()
        found = scraped(manager)
        assert counts(found, "kept_in_use_total", "kept_unknown_total", "cleaned_total", "active") == [2, 1, 0, 3]

    def test_a_file_that_is_open_is_kept(self, manager: TempFileManager) -> None:
        (path,) = make(manager, "a")
        with open(path):
            report = manager.sweep(force=True, protect_open=True)
        found = scraped(manager)
        assert report.kept == 1
        assert sum(counts(found, "kept_in_use_total", "kept_unknown_total")) == 1

    def test_histograms_only_rise(self, manager: TempFileManager, clock: FakeClock) -> None:
        for number, age in enumerate((0, 60, 61, 5000, 10, 1e7, -50)):
            make(manager, str(number))
            clock.advance(age) if age >= 0 else clock.set(wall=clock.wall() + age)
            manager.clear_all()
            found = scraped(manager)
            for name, total in (("age", "cleaned_total"), ("cleanup_duration", "")):
                bars = [value for key, value in found.items() if key.startswith(f"temp_file_{name}_seconds_bucket")]
                assert bars == sorted(bars)
                assert bars[-1] == found[f"temp_file_{name}_seconds_count"] == number + 1
                assert not total or bars[-1] == found[f"temp_files_{total}"]
        assert [found[f"temp_file_age_seconds_bucket{le}"] for le in ("60.0", "300.0", "+Inf")] == [4, 5, 7]

    def test_no_counter_ever_goes_down(self, manager: TempFileManager, clock: FakeClock) -> None:
        def rising() -> dict[str, float]:
            found = scraped(manager)
            return {
                name: value
                for name, value in found.items()
                if name.startswith("temp_file") and ("_total" in name or name.endswith(("_sum", "_count")))
            }

        before = rising()
        steps = [
            lambda: make(manager, "a", "b", "c"),
            lambda: clock.set(wall=NOW - 1e5),
            manager.clear_all,
            lambda: make(manager, "a", "b"),
            lambda: setattr(manager, "files", {}),
            lambda: manager.files.update({"/f/a": 0.0, "/f/b": float("inf"), "/f/c": float("-inf")}),
            lambda: manager.registry.forget(["/f/a"]),
            manager.clear_all,
            manager.close,
            lambda: manager.registry.check(now=0, fix=True),
        ]
        for step in steps:
            step()
            after = rising()
            assert [name for name in before if not before[name] <= after[name]] == []
            before = after
        assert before["temp_files_registered_total"] == 8
        assert before["temp_files_cleaned_total"] == 5

    def test_a_clock_that_went_back_makes_nothing_younger_than_new(
        self, manager: TempFileManager, clock: FakeClock
    ) -> None:
        make(manager, "a")
        clock.set(wall=NOW - 500)
        assert scraped(manager)["temp_file_oldest_age_seconds"] == 0

    def test_a_clock_that_is_not_trusted_pauses(self, durable: TempFileManager, clock: FakeClock) -> None:
        guard = ClockGuard(durable.registry, clock)
        guard.read()
        assert scraped(durable)["temp_file_sweeps_paused"] == 0
        clock.set(wall=NOW + 1e5)
        assert guard.read().trusted is False
        assert scraped(durable)["temp_file_sweeps_paused"] == 1

    def test_sweeps_that_ended_in_an_error(
        self, durable: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise RegistryError("on purpose")

        monkeypatch.setattr(watched, "adopt_watched", broken)
        durable.start()
        clock.until_waiting(jobs_of(durable))
        assert scraped(durable)["temp_file_sweep_errors_total"] == 1


class TestLimitsAndSessions:
    def test_sessions_are_counted_while_they_live(self, manager: TempFileManager) -> None:
        name = "temp_file_sessions"
        assert scraped(manager)[name] == 0
        begun = [manager.registry.begin("", now=NOW, ends_at=NOW + 60, owner=None) for _ in range(3)]
        assert scraped(manager)[name] == 3
        manager.registry.end([begun[0].number], NOW)
        assert scraped(manager)[name] == 2

    def test_how_far_it_is_to_each_mark(self, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
        def status(
            name: str, measure: Measure, mark: float | None, value: float | None, unmet: str = ""
        ) -> LimitReading:
            return LimitReading(Limit(name, measure, Mark(0.5), Mark(0.5)), value, None, mark, mark, False, unmet)

        found = (
            status("half full", Measure.BYTES, 100, 50),
            status("beyond", Measure.FILES, 100, 150),
            status("twice the room", Measure.FREE, 100, 200),
            status('no room "\n\\', Measure.FREE_INODES, 100, 0, "nothing may go"),
            status("unknown", Measure.MEMORY, None, None),
        )
        monkeypatch.setattr(metrics, "readings", lambda _: found)
        told = {name: value for name, value in scraped(manager).items() if "_limit_" in name}
        assert told == {
            "temp_file_limit_ratiohalf full": 0.5,
            "temp_file_limit_ratiobeyond": 1.5,
            "temp_file_limit_ratiotwice the room": 0.5,
            'temp_file_limit_rationo room "\n\\': math.inf,
            "temp_file_limit_unmethalf full": 0,
            "temp_file_limit_unmetbeyond": 0,
            "temp_file_limit_unmettwice the room": 0,
            'temp_file_limit_unmetno room "\n\\': 1,
            "temp_file_limit_unmetunknown": 0,
        }

    def test_without_limits_nothing_is_told_of_them(self, manager: TempFileManager) -> None:
        assert [name for name in scraped(manager) if "_limit_" in name] == []


class TestOtherProcesses:
    def test_theirs_count_and_restarts_forget_nothing(self, tmp_path: Path) -> None:
        base = tmp_path / "base"

        def manager() -> TempFileManager:
            return TempFileManager(base, registry="sqlite:")

        def typed(*words: str) -> None:
            assert tfm(*words, TEMP_FILE_BASE_DIR=str(base)).returncode == 0

        with closing(manager()) as one:
            (first,) = make(one, "a")
            other = tmp_path / "b"
            other.write_text("1234567")
            room = 512 * (os.stat(first).st_blocks + os.stat(other).st_blocks)
            typed("register", str(other))
            found = scraped(one)
            assert counts(found, "registered_total", "active", "bytes") == [2, 2, room]
            typed("sweep", "--all")
            found = scraped(one)
            assert counts(found, "cleaned_total", "active", "bytes", "freed_bytes_total") == [2, 0, 0, room]
            assert found["temp_file_age_seconds_count"] == 2
            assert found["temp_file_cleanup_duration_seconds_count"] == 1
        with closing(manager()) as two:
            again = scraped(two)
        assert {name: value for name, value in again.items() if name.startswith(("temp_files_", "temp_file_age"))} == {
            name: value for name, value in found.items() if name.startswith(("temp_files_", "temp_file_age"))
        }


class Unreadable(MemoryRegistry):
    """One that breaks when it is told to; or after having been asked about its health."""

    asked = 0
    good_for = 0

    def stats(self) -> Stats:
        self.asked += 1
        if self.asked > self.good_for:
            raise RegistryError("cannot be read: on purpose")
        return super().stats()


class TestTrouble:
    @pytest.mark.parametrize("good_for", [0, 1])
    def test_a_registry_that_cannot_be_read(self, tmp_path: Path, good_for: int) -> None:
        registry = Unreadable()
        registry.good_for = good_for
        found = scraped(TempFileManager(tmp_path, registry=registry))
        assert set(found) >= ALWAYS
        seen_by_health = {"temp_file_overdue_seconds", "temp_file_sweeps_paused"} if good_for else set()
        assert OF_THE_REGISTRY & set(found) == seen_by_health
        assert found["temp_file_health"] == (0 if good_for else 2)
        assert found["temp_file_registry_up"] == 0

    def test_settings_that_were_refused(self, manager: TempFileManager) -> None:
        names = ("temp_file_registry_up", "temp_file_settings_refused", "temp_file_health")
        assert [scraped(manager)[name] for name in names] == [1, 0, 0]
        manager.context.applied.refused = "max_age is 'never'"
        assert [scraped(manager)[name] for name in names] == [1, 1, 1]

    def test_a_registry_file_that_is_damaged(self, tmp_path: Path) -> None:
        TempFileManager(tmp_path / "base", registry="sqlite:").close()
        (file,) = (tmp_path / "base").rglob("registry.db")
        with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager:
            manager.close()
            file.write_bytes(b"this is no database" * 1000)
            found = scraped(manager)
        assert found["temp_file_health"] == 2
        assert not OF_THE_REGISTRY & set(found)
        assert set(found) >= ALWAYS

    def test_a_base_that_is_gone(self, manager: TempFileManager) -> None:
        make(manager, "a")
        shutil.rmtree(manager.base_dir)
        found = scraped(manager)
        assert found["temp_file_health"] == 2
        assert "temp_file_disk_free_bytes" not in found
        outlives = manager.registry.properties.outlives_process
        assert OF_THE_REGISTRY & set(found) == (set() if outlives else OF_THE_REGISTRY)
        assert not os.path.exists(manager.base_dir)


class TestCollectors:
    def test_a_second_one_in_the_same_registry_is_refused(self, tmp_path: Path) -> None:
        """Their samples could not be told apart, and Prometheus would take one for the other."""
        registry = CollectorRegistry()
        managers = [TempFileManager(tmp_path / name) for name in "ab"]
        make(managers[0], "a")
        registry.register(ManagerCollector(managers[0].context))
        with pytest.raises(ValueError, match="temp_files_active"):
            registry.register(ManagerCollector(managers[1].context))
        assert parsed(generate_latest(registry))["temp_files_active"] == 1
        assert scraped(managers[1])["temp_files_active"] == 0

    def test_registering_one_asks_nothing(self, tmp_path: Path) -> None:
        registry = Unreadable()
        CollectorRegistry(auto_describe=True).register(
            ManagerCollector(TempFileManager(tmp_path, registry=registry).context)
        )
        assert registry.asked == 0

    def test_one_metric_can_be_asked_for(self, tmp_path: Path) -> None:
        manager = TempFileManager(tmp_path)
        make(manager, "a")
        registry = CollectorRegistry()
        registry.register(ManagerCollector(manager.context))
        chosen = registry.restricted_registry(["temp_files_registered_total"])
        assert parsed(generate_latest(chosen)) == {"temp_files_registered_total": 1}  # type: ignore[arg-type]

    def test_what_describes_itself_is_what_comes(self, manager: TempFileManager) -> None:
        collector = ManagerCollector(manager.context)
        described = [(each.name, each.type, each.documentation) for each in collector.describe()]
        assert described == [(each.name, each.type, each.documentation) for each in collector.collect()]

    def test_a_scrape_is_of_one_moment(self, tmp_path: Path) -> None:
        """Counters and histograms agree, whatever is swept between two looks."""

        class Busy(MemoryRegistry):
            def stats(self) -> Stats:
                found = super().stats()
                os.close(manager.mkstemp()[0])
                manager.clear_all()
                return found

        manager = TempFileManager(tmp_path, registry=Busy())
        for _ in range(3):
            found = scraped(manager)
            assert found["temp_files_cleaned_total"] == found["temp_file_age_seconds_count"]
        assert found["temp_files_cleaned_total"] > 0


def test_who_has_no_metrics_needs_no_prometheus() -> None:
    program = "import sys, temp_file_manager.cli; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
