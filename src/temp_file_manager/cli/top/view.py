"""How ``top`` looks on a terminal: as many lines as it has, each as wide as it is.

Names of files come last in a line: what a terminal makes wider or narrower than it should be, or writes from right to
left, moves nothing that follows it.
"""

from typing import Any

from rich.text import Text

from temp_file_manager.cli.top import words
from temp_file_manager.cli.top.chart import bar, columns, curve
from temp_file_manager.cli.top.lines import GAP, fitted, flowing, headed, joined, shortened, sized, wrapped
from temp_file_manager.cli.top.look import BACK, Picture
from temp_file_manager.cli.top.words import COUNTS, ago, brief, count
from temp_file_manager.text import human_size, printable, span, timestamp

_WIDE, _HIGH = 72, 22
"""Columns and lines from which on what expires is beside what stands out; else one comes below the other."""

_TALL, _SHORT = 30, 14
_BROAD, _SLIM = 110, 60
"""Lines and columns from which on there is more, or less, to each part."""

_GRADES = {"healthy": "green", "degraded": "yellow", "unhealthy": "red", "unknown": "red"}
_CURVES = {"files": "cyan", "bytes": "magenta"}
_STYLES = {"failed": "red", "kept": "yellow"}
_RARE = ("gone", "replaced")
_PARTS = 9  # lines of the forecast, with its head
_AGO, _TOOK = 7, 9

_OLD = 10.0
"""Seconds after which an outlook, which is not made at every look, says how old it is."""


Lines = list[Text]


def draw(picture: Picture, width: int, height: int, interval: float) -> Text:
    """Return a whole screen.

    Args:
        picture: What is to be seen.
        width: Columns of the terminal.
        height: Its lines.
        interval: Seconds between two looks, which the last line tells.
    """
    room = height - 1
    lines = (_beside if width >= _WIDE and room >= _HIGH else _below)(picture, width, room)
    lines = [*sized(lines, room), _footer(picture, width, interval)]
    return Text("\n", no_wrap=True, overflow="crop").join(fitted(line, width) for line in lines)


def _beside(picture: Picture, width: int, room: int) -> Lines:
    tall = room >= _TALL
    space = [Text()] if tall else []
    head = [_title(picture, width), *_reasons(picture, width, 4 if tall else 2), *space]
    head += [*_curves(picture, width, max(1, (room - 18) // 5)), *_figures(picture, width, 4), *space]
    rest = room - len(head)
    below = min(len(_sweeps(picture, width, rest)), rest // 2)
    middle = max(_PARTS, min(rest - below - len(space), len(_outstanding(picture, width, room))))
    left = 52 if width >= _BROAD else 36
    parts = sized(_forecast(picture, left), middle)
    files = sized(_outstanding(picture, width - left - len(GAP), middle), middle)
    both = [joined(one, other, left) for one, other in zip(parts, files, strict=True)]
    return [*head, *both, *space, *_sweeps(picture, width, rest - middle - len(space))]


def _below(picture: Picture, width: int, room: int) -> Lines:
    short = room < _SHORT
    lines = [_title(picture, width), *_reasons(picture, width, 1 if short else 3), *_curves(picture, width, 1)]
    lines += _figures(picture, width, 2 if short else 6)
    lines += _sweeps(picture, width, max(3, room // 4))
    return [*lines, *_forecast(picture, width), *_outstanding(picture, width, room)]


# -- how it is


def _title(picture: Picture, width: int) -> Text:
    health, at = picture.overview["health"], timestamp(picture.overview["at"])
    at = at if width >= _SLIM else at.rpartition(" ")[2]
    grade = "unknown" if picture.trouble else health["status"]
    title = Text().append(f" {grade.upper()} ", f"bold reverse {_GRADES[grade]}")
    title.append(GAP).append(shortened(health["base_dir"], max(8, width - len(title) - len(at) - 2 * len(GAP))), "bold")
    return joined(title, Text(at, "dim"), width - len(at) - len(GAP))


def _reasons(picture: Picture, width: int, rows: int) -> Lines:
    """Return why it is not healthy, each reason in its share of the lines."""
    health = picture.overview["health"]
    told = [(reason, _GRADES[health["status"]]) for reason in health["reasons"]]
    if picture.trouble:
        told.insert(0, (f"this is how it was: {picture.trouble}", "red"))
    lines: Lines = []
    for number, (reason, style) in enumerate(told[:rows]):
        share = (rows - len(lines)) // (min(rows, len(told)) - number)
        lines += wrapped(reason, style, width, share)
    if len(told) > rows:
        more = f"and {len(told) - rows} more"
        lines[-1] = joined(lines[-1], Text(more, told[-1][1]), width - len(more) - len(GAP))
    return lines


def _curves(picture: Picture, width: int, rows: int) -> Lines:
    """Return how many files and bytes there were in the last hour, in so many lines each."""
    found = picture.overview
    figures = {"files": count(found["stats"]["records"]), "bytes": human_size(found["stats"]["bytes"])}
    values = {
        "files": [(sample.at, float(sample.records)) for sample in picture.samples],
        "bytes": [(sample.at, float(sample.bytes or 0)) for sample in picture.samples],
    }
    scale = 16 if width >= _SLIM else 0
    lines = []
    for name, style in _CURVES.items():
        shape = columns(values[name], found["at"] - BACK, found["at"], max(0, width - 17 - scale))
        most = max((value for value in shape if value is not None), default=0)
        for row, drawn in enumerate(curve(shape, rows)):
            line = (
                Text()
                .append(f"{'' if row else name:<5}", "dim")
                .append(f"{'' if row else figures[name]:>10}{GAP}", "bold")
            )
            line.append(drawn, style)
            top = count(most) if name == "files" else human_size(int(most))
            lines.append(line if row or not scale else line.append(f"{GAP}max {top}", "dim"))
    return lines


def _figures(picture: Picture, width: int, rows: int) -> Lines:
    """Return how it is now, and what was ever done, in so many lines at most."""
    found = picture.overview
    max_age = span(found["health"]["max_age"])
    now = {
        "oldest": words.oldest(found),
        "disk free" if width >= _SLIM else "free": words.free(found["disk"]),
        "max_age": max_age,
    }
    ever = words.totals(found["stats"])
    failed = found["stats"]["failed"]
    lines = flowing(((name, value, "bold") for name, value in now.items()), width, max(1, rows // 3))
    styled = ((name, value, "bold red" if name == "failed" and failed else "bold") for name, value in ever)
    return [*lines, *flowing(styled, width, rows - len(lines))]


def _footer(picture: Picture, width: int, interval: float) -> Text:
    said = f" ends{GAP}looks every {interval:g} s{GAP}curves: the last hour"
    line = Text().append(" q ", "reverse").append(said, "dim")
    version = Text(f"temp-file-manager {picture.overview['version']}", "dim")
    return joined(line, version, width - len(version) - len(GAP)) if width >= _WIDE else line


# -- what was, and what comes


def _forecast(picture: Picture, width: int) -> Lines:
    if picture.outlook is None:
        return [headed("Due within", width), Text("looking at every file …", "dim")]
    late = picture.overview["at"] - picture.outlook["asof"]
    head = headed("Due within", width, f"{brief(late)} ago" if late >= _OLD else "")
    parts = [(label, files, human_size(size)) for label, files, size in words.forecast(picture.outlook)]
    most = max(files for _, files, _ in parts)
    digits = max(6, len(count(most)))
    lines = [head]
    for label, files, size in parts:
        line = Text(f"{label:>6}{GAP}").append(f"{count(files):>{digits}}", "bold" if files else "dim")
        line.append(f"{GAP}{size:>10}" if width > _PARTS + 36 else "", "dim")
        room = width - len(line) - len(GAP)
        lines.append(line.append(GAP).append(bar(files, most, room), "yellow" if label == "now" else "blue"))
    return lines


def _outstanding(picture: Picture, width: int, rows: int) -> Lines:
    """Return the oldest and the largest files, half of the lines each."""
    if picture.outlook is None:
        return []
    found, now = picture.outlook, picture.overview["at"]
    if not found["oldest"]:
        return [headed("Oldest", width), Text("Nothing is registered here.", "dim")]
    half = rows // 2
    oldest = [_file(picture, item, ago(item["registered_at"], now), width) for item in found["oldest"]]
    largest = [_file(picture, item, human_size(item["size"]), width) for item in found["largest"]]
    upper = [headed("Oldest", width), *oldest][: max(half, rows - len(largest) - 1)]
    return [*upper, *[headed("Largest", width), *largest][: rows - len(upper)]]


def _file(picture: Picture, item: dict[str, Any], figure: str, width: int) -> Text:
    due = words.due(item, picture.overview["at"])
    line = Text(f"{figure:>10}{GAP}")
    if item["failures"]:
        line.append(f"{due:<9}{GAP}", "red")
    elif width >= _SLIM:
        line.append(f"{due:<9}{GAP}", "dim")
    name = words.inside(item["path"], picture.overview["health"]["base_dir"])
    return line.append(shortened(name, max(1, width - len(line))))


def _sweeps(picture: Picture, width: int, rows: int) -> Lines:
    """Return the last sweeps, the newest first; where there is room, reasons have lines of their own."""
    found, now, base = picture.overview, picture.overview["at"], picture.overview["health"]["base_dir"]
    sweeps = words.swept(found["sweeps"])
    shown = [name for name in COUNTS if width >= _BROAD or name not in _RARE]
    took = _TOOK if width >= _SLIM else 0
    names = "".join(f"{name:>{len(name) + 2}}" for name in shown)
    lines = [headed("Sweeps", width, words.schedule(found))]
    lines.append(Text(f"{'ago':>{_AGO}}{'took'[:took]:>{took}}{names}{GAP}why", "dim"))
    spare = rows - len(lines) - len(sweeps)
    for sweep in sweeps:
        line = Text(f"{ago(sweep.at, now):>{_AGO}}{sweep.took[:took]:>{took}}")
        for name in shown:
            number = sweep.counts[name]
            line.append(f"{count(number):>{len(name) + 2}}", _STYLES.get(name, "bold") if number else "dim")
        apart = 0 < len(sweep.reasons) <= spare and width >= _SLIM
        why = () if apart else [why for _, why, _ in sweep.reasons]
        lines.append(line.append(f"{GAP}{printable('; '.join((*sweep.remarks, *why)))}", "dim"))
        if apart:
            spare -= len(sweep.reasons)
            lines += [_reason(reason, base, width) for reason in sweep.reasons]
    return lines[:rows]


def _reason(reason: tuple[str, str, str], base: str, width: int) -> Text:
    which, why, example = reason
    line = Text(" " * (_AGO + len(GAP))).append(f"{which}: ", _STYLES.get(which.split()[-1], ""))
    line.append(printable(why))
    return line.append(f", such as {shortened(words.inside(example, base), max(1, width - len(line) - 10))}", "dim")
