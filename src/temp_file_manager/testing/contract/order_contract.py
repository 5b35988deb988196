"""The contract of a plug-in's order as a test suite."""
# ruff: noqa: S101 - tests assert

import math
from collections.abc import Sequence

from temp_file_manager.records import Identity, TempFile
from temp_file_manager.sweeping.orders import Key, Ordered
from temp_file_manager.testing.clock import NOW

_IDENTITY = Identity(1, 2, 3, 4, 5)

RECORDS = (
    TempFile("/c/bare", NOW),
    TempFile("/c/older", NOW - 1e6, generation=1),
    TempFile("/c/alike", NOW, generation=2),
    TempFile("/c/empty", NOW, generation=3, size=0, disk=0, identity=_IDENTITY),
    TempFile("/c/large", NOW, generation=4, size=1 << 50, disk=1 << 40, identity=_IDENTITY),
    TempFile("/c/holes", NOW, generation=5, size=1 << 50, disk=0, identity=_IDENTITY),
    TempFile("/c/unmeasured", NOW, generation=6, size=7, identity=_IDENTITY),
    TempFile("/c/used", NOW, generation=7, used_at=NOW + 5),
    TempFile("/c/tagged", NOW, generation=8, tags=("b", "a")),
    TempFile("/c/timed", NOW, generation=9, due_at=NOW + 60),
    TempFile("/c/endless", NOW, generation=10, due_at=math.inf, session=3),
    TempFile("/c/tried", NOW, generation=11, retry_at=NOW + 60, failures=7, kept_for="in use"),
    TempFile("/c/pinned", NOW, generation=12, pinned_until=math.inf, held=True),
    TempFile("/c/never", math.inf, generation=13),
    TempFile("/c/ever", -math.inf, generation=14),
    TempFile("/c/\udcff\n", NOW, generation=15),
    TempFile("relative", NOW, generation=16),
)
"""Records as there may be: with all that a record may have, and with nothing of it."""


class OrderContract:
    """What is asked of an order, as tests. Joined by a class that says how to ``make_order``.

    The files of these records are not there: an order is of the record alone.
    """

    def make_order(self) -> Key:
        """Return the key."""
        raise NotImplementedError

    def records(self) -> Sequence[TempFile]:
        """Return the records that are sorted; add those that are special to your order."""
        return RECORDS

    def test_each_record_has_a_key(self) -> None:
        """The same each time, and equal to itself: not a number is no key."""
        key = self.make_order()
        for record in self.records():
            first, again = key(record), key(record)
            assert first == again, record

    def test_each_key_can_be_compared_with_each(self) -> None:
        """And of two, one is smaller, or they are alike."""
        ordered = [Ordered(record, self.make_order()) for record in self.records()]
        for one in ordered:
            for other in ordered:
                assert [one < other, other < one] != [True, True], (one.record, other.record)

    def test_the_order_does_not_depend_on_what_came_first(self) -> None:
        """Or what goes first would be chance."""
        key, records = self.make_order(), list(self.records())
        expected = [one.record for one in sorted(Ordered(record, key) for record in records)]
        for turn in range(len(records)):
            turned = [*records[turn:], *records[:turn]]
            for these in (turned, turned[::-1], turned[::2] + turned[1::2]):
                assert [one.record for one in sorted(Ordered(record, key) for record in these)] == expected
