"""SQL as data: the schema's migrations, and every statement by name."""

import pkgutil

from temp_file_manager.registry.statements import read_statements

MIGRATIONS = ("001_registry.sql", "002_records.sql", "003_keeping.sql")
"""In their order; how many of them a database has seen is its schema."""

STATEMENTS = ("statements.sql", "keeping.sql")
"""Files of statements, in an order in which each finds the fragments that it uses."""


def load(name: str) -> str:
    """Return the text of a file beside this one."""
    data = pkgutil.get_data(__name__, name)
    assert data is not None, name  # noqa: S101 - it is in the package
    return data.decode()


def load_statements() -> dict[str, str]:
    """Return the statements of all files of statements by name, with the fragments in their places."""
    return read_statements("\n".join(load(name) for name in STATEMENTS))
