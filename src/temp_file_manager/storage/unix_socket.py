"""A Unix socket to listen on: made private, and taken away again without taking another's."""

import os
import socket
import stat
from typing import NamedTuple

LONGEST = 107
"""Bytes of a socket's path, as Linux allows; others allow 103."""


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
    _clear(path)
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
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            os.remove(path)
            return
    raise OSError(0, "another process listens there")


def remove(listening: Listening) -> None:
    """Take a socket's name away, unless another one has it by now."""
    try:
        if os.lstat(listening.path).st_ino == listening.inode:
            os.remove(listening.path)
    except FileNotFoundError:
        return
