"""Files that plans are written to and read from; ``-`` is standard output or input."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from temp_file_manager.cli.options import UsageError
from temp_file_manager.cli.paths import STANDARD_INPUT, standard_input
from temp_file_manager.storage.new_files import create_exclusively

STANDARD_OUTPUT = "-"


@contextmanager
def made(path: str) -> Iterator[IO[bytes]]:
    """Yield a new file, never one that is there.

    Raises:
        UsageError: it cannot be made.
    """
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        return
    try:
        descriptor = create_exclusively(path)
    except FileExistsError:
        raise UsageError(f"{path} is there already: name a file that is not, or move it away") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {path}: {_why(error)}") from error
    with os.fdopen(descriptor, "wb") as file:
        yield file


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Yield a file that can be read twice; what comes through a pipe is kept in a file without a name.

    Raises:
        UsageError: it cannot be read.
    """
    import shutil  # noqa: PLC0415 - slow to import, and few plan
    import tempfile  # noqa: PLC0415 - likewise

    with ExitStack() as stack:
        try:
            file = standard_input() if path == STANDARD_INPUT else stack.enter_context(open(path, "rb"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {path}: {_why(error)}") from error
        if not file.seekable():
            pipe, file = file, stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(pipe, file)
            file.seek(0)
        yield file


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
