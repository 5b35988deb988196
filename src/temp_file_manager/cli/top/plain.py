"""``top`` without a terminal: one picture, in lines and tables."""

from collections.abc import Iterator
from typing import Any

from temp_file_manager.cli import render
from temp_file_manager.cli.top import words
from temp_file_manager.cli.top.look import Picture
from temp_file_manager.text import human_size, span, timestamp

Row = tuple[str, ...]

_SWEEPS = 10


def tell(picture: Picture) -> None:
    """Print a picture."""
    found = picture.overview
    health = found["health"]
    for reason in health["reasons"]:
        render.line(f"{health['status']}: {reason}")
    render.table(("health", str(health["status"])), _figures(picture))
    for name, rows in _tables(picture):
        if rows:
            render.line()
            render.table(name, rows)
    render.line()
    render.line(f"sweeps: {words.schedule(found)}")
    rows = list(_sweeps(picture))
    if rows:
        render.table(("ended", "took", *words.COUNTS, "why"), rows)


def _figures(picture: Picture) -> list[Row]:
    found = picture.overview
    stats, health, now = found["stats"], found["health"], found["at"]
    records = [sample.records for sample in picture.samples]
    return [
        ("at", timestamp(now)),
        ("base directory", health["base_dir"]),
        ("registry", health["registry"]),
        ("max_age", span(health["max_age"])),
        ("files", words.count(stats["records"])),
        ("bytes", human_size(stats["bytes"])),
        ("last hour", f"{min(records):,} to {max(records):,} files"),
        ("oldest", words.oldest(found)),
        ("disk free", words.free(found["disk"])),
        *words.totals(stats),
    ]


def _tables(picture: Picture) -> Iterator[tuple[Row, list[Row]]]:
    found = picture.outlook
    assert found is not None  # noqa: S101 - a look ends with it
    base, now = picture.overview["health"]["base_dir"], found["asof"]
    parts = words.forecast(found)
    yield ("due within", "files", "bytes"), [(label, words.count(n), human_size(size)) for label, n, size in parts]
    yield ("oldest", "due", "size", "path"), [_file(item, base, now, "age", "due", "size") for item in found["oldest"]]
    yield ("largest", "due", "age", "path"), [_file(item, base, now, "size", "due", "age") for item in found["largest"]]


def _file(item: dict[str, Any], base: str, now: float, *names: str) -> Row:
    figures = {
        "age": words.ago(item["registered_at"], now),
        "due": words.due(item, now),
        "size": human_size(item["size"]),
    }
    return (*(figures[name] for name in names), words.inside(item["path"], base))


def _sweeps(picture: Picture) -> Iterator[Row]:
    for row in words.swept(picture.overview["sweeps"])[:_SWEEPS]:
        counts = (words.count(row.counts[name]) for name in words.COUNTS)
        reasons = (f"{which}, {why}, such as {example}" for which, why, example in row.reasons)
        yield (
            f"{words.ago(row.at, picture.overview['at'])} ago",
            row.took,
            *counts,
            "; ".join((*row.remarks, *reasons)),
        )
