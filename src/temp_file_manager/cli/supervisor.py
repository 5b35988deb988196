"""The supervisor that has started a program: what systemd is told of it, as ``sd_notify`` would.

A datagram of lines ``NAME=VALUE``, to the socket that ``NOTIFY_SOCKET`` names. Without one nobody is told.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from temp_file_manager.sweeping.scheduler import JobState
from temp_file_manager.text import printable

BEFORE_READY = 1.0
"""Seconds between two looks whether it is ready by now."""

MICRO = 1_000_000

_SEVERAL = 2
"""Looks for each time that the watchdog wants to hear something: one that comes late does no harm."""


class Progress:
    """Tells whether jobs get on: each waits for its next time, or has shown since the last look that it works.

    A long sweep gets on, as it asks before each file whether to stop. One whose removal hangs asks nothing any more.
    """

    def __init__(self) -> None:
        self._beats: dict[int, int] = {}

    def seen(self, states: Iterable[JobState]) -> bool:
        """Look at the traces of jobs, and say whether none of them is stuck since the last look."""
        found = [(id(state), state.working, state.beats) for state in states]
        stuck = [working and self._beats.get(which) == beats for which, working, beats in found]
        self._beats = {which: beats for which, _, beats in found}
        return not any(stuck)


class Supervisor:
    """What has started this process, and wants to hear how it is.

    Args:
        environ: Says where it listens, and how often it wants to hear something.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._period = _watchdog(environ) if self._address else None
        self._ready = not self._address

    def tell(self, status: str = "", **states: object) -> None:
        """Tell it something; a socket that has gone is no reason to stop.

        Args:
            status: What ``systemctl status`` shows, in a line.
            states: Such as ``READY``, with their values.
        """
        if not self._address:
            return
        told = {**states, **({"STATUS": printable(status)} if status else {})}
        text = "\n".join(f"{name}={value}" for name, value in told.items())
        # A name in the abstract namespace, which is written with an @ for the NUL.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | _ON_EXEC) as out:
            out.setblocking(False)  # a supervisor that reads nothing must not stop what it looks after
            out.sendto(text.encode(errors="backslashreplace"), address)

    def reloading(self) -> None:
        """Tell it that settings are being read again; ``reloaded`` has to follow."""
        if self._ready:
            self.tell("Reading the settings again", RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)

    def reloaded(self, status: str) -> None:
        """Tell it that this is done with.

        Args:
            status: What became of it.
        """
        if self._ready:
            self.tell(status, READY=1)

    def wait(self, reader: int, why_not_ready: Callable[[], str], gets_on: Callable[[], bool]) -> int:
        """Wait for a byte, and tell the supervisor meanwhile that this process is ready, and that it gets on.

        Args:
            reader: The descriptor that it comes from.
            why_not_ready: Says what keeps it from its work; empty: nothing does. Asked until it is so.
            gets_on: Says whether it gets on with its work.

        Returns:
            The byte.
        """
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        while True:
            if not self._ready:
                self._tell_ready(why_not_ready())
            elif self._period is not None and gets_on():
                self.tell(WATCHDOG=1)
            if poll.poll(self._rest()):
                return os.read(reader, 1)[0]

    def _tell_ready(self, why_not: str) -> None:
        if why_not:
            self.tell(f"Not ready: {why_not}")
            return
        self._ready = True
        self.tell("Running", READY=1)

    def _rest(self) -> float | None:
        """Return the milliseconds until it is told something again; None: for as long as nothing happens."""
        if not self._ready:
            return BEFORE_READY * 1000
        return None if self._period is None else self._period * 1000


_ON_EXEC = getattr(socket, "SOCK_CLOEXEC", 0)


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Return the seconds between two looks for the watchdog; None: there is none, or it is another process's."""
    wanted, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or not int(wanted) or pid not in ("", str(os.getpid())):
        return None
    return int(wanted) / MICRO / _SEVERAL
