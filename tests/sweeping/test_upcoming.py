"""Upcoming records: what comes up once more, among those that are still to come."""

from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry import Page
from temp_file_manager.sweeping.foreseen import NO_MORE
from temp_file_manager.sweeping.upcoming import Upcoming


def test_what_comes_up_once_more_loses_none_of_the_others() -> None:
    first, second, third = (TempFile(f"/p/{number}", float(number), generation=number) for number in (1, 5, 9))
    upcoming = Upcoming(lambda *_: Page((first, second, third), None), Selection(100.0, 10.0), NO_MORE, 100, few=False)
    assert upcoming.take(1) == [first]
    again = first._replace(registered_at=3.0, generation=12)
    upcoming.add(again)
    upcoming.add(again)
    assert upcoming.take(9) == [again, second, third]
