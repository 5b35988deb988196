"""SQL as data: the spool's tables."""

import pkgutil


def load(name: str) -> str:
    """Return the text of a file beside this one."""
    data = pkgutil.get_data(__name__, name)
    assert data is not None, name  # noqa: S101 - it is in the package
    return data.decode()
