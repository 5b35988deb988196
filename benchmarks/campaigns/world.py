"""The world that processes of a campaign live in: their registry, and what happens to it."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from temp_file_manager import Settings, TempFileManager
from temp_file_manager.errors import RegistryUnavailableError
from temp_file_manager.events import Hook
from temp_file_manager.registry import Registry

UNANSWERED = (RegistryUnavailableError,)
"""What says nothing of whether a call did what it was asked for."""


def _nothing(base: str) -> None:
    """Do nothing."""
    del base


@dataclass(frozen=True)
class World:
    """The world that processes of a campaign live in.

    Attributes:
        registry: Their registry, or its address.
        disturb: Makes something happen to it, and returns what that is called; None: nothing does.
        rest: Called with the base directory when all processes are dead: returns when what they had claimed and held is
            free, and what they left to be sent is on record.
        enter: Called in each process before its role begins.
        stopped: Seconds for which a process is stopped at most.
        left: Kinds of findings that dead processes leave, and that the next sweep ends.
    """

    registry: Registry | str = "sqlite:"
    disturb: Callable[[Random], str] | None = None
    rest: Callable[[str], None] = _nothing
    enter: Callable[[Random], None] | None = None
    stopped: float = 0.3
    left: frozenset[str] = frozenset({"leftover lock file"})

    def manager(self, base: str, *, settings: Settings | None = None, hooks: Iterable[Hook] = ()) -> TempFileManager:
        """Return a manager of a base directory in this world, as soon as its registry answers."""
        while True:
            with suppress(*UNANSWERED):
                return TempFileManager(base, registry=self.registry, settings=settings, hooks=hooks)


SQLITE = World()
"""One machine, and a registry in the base directory."""
