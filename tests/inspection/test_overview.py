"""What there is to see at a glance: counts, a forecast, the disk, the last sweeps; as data that JSON can say."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contexts import jobs_of
from temp_file_manager import TempFileManager
from temp_file_manager.inspection.overview import BOUNDS, SWEEPS, TOP, counts, disk, outlook, overview
from temp_file_manager.records import Measured
from temp_file_manager.testing import NOW, FakeClock

AGE = 100.0


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", AGE, registry=request.param, clock=clock)) as made:
        yield made


def make(manager: TempFileManager, size: int, **told: Any) -> str:
    path = os.path.join(manager.base_dir, f"file{len(os.listdir(manager.base_dir))}")
    Path(path).write_bytes(bytes(size))
    manager.register_file(path, **told)
    manager.registry.measured([Measured(record, size) for record in manager.registry.get([path]).values()])
    return path


class TestOverview:
    def test_at_first(self, manager: TempFileManager) -> None:
        found: Any = overview(manager.context)
        assert found["at"] == NOW
        assert found["health"]["status"] == "healthy"
        assert {name: value for name, value in found["stats"].items() if value} == {}
        assert found["stats"]["oldest"] is None
        assert found["scheduler"] == {"interval": 300.0, "last": None, "next": None}
        assert found["sweeps"] == []
        assert found["disk"]["size"] > found["disk"]["free"] > 0
        json.dumps(found, allow_nan=False)

    def test_after_a_while(self, manager: TempFileManager, clock: FakeClock) -> None:
        make(manager, 5)
        path = make(manager, 70, ttl=1000)
        clock.advance(AGE + 1)
        manager.start()
        clock.until_waiting(jobs_of(manager))
        found: Any = overview(manager.context)
        assert found["scheduler"] == {"interval": 300.0, "last": NOW + AGE + 1, "next": NOW + AGE + 301}
        (sweep,) = found["sweeps"]
        assert (sweep["removed"], sweep["scheduled"], sweep["reasons"]) == (1, True, [])
        told = counts(manager.context)
        assert told == found["stats"]
        assert (told["records"], told["oldest"], told["registered"], told["cleaned"], told["removed"]) == (
            1, NOW, 2, 1, 1,
        )  # fmt: skip
        measured = 512 * os.stat(path).st_blocks
        # What was removed may have been measured before: the two jobs begin at once.
        assert (told["bytes"], told["freed_bytes"]) in {(measured, 5), (measured, measured), (None, 0)}
        manager.stop()
        again: Any = overview(manager.context)
        assert (again["scheduler"]["last"], again["scheduler"]["next"]) == (NOW + AGE + 1, None)

    def test_so_many_sweeps_are_shown(self, tmp_path: Path, clock: FakeClock) -> None:
        with closing(TempFileManager(tmp_path / "base", AGE, registry="sqlite:", clock=clock)) as manager:
            for _ in range(SWEEPS + 2):
                make(manager, 1)
                manager.clear_all()
                clock.advance(1)
            found: Any = overview(manager.context)
        assert [sweep["at"] for sweep in found["sweeps"]] == [NOW + SWEEPS + 1 - number for number in range(SWEEPS)]


def keeps_sizes(manager: TempFileManager) -> bool:
    return manager.registry.stats().bytes is not None


class TestOutlook:
    def test_a_forecast(self, manager: TempFileManager, clock: FakeClock) -> None:
        """By the bounds it names; what is never due is under the last, which has none."""
        for number, bound in enumerate(BOUNDS):
            make(manager, 10**number, ttl=bound)
            make(manager, 10**number, ttl=bound + 1)
        make(manager, 0, ttl=math.inf)
        found: Any = outlook(manager.context)
        assert found["asof"] == NOW
        assert found["took"] >= 0
        assert [part["until"] for part in found["forecast"]] == [*BOUNDS, None]
        assert [part["files"] for part in found["forecast"]] == [1, 2, 2, 2, 2, 2, 2, 2]
        sizes = [1, 11, 110, 1100, 11000, 110000, 1100000, 1000000]
        assert [part["bytes"] for part in found["forecast"]] == (sizes if keeps_sizes(manager) else [None] * 8)
        json.dumps(found, allow_nan=False)
        clock.advance(301)
        later: Any = outlook(manager.context)
        assert [part["files"] for part in later["forecast"]][:3] == [4, 0, 2]

    def test_the_age_decides_for_those_without_a_ttl(self, manager: TempFileManager) -> None:
        make(manager, 1)
        for age, place in ((0.0, 0), (300.0, 1), (301.0, 2), (math.inf, len(BOUNDS))):
            manager.max_age = age
            found: Any = outlook(manager.context)
            assert [part["files"] for part in found["forecast"]] == [int(n == place) for n in range(len(BOUNDS) + 1)]
            assert found["oldest"][0]["due_at"] == (None if age == math.inf else NOW + age)

    def test_those_that_stand_out(self, manager: TempFileManager, clock: FakeClock) -> None:
        paths = []
        for number in range(TOP + 3):
            paths.append(make(manager, number, ttl=math.inf if number == 1 else None, tags=("x",)))
            clock.advance(1)
        found: Any = outlook(manager.context)
        assert [item["path"] for item in found["oldest"]] == paths[:TOP]
        assert found["oldest"][0] == {
            "path": paths[0],
            "registered_at": NOW,
            "due_at": NOW + AGE,
            "size": 0 if keeps_sizes(manager) else None,
            "tags": ["x"],
            "failures": 0,
            "state": "",
            "kind": "file",
            "origin": None,
        }
        assert found["oldest"][1]["due_at"] is None
        sizes = [item["size"] for item in found["largest"]]
        assert sizes == (list(range(TOP + 2, 2, -1)) if keeps_sizes(manager) else [])

    def test_what_is_kept_is_not_due_now(self, manager: TempFileManager, clock: FakeClock) -> None:
        """Nor is it said to be: as ``list`` and ``stats`` have it."""
        pinned, held, due = (make(manager, size) for size in (3, 2, 1))
        manager.registry.keep([pinned], NOW + 1000)
        clock.advance(AGE + 1)
        with manager.hold(held):
            found: Any = outlook(manager.context)
        assert [part["files"] for part in found["forecast"]] == [1, 0, 1, 0, 0, 0, 0, 1]
        assert {item["path"]: item["state"] for item in found["oldest"]} == {pinned: "pinned", held: "held", due: "now"}

    def test_times_that_no_calendar_has(self, manager: TempFileManager) -> None:
        manager.files["/f/a"] = -math.inf
        manager.files["/f/b"] = math.inf
        found: Any = outlook(manager.context)
        assert [part["files"] for part in found["forecast"]] == [1, 0, 0, 0, 0, 0, 0, 1]
        assert [item["registered_at"] for item in found["oldest"]] == ["-inf", "inf"]
        json.dumps(found, allow_nan=False)


def test_bounds_rise() -> None:
    assert list(BOUNDS) == sorted(BOUNDS)


def test_a_disk_that_is_not_there(tmp_path: Path) -> None:
    assert disk(str(tmp_path / "gone")) == disk("no\0path") == {"free": None, "size": None}
    found = os.statvfs(tmp_path)
    assert disk(str(tmp_path))["size"] == found.f_blocks * found.f_frsize
