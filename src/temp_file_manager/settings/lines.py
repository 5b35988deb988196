"""The lines of a TOML file that its tables and keys stand in, which Python's reader of TOML does not tell."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
"""The way to a table or a key: ``("manager", "max_age")``; of tables with the same heading the first is 1."""

_ENDS = ("]", '"""', "'''")
"""Each statement of more than one line ends in a line with one of these."""


def lines(text: str) -> dict[Path, int]:
    """Return the line that each heading and each key begins in; the first is 1.

    Args:
        text: TOML that can be read.
    """
    found: dict[Path, int] = {}
    counts: Counter[Path] = Counter()
    here: Path = ()
    for line, words, document in _statements(text):
        if words.startswith("["):
            here = _headed(document, counts)
            found.setdefault(here, line)
            if isinstance(here[-1], int):
                found.setdefault(here[:-1], line)  # all tables with this heading
        else:
            for path in _paths(here, document):
                found.setdefault(path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield each heading and each key with its value: the line, the words, and what they are on their own.

    A statement is as many lines as TOML's own reader takes. So this reads no quotes and brackets, and cannot err there.
    """
    begun, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        goes_on = bool(begun)
        begun += f"{line}\n"
        if goes_on and not any(end in line for end in _ENDS):
            continue
        try:
            document = tomllib.loads(begun)
        except ValueError:
            continue
        yield first, begun.lstrip(), document
        begun, first = "", number + 1


def _headed(document: dict[str, Any], counts: Counter[Path]) -> Path:
    """Return the way to the table that a heading begins, and count it."""
    path: Path = ()
    while document:
        ((key, value),) = document.items()
        path = (*path, key)
        if isinstance(value, list):
            counts[path] += 1
            path = (*path, counts[path])
        document = value[0] if isinstance(value, list) else value
    return path


def _paths(above: Path, value: object) -> Iterator[Path]:
    """Yield the way to each key in a value, and in the tables in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*above, key)
            yield from _paths((*above, key), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            if isinstance(inner, dict):
                yield (*above, number)
                yield from _paths((*above, number), inner)
