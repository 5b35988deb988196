"""The files that ``top`` lists, the story of one of them, and the keys: what somebody asks for by a key."""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

from temp_file_manager.cli.commands import why
from temp_file_manager.cli.top import parts, words
from temp_file_manager.cli.top.choices import Choices, Part, Question, Shown, place
from temp_file_manager.cli.top.listing import Listing, path_of
from temp_file_manager.cli.top.look import Scene
from temp_file_manager.records import Kind, Order, TempFile
from temp_file_manager.text import human_size, printable

_ORDERS = {Order.OLDEST: "Oldest", Order.LARGEST: "Largest", Order.LEAST_USED: "Least used"}
_PARTS = {
    Part.DUE: "Due, the longest overdue first",
    Part.FAILED: "Could not be removed, the most often tried first",
    Part.QUARANTINED: "In quarantine, the first to come there first",
}

KEYS = (
    ("↑ ↓  k j", "select a file; PgUp, PgDn, Home and End go further"),
    ("Enter", "why: what keeps or takes the selected file, and who has it open"),
    ("s", "sort: oldest, largest, least used"),
    ("f", "filter: all, due, failed, pinned or held, in quarantine"),
    ("/", "search in paths; Enter keeps it, Esc ends it"),
    ("Esc", "all files again"),
    ("?", "these keys"),
    ("q", "end; so does Ctrl-C"),
)


def files(scene: Scene) -> RenderableType:
    """Return the list of files, the selected one marked; as many as there is room for."""
    listing, choices = scene.listing, scene.choices
    if listing is None:
        return Text(" ")
    if not listing.records:
        return parts.headed(_title(listing.question), Text(_nothing(scene, listing), "dim"), _note(listing, choices))
    at = place(choices, scene.paths)
    shown = _List(listing, at, scene.picture.overview["health"]["base_dir"])
    return parts.headed(_title(listing.question), shown, _note(listing, choices))


def _title(question: Question) -> str:
    if question.part in _PARTS:
        return _PARTS[question.part]
    return _ORDERS[question.order] + (", pinned or held" if question.part is Part.KEPT else "")


def _nothing(scene: Scene, listing: Listing) -> str:
    if not listing.complete:
        return "None so far: press Esc for all files."
    return "None." if scene.picture.overview["stats"]["records"] else "Nothing is registered here."


def _note(listing: Listing, choices: Choices) -> str:
    search = listing.question.search
    sought = f"/{search}{'_' if choices.typing else ''}" if search or choices.typing else ""
    return sought if listing.complete else f"{sought} in the first {words.count(listing.looked_at)}".strip()


@dataclass(frozen=True)
class _List:
    """A window on a list, as high as there is room, with the selected line in it."""

    listing: Listing
    at: int
    base: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max((options.height or len(self.listing.records) + 1) - 1, 1)  # less the line of its heading
        first = max(0, min(self.at - room // 2, len(self.listing.records) - room))
        grid = parts.grid(parts.number(min_width=10), parts.number(min_width=6), Column(no_wrap=True), Column())
        for number, record in enumerate(self.listing.records[first : first + room], first):
            grid.add_row(*self._cells(record), style="reverse" if number == self.at else "")
        yield grid

    def _cells(self, record: TempFile) -> tuple[RenderableType, ...]:
        due = self.listing.due
        when = words.due(record, due)
        mark = "(quarantined) " if record.kind is Kind.QUARANTINED else ""
        name = parts.path(path_of(record), self.base, mark)
        age = words.ago(record.registered_at, due.asof)
        return age, human_size(record.room), Text(when, "red" if record.failures else "dim"), name


def panel(scene: Scene) -> RenderableType | None:
    """Return what takes the place of all but the title; None: nothing does."""
    if scene.choices.shown is Shown.KEYS:
        grid = parts.grid(Column(style="bold", no_wrap=True), Column())
        for key, does in KEYS:
            grid.add_row(key, does)
        return parts.headed("Keys", grid, "any key goes back")
    if scene.choices.shown is Shown.WHY and scene.story is not None:
        story = scene.story
        grid = parts.grid(Column(style="dim", no_wrap=True), Column())
        for name, value in why.rows(story):
            grid.add_row(name, Text(printable(value)))
        head = Text(printable(f"{why.headline(story)}"), "bold")
        return parts.headed(
            printable(story.path), Group(head, Text(why.advice(story)), Text(" "), grid), "any key goes back"
        )
    return None


def footer(scene: Scene, interval: float) -> Table:
    """Return the last line: which keys there are, and how often it looks."""
    grid = parts.grid(Column(no_wrap=True), Column(justify="right", ratio=1), expand=True)
    version = f"temp-file-manager {scene.picture.overview['version']}"
    keys = (("q", "ends"), ("?", "keys"), ("s", "sort"), ("f", str(scene.choices.question.part)), ("/", "search"))
    told = [part for key, does in (*keys, ("⏎", "why")) for part in ((f" {key} ", "reverse"), (f" {does} ", "dim"))]
    grid.add_row(parts.line(*told, (f" every {interval:g} s", "dim")), parts.line((version, "dim")))
    return grid
