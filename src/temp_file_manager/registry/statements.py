"""SQL as data: statements that are read by name from one text."""

import re


def read_statements(text: str) -> dict[str, str]:
    """Return the statements of a text by name, with the fragments in their places.

    A statement begins with a line ``-- name: NAME``, a fragment with ``-- fragment: NAME``. A fragment stands for its
    text wherever its name is in braces, also in fragments that follow it.
    """
    parts = re.split(r"^-- (name|fragment): (\w+)\n", text, flags=re.MULTILINE)
    found = list(zip(parts[1::3], parts[2::3], parts[3::3], strict=True))
    fragments: dict[str, str] = {}
    for kind, name, words in found:
        if kind == "fragment":
            lines = (line for line in words.strip().splitlines() if not line.startswith("--"))
            fragments[name] = "\n".join(lines).format_map(fragments)
    return {name: words.strip().format_map(fragments) for kind, name, words in found if kind == "name"}
