"""New files and directories for callers, under names that nobody can guess."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from temp_file_manager.errors import InvalidArgumentError


def create_file(directory: str, prefix: str, suffix: str) -> tuple[int, str]:
    """Create an empty file with mode 0600 and return its descriptor and absolute path."""
    import tempfile  # noqa: PLC0415 - slow to import, and many only register

    _refuse_no_part(prefix, suffix)
    return tempfile.mkstemp(suffix, prefix, os.path.abspath(directory))


def create_nameless(directory: str) -> int | None:
    """Create an empty file without a name, mode 0600, and return its descriptor; None where that cannot be done."""
    if not hasattr(os, "O_TMPFILE") or not os.path.exists("/proc/self/fd"):
        return None
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL) and os.path.isdir(directory):
            return None
        raise


def give_name(descriptor: int, path: str) -> None:
    """Give a file that was made without a name one.

    Raises:
        FileExistsError: somebody has that name.
    """
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Relative to a directory: else Python calls link(), which does not follow what stands in /proc.
        os.link(f"/proc/self/fd/{descriptor}", os.path.basename(path), dst_dir_fd=directory, follow_symlinks=True)
    finally:
        os.close(directory)


def create_exclusively(path: str) -> int:
    """Create an empty file with mode 0600 under a name that nobody has, and return its descriptor."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def random_path(directory: str, prefix: str, suffix: str) -> str:
    """Return a path that nobody can guess."""
    import secrets  # noqa: PLC0415 - slow to import, and many only register

    _refuse_no_part(prefix, suffix)
    return os.path.join(os.path.abspath(directory), f"{prefix}{secrets.token_hex(8)}{suffix}")


def create_directory(directory: str, prefix: str, suffix: str) -> str:
    """Create an empty directory with mode 0700 and return its absolute path."""
    import tempfile  # noqa: PLC0415 - likewise

    _refuse_no_part(prefix, suffix)
    return tempfile.mkdtemp(suffix, prefix, os.path.abspath(directory))


def _refuse_no_part(*parts: str) -> None:
    """Raise TypeError or InvalidArgumentError if something is no part of a name: by a ``/`` it would lead elsewhere."""
    for part in parts:
        if not isinstance(part, str):
            raise TypeError(f"prefix and suffix are text, not {type(part).__name__}: leave them out for none")
        if os.sep in part:
            raise InvalidArgumentError("prefix and suffix are parts of a name: they hold no /")


def named_file(fd: int, path: str, mode: str, encoding: str | None) -> IO[Any]:
    """Return an open file on ``fd`` whose ``name`` is ``path``; when it cannot be made, ``fd`` stays open."""
    # On a duplicate: a text layer that fails (an unknown encoding) closes the descriptor it was given.
    file = open(path, mode, encoding=encoding, opener=lambda *_: os.dup(fd))  # noqa: SIM115 - the caller closes it
    os.close(fd)
    return file


def on_close(file: IO[Any], told: Callable[[int], object]) -> None:
    """Have a function called with an open file's descriptor just before that is closed, when all is written to it.

    Args:
        file: What ``named_file`` has made. It stays what it is; what reads and writes below its buffer learns another
            ``close``. (Of a class of its own, each reading and writing would cost more.)
        told: Raises nothing. It may be called by the garbage collector or a signal's handler.
    """
    layer: Any = file
    raw = getattr(layer, "buffer", layer).raw

    def close() -> None:
        vars(raw).pop("close", None)  # what it holds by this is itself
        try:
            told(raw.fileno())
        finally:
            raw.close()

    vars(raw)["close"] = close


def discard(fd: int, path: str) -> None:
    """Close a new file, which nobody but its creator has seen yet, and remove its name if it has got that already."""
    try:
        made = os.fstat(fd)
    finally:
        os.close(fd)
    with suppress(FileNotFoundError):
        if os.path.samestat(made, os.lstat(path)):
            os.remove(path)
