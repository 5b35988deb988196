"""A ruling: the rules that are asked, and what they give to files as those are put on record."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from temp_file_manager.records import Nature, NewFile, TempFile
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.life import first_look
from temp_file_manager.rules.rule import Rule


class Upto:
    """How far rules have been put in force: ends of records with a higher generation may be what former rules said.

    Attributes:
        value: The generation; none at first.
    """

    value: float = 0.0


class Ruling(NamedTuple):
    """What rules there are, and what decides where none does.

    Attributes:
        book: The rules.
        max_age: Says how many seconds a record may live that none is about, or one that gives no age.
        upto: What puts rules in force keeps this; None: nothing does, and they have been so for ever.
    """

    book: Book
    max_age: Callable[[], float]
    upto: Upto | None = None

    def as_known(self, record: TempFile, rule: Rule) -> TempFile:
        """Return a record as its rule may take it: an end that a former rule has set says nothing of the newest.

        Other rules find their ends anew from the file; whether a file is among the newest only its record tells.
        """
        if rule.keep_last is None or self.upto is None or record.generation <= self.upto.value:
            return record
        return record._replace(due_at=None)

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
