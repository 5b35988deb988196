"""Events, and the hooks that hear them. A hook is any callable that takes one; it changes and breaks nothing."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from temp_file_manager import logs
from temp_file_manager.forks import at_fork
from temp_file_manager.records import Outcome
from temp_file_manager.reports import SweepReport


@dataclass(frozen=True, slots=True)
class FilesRegistered:
    """Files were put on record; ``oversized`` are those of them that exceed ``size_limit``."""

    paths: tuple[str, ...]
    oversized: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsSettled:
    """A chunk of at most 500 claimed records is done with: one outcome each."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class SweepFinished:
    """A sweep ended."""

    report: SweepReport
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class SweepFailed:
    """A scheduled sweep ended in an error; the scheduler lives on."""

    error: Exception


@dataclass(frozen=True, slots=True)
class LimitUnmet:
    """A limit cannot be kept; told once, until it is kept again.

    Attributes:
        limit: Its name.
        reason: What stands in the way, in words.
    """

    limit: str
    reason: str


Event = FilesRegistered | RecordsSettled | SweepFinished | SweepFailed | LimitUnmet
Hook = Callable[[Event], None]


class Hooks:
    """Calls every hook for every event, and survives each of them.

    While ``hooks`` is empty nobody listens, and events need not even be made.

    A hook that raises is logged at its first failure and counted at each; the others still hear the event.
    """

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self.hooks: tuple[Hook, ...] = tuple(hooks)
        self._failing: set[int] = set()
        self.failures: int = 0
        self._renew()
        at_fork(self, Hooks._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Tell every hook."""
        for position, hook in enumerate(self.hooks):
            try:
                hook(event)
            except (Exception, SystemExit) as error:  # a hook is a stranger's code
                self._failed(position, hook, error)

    def _failed(self, position: int, hook: Hook, error: BaseException) -> None:
        with self._lock:
            self.failures += 1
            first = position not in self._failing
            self._failing.add(position)
        if first:
            logs.hook_failed(hook, error)
