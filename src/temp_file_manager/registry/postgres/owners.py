"""Owners on a PostgreSQL server: a row a process start, seen again and again for as long as anything depends on it."""

import atexit
import math
from collections.abc import Callable
from threading import Event, RLock, Thread
from time import monotonic

from temp_file_manager.errors import RegistryError
from temp_file_manager.logs import logger
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.text import printable

RENEWAL = 20.0
"""Seconds after which an owner says again that it lives."""

FOLDED = 60.0
"""Seconds after which a process looks again for what the dead have left."""

OVER = 120.0
"""Seconds after which an owner that nobody has seen is over; ``tfm.lives`` says so, on the server's clock."""


class Owners:
    """This process, as an owner of holds, sessions and what is exclusive.

    The server cannot tell whether a process of another host lives. So a thread says so, as long as anything needs it.
    A forked child is another owner, which nothing depends on.

    Args:
        scope: Whose owner this is.
        pause: Waits until its event is set, for so many seconds at most.
        elapsed: Seconds on a clock that nobody can set.

    Attributes:
        within: The numbers of what this process alone is within; see ``Exclusive``.
    """

    def __init__(
        self,
        scope: Scope,
        pause: Callable[[Event, float], object] = Event.wait,
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        self._scope = scope
        self._pause = pause
        self._elapsed = elapsed
        self.after_fork()

    def after_fork(self) -> None:
        """Let nothing depend on this process: what there is here is the parent's."""
        self.within = set[int]()
        self._needs = set[object]()
        self._lock = RLock()
        self._thread: Thread | None = None
        self._idle = Event()
        self._silent = False
        self._folded_at = -math.inf

    @property
    def needed(self) -> bool:
        """Whether anything depends on this process."""
        return bool(self._needs)

    def need(self) -> object:
        """Have the server told that this process lives, and go on until ``done``; return what to be done with.

        What depends on this process is to be written in a transaction that sees it; see ``tfm.seen``.
        """
        need = object()
        self._needs.add(need)
        with self._lock:
            if self._thread is None:
                self._start()
        return need

    def done(self, need: object) -> None:
        """Let something depend on this process no more; what a forked child's parent needed is nothing here."""
        self._needs.discard(need)

    def _start(self) -> None:
        self._idle.clear()
        thread = self._thread = Thread(target=self._run, name="temp-file-manager owner", daemon=True)
        atexit.unregister(self.leave)
        atexit.register(self.leave)
        try:
            thread.start()
        except RuntimeError:  # the program is about to end: until then it is seen as it asks for anything
            self._thread = None

    def _run(self) -> None:
        while True:
            self._pause(self._idle, RENEWAL)
            with self._lock:
                if not self._needs:  # who needs it next starts another: short holds start no thread each
                    self._thread = None
                    return
            self.renew()

    def renew(self) -> None:
        """Tell the server that this process lives. While it is out of reach, say so once."""
        scope = self._scope
        try:
            ((unseen,),) = scope.change_beside("renew_owner", process=scope.process, within=list(self.within))
        except Exception as error:  # whatever it is: what is held here depends on the next time
            if not self._silent:
                logger.warning(f"What this process holds lapses in two minutes: {printable(str(error))}")
            self._silent = True
            return
        self._silent = False
        if unseen is None or unseen > OVER:
            logger.warning(
                "The registry's server had not heard of this process for too long: others may have swept what it held"
            )

    def leave(self) -> None:
        """End all that depends on this process, which is about to end; if the server is out of reach, it lapses."""
        self._needs.clear()
        self.within.clear()
        self._idle.set()
        if not self._scope.owner:
            return
        try:
            self._scope.change("leave")
        except RegistryError as error:
            logger.debug(f"What was held here ends later: {printable(str(error))}")

    def close(self) -> None:
        """Let the thread end if nothing needs it. Ends nothing that does."""
        if not self._needs:
            self._idle.set()

    def fold(self) -> None:
        """Gather the totals of the dead, and forget those that nothing depends on: once a minute, as sweeps begin."""
        if not self._scope.number or self._elapsed() - self._folded_at < FOLDED:
            return
        self._folded_at = self._elapsed()
        try:
            self._scope.change("fold")
        except RegistryError as error:
            logger.warning(f"What dead processes have counted is gathered later: {printable(str(error))}")
