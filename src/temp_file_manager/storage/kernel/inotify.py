"""Inotify: events by which the kernel tells that something happened in a directory.

Linux alone has it. Python has no function for it, so the system calls are made through ctypes.
"""

import errno
import os
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

from temp_file_manager.storage.kernel.statx import system_call

CLOSE_WRITE, MOVED_TO, CREATE, DELETE_SELF, MOVE_SELF = 0x8, 0x80, 0x100, 0x400, 0x800
UNMOUNT, OVERFLOW, IGNORED, IS_DIRECTORY = 0x2000, 0x4000, 0x8000, 0x40000000
"""Bits that the kernel adds: it was unmounted, events were lost, the watch has ended, the name is a directory's."""

_WANTED = CLOSE_WRITE | MOVED_TO | CREATE | DELETE_SELF | MOVE_SELF
_ONLY_A_DIRECTORY = 0x01000000

_HEADER = Struct("=iIII")  # struct inotify_event: watch, mask, cookie, length of the name
_AT_ONCE = 1 << 16
"""Bytes that are read at once; the longest event has 272."""


class Event(NamedTuple):
    """Something that happened.

    Attributes:
        watch: The number of the directory's watch; -1 for ``OVERFLOW``.
        mask: What happened.
        name: Whose name in the directory; empty when it happened to the directory itself.
    """

    watch: int
    mask: int
    name: bytes


class Limits(NamedTuple):
    """Settings of the kernel, for each user; 0 where nothing tells.

    Attributes:
        watches: How many directories may be watched.
        instances: How many programs, roughly, may watch any.
    """

    watches: int
    instances: int


class Inotify:
    """Watches of directories, and their events. Closed by ``close``; a program that is started inherits it not.

    Raises:
        OSError: there can be no more (EMFILE), or there is none here (ENOSYS).
    """

    def __init__(self) -> None:
        self._descriptor = _done(_call("inotify_init1")(os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """Return what can be polled."""
        return self._descriptor

    def add(self, directory: int) -> int:
        """Watch an open directory; return the watch's number, which is the same if it was watched before.

        Raises:
            OSError: it cannot be watched; ENOSPC where the user has as many watches as may be.
        """
        # By the descriptor, which is that directory whatever its path leads to by now.
        path = b"/proc/self/fd/%d" % directory
        return _done(_call("inotify_add_watch")(self._descriptor, path, _WANTED | _ONLY_A_DIRECTORY))

    def remove(self, watch: int) -> None:
        """End a watch, if it has not ended by itself."""
        _call("inotify_rm_watch")(self._descriptor, watch)

    def read(self) -> Iterator[Event]:
        """Yield some of the events that have come; none if none has."""
        try:
            data = os.read(self._descriptor, _AT_ONCE)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size + length
            yield Event(watch, mask, data[at - length : at].rstrip(b"\0") if length else b"")

    def close(self) -> None:
        """End all watches."""
        os.close(self._descriptor)


def limits(settings: str = "/proc/sys/fs/inotify") -> Limits:
    """Return the kernel's limits."""
    return Limits(_number(f"{settings}/max_user_watches"), _number(f"{settings}/max_user_instances"))


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _call(name: str) -> Callable[..., int]:
    call = system_call(name)
    if call is None:
        raise OSError(errno.ENOSYS, "there is no inotify here")
    return call


def _done(result: int) -> int:
    """Return what a call returned, unless it failed."""
    if result >= 0:
        return result
    import ctypes  # noqa: PLC0415 - see system_call

    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
