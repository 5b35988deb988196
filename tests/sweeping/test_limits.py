"""The rules of limits, against what their words say."""

import math

from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Order, Selection, TempFile
from temp_file_manager.rules import verdict
from temp_file_manager.sweeping.limits import (
    Protection,
    Reading,
    may_go,
    measured,
    over,
    place,
    protection,
    room_left,
    wanted,
    weight,
)

NOW, MAX_AGE = 1000.0, 500.0
TAGS = st.lists(st.sampled_from("abc"), unique=True, max_size=2).map(tuple)
RECORDS = st.builds(
    TempFile,
    path=st.sampled_from(["/x", "/y"]),
    registered_at=st.integers(0, 1100).map(float),
    due_at=st.none() | st.integers(500, 1500).map(float) | st.just(math.inf),
    retry_at=st.none() | st.integers(900, 1100).map(float),
    size=st.none() | st.integers(0, 10),
    tags=TAGS,
    generation=st.integers(1, 99),
    pinned_until=st.none() | st.integers(900, 1100).map(float) | st.just(math.inf),
    held=st.booleans(),
    disk=st.none() | st.integers(0, 10),
    used_at=st.none() | st.integers(0, 1000).map(float),
    session=st.integers(0, 2),
)
MEASURES = st.sampled_from(Measure)


@given(MEASURES, st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_marks(measure: Measure, mark: int, to: int, value: int, share: bool) -> None:
    low, high = sorted((mark, to))
    mark, to = (low, high) if measure.is_room else (high, low)
    unit = 0.01 if share else 1
    limit = Limit("x", measure, Mark(mark * unit, share), Mark(to * unit, share))
    reading = Reading(value, 100.0 if share else None)
    missing = value - mark if not measure.is_room else mark - value
    if missing or not share:  # a share of a hundred is about a whole number
        assert over(limit, reading) == (missing > 0)
    assert math.isclose(wanted(limit, reading), max(0, value - to if not measure.is_room else to - value), abs_tol=1e-9)
    assert math.isclose(room_left(limit, reading), max(0, -missing), abs_tol=1e-9)


@given(RECORDS, st.integers(0, 200), st.booleans())
def test_what_may_go(record: TempFile, spare: int, patient: bool) -> None:
    limit = Limit("x", Measure.FILES, Mark(1), Mark(1), spare=float(spare))
    due = Selection(NOW, MAX_AGE, patient=patient)
    kept = protection(record, limit, due)
    assert may_go(record, limit, due) == (kept is None)
    reasons = {
        Protection.HELD: record.held,
        Protection.PINNED: record.pinned_until is not None and record.pinned_until > NOW,
        Protection.WAITING: patient and record.retry_at is not None and record.retry_at > NOW,
        Protection.DUE: verdict(record, due).due,
        Protection.SESSION: record.session != 0,
        Protection.NEW: record.registered_at > NOW,
        Protection.YOUNG: NOW - record.registered_at < spare,
    }
    assert (kept is None) == (not any(reasons.values()))
    assert kept is None or reasons[kept]


@given(st.lists(RECORDS, max_size=6), st.sampled_from([Order.OLDEST, Order.LEAST_USED, Order.LARGEST]))
def test_the_order(records: list[TempFile], order: Order) -> None:
    keys = {
        Order.OLDEST: lambda record: record.registered_at,
        Order.LEAST_USED: lambda record: max(record.registered_at, record.used_at or 0),
        Order.LARGEST: lambda record: -((record.disk if record.disk is not None else record.size) or 0),
    }
    ours = sorted(records, key=lambda record: place(record, order))
    assert ours == sorted(records, key=lambda record: (keys[order](record), record.generation))


@given(RECORDS, TAGS, MEASURES)
def test_what_is_measured(record: TempFile, tags: tuple[str, ...], measure: Measure) -> None:
    limit = Limit("x", measure, Mark(1), Mark(1), tags=tags)
    assert measured(record, limit) == (not tags or bool(set(tags) & set(record.tags)))
    known = record.size if record.disk is None else record.disk
    assert weight(limit, record) == (1 if measure in (Measure.FILES, Measure.FREE_INODES) else known or 0)
