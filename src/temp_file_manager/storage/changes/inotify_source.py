"""Changes as inotify tells of them: one watch a directory, and a thread that empties the kernel's queue."""

import os
import select
import threading

from temp_file_manager.storage.changes.hints import Hints
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
        # Which directory a watch is of: its path by the tree it is in, and the walk that has seen it there last. It
        # may be in two trees, of which one is in the other.
        self._places: dict[int, dict[str, tuple[str, int]]] = {}
        self._walks: dict[str, int] = {}
        try:
            self._end = os.eventfd(0, os.EFD_CLOEXEC)
        except BaseException:
            self._inotify.close()
            raise
        self._reader: threading.Thread | None = None

    @property
    def directories(self) -> int:
        """How many watches there are."""
        return len(self._places)

    def enter(self, root: str, path: str, directory: int) -> None:  # noqa: D102 - see Source
        watch = self._inotify.add(directory)
        if not path:
            self._walks[root] = self._walks.get(root, 0) + 1
        # An event before this line finds no place, or the former one. The directory is listed after it.
        with self._lock:
            self._places.setdefault(watch, {})[root] = path, self._walks.setdefault(root, 0)
        if self._reader is None:
            reader = threading.Thread(target=self._read, name="temp-file-manager-inotify", daemon=True)
            reader.start()
            self._reader = reader

    def walked(self, root: str) -> None:
        """End the watches of what has gone elsewhere: inotify follows a directory that is moved."""
        self._forget(root, before=self._walks.get(root, 0))

    def leave(self, root: str) -> None:  # noqa: D102 - see Source
        self._forget(root, before=self._walks.pop(root, 0) + 1)

    def _forget(self, root: str, *, before: int) -> None:
        with self._lock:
            gone = [watch for watch, places in self._places.items() if root in places and places[root][1] < before]
            for watch in gone:
                del self._places[watch][root]
                if not self._places[watch]:
                    del self._places[watch]
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
        if event.mask & OVERFLOW:
            for root in list(self._walks):
                self._hints.add(root, "", whole=True)
            return
        with self._lock:
            places = dict(self._places.get(event.watch, {}))
            if event.mask & IGNORED:
                self._places.pop(event.watch, None)
        for root, (path, _) in places.items():
            if event.mask & (_ITSELF | IGNORED):
                # Of others the directory above tells. Whether this is still the one that is meant, a walk finds out.
                if not path:
                    self._hints.add(root, "", whole=True)
            elif event.mask & IS_DIRECTORY:
                name = os.fsdecode(event.name)
                self._hints.add(root, f"{path}/{name}" if path else name, whole=True)
            else:
                self._hints.add(root, path)
