"""Lengths of time, read wherever one is taken and written so that they are read again."""

import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line import tfm
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.durations import seconds_of, written
from temp_file_manager.text import span


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("10m", 600),
        ("2h30m", 9000),
        ("7d", 604800),
        ("1 week", 604800),
        ("2 weeks, 1 day", 1296000),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("90 seconds", 90),
        ("90", 90),
        (" 1e3 ", 1000),
        (90, 90),
        (0.5, 0.5),
        (timedelta(hours=2), 7200),
    ],
)
def test_what_people_write(told: Any, seconds: float) -> None:
    assert seconds_of(told) == seconds


@pytest.mark.parametrize(
    "told", ["", "soon", "5M", "1 month", "1 year", "h", "5m5m", "5m2h", "1h30", "-5m", "1,5h", None, True, [1], b"5m"]
)
def test_what_is_no_time_or_may_be_another(told: Any) -> None:
    with pytest.raises(ValueError):
        seconds_of(told)


@given(st.floats(0, 1e15) | st.integers(0, 10**15))
def test_what_is_written_is_read_again(seconds: float) -> None:
    assert seconds_of(written(seconds)) == seconds


@given(st.floats(0.001, 1e12))
def test_what_is_shown_is_read_as_about_the_same(seconds: float) -> None:
    assert math.isclose(seconds_of(span(seconds)), seconds, rel_tol=0.05, abs_tol=0.5)


@given(st.text() | st.text("0123456789. dhmsw,", max_size=9))
def test_whatever_is_given_is_read_or_refused(told: str) -> None:
    try:
        seconds_of(told)
    except ValueError:
        return


@pytest.mark.parametrize("two_hours", [7200, "7200", "2h", "120 min", timedelta(hours=2)])
def test_wherever_python_takes_a_time(tmp_path: Path, two_hours: Any) -> None:
    with TempFileManager(tmp_path / "base", two_hours, registry="sqlite:") as manager:
        assert manager.max_age == 7200
        assert Settings(max_age=two_hours, cleanup_interval=two_hours).cleanup_interval == 7200
        manager.sweep(budget=two_hours)
        with manager.session("a session", ttl=two_hours) as session:
            session.renew(two_hours)
        _, path = manager.mkstemp(ttl=two_hours)
        manager.pin(path, ttl=two_hours)
        registries: list[Callable[[], object]] = [
            lambda: manager.register_file(path, ttl=two_hours),
            lambda: manager.register_files([path], ttl=two_hours),
        ]
        for register in registries:
            register()
            record = manager.registry.get([path])[path]
            assert record.due_at == record.registered_at + 7200


def test_settings_are_shown_as_people_write_them(tmp_path: Path) -> None:
    shown = tfm("config", "--max-age", "90 min", "--cleanup-interval", "7d").stdout
    rows = {row.split()[0]: row.split()[1] for row in shown.splitlines() if row.strip()}
    assert (rows["max_age"], rows["cleanup_interval"]) == ("1h30m", "1w")
