"""Limits as a settings file has them: a table ``[[limit]]`` each, beside ``[manager]``."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Order
from temp_file_manager.settings import values
from temp_file_manager.settings.mistakes import unknown

BYTES, FREE = "max_bytes", "min_free"
"""Names of the two limits that are settings of their own."""

ORDERS = {"registration": Order.OLDEST, "use": Order.LEAST_USED, "size": Order.LARGEST}

_MARKS = {
    Measure.BYTES: 'bytes, 1 or more, or a text such as "20 GiB"',
    Measure.FILES: "a whole number, 1 or more",
    Measure.FREE: 'bytes, 1 or more, or a text such as "5 GiB" or "10 %"',
    Measure.FREE_INODES: 'a whole number, 1 or more, or a text such as "5 %"',
    Measure.MEMORY: 'bytes, 1 or more, or a text such as "40 MiB" or "80 %"',
}
_A_TENTH = 0.1


def _positive(reader: Callable[[object], Mark]) -> Callable[[object], Mark]:
    def read(raw: object) -> Mark:
        mark = reader(raw)
        if not mark.value > 0:
            raise ValueError(raw)
        return mark

    return read


def _count(raw: object) -> Mark:
    return values.mark(raw) if isinstance(raw, str) and "%" in raw else Mark(values.whole(0)(raw))


def _words(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple) or not all(isinstance(word, str) and word for word in raw):
        raise ValueError(raw)
    return tuple(raw)


def _flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError(raw)  # noqa: TRY004 - it becomes a problem of the key
    return raw


def _order(raw: object) -> Order | str:
    """Read an order of ours, or the name of one that a plug-in may bring: which plug-ins there are is known later."""
    word = str(raw).strip().lower()
    if word not in ORDERS and (word in [*Order] or not re.fullmatch("[a-z][a-z0-9_.-]*", word)):
        raise ValueError(raw)
    return ORDERS.get(word, word)


_OTHERS: dict[str, tuple[Callable[[object], Any], str]] = {
    "order": (_order, "registration, use or size"),
    "first": (_words, "a list of tags"),
    "tags": (_words, "a list of tags"),
    "spare": (values.span, 'seconds, 0 or more, or a text such as "1 min"'),
    "after": (values.span, 'seconds, 0 or more, or a text such as "30 s"'),
    "refuse": (_flag, "true or false"),
}
_KEYS = ("name", *map(str, Measure), "to", *_OTHERS)


def of_settings(max_bytes: int | None, min_free: Mark | None) -> tuple[Limit, ...]:
    """Return the limits that the two settings make."""
    marks = [] if max_bytes is None else [(BYTES, Measure.BYTES, Mark(max_bytes))]
    marks += [] if min_free is None else [(FREE, Measure.FREE, min_free)]
    return tuple(Limit(name, measure, mark, beyond(measure, mark)) for name, measure, mark in marks)


def beyond(measure: Measure, mark: Mark) -> Mark:
    """Return where removing ends when nothing is said: a tenth beyond the mark."""
    value = mark.value * (1 + _A_TENTH if measure.is_room else 1 - _A_TENTH)
    return Mark(min(round(value, 12), 1.0), share=True) if mark.share else Mark(int(value))


def read(tables: object, where: str) -> tuple[tuple[Limit, ...], tuple[str, ...]]:
    """Return the limits that tables of a file describe, and every problem with them.

    Args:
        tables: What TOML made of ``[[limit]]``.
        where: The file's name, for the problems.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        return (), (f"{where}: limit is a list of tables: head each with [[limit]]",)
    limits, problems = [], []
    for number, table in enumerate(tables, 1):
        found = _Table(table, number)
        problems += found.problems
        if found.limit is not None:
            limits.append(found.limit)
    problems += wrong(limits, any_order=True)
    problems += [f'limit "{name}": that name is a setting of [manager]' for name in _names(limits) & {BYTES, FREE}]
    return tuple(limits), tuple(f"{where}: {problem}" for problem in problems)


def _names(limits: Iterable[Limit]) -> set[str]:
    return {limit.name for limit in limits}


def wrong(limits: Iterable[Limit], *, any_order: bool) -> Iterator[str]:
    """Yield what makes no sense about limits, however they were made; with ``any_order`` theirs may have any name."""
    limits = tuple(limits)
    for name, count in Counter(limit.name for limit in limits).items():
        if count > 1:
            yield f'limit "{name}": {count} limits have that name: give each its own'
    for limit in limits:
        yield from (f'limit "{limit.name}": {problem}' for problem in _wrong(limit))
        if not (limit.order in ORDERS.values() if isinstance(limit.order, Order) else any_order):
            ours = f"give {', '.join([*ORDERS][:-1])} or {[*ORDERS][-1]}"
            order = f'limit "{limit.name}": order is {str(limit.order)!r}'
            yield f"{order}: {ours}, or name the plug-in that has it in plugins"


def _wrong(limit: Limit) -> Iterator[str]:
    measure, mark, to = limit.measure, limit.mark, limit.to
    if measure in (Measure.BYTES, Measure.FILES) and (mark.share or to.share):
        yield f"{measure} cannot be a share, as there is no whole: give a number, or use free or memory"
    elif mark.share != to.share:
        yield f"to is {to.words(measure)} where {measure} is {mark.words(measure)}: give two shares, or none"
    elif to.value > mark.value and not measure.is_room:
        yield f"to is {to.words(measure)}, more than {measure}, {mark.words(measure)}: give less, where removing ends"
    elif to.value < mark.value and measure.is_room:
        yield f"to is {to.words(measure)}, less than {measure}, {mark.words(measure)}: give more, where removing ends"


class _Table:
    """One table, read as far as it can be.

    Attributes:
        limit: What it describes; None where that cannot be told.
        problems: What is wrong with it.
    """

    def __init__(self, table: Mapping[str, object], number: int) -> None:
        self._table = table
        name = table.get("name")
        self._named = isinstance(name, str) and bool(name)
        self._title = f'limit "{name}"' if self._named else f"limit {number}"
        self.problems: list[str] = []
        self.limit = self._read()

    def _read(self) -> Limit | None:
        if not self._named:
            self._problem("give it a name, which the log and why call it by")
        for key in self._table:
            if key not in _KEYS:
                self._problem(unknown(key, _KEYS, "key of a limit"))
        measures = [measure for measure in Measure if str(measure) in self._table]
        if len(measures) != 1:
            told = f"it has {' and '.join(measures)}" if measures else "it measures nothing"
            self._problem(f"{told}: give one of {', '.join(Measure)}")
        others = {key: value for key, reader in _OTHERS.items() if (value := self._value(key, *reader)) is not None}
        if len(measures) != 1:
            return None
        (measure,) = measures
        reader = _count if measure.is_count else values.mark
        mark = self._value(str(measure), _positive(reader), _MARKS[measure])
        to = self._value("to", reader, f"what {measure} may be, or 0")
        if mark is None or not self._named:
            return None
        if measure is Measure.MEMORY:
            others.setdefault("spare", 0.0)  # what is young is what fills it
        return Limit(str(self._table["name"]), measure, mark, to or beyond(measure, mark), **others)

    def _value(self, key: str, reader: Callable[[object], Any], allowed: str) -> Any:
        """Return what is read of a key; None where it is not there, or cannot be read."""
        if key not in self._table:
            return None
        raw = self._table[key]
        try:
            return reader(raw)
        except (ValueError, KeyError, OverflowError):
            self._problem(f"{key} is {raw!r}: give {allowed}")
            return None

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self._title}: {text}")
