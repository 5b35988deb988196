"""Changes as inotify tells of them: one watch a directory, and a thread that empties the kernel's queue."""

import os
import select
import threading

from temp_file_manager.storage.changes.hints import Changed, Hints
from temp_file_manager.storage.kernel.inotify import (
    DELETE_SELF,
    IGNORED,
    IS_DIRECTORY,
    MOVE_SELF,
    OVERFLOW,
    UNMOUNT,
    Event,
    Inotify,
)

_ITSELF = DELETE_SELF | MOVE_SELF | UNMOUNT


class _Watched:
    """A tree that is watched.

    Attributes:
        walk: The number of the last walk that began at its top.
        places: Which directory a watch is of, and the walk that has seen it there last.
    """

    def __init__(self) -> None:
        self.walk = 0
        self.places: dict[int, tuple[str, int]] = {}


class InotifySource:
    """A ``Source``.

    Args:
        hints: Who is told.

    Raises:
        OSError: the user has as many as may be, or there is no inotify here.
    """

    name = "inotify"

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self._inotify = Inotify()
        self._lock = threading.Lock()
        self._trees: dict[str, _Watched] = {}  # one may be in another: then both have the same watches
        try:
            self._end = os.eventfd(0, os.EFD_CLOEXEC)
        except BaseException:
            self._inotify.close()
            raise
        self._reader: threading.Thread | None = None

    @property
    def directories(self) -> int:
        """How many watches there are; what is in two trees counts twice."""
        with self._lock:
            return sum(len(tree.places) for tree in self._trees.values())

    def enter(self, root: str, path: str, directory: int) -> None:  # noqa: D102 - see Source
        watch = self._inotify.add(directory)
        # An event before it has its place finds none, or the former one. The directory is listed after that.
        with self._lock:
            tree = self._trees.setdefault(root, _Watched())
            tree.walk += not path
            tree.places[watch] = path, tree.walk
        if self._reader is None:
            reader = threading.Thread(target=self._read, name="temp-file-manager-inotify", daemon=True)
            reader.start()
            self._reader = reader

    def walked(self, root: str) -> None:
        """End the watches of what has gone elsewhere: inotify follows a directory that is moved."""
        with self._lock:
            tree = self._trees.get(root)
            if tree is not None:
                for watch in [watch for watch, (_, walk) in tree.places.items() if walk < tree.walk]:
                    self._remove(tree, watch)

    def leave(self, root: str) -> None:  # noqa: D102 - see Source
        with self._lock:
            tree = self._trees.pop(root, _Watched())
            for watch in list(tree.places):
                self._remove(tree, watch)

    def _remove(self, tree: _Watched, watch: int) -> None:
        del tree.places[watch]
        if not any(watch in other.places for other in self._trees.values()):
            self._inotify.remove(watch)

    def close(self) -> None:
        """End. The thread never waits for anything but events."""
        os.eventfd_write(self._end, 1)
        if self._reader is not None:
            self._reader.join()
        self.drop()

    def drop(self) -> None:  # noqa: D102 - see Source
        self._inotify.close()
        os.close(self._end)

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._inotify, select.POLLIN)
        poll.register(self._end, select.POLLIN)
        while all(ready != self._end for ready, _ in poll.poll()):
            for event in self._inotify.read():
                self._hear(event)

    def _hear(self, event: Event) -> None:
        with self._lock:
            if event.mask & OVERFLOW:
                told = [Changed(root, "", whole=True) for root in self._trees]
            else:
                told = [
                    changed
                    for root, tree in self._trees.items()
                    if event.watch in tree.places and (changed := _changed(root, tree.places[event.watch][0], event))
                ]
            if event.mask & IGNORED:
                for tree in self._trees.values():
                    tree.places.pop(event.watch, None)
        for root, path, whole in told:
            self._hints.add(root, path, whole=whole)


def _changed(root: str, path: str, event: Event) -> Changed | None:
    """Return what is to be looked at because of an event in a directory, or that happened to it."""
    if event.mask & (_ITSELF | IGNORED):
        # Whether the top is still the one that is meant, a walk finds out; of others the directory above tells.
        return None if path else Changed(root, "", whole=True)
    if event.mask & IS_DIRECTORY:
        name = os.fsdecode(event.name)
        return Changed(root, f"{path}/{name}" if path else name, whole=True)
    return Changed(root, path, whole=False)
