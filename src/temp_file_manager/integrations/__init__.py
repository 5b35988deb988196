"""Sessions for what other frameworks know: a request, a task, a test. Each framework is its user's own to install."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def requires(package: str) -> Iterator[None]:
    """Import a framework in the block, and say what to install where it is missing.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or package).partition(".")[0]
        raise ModuleNotFoundError(f"{missing} is not installed: pip install {package}", name=missing) from error
