"""Parts of the picture of ``top``: lines, tables and headings that are cut where there is no more room."""

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from temp_file_manager.cli.top import words
from temp_file_manager.text import printable

GAP = (0, 2, 0, 0)


def grid(*columns: Column, expand: bool = False) -> Table:
    """Return a table without lines or a header."""
    return Table.grid(*columns, padding=GAP, expand=expand)


def number(header: str = "", *, style: str = "", min_width: int | None = None) -> Column:
    """Return a column of numbers."""
    return Column(header, justify="right", no_wrap=True, style=style, min_width=min_width)


def line(*parts: tuple[str, str]) -> Text:
    """Return texts in their styles, in one line that is cut where there is no more room."""
    return Text.assemble(*((printable(text), style) for text, style in parts), no_wrap=True, overflow="ellipsis")


def path(path: str, base: str, before: str = "") -> Table:
    """Return a path in one line: where it is too long, its directory loses its end, and the name stays."""
    directory, slash, name = words.inside(path, base).rpartition("/")
    parts = [(before, True), (directory, False), (f"{slash}{name}", True)]
    parted = Table.grid(*(Column(no_wrap=fixed) for text, fixed in parts if text))
    parted.add_row(*(line((text, "")) for text, _ in parts if text))
    return parted


def headed(title: str, shown: RenderableType, note: str = "") -> Group:
    """Return something below a line with its title."""
    heading = line((title, "bold"), (f"  {note}" if note else "", "dim"))
    return Group(Rule(heading, align="left", style="dim"), shown)
