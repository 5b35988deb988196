"""What the bounds of a sweep leave to what comes after it."""

import pytest

from temp_file_manager.reports import SweepReport
from temp_file_manager.sweeping.sweep import Bounds


def test_each_record_that_was_handled_counts_once() -> None:
    report = SweepReport(removed=1, gone=2, quarantined=4, replaced=8, compressed=16, kept=32, failed=64, skipped=999)
    assert Bounds(limit=200).after(report).limit == 200 - 127
    assert Bounds(limit=100).after(report).limit == 0
    assert Bounds().after(report).limit is None


@pytest.mark.parametrize(("budget", "left"), [(10.0, 7.5), (2.0, 0.0), (None, None)])
def test_the_time_that_it_took_is_gone(budget: float | None, left: float | None) -> None:
    assert Bounds(budget=budget).after(SweepReport(duration=2.5)).budget == left


def test_one_that_was_stopped_leaves_nothing() -> None:
    assert Bounds(limit=9).after(SweepReport(stopped="stopped")).limit == 0
    assert Bounds().after(SweepReport(stopped="stopped")).limit == 0
