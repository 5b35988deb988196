"""Restoring: files in quarantine, listed and had back."""

import errno
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from temp_file_manager.causes import sentence
from temp_file_manager.clock import Wall
from temp_file_manager.errors import InvalidArgumentError, RegistryError, RegistryFullError
from temp_file_manager.records import Identity, Kind, Nature, NewFile, Order, Selection, TempFile
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registering.unpack import unpacked
from temp_file_manager.registry import THIS_PROCESS, Registry
from temp_file_manager.registry.counters import RESTORED
from temp_file_manager.storage.compressed_copy import SUFFIX
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.own_files import OWN_DIRECTORY, QUARANTINE
from temp_file_manager.storage.quarantine import packed_from
from temp_file_manager.storage.restoring import bring_back

PAGE = 500

_EVERY = Selection(0.0, 0.0, order=Order.ADDED, kind=Kind.QUARANTINED)


class Restorer(NamedTuple):
    """Gives files back that are in quarantine, or compressed.

    It goes as every move does: a record of where the file will be comes first, then the move, and then the record of
    where it was goes. Killed anywhere, it leaves the file in one of the two places, and on record there; the other
    record is found gone.

    Attributes:
        registry: Where records live.
        registrar: What puts on record anew what is back.
        clock: What tells the time.
        base_dir: Whose quarantine it is.
        restored: Where the records of what is back are noted, by path.
    """

    registry: Registry
    registrar: Registrar
    clock: Wall
    base_dir: str
    restored: dict[str, TempFile]

    @property
    def folder(self) -> str:
        """Where files in quarantine are."""
        return os.path.join(os.path.abspath(self.base_dir), OWN_DIRECTORY, QUARANTINE)

    def restore(self, path: str, to: str | None = None, *, inside: str | None = None) -> str:
        """Move a file back, or uncompress it, put it on record anew with its tags, and return where it is.

        It goes at the end of no ``with`` block, unless it is registered again there: somebody asked for it.

        Args:
            path: Where it was before, or where it is in quarantine; absolute. Of several that were there, the last.
            to: Where it is to be instead of where it was, absolute.
            inside: The one directory in which it may be, or below it; None: anywhere.

        Raises:
            InvalidArgumentError: nothing of that path can be had back, or it may not be moved there.
            OSError: it cannot be moved; FileExistsError if something is in its place, FileNotFoundError if its
                directory is gone.
            RegistryError: it cannot be put on record, or a sweep is at it.
        """
        target = self._restore(path, to, inside)
        self.restored.update(self.registry.get((target,)))
        return target

    def _restore(self, path: str, to: str | None, inside: str | None) -> str:
        record = self.found(path)
        if record.kind is Kind.COMPRESSED:
            if to is not None:
                raise InvalidArgumentError(
                    f"{record.path!r} is compressed: it can be had back where it was, and moved then"
                )
            return unpacked(self.registry, self.registrar, self.clock, record, inside)
        origin = packed_from(record)
        if origin == path:
            _refuse_unpacking(origin, to)
        target = to or record.origin
        if not self.registry.keep((record.path,), math.inf, THIS_PROCESS):  # waits for the sweep that is at it
            raise _gone(path)
        try:
            if self.registry.get((record.path,)).get(record.path) is None:
                raise _gone(path)
            self._move(record, target, inside, packed=bool(origin) and to is None)
            self.registry.forget((record,))
        finally:
            self.registry.release((record.path,), THIS_PROCESS)
        if not origin or to is not None:
            self.registrar.many((target,), None, record.tags, allow_system=to is None)
        elif origin == path:
            target = self._restore(path, None, inside)
        with suppress(RegistryFullError):  # it is back
            self.registry.write(RESTORED, None, self.clock.wall(), keep=1, counters={RESTORED: 1.0})
        return target

    def found(self, path: str) -> TempFile:
        """Return the record of the last file that was at a path and can be had back, by where it was or where it is.

        Raises:
            InvalidArgumentError: there is none.
        """
        others = away_from(self.registry, (path,)).get(path, ())
        for record in filter(_can_be_had_back, (*others, *self.registry.get((path,)).values())):
            return record
        raise _gone(path)

    def last(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """Return the records of the last files that were at these paths and can be had back."""
        found = away_from(self.registry, paths)
        there = {path: next(filter(_can_be_had_back, records), None) for path, records in found.items()}
        return {path: record for path, record in there.items() if record is not None}

    def quarantined(self, page: int = PAGE) -> Iterator[TempFile]:
        """Yield the records of what is in quarantine, in the order in which it came there."""
        cursor = None
        while True:
            found = self.registry.page(_EVERY, now=0.0, limit=page, after=cursor)
            yield from found.records
            cursor = found.cursor
            if cursor is None:
                return

    def _move(self, record: TempFile, target: str, inside: str | None, *, packed: bool) -> None:
        added: list[TempFile] = []
        rows: list[NewFile] = []
        # That of a file that is known: it counts as registered when it is back.
        nature = Nature(kind=Kind.COMPRESSED, origin=packed_from(record)) if packed else Nature(origin=record.path)

        def before(identity: Identity) -> None:
            rows.append((target, None, record.size, record.tags, identity, record.disk))
            self.registry.add(rows, self.clock.wall(), natures={target: nature})
            added.extend(self.registry.get((target,)).values())

        try:
            bring_back(self.folder, record, target, before, inside)
            if packed:  # again, as somebody may have missed it meanwhile; what is not is registered anew
                self.registry.add(rows, self.clock.wall(), only_new=True, natures={target: nature})
        except NotThatFile as other:
            why = sentence(other.other.cause, other.other.detail)
            raise InvalidArgumentError(f"{record.path!r} in quarantine cannot be restored: {why}") from other
        except OSError as error:
            with suppress(RegistryError):
                self.registry.forget(added)
            if error.errno == errno.EXDEV:
                why = "it lies on another file system: restore it to its own place, and move it from there"
                raise OSError(error.errno, why, target) from error
            raise


def away_from(registry: Registry, paths: Iterable[str]) -> dict[str, tuple[TempFile, ...]]:
    """Return the records of what was at these paths, compressed or not, those added last first."""
    paths = tuple(paths)
    found = registry.successors((*paths, *(path + SUFFIX for path in paths)))
    away: dict[str, tuple[TempFile, ...]] = {}
    for path in paths:
        packed = (record for record in found.get(path + SUFFIX, ()) if packed_from(record) == path)
        records = sorted((*found.get(path, ()), *packed), key=lambda record: record.generation, reverse=True)
        if records:
            away[path] = tuple(records)
    return away


def _refuse_unpacking(origin: str, to: str | None) -> None:
    """Return if what is in quarantine in its compressed form can be had back as what it was.

    Raises:
        InvalidArgumentError: it is to be somewhere else.
        FileExistsError: something has its name.
    """
    if to is not None:
        raise InvalidArgumentError(f"{origin!r} is compressed: it can be had back where it was, and moved then")
    if os.path.lexists(origin):
        raise FileExistsError(errno.EEXIST, "something is in its place", origin)


def _can_be_had_back(record: TempFile) -> bool:
    return record.kind in (Kind.QUARANTINED, Kind.COMPRESSED) and os.path.lexists(record.path)


def _gone(path: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"nothing that was at {path!r} is in quarantine, or compressed: see list --quarantined")
