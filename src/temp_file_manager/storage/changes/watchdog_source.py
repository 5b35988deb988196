"""Changes as the library watchdog tells of them, for systems without inotify: it takes whole trees."""

import errno
import os
from typing import Any, NamedTuple

from temp_file_manager.storage.changes.hints import Hints

_MEANT = frozenset({"created", "modified", "moved", "closed"})
"""Kinds of events. A look at a directory is an event of others, by which it would be looked at again, without end."""


class _Watched(NamedTuple):
    """A tree: what the observer knows it as, its path without links, and which directory its top is."""

    watch: Any
    real: str
    place: tuple[int, int]


class WatchdogSource:
    """A ``Source``. What it loses on the way is found by the next walk.

    Args:
        hints: Who is told.

    Raises:
        ImportError: watchdog is not installed, or works not here.
    """

    name = "watchdog"

    def __init__(self, hints: Hints) -> None:
        from watchdog.observers import Observer  # noqa: PLC0415 - of the extra ``monitor``

        self._hints = hints
        self._trees: dict[str, _Watched] = {}
        self._observer = Observer()
        self._observer.start()

    @property
    def directories(self) -> int:
        """How many trees there are."""
        return len(self._trees)

    def enter(self, root: str, path: str, directory: int) -> None:  # noqa: D102 - see Source
        if path:
            return
        found, known = os.fstat(directory), self._trees.get(root)
        place = found.st_dev, found.st_ino
        if known is not None and known.place == place and known.watch in self._alive():
            return
        self.leave(root)
        real = os.path.realpath(root)
        try:
            watch = self._observer.schedule(_handler(self._hints, root, real), real, recursive=True)
        except OSError:
            raise
        except Exception as error:  # each system's part has its own
            raise OSError(errno.EIO, f"watchdog: {error}") from error
        self._trees[root] = _Watched(watch, real, place)

    def _alive(self) -> set[Any]:
        """Return what is still watched: a watch may end with its directory."""
        return {emitter.watch for emitter in self._observer.emitters if emitter.is_alive()}

    def walked(self, root: str) -> None:
        """Do nothing: what is below the top watchdog follows by itself."""

    def leave(self, root: str) -> None:  # noqa: D102 - see Source
        known = self._trees.pop(root, None)
        if known is not None:
            self._observer.unschedule(known.watch)

    def close(self) -> None:  # noqa: D102 - see Source
        self._observer.stop()

    def drop(self) -> None:
        """Do nothing: what the child has inherited is watchdog's."""


def _handler(hints: Hints, root: str, real: str) -> Any:
    """Return what watchdog tells: a class of its own, made where it is known to be installed."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler  # noqa: PLC0415 - see WatchdogSource

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in _MEANT:
                path = _relative(os.fsdecode(event.dest_path or event.src_path), real)
                if path is None:
                    return
                if event.is_directory:
                    hints.add(root, path, whole=event.event_type != "modified")
                else:
                    hints.add(root, path.rpartition("/")[0])

    return Handler()


def _relative(path: str, top: str) -> str | None:
    """Return a path relative to a directory above it; None if it is not."""
    if path == top:
        return ""
    above = top.rstrip("/") + "/"
    return path.removeprefix(above) if path.startswith(above) else None
