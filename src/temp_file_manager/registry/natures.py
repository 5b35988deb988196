"""The registry's protocol for natures: what rules decide about records, and which records stand for others."""

import os
from abc import abstractmethod
from collections.abc import Collection, Iterable
from typing import Protocol

from temp_file_manager.records import PLAIN, Kind, Nature, Ruled, TempFile


class Natures(Protocol):
    """Records that are not plain; see ``Nature``."""

    @abstractmethod
    def ruled(self, found: Iterable[Ruled]) -> None:
        """Note what rules decide about records, in bulk. Waits for nobody: what is claimed is passed over.

        So is what has been registered again since, what is in a session, and what has an end of its own.
        """

    @abstractmethod
    def rules(self) -> dict[str, int]:
        """Count the records under each rule. May look at every record that is under one, and makes nobody wait."""

    @abstractmethod
    def beyond(self, rule: str, count: int, limit: int) -> tuple[TempFile, ...]:
        """Return records under a rule that have no end yet, whose ``due_at`` is infinite, beyond the newest ``count``.

        The newest of them first, ``limit`` at most. Waits for nobody.
        """

    @abstractmethod
    def successors(self, origins: Iterable[str]) -> dict[str, tuple[TempFile, ...]]:
        """Return the records with these origins, those added last first; of what has none there is no entry."""

    @abstractmethod
    def kept_below(self, directory: str, asof: float, rules: Collection[str] = ()) -> TempFile | None:
        """Return a record below a directory, at whatever depth, that has to stay; None if none has to.

        One that is pinned, held, in a session that lives, or under one of some rules. The cost is that of what is on
        record below it. Waits for nobody. It goes by paths: what is below it by another spelling is not found.

        Args:
            directory: Absolute, as paths on record are.
            asof: Seconds since the epoch; pins that have ended by then do not count.
            rules: The names of rules under which nothing may go.
        """


def nature_of(rule: str | None, kind: str | None, origin: bytes | None) -> Nature:
    """Return a nature as others see it.

    Raises:
        ValueError: there is no such kind.
    """
    if rule is None and kind is None and origin is None:
        return PLAIN
    known = _KINDS.get(kind or "")  # a look-up costs a third of what making the enum's member does
    if known is None:
        raise ValueError(kind)
    return tuple.__new__(Nature, (rule or "", known, os.fsdecode(origin) if origin else ""))


_KINDS = {str(kind): kind for kind in Kind}


def stored(nature: Nature) -> tuple[str | None, str | None, bytes | None]:
    """Return a nature as rows have it: rule, kind and origin."""
    if nature is PLAIN:
        return None, None, None
    return nature.rule or None, str(nature.kind) or None, os.fsencode(nature.origin) or None
