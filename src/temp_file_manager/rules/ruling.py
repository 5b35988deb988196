"""A ruling: the rules that are asked, and what they give to files as those are put on record."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from temp_file_manager.records import Nature, NewFile
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.life import first_look


class Ruling(NamedTuple):
    """What rules there are, and what decides where none does.

    Attributes:
        book: The rules.
        max_age: Says how many seconds a record may live that none is about, or one that gives no age.
    """

    book: Book
    max_age: Callable[[], float]

    def give(self, rows: Iterable[NewFile], registered_at: float) -> tuple[list[NewFile], Mapping[str, Nature]]:
        """Return rows as they are to be put on record, and the natures of those that come under a rule.

        What has an end of its own comes under none.

        Args:
            rows: The files.
            registered_at: Seconds since the epoch.
        """
        max_age = self.max_age()
        given: list[NewFile] = []
        natures: dict[str, Nature] = {}
        for row in rows:
            path, due_at, size, tags, identity, disk = row
            rule = None
            if due_at is None:
                rule = self.book.decide(path, tags, size if disk is None else disk)
            if rule is None:
                natures.pop(path, None)  # of two alike the last wins
                given.append(row)
            else:
                natures[path] = Nature(rule.name)
                given.append((path, first_look(rule, registered_at, max_age), size, tags, identity, disk))
        return given, natures
