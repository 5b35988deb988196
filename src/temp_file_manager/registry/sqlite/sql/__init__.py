"""SQL as data: the schema's migrations, and every statement by name."""

import pkgutil
import re

MIGRATIONS = ("001_files.sql", "002_totals.sql")
"""In their order; how many of them a file has seen is its schema."""


def load(name: str) -> str:
    """Return the text of a file beside this one."""
    data = pkgutil.get_data(__name__, name)
    assert data is not None, name  # noqa: S101 - it is in the package
    return data.decode()


def load_statements() -> dict[str, str]:
    """Return the statements of ``statements.sql`` by name."""
    parts = re.split(r"^-- name: (\w+)\n", load("statements.sql"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
