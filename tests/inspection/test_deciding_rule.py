"""The rule about one file, in words: by which of its times, when it goes, and what happens on the way."""

import math
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.context import Context
from temp_file_manager.inspection.deciding_rule import RuleAbout, Times, about, look_of, tried
from temp_file_manager.inspection.why import why
from temp_file_manager.records import Kind, TempFile
from temp_file_manager.rules.life import Action, Used
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel.mounts import Reading
from temp_file_manager.testing import FakeClock
from units import filled

NOW = 1_000_000.0
LOGS = Rule("logs", ("logs/**",), age=7200, by=By.WRITE, compress=600)
CACHE = Rule("cache", tags=("cache",), age=3600, by=By.USE, quarantine=86400)
LAST = Rule("last", tags=("run",), keep_last=1000)
PLAIN = Rule("plain", ("plain/*",), age=60)


def found(name: str, times: Times | None = None, registered_ago: float = 100, **of_record: Any) -> RuleAbout:
    """Return the rule about a file that was registered some seconds ago."""
    context = Context.beside(Settings(base_dir="/base", rules=(LOGS, CACHE, LAST, PLAIN)), clock=FakeClock(NOW))
    record = TempFile(f"/base/{name}", NOW - registered_ago, **of_record)
    return about(context, record, times or Times(Used(NOW - 50, NOW - 20), Reading.DAILY))


def rows(one: RuleAbout) -> dict[str, str]:
    return dict(one.rows())


def test_what_is_compressed_on_its_way() -> None:
    one = found("logs/a")
    assert rows(one) == {
        "rule": '"logs" (1st of 4): compressed 10 min after its last use, goes 2 h after its last change',
        "used": "last written 1970-01-12 13:45:50Z, 50 s ago, last read 1970-01-12 13:46:20Z, 20 s ago; "
        "reading is noted once a day here (relatime)",
        "goes": "1970-01-12 15:45:50Z, in 1 h 59 min",
        "compressed": "1970-01-12 13:56:20Z, in 9 min 40 s",
    }
    idle = found("logs/a", registered_ago=1000, times=Times(Used(NOW - 700, NOW - 650), Reading.NEVER))
    assert idle.step is not None
    assert idle.step.action is Action.COMPRESS
    assert rows(idle)["compressed"] == "with the next sweep"
    assert "not noted" in rows(idle)["used"]
    over = found("logs/a", registered_ago=9000, times=Times(Used(NOW - 8000, NOW - 650), Reading.EXACT))
    assert "compressed" not in rows(over)


def test_what_is_compressed_is_not_compressed_again() -> None:
    told = rows(found("logs/a.zst", kind=Kind.COMPRESSED, origin="/base/logs/a", rule="logs", due_at=NOW + 5))
    assert "compressed" not in told
    assert told["rule"].startswith('"logs"')  # by where it was


def test_quarantine_comes_after() -> None:
    told = rows(found("a", tags=("cache",)))
    assert told["goes"].endswith("in 59 min 40 s")
    assert told["then"] == "in quarantine for 1 d: till then restore brings it back"


def test_what_nothing_tells_counts_from_the_registration() -> None:
    told = rows(found("a", tags=("cache",), times=Times()))
    assert told["used"] == "nothing tells, as it cannot be looked at: it counts from its registration"
    assert told["goes"].endswith("in 58 min 20 s")


def test_the_newest_stay() -> None:
    one = found("a", tags=("run",))
    assert rows(one)["goes"] == "when 1,000 newer ones are on record"
    assert (one.end, one.times) == (math.inf, None)


def test_a_rule_that_counts_from_the_registration_asks_for_no_times() -> None:
    told = rows(found("plain/a", due_at=NOW - 40, rule="plain"))
    assert told == {
        "rule": '"plain" (4th of 4): goes 1 min after its registration',
        "goes": "1970-01-12 13:46:00Z, 40 s ago",
    }


@pytest.mark.parametrize(
    ("of_record", "instead"),
    [
        ({"due_at": NOW + 5}, "its own ttl"),
        ({"session": 7, "due_at": math.inf}, "its session"),
        ({"kind": Kind.GOING, "due_at": NOW}, "its removal, which has begun,"),
        ({"kind": Kind.QUARANTINED, "due_at": NOW + 5}, "the end of its time in quarantine"),
        ({"kind": Kind.UNIT}, "max_age (for what goes as a whole)"),
        ({"kind": Kind.UNIT, "due_at": NOW + 5}, "its own ttl"),
        ({"due_at": NOW + 5, "rule": "plain"}, ""),
    ],
)
def test_what_decides_instead(of_record: dict[str, Any], instead: str) -> None:
    one = found("plain/a", **of_record)
    assert one.instead == instead
    assert (one.step is None) is bool(instead)
    said = rows(one)["rule"]
    assert said.startswith(f"none is asked, as {instead} decides; else " if instead else '"plain" (4th of 4): ')
    told = one.described()
    assert told is not None
    assert told["instead"] == (instead or None)


def test_rules_before_say_why_they_are_not_about_it() -> None:
    assert [(one.rule.name, one.reason) for one in found("plain/a").passed] == [
        ("logs", "its path is none of logs/**"),
        ("cache", "it has no tag of cache"),
        ("last", "it has no tag of run"),
    ]


def test_where_none_is_about_it() -> None:
    one = found("a")
    assert (rows(one), one.described()) == ({"rule": "none of 4 is about it: max_age decides"}, None)


def test_a_unit_counts_from_the_latest_change_of_anything_in_it(tmp_path: Path) -> None:
    """Where a rule would be about it, too: what is in it may be newer than the directory's own times."""
    now = time.time()
    clock, settings = FakeClock(now + 500), Settings(rules=(Rule("all", age=50.0, by=By.WRITE),))
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:", settings=settings, clock=clock)) as manager:
        unit = filled(manager)
        os.utime(unit / "deep/er/c", (now + 400, now + 400))
        os.utime(unit, (now - 300, now - 300))
        (asked,) = tried(manager.context, [str(unit)], None)
        for one in (why(manager.context, unit).ruling, asked.about):
            assert one is not None
            assert one.times is not None
            assert one.times.used is not None
            assert one.times.used == pytest.approx(Used(now + 400, now + 400), abs=0.001)
        (unit / "deep/er/c").rename(unit.parent / "other")
        unit.rename(unit.parent / "elsewhere")
        assert look_of(TempFile(str(unit), now, kind=Kind.UNIT), now).used is None
