"""Limits as a settings file has them: a table ``[[limit]]`` each, beside ``[manager]``."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Order
from temp_file_manager.settings import values
from temp_file_manager.settings.tables import Table, alike, are_tables, flag, words
from temp_file_manager.settings.toml_file import TomlFile

TABLE = "limit"

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


def _order(raw: object) -> Order | str:
    """Read an order of ours, or the name of one that a plug-in may bring: which plug-ins there are is known later."""
    word = str(raw).strip().lower()
    if word not in ORDERS and (word in [*Order] or not re.fullmatch("[a-z][a-z0-9_.-]*", word)):
        raise ValueError(raw)
    return ORDERS.get(word, word)


_OTHERS: dict[str, tuple[Callable[[object], Any], str]] = {
    "order": (_order, "registration, use or size"),
    "first": (words, "a list of tags"),
    "tags": (words, "a list of tags"),
    "spare": (values.seconds, values.A_TIME),
    "after": (values.seconds, values.A_TIME),
    "refuse": (flag, "true or false"),
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


def read(file: TomlFile) -> tuple[tuple[Limit, ...], list[str]]:
    """Return the limits that the tables ``[[limit]]`` of a file describe, and every problem with them."""
    tables = file.tables.get(TABLE, [])
    if not are_tables(tables):
        return (), [f"{file.place(TABLE)}: limit is a list of tables: head each with [[limit]]"]
    limits, problems = [], []
    for number in range(1, len(tables) + 1):
        table = Table(file, TABLE, number)
        limit = _limit(table)
        if limit is not None:
            limits.append(limit)
            for problem in _wrong(limit, any_order=True):
                table.problem(problem)
            if limit.name in (BYTES, FREE):
                table.problem("that name is a setting of [manager]")
        problems += table.problems
    problems += [f"{file.name}: {problem}" for problem in alike(TABLE, (limit.name for limit in limits))]
    return tuple(limits), problems


def wrong(limits: Iterable[Limit], *, any_order: bool) -> Iterator[str]:
    """Yield what makes no sense about limits, however they were made; with ``any_order`` theirs may have any name."""
    limits = tuple(limits)
    yield from alike(TABLE, (limit.name for limit in limits))
    for limit in limits:
        yield from (f'limit "{limit.name}": {problem}' for problem in _wrong(limit, any_order=any_order))


def _wrong(limit: Limit, *, any_order: bool) -> Iterator[str]:
    measure, mark, to = limit.measure, limit.mark, limit.to
    if measure in (Measure.BYTES, Measure.FILES) and (mark.share or to.share):
        yield f"{measure} cannot be a share, as there is no whole: give a number, or use free or memory"
    elif mark.share != to.share:
        yield f"to is {to.words(measure)} where {measure} is {mark.words(measure)}: give two shares, or none"
    elif to.value > mark.value and not measure.is_room:
        yield f"to is {to.words(measure)}, more than {measure}, {mark.words(measure)}: give less, where removing ends"
    elif to.value < mark.value and measure.is_room:
        yield f"to is {to.words(measure)}, less than {measure}, {mark.words(measure)}: give more, where removing ends"
    if not (limit.order in ORDERS.values() if isinstance(limit.order, Order) else any_order):
        ours = f"give {', '.join([*ORDERS][:-1])} or {[*ORDERS][-1]}"
        yield f"order is {str(limit.order)!r}: {ours}, or name the plug-in that has it in plugins"


def _limit(table: Table) -> Limit | None:
    """Return what a table describes; None where that cannot be told."""
    table.check_keys(_KEYS)
    measures = [measure for measure in Measure if str(measure) in table]
    if len(measures) != 1:
        told = f"it has {' and '.join(measures)}" if measures else "it measures nothing"
        table.problem(f"{told}: give one of {', '.join(Measure)}")
    others = {key: value for key, reader in _OTHERS.items() if (value := table.value(key, *reader)) is not None}
    if len(measures) != 1:
        return None
    (measure,) = measures
    reader = _count if measure.is_count else values.mark
    mark = table.value(str(measure), _positive(reader), _MARKS[measure])
    to = table.value("to", reader, f"what {measure} may be, or 0")
    if mark is None or not table.name:
        return None
    if measure is Measure.MEMORY:
        others.setdefault("spare", 0.0)  # what is young is what fills it
    return Limit(table.name, measure, mark, to or beyond(measure, mark), **others)
