"""A Unix socket to listen on: made private, and taken away again without taking another's."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import NamedTuple

LONGEST = 107
"""Bytes of a socket's path, as Linux allows; others allow 103."""

PATIENCE = 2.0
"""Seconds to wait for another process that makes a socket at the same path, which takes it a moment."""


class Listening(NamedTuple):
    """A socket that listens, and which file is its name."""

    socket: socket.socket
    path: str
    inode: int


def listen(path: str, backlog: int) -> Listening:
    """Return a socket that listens at ``path``, with mode 0600 from its first moment.

    One that is there already, and at which nobody listens any more, is what a killed process left: it is replaced.

    Args:
        path: Absolute; its directory exists.
        backlog: How many connections may wait to be taken.

    Raises:
        OSError: it cannot be made, and why, in its ``strerror``.
    """
    if len(os.fsencode(path)) > LONGEST:
        raise OSError(0, f"it is longer than {LONGEST} bytes, which is all a socket's path may be")
    with _alone(f"{path}.lock"):
        _clear(path)
        return _made(path, backlog)


@contextmanager
def _alone(lock: str) -> Iterator[None]:
    # Of two that start at once, each would take the other's new socket for one at which nobody listens any more. A lock
    # on the directory itself would do, were it not for those who hold their base directory by one.
    deadline = monotonic() + PATIENCE
    while (descriptor := _locked(lock)) is None:
        if monotonic() >= deadline:
            raise OSError(0, f"another process has locked {lock}: give another path")
        sleep(0.01)
    try:
        yield
    finally:
        os.remove(lock)
        os.close(descriptor)


def _locked(lock: str) -> int | None:
    """Return the lock's file, open and locked; None if another process has it, or has just removed it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _made(path: str, backlog: int) -> Listening:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Before it has a name: between a bind and a chmod anybody could connect.
        os.fchmod(made.fileno(), 0o600)
        made.bind(path)
        made.listen(backlog)
        return Listening(made, path, os.lstat(path).st_ino)
    except BaseException:
        made.close()
        raise


def _clear(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(0, "something is there that is no socket: give another path, or move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)  # with many waiting to be taken it would wait with them
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            os.remove(path)
            return
        except BlockingIOError:
            pass
    raise OSError(0, "another process listens there")


def remove(listening: Listening) -> None:
    """Take a socket's name away, unless another one has it by now."""
    try:
        if os.lstat(listening.path).st_ino == listening.inode:
            os.remove(listening.path)
    except FileNotFoundError:
        return
