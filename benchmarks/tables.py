"""What a measurement gives: tables of rows, and how they are shown."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """Rows under one title. ``columns`` maps a row's field to its heading; fields without one are only in JSON."""

    key: str
    title: str
    columns: dict[str, str]
    rows: list[dict[str, Any]]
    remarks: tuple[str, ...] = ()

    def value(self, name: str, field: str = "median") -> float | None:
        """Return one figure, or None when it was not measured."""
        return next((row.get(field) for row in self.rows if row["name"] == name), None)

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
    samples: Mapping[str, Sequence[float]],
    notes: Mapping[str, str],
    *,
    ours: str,
) -> Table:
    """Return a table of medians with, for each row, how many times of it the row ``ours`` takes."""
    medians = {name: statistics.median(values) for name, values in samples.items() if values}
    rows = [
        {
            "name": name,
            "median": medians.get(name),
            "spread": f"{_cell(min(values))} - {_cell(max(values))}" if values else None,
            "ratio": medians[ours] / medians[name] if medians.get(name) and ours in medians else None,
            "note": notes.get(name, ""),
            "samples": list(values),
        }
        for name, values in samples.items()
    ]
    columns = {"name": "who", "median": unit, "spread": "least - most", "ratio": "ours / this", "note": "note"}
    return Table(key, title, columns, rows)
