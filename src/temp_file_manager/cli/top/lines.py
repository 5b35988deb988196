"""Lines of a terminal, measured in its cells; whatever comes into them has been made harmless."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from temp_file_manager.text import printable

GAP = "  "

_LONGEST_WORD = 36


def fitted(line: Text, width: int) -> Text:
    """Return a line of exactly so many cells."""
    line = line.copy()
    spare = width - cell_len(line.plain)
    if spare < 0:
        line.plain = set_cell_size(line.plain, max(width - 1, 0)) + "…"
    return line.append(" " * max(spare, 0))


def joined(left: Text, right: Text, width: int) -> Text:
    """Return a line whose right part begins after so many cells and a gap."""
    return fitted(left, width).append(GAP).append_text(right)


def sized(lines: Sequence[Text], rows: int) -> list[Text]:
    """Return exactly so many lines."""
    return [*lines[:rows], *[Text()] * (rows - len(lines))]


def headed(title: str, width: int, note: str = "") -> Text:
    """Return the line that a part begins with."""
    line = Text().append(title, "bold").append(f"{GAP}{printable(note)}" if note else "", "dim")
    return line.append(f" {'─' * (width - cell_len(line.plain) - 1)}", "dim")


def flowing(figures: Iterable[tuple[str, str, str]], width: int, rows: int) -> list[Text]:
    """Return names and values, in their styles, one after the other in so many lines at most; the rest is left out."""
    lines = [Text()]
    for name, value, style in figures:
        needed = cell_len(name) + 1 + cell_len(value)
        if lines[-1] and cell_len(lines[-1].plain) + len(GAP) + needed > width:
            lines.append(Text())
        lines[-1].append(f"{GAP if lines[-1] else ''}{name} ", "dim").append(value, style)
    return lines[:rows]


def wrapped(text: str, style: str, width: int, rows: int) -> list[Text]:
    """Return a text broken between words into so many lines at most; endless words lose their middle."""
    lines = [""]
    longest = max(1, min(_LONGEST_WORD, width * rows // 3))  # or a path would be all there is to see
    for word in (shortened(word, longest) for word in text.split(" ")):
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    if len(lines) > rows:
        lines[rows - 1] = set_cell_size(f"{lines[rows - 1]} {lines[rows]}", width - 1).rstrip() + "…"
    return [Text(line, style) for line in lines[:rows]]


def shortened(text: str, width: int) -> str:
    """Return a text, made harmless, in so many cells at most: what is longer loses something before its end."""
    text = printable(text)
    if cell_len(text) <= width:
        return text
    head = width // 3
    room, start = width - head - 1, len(text)
    while start and room >= cell_len(text[start - 1]):
        start -= 1
        room -= cell_len(text[start])
    return f"{set_cell_size(text, head)}…{text[start:]}"
