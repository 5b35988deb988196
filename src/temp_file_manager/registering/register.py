"""Registration: files are looked at, put on record, and looked at again where a sweep was near."""

import os
from collections.abc import Callable, Iterable

from temp_file_manager import logs
from temp_file_manager.arguments import labels, seconds
from temp_file_manager.clock import Clock
from temp_file_manager.events import FilesRegistered, Hooks
from temp_file_manager.records import Identity, NewFile
from temp_file_manager.registry import Registry
from temp_file_manager.reports import RegisterReport
from temp_file_manager.settings import Settings
from temp_file_manager.storage import permissions
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.in_flight import IN_FLIGHT
from temp_file_manager.storage.own_files import is_own
from temp_file_manager.storage.paths import AnyPath, absolute, absolute_all, size_of, why_not_regular

Found = tuple[int | None, Identity | None]
"""The size, where anybody asks for it, and the identity, where it is kept."""

Judge = Callable[[str, Identity | None], str]
"""Says of a path, and of the file found there, why it is not to be registered; nothing when it is."""


def _anything(path: str, identity: Identity | None) -> str:
    del path, identity
    return ""


class Registrar:
    """What ``TempFileManager.register_file`` and ``register_files`` do.

    Args:
        registry: Where the records go.
        clock: What tells the time.
        hooks: Who hears of it.
        settings: ``size_limit``, ``permission_mask`` and ``owner_check``.
    """

    def __init__(self, registry: Registry, clock: Clock, hooks: Hooks, settings: Settings) -> None:
        self._registry = registry
        self._clock = clock
        self._hooks = hooks
        self._size_limit = settings.size_limit
        self._mask = settings.permission_mask
        self._owner_check = settings.owner_check
        self._plain = not registry.properties.keeps_identity and self._mask is None and not self._owner_check

    def one(self, file_path: AnyPath, ttl: float | None, tags: Iterable[str]) -> None:
        """Register one file. In memory it is the hottest path of all, and spelt out."""
        if not self._plain:
            self.many((file_path,), ttl, tags)
            return
        path = absolute(file_path)
        now = self._clock.wall()
        due_at = None if ttl is None else now + seconds("ttl", ttl)
        moment = IN_FLIGHT.last_move
        if not os.path.isfile(path) or is_own(path):
            logs.refused(path)
            return
        size = None if self._size_limit is None else size_of(path)
        if due_at is None and size is None and not tags:
            self._registry.add_one(path, now)
        else:
            self._registry.add(((path, due_at, size, labels(tags), None),), now)
        if (IN_FLIGHT.last_move != moment or IN_FLIGHT.marks) and self._lost(path):
            return
        logs.registered(path)
        oversized = self._oversized(path, size)
        if self._hooks.hooks:
            self._hooks.emit(FilesRegistered((path,), (path,) if oversized else ()))

    def many(
        self, file_paths: Iterable[AnyPath], ttl: float | None, tags: Iterable[str], judge: Judge = _anything
    ) -> RegisterReport:
        """Register many files in one step; those that ``judge`` has something against are refused."""
        paths = absolute_all(file_paths, "register_file")
        now = self._clock.wall()
        due_at = None if ttl is None else now + seconds("ttl", ttl)
        words = labels(tags)
        moment, others = IN_FLIGHT.last_move, self._registry.moment()
        rows: list[NewFile] = []
        refused = []
        look = self._look(judge)
        for path in paths:
            found = look(path)
            if found is None:
                refused.append((path, why_not_regular(path)))
                logs.refused(path)
            elif isinstance(found, str):
                refused.append((path, found))
                logs.refused(path, found)
            else:
                rows.append((path, due_at, found[0], words, found[1]))
        if rows:
            self._registry.add(rows, now)
        moved = IN_FLIGHT.last_move != moment or IN_FLIGHT.marks or self._registry.moment() != others
        lost = {path for path, *_ in rows if moved and self._lost(path)}
        refused += [(path, "removed by a sweep meanwhile") for path in lost]
        kept = {row[0]: row[2] for row in rows if row[0] not in lost}
        logs.registered_all(kept)
        oversized = tuple(path for path, size in kept.items() if self._oversized(path, size))
        if self._hooks.hooks and kept:
            self._hooks.emit(FilesRegistered(tuple(kept), oversized))
        return RegisterReport(len(kept), len(oversized), tuple(refused))

    def _look(self, judge: Judge) -> Callable[[str], Found | str | None]:
        """Return what says of a path what is to be recorded, or why it is refused; None when it is no regular file."""
        examine = Examiner().examine if self._registry.properties.keeps_identity else None

        def look(path: str) -> Found | str | None:
            if is_own(path):
                return why_not_regular(path)
            if examine is None:
                return self._seen(path, judge)
            found = examine(path)
            if found is None:
                return None
            reason = (permissions.foreign(found.owner) if self._owner_check else "") or judge(path, found.identity)
            if reason:
                return reason
            if self._mask is not None:
                self._restrict(path, self._mask)
                found = examine(path)  # again: that has moved the change time
            return found and (found.size, found.identity)

        return look

    def _seen(self, path: str, judge: Judge) -> Found | str | None:
        """Say so of a path where no identity is kept."""
        if not os.path.isfile(path):
            return None
        reason = (permissions.foreign_at(path) if self._owner_check else "") or judge(path, None)
        if reason:
            return reason
        if self._mask is not None:
            self._restrict(path, self._mask)
        return None if self._size_limit is None else size_of(path), None

    def _restrict(self, path: str, mask: int) -> None:
        reason = permissions.restrict(path, mask)
        if reason:
            logs.mode_left(path, mask, reason)

    def _lost(self, path: str) -> bool:
        """Wait if a sweep is at this very path; return whether one took the file before the record was written."""
        # A sweep that comes later finds the new record, and leaves the file alone: who is at no path now never will be.
        hangs = bool(IN_FLIGHT.marks) and not IN_FLIGHT.wait(path)
        if not hangs and os.path.isfile(path):
            return False
        # The record first: if somebody makes and registers the file anew after this, forgetting spares that.
        records = self._registry.get((path,))
        if not hangs and os.path.isfile(path):
            return False
        self._registry.forget(records.values())
        logs.refused(path, "a removal hangs there" if hangs else "removed by a sweep while it was being registered")
        return True

    def _oversized(self, path: str, size: int | None) -> bool:
        limit = self._size_limit
        if limit is None or size is None or size <= limit:
            return False
        logs.oversized(path, size, limit)
        return True
