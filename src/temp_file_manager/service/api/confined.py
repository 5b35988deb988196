"""Registering files that lie in the base directory, and no others, whatever happens to directories meanwhile.

A parent directory that is checked can be another one a moment later. So it is resolved, opened from the base directory
downwards without following a link, and kept open; what is about to be put on record is compared with what is open.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

from temp_file_manager.context import Context
from temp_file_manager.records import Identity
from temp_file_manager.registering.register import Judge
from temp_file_manager.reports import RegisterReport
from temp_file_manager.storage.identity import same_directory
from temp_file_manager.storage.kernel.statx import Seen, looker

OPEN_AT_ONCE = 64
"""Directories; a process has a thousand descriptors, and needs them for other things."""

_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

SWAPPED = "its directory was exchanged for another while it was being registered"


class Refused(Exception):  # noqa: N818 - no error: an answer
    """A path that is not to be registered; the message says why."""


class Parent(NamedTuple):
    """A directory in the base: its path without links, what is open as it, and what that is."""

    path: str
    descriptor: int
    seen: Seen


class Place(NamedTuple):
    """Where a file is to be registered: in which directory, and by which paths it was asked for."""

    parent: Parent
    asked: list[str]


class Base:
    """The base directory, and directories in it that are opened from there. Closed on leaving the ``with`` block.

    Args:
        path: The base directory; it may be reached by links.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self._look = looker()
        self._closing = ExitStack()
        self._descriptor = self._kept(os.open(self.path, _FLAGS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    def opened(self, directory: str) -> Parent:
        """Open a directory in the base, or the base itself.

        Raises:
            Refused: it lies elsewhere, or cannot be opened.
        """
        path = _resolved(directory)
        if not _is_below(path, self.path):
            raise Refused("it lies outside the base directory")
        try:
            descriptor = self._kept(self._walked(path))
            return Parent(path, descriptor, self._look(descriptor, b""))
        except OSError as error:
            raise Refused(f"its directory cannot be opened ({error.strerror})") from error

    def is_still(self, parent: Parent) -> bool:
        """Say whether what is open is what its path leads to, without a link."""
        try:
            descriptor = self._walked(parent.path)
        except OSError:
            return False
        try:
            return os.path.samestat(os.fstat(descriptor), os.fstat(parent.descriptor))
        finally:
            os.close(descriptor)

    def _walked(self, path: str) -> int:
        here = os.dup(self._descriptor)
        for name in path[len(self.path) :].split("/"):
            if name:
                above, here = here, -1
                try:
                    here = os.open(name, _FLAGS, dir_fd=above)
                finally:
                    os.close(above)
        return here

    def _kept(self, descriptor: int) -> int:
        self._closing.callback(os.close, descriptor)
        return descriptor


def lies_in(base_dir: str, path: str) -> bool:
    """Say whether the directory of an absolute path is a base directory or lies in it, links resolved."""
    try:
        return _is_below(_resolved(path.rpartition("/")[0]), os.path.realpath(base_dir))
    except Refused:
        return False


def register(
    context: Context,
    paths: Iterable[str],
    ttl: float | None,
    tags: Iterable[str],
    session: int = 0,
    *,
    unit: bool = False,
) -> RegisterReport:
    """Put those of ``paths`` on record that lie in the base directory; the others are refused.

    Args:
        context: Whose base directory counts.
        paths: Absolute. Directories may be reached by links, if they lie in the base; of a file that is a link the
            link is meant.
        ttl: Seconds, or None.
        tags: As ``TempFileManager.register_files`` takes them.
        session: The number of the living session that they are to be in; 0: none.
        unit: Whether they are directories, each to go as a whole; they lie in the base, and are not it.

    Raises:
        InvalidArgumentError: there is no such session, or not any more.
        OSError: the base directory cannot be opened.
        RegistryError: the registry cannot be used; some may have been put on record.
    """
    by_parent: dict[str, dict[str, str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        by_parent.setdefault(directory, {})[name] = path
    words = tuple(tags)
    put = (context.units if unit else context.registrar).many

    def register_some(places: Iterable[str], judge: Judge) -> RegisterReport:
        return put(places, ttl, words, judge, session)

    reports = [_registered(context.base_dir, some, register_some) for some in _parts(by_parent)]
    return RegisterReport(
        sum(report.registered for report in reports),
        sum(report.oversized for report in reports),
        tuple(refused for report in reports for refused in report.refused),
    )


def _parts(by_parent: dict[str, dict[str, str]]) -> Iterator[dict[str, dict[str, str]]]:
    directories = list(by_parent)
    for first in range(0, len(directories), OPEN_AT_ONCE):
        yield {directory: by_parent[directory] for directory in directories[first : first + OPEN_AT_ONCE]}


def _registered(
    base_dir: str, by_parent: dict[str, dict[str, str]], register_some: Callable[[Iterable[str], Judge], RegisterReport]
) -> RegisterReport:
    places: dict[str, Place] = {}  # by the path on record
    refused: list[tuple[str, str]] = []
    with Base(base_dir) as base:
        for directory, names in by_parent.items():
            try:
                parent = base.opened(directory)
            except Refused as reason:
                refused += [(path, str(reason)) for path in names.values()]
                continue
            for name, path in names.items():
                if name in ("", ".", ".."):
                    refused.append((path, "it is a directory"))
                else:
                    places.setdefault(f"{parent.path.rstrip('/')}/{name}", Place(parent, [])).asked.append(path)

        def judge(path: str, identity: Identity | None) -> str:
            parent = places[path].parent
            # In memory no identity is kept, and that the path still leads there is all that can be asked.
            same = base.is_still(parent) if identity is None else same_directory(identity, parent.seen)
            return "" if same else SWAPPED

        report = register_some(places, judge)
    refused += [(asked, reason) for path, reason in report.refused for asked in places[path].asked]
    return RegisterReport(report.registered, report.oversized, tuple(refused))


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(base.rstrip("/") + "/")


def _resolved(directory: str) -> str:
    if "\0" in directory:
        raise Refused("the path holds a NUL character")
    try:
        return os.path.realpath(directory or "/")
    except UnicodeEncodeError as error:
        raise Refused("no file name can hold such characters") from error
    except OSError as error:
        raise Refused(f"its directory cannot be looked at ({error.strerror})") from error
