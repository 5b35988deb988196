"""SQL as data: the schema's migrations, and every statement by name."""

import pkgutil
import re

MIGRATIONS = (
    "001_files.sql",
    "002_totals.sql",
    "003_journal.sql",
    "004_claims.sql",
    "005_tries.sql",
    "006_identity.sql",
    "007_room.sql",
    "008_sessions.sql",
    "009_natures.sql",
)
"""In their order; how many of them a file has seen is its schema."""


def load(name: str) -> str:
    """Return the text of a file beside this one."""
    data = pkgutil.get_data(__name__, name)
    assert data is not None, name  # noqa: S101 - it is in the package
    return data.decode()


def load_statements() -> dict[str, str]:
    """Return the statements of ``statements.sql`` by name, with the fragments in their places."""
    parts = re.split(r"^-- (name|fragment): (\w+)\n", load("statements.sql"), flags=re.MULTILINE)
    found = list(zip(parts[1::3], parts[2::3], parts[3::3], strict=True))
    fragments: dict[str, str] = {}
    for kind, name, text in found:
        if kind == "fragment":
            lines = (line for line in text.strip().splitlines() if not line.startswith("--"))
            fragments[name] = "\n".join(lines).format_map(fragments)
    return {name: text.strip().format_map(fragments) for kind, name, text in found if kind == "name"}
