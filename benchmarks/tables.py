"""Tables: what a measurement gives, how figures are compared, and how they are shown."""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

Samples = Sequence[float | None]
"""A figure for each round; None for a round that gave none."""


@dataclass(frozen=True)
class Table:
    """Rows under one title. ``columns`` maps a row's field to its heading; fields without one are only in JSON.

    A row's ``samples`` has one figure a round, so that those of two rows can be compared round by round.
    """

    key: str
    title: str
    columns: dict[str, str]
    rows: list[dict[str, Any]]
    remarks: tuple[str, ...] = ()

    def value(self, name: str, field: str = "median") -> float | None:
        """Return one figure, or None when it was not measured."""
        return next((row.get(field) for row in self.rows if row["name"] == name), None)

    def samples(self, name: str) -> Samples:
        """Return the figures of all rounds; none when it was not measured."""
        return next((row.get("samples", ()) for row in self.rows if row["name"] == name), ())

    def lines(self) -> list[str]:
        """Return the table in markdown."""
        fields = list(self.columns)
        cells = [[_cell(row.get(field)) for field in fields] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(self.columns.values(), *cells, strict=True)]
        rows = [list(self.columns.values()), ["-" * width for width in widths], *cells]
        shown = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
        ]
        remarks = ["", *(f"- {remark}" for remark in self.remarks)] if self.remarks else []
        return [f"## {self.title}", "", *shown, *remarks, ""]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.2f}"


def figures(samples: Iterable[float | None]) -> list[float]:
    """Return those of the rounds that gave one."""
    return [sample for sample in samples if sample is not None]


def ratios(above: Samples, below: Samples) -> list[float]:
    """Return the quotient of each round that has both figures.

    The machine's mood differs from round to round and is the same for both within one: the median of these quotients
    says more than the quotient of two medians, and their spread says how much it says.
    """
    return [one / other for one, other in zip(above, below, strict=False) if one is not None and other]


def unmeasured(names: Iterable[str], rounds: int) -> dict[str, list[float | None]]:
    """Return samples to be filled in: none of these has a figure yet, in no round."""
    return {name: [None] * rounds for name in names}


def median(values: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return statistics.median(values) if values else None


def spread(values: Sequence[float]) -> str | None:
    """Return the least and the most, as they are shown."""
    return f"{_cell(min(values))} - {_cell(max(values))}" if values else None


def interleaved(contestants: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """Yield (round, contestant), each round in another order, so that nobody always runs after the same one."""
    step = max(1, len(contestants) // max(1, rounds))
    for turn in range(rounds):
        shift = turn * step % max(1, len(contestants))
        order = [*contestants[shift:], *contestants[:shift]]
        for contestant in reversed(order) if turn % 2 else order:
            yield turn, contestant


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the least of ``ordered`` that ``share`` of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def compared(
    key: str,
    title: str,
    unit: str,
    samples: Mapping[str, Samples],
    notes: Mapping[str, str],
    *,
    ours: str,
) -> Table:
    """Return a table of medians, and how many times of each the row ``ours`` takes: by rounds, see ``ratios``."""
    rows = []
    for name, values in samples.items():
        quotients = ratios(samples.get(ours, ()), values)
        rows.append(
            {
                "name": name,
                "median": median(figures(values)),
                "spread": spread(figures(values)),
                "ratio": median(quotients),
                "ratios": spread(quotients),
                "note": notes.get(name, ""),
                "samples": list(values),
            }
        )
    columns = {"name": "who", "median": unit, "spread": "least - most"}
    columns |= {"ratio": "ours / this", "ratios": "of the rounds", "note": "note"}
    return Table(key, title, columns, rows)
