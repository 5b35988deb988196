"""``top`` without a terminal: one picture, in lines and tables."""

from temp_file_manager.cli import render
from temp_file_manager.cli.top import words
from temp_file_manager.cli.top.look import Picture
from temp_file_manager.text import human_size, timestamp

_SWEEPS = 10


def tell(picture: Picture) -> None:
    """Print a picture."""
    found = picture.overview
    for reason in found["health"]["reasons"]:
        render.line(f"{found['health']['status']}: {reason}")
    render.table(("health", str(found["health"]["status"])), _figures(picture))
    limits = list(words.limits(found))
    if limits:
        render.line()
        render.table(("limit", "of", "now", "allowed", "state"), limits)
    _outlook(picture)
    render.line()
    render.line(f"sweeps: {words.schedule(found)}")
    rows = [_sweep(row, found["at"]) for row in words.swept(found["sweeps"])]
    if rows:
        render.table(("ended", "took", *words.COUNTS, "why"), rows[:_SWEEPS])


def _figures(picture: Picture) -> list[tuple[str, str]]:
    found = picture.overview
    records = [sample.records for sample in picture.samples]
    return [
        ("at", timestamp(found["at"])),
        ("base directory", found["health"]["base_dir"]),
        ("registry", found["health"]["registry"]),
        ("files", words.count(found["stats"]["records"])),
        ("bytes", human_size(found["stats"]["bytes"])),
        ("last hour", f"{min(records):,} to {max(records):,} files"),
        *words.figures(found, picture.outlook).items(),
    ]


def _outlook(picture: Picture) -> None:
    found, base = picture.outlook, picture.overview["health"]["base_dir"]
    assert found is not None  # noqa: S101 - a look ends with it
    parts = [(label, words.count(files), size) for label, files, size in words.forecast(found)]
    render.line()
    render.table(("due within", "files", "bytes"), parts)
    for name, figures in (("oldest", ("age", "due", "size")), ("largest", ("size", "due", "age"))):
        told = [(words.file(item, found["asof"]), words.inside(words.place(item), base)) for item in found[name]]
        if told:
            render.line()
            rows = [(*(file[figure] for figure in figures), path) for file, path in told]
            render.table((name, *figures[1:], "path"), rows)


def _sweep(row: words.Swept, now: float) -> tuple[str, ...]:
    counts = (words.count(row.counts[name]) for name in words.COUNTS)
    reasons = (f"{told}, such as {example}" for told, example in row.reasons)
    return f"{words.ago(row.at, now)} ago", row.took, *counts, "; ".join((*row.remarks, *reasons))
