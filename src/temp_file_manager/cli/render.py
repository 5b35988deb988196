"""Printing: every line, table, JSON document and problem of the command line, with names escaped."""

import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from json import dumps
from typing import TextIO

from temp_file_manager.errors import SettingsError
from temp_file_manager.text import printable

PROGRAM = "temp-file-manager"

_BEGINNING = 60


def prepare() -> None:
    """Let standard output take every character: what its encoding lacks is escaped, not an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class Style(StrEnum):
    """How something stands out where there are colours."""

    PLAIN = ""
    HEADING = "1"
    FAINT = "2"
    GOOD = "32"
    DOUBTFUL = "33"
    BAD = "1;31"


def styled(text: str, style: Style, stream: TextIO | None = None) -> str:
    """Return a text that is printable already in a style, if the stream (standard output) shows any."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text and _has_colours(stream or sys.stdout) else text


def _has_colours(stream: TextIO | None) -> bool:
    """Say whether a stream shows colours: see https://no-color.org and https://force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream is not None and stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def line(text: str = "", style: Style = Style.PLAIN) -> None:
    """Print one line, whatever the names in it hold."""
    print(styled(printable(text), style))


def help_text(lines: Iterable[str]) -> None:
    """Print a help, the names of its parts as headings."""
    for text in lines:
        name, colon, rest = text.partition(":")
        heading = bool(colon) and name.isalpha() and name.islower() and (not rest or name == "usage")
        print(f"{styled(printable(name + colon), Style.HEADING)}{printable(rest)}" if heading else printable(text))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], styles: Mapping[str, Style] | None = None) -> None:
    """Print rows in aligned columns; the last column is as wide as it is.

    Args:
        header: The names of the columns; empty where each row begins with the name of what it tells.
        rows: Texts.
        styles: How texts stand out wherever they are a whole cell.
    """
    cells = [[printable(cell) for cell in row] for row in ((header, *rows) if header else rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    for number, (*row, last) in enumerate(cells, 0 if header else 1):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        shown = [*padded, last]
        if number and styles:
            shown = [styled(cell, styles.get(cell.rstrip(), Style.PLAIN)) for cell in shown]
        text = "  ".join(shown).rstrip()
        print(text if number else styled(text, Style.HEADING))


def columns(cells: Sequence[str], widths: Sequence[int], style: Style = Style.PLAIN) -> None:
    """Print one row of a table whose other rows are not known yet; what is too wide is never cut."""
    *row, last = map(printable, cells)
    padded = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    print(styled("  ".join([*padded, last]), style))


def beginning(raw: bytes) -> str:
    """Return enough of some bytes for people to find them."""
    return os.fsdecode(raw[:_BEGINNING]) + ("…" if len(raw) > _BEGINNING else "")


def on_terminal() -> bool:
    """Say whether a person reads standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


def as_json(value: object, *, indent: int | None = 2) -> None:
    """Print a JSON document in ASCII: names stay exact, and no terminal can be moved by one."""
    print(dumps(value, indent=indent))


def problem(error: str | Exception) -> None:
    """Say on standard error what is wrong, a line a problem."""
    for text in _texts(error):
        print(f"{styled(f'{PROGRAM}:', Style.BAD, sys.stderr)} {printable(text)}", file=sys.stderr)


def flush() -> None:
    """Deliver what was printed, while an error can still be told."""
    if sys.stdout is not None:
        sys.stdout.flush()


def abandon() -> None:
    """Deliver nothing more: standard output cannot be written, and Python would say so again at exit."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, ValueError):
        return  # no standard output, or one without a descriptor: nothing is held back
    try:
        flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _texts(error: str | Exception) -> Iterable[str]:
    if isinstance(error, SettingsError):
        return error.problems
    if isinstance(error, OSError) and error.strerror:
        return (f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror,)
    return (str(error),)
