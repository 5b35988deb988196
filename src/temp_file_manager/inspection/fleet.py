"""Reports: how a manager is, told to the server of its fleet, which answers with policies."""

import os
import random
import socket
from typing import TYPE_CHECKING

from temp_file_manager.context import Context
from temp_file_manager.errors import TempFileError
from temp_file_manager.fleet import lines
from temp_file_manager.fleet.host import Report
from temp_file_manager.inspection import health
from temp_file_manager.machine import machine
from temp_file_manager.records import Status
from temp_file_manager.sweeping.scheduler import Stop
from temp_file_manager.version import VERSION

if TYPE_CHECKING:
    from temp_file_manager.fleet.centre import Centre

INTERVAL = 30.0
"""Seconds between two reports, give or take a tenth: hosts that were started together spread."""


def report(context: Context) -> Report:
    """Return what a manager tells of itself.

    Raises:
        RegistryError: the registry cannot be read.
    """
    found, stats = health.examine(context), context.registry.stats()
    sweeps = context.history.sweeps(1)
    return Report(
        *place(context),
        team=context.settings.team or "",
        records=stats.records,
        bytes=stats.bytes,
        overdue=found.overdue,
        failures=int(stats.counters.get(Status.FAILED, 0)),
        max_age=context.max_age,
        health=str(found.status),
        version=VERSION,
        policy=context.policies.policies.words(),
        swept_ago=max(0.0, context.clock.wall() - sweeps[0].at) if sweeps else None,
    )


def place(context: Context) -> tuple[str, str]:
    """Return the scope that a manager's row is about, and its host.

    In memory each process has records of its own: so its row is about them alone, and ends with it.
    """
    host, shared = socket.gethostname(), context.registry.properties.outlives_process
    # A name may hold bytes that are no text, which a server does not take.
    base = os.fsencode(context.base_dir).decode(errors="backslashreplace")
    scope = context.settings.scope or f"local:{machine()}:{base}"
    return scope, host if shared else f"{host}/{os.getpid()}"


class Reporter:
    """Reports, takes the policies that come back, and logs once when that fails.

    Args:
        context: Of whom.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._centre: Centre | None = None
        self._lost = False

    def rest(self) -> float:
        """Return the seconds until the next report."""
        return INTERVAL * random.uniform(0.9, 1.1)  # noqa: S311 - it is no secret

    def work(self, stop: Stop = lambda: False) -> None:
        """Report, and take the policies.

        Args:
            stop: Says whether nobody waits for this any more: then the registry may be closed, and stays so.

        Raises:
            TempFileError: the server cannot be asked, or the registry not be read.
        """
        found = self._asked().report(report(self._context))
        if stop():
            return
        self._context.policies.take(found)
        if self._lost:
            lines.found()
        self._lost = False

    def failed(self, error: Exception) -> None:
        """Log that the server cannot be asked, once until it can."""
        if not self._lost:
            lines.lost(error)
        self._lost = True

    def try_once(self) -> None:
        """Report, and take the policies; where that cannot be done, say so, and go on by those known last."""
        try:
            self.work()
            self.leave()
        except TempFileError as error:
            self.failed(error)

    def leave(self) -> None:
        """Take the row back where nothing is left of what it was about."""
        if not self._context.registry.properties.outlives_process and not self._lost:
            self._asked().leave(*place(self._context))

    def _asked(self) -> "Centre":
        from temp_file_manager.fleet.centre import centre_of  # noqa: PLC0415 - its driver is of an extra, and slow to import

        if self._centre is None:
            self._centre = centre_of(self._context.settings)
        return self._centre
