"""The picture of ``top`` on a terminal: tables beside and below each other, which rich measures, wraps and cuts.

Names of files come last in a line: what a terminal makes wider or narrower than it should be, or writes from right to
left, moves nothing that follows it. What comes from elsewhere is made harmless, and is never read as markup.
"""

from dataclasses import dataclass

from rich.bar import Bar
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.table import Column, Table
from rich.text import Text

from temp_file_manager.cli.top import parts, words
from temp_file_manager.cli.top.chart import columns, curve
from temp_file_manager.cli.top.files import files, footer, panel
from temp_file_manager.cli.top.look import BACK, Picture, Scene
from temp_file_manager.cli.top.words import brief, count
from temp_file_manager.text import human_size, printable, timestamp

_WIDE, _HIGH = 72, 22
"""Columns and lines from which on what expires is beside what stands out; else one comes below the other."""

_MIDDLE = 22
"""Lines that forecast and files need at most."""

_BROAD, _SLIM = 110, 60
"""Columns from which on the table of sweeps has all its columns, or most of them."""

_GRADES = {"healthy": "green", "degraded": "yellow", "unhealthy": "red", "unknown": "red"}
_STYLES = {"failed": "bold red", "kept": "bold yellow"}
_RARE = ("gone", "replaced")

_OLD = 10.0
"""Seconds after which an outlook, which is not made at every look, says how old it is."""


def draw(console: Console, scene: Scene, interval: float) -> Layout:
    """Return a whole screen.

    Args:
        console: Where it will be shown: what is shown depends on its size.
        scene: What is to be seen.
        interval: Seconds between two looks, which the last line tells.
    """
    body, screen = Layout(), Layout()
    middle = panel(scene)
    if middle is None:
        _glance(console, scene, body)
    else:
        body.split_column(Layout(_title(scene.picture), size=1), Layout(middle))
    # The body is shown in a layout, not split from it: so it is cut where the last line begins.
    screen.split_column(Layout(body), Layout(footer(scene, interval), size=1))
    return screen


def _glance(console: Console, scene: Scene, body: Layout) -> None:
    """Fill the body with all there is at a glance."""
    picture, width, room = scene.picture, console.width, console.height - 1

    def part(shown: RenderableType, most: int) -> Layout:
        lines = min(most, len(console.render_lines(shown)))
        return Layout(shown, size=lines, visible=lines > 0)

    beside = width >= _WIDE and room >= _HIGH
    forecast, listed, sweeps = _forecast(picture), files(scene), _sweeps(picture, width)
    head = [
        Layout(_title(picture), size=1),
        part(_reasons(picture, max(1, room // 8)), max(1, room // 3)),
        part(_curves(picture, max(1, (room - 18) // 5) if beside else 1), room),
        part(_figures(picture), max(2, room // 5)),
        part(_limits(picture), max(1, room // 6)),
    ]
    if beside:
        both = Layout(size=min(_MIDDLE, room // 2))
        both.split_row(Layout(forecast, ratio=2), Layout(Text(" "), size=2), Layout(listed, ratio=3))
        body.split_column(*head, both, Layout(sweeps))
    else:
        body.split_column(*head, part(sweeps, max(3, room // 4)), part(forecast, room), Layout(listed))


# -- how it is


def _title(picture: Picture) -> Table:
    health = picture.overview["health"]
    grade = "unknown" if picture.trouble else health["status"]
    grid = parts.grid(Column(no_wrap=True), Column(ratio=1), Column(), expand=True)
    grid.add_row(
        parts.line((f" {grade.upper()} ", f"bold reverse {_GRADES[grade]}")),
        parts.line((health["base_dir"], "bold")),
        parts.line((timestamp(picture.overview["at"]), "dim")),
    )
    return grid


def _reasons(picture: Picture, most: int) -> Group:
    """Return why it is not healthy: so many reasons at most."""
    health = picture.overview["health"]
    told = [(reason, _GRADES[health["status"]]) for reason in health["reasons"]]
    if picture.trouble:
        told.insert(0, (f"this is how it was: {picture.trouble}", "red"))
    if len(told) > most:
        told[most:] = [(f"and {len(told) - most} more", "dim")]
    return Group(*(Text(printable(reason), style) for reason, style in told))


@dataclass(frozen=True)
class _Curve:
    """A curve of the last hour, as wide as there is room."""

    values: list[tuple[float, float]]
    until: float
    rows: int
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shape = columns(self.values, self.until - BACK, self.until, options.max_width)
        yield from (Text(line, self.style) for line in curve(shape, self.rows))


def _curves(picture: Picture, rows: int) -> Table:
    """Return how many files and bytes there were in the last hour, in so many lines each."""
    ends = [Column(style="dim", no_wrap=True) for _ in range(2)]
    grid = parts.grid(ends[0], parts.number(style="bold", min_width=8), Column(ratio=1), ends[1], expand=True)
    for name, style, figure in (("files", "cyan", count), ("bytes", "magenta", human_size)):
        values = [(sample.at, sample.records if name == "files" else sample.bytes) for sample in picture.samples]
        drawn = [(at, float(value or 0)) for at, value in values]
        most = figure(int(max(value for _, value in drawn)))
        grid.add_row(name, figure(values[-1][1]), _Curve(drawn, values[-1][0], rows, style), f"max {most}")
    return grid


def _figures(picture: Picture) -> Columns:
    """Return how it is now, and what was ever done."""
    failed = picture.overview["stats"]["failed"]
    styles = {"failed": "bold red"} if failed else {}
    figures = words.figures(picture.overview, picture.outlook).items()
    return Columns(
        [parts.line((f"{name} ", "dim"), (value, styles.get(name, "bold"))) for name, value in figures], parts.GAP
    )


def _limits(picture: Picture) -> Group:
    """Return how it is about each limit, in a line each; those that are passed first."""
    told = sorted(words.limits(picture.overview), key=lambda limit: not limit.state)
    return Group(*(_limit(limit) for limit in told))


def _limit(limit: words.Limited) -> Text:
    style = "bold red" if limit.state else "bold"
    figures = f"{limit.now}, {limit.bound}"
    return parts.line((f"limit {limit.name} ", "dim"), (figures, style), (f"  {limit.state}", "red"))


# -- what was, and what comes


def _forecast(picture: Picture) -> Group:
    if picture.outlook is None:
        return parts.headed("Due within", Text("looking at every file …", "dim"))
    late = picture.overview["at"] - picture.outlook["asof"]
    told = list(words.forecast(picture.outlook))
    most = max(number for _, number, _ in told)
    grid = parts.grid(
        parts.number(), parts.number(min_width=6), parts.number(style="dim"), Column(ratio=1), expand=True
    )
    for label, number, size in told:
        drawn = Bar(most, 0, number, color="yellow" if label == "now" else "blue")
        grid.add_row(label, Text(count(number), "bold" if number else "dim"), size, drawn)
    return parts.headed("Due within", grid, f"{brief(late)} ago" if late >= _OLD else "")


def _sweeps(picture: Picture, width: int) -> Group:
    """Return the last sweeps, the newest first."""
    found, base = picture.overview, picture.overview["health"]["base_dir"]
    shown = [name for name in words.COUNTS if width >= _BROAD or name not in _RARE]
    before = ["ago", "took"] if width >= _SLIM else ["ago"]
    heads = map(parts.number, (*before, *shown))
    table = Table(*heads, Column("why", style="dim"), box=None, pad_edge=False, padding=parts.GAP, header_style="dim")
    for sweep in words.swept(found["sweeps"]):
        when = [words.ago(sweep.at, found["at"]), sweep.took][: len(before)]
        numbers = [(name, sweep.counts[name]) for name in shown]
        counts = [Text(count(number), _STYLES.get(name, "bold") if number else "dim") for name, number in numbers]
        reasons = [parts.path(example, base, f"{told}, such as ") for told, example in sweep.reasons]
        remarks = [parts.line(("; ".join(sweep.remarks), ""))] if sweep.remarks else []
        table.add_row(*when, *counts, Group(*remarks, *reasons))
    return parts.headed("Sweeps", table, words.schedule(found))
