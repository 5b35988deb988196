"""Changes in directories that are adopted from: whoever tells of them here, and the walks that they are told to."""

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from temp_file_manager import logs
from temp_file_manager.forks import at_fork
from temp_file_manager.storage.changes.contract import Source
from temp_file_manager.storage.changes.hints import Changed, Hints
from temp_file_manager.storage.changes.inotify_source import InotifySource
from temp_file_manager.storage.changes.watchdog_source import WatchdogSource
from temp_file_manager.storage.tree import WHOLE

Sources = tuple[Callable[[Hints], Source], ...]

SOURCES: Sources = (InotifySource, WatchdogSource)
"""Those that are tried, in this order."""

_NOT_HERE = (errno.ENOSYS, errno.EPERM)
"""What a call of the kernel fails with that is missing, or that a filter of system calls does not let through."""


class Walk:
    """A walk through a tree, or a part of it, that tells which directories it enters.

    Attributes:
        entered: How many it has entered.
        complete: Set by whoever walks: it has been through the whole tree.
    """

    def __init__(self, enter: Callable[[str, int], None]) -> None:
        self._enter = enter
        self.entered = 0
        self.complete = False

    def enter(self, path: str, directory: int) -> None:
        """Hear that a directory, open as a descriptor, is about to be listed."""
        self.entered += 1
        self._enter(path, directory)


class Changes:
    """Tells which directories to look at again, once it has begun. Safe to share between threads.

    What nobody tells of here, or cannot for lack of room in the kernel, is said in the log, once; walks at intervals
    find it all the same.

    Args:
        ring: Called when there is something to look at; it waits for nobody.
        sources: As ``SOURCES``.
    """

    def __init__(self, ring: Callable[[], None], sources: Sources = SOURCES) -> None:
        self._ring = ring
        self._sources = sources
        self._begin_anew()
        # No fork while a source is being opened: the child would inherit what nobody there knows of.
        at_fork(self, Changes._in_child, before=Changes._hold, after=Changes._go_on)

    def _begin_anew(self) -> None:
        self._walking, self._opening = threading.Lock(), threading.Lock()
        self._reset()

    def _in_child(self) -> None:
        if self._source is not None:
            self._source.drop()
        self._begin_anew()

    def _hold(self) -> None:
        self._opening.acquire()

    def _go_on(self) -> None:
        self._opening.release()

    def _reset(self) -> None:
        self._begun = False
        self._hints = Hints(self._ring)
        self._source: Source | None = None
        self._unwatched: dict[str, int] = {}
        self._told: set[str] = set()

    @property
    def directories(self) -> int:
        """How many directories are watched; by a source that takes whole trees, how many trees."""
        source = self._source
        return 0 if source is None else source.directories

    @property
    def trees(self) -> set[str]:
        """Tops of the trees that have been walked through, and are watched as far as that is possible."""
        return set(self._unwatched)

    @property
    def unwatched(self) -> int:
        """How many could not be watched when their whole tree was last walked through."""
        return sum(list(self._unwatched.values()))

    @property
    def waiting(self) -> int:
        """How many directories are to be looked at."""
        return len(self._hints)

    def begin(self) -> bool:
        """From now on watch what is walked through; return False if it was so already."""
        begun, self._begun = self._begun, True
        return not begun

    def take(self) -> list[Changed]:
        """Return what is to be looked at, and begin anew."""
        return self._hints.take()

    def put_back(self, changed: Changed) -> None:
        """Look at it some other time: somebody has it locked."""
        self._hints.add(*changed[:2], whole=changed.whole, ring=False)

    @contextmanager
    def walk(self, root: str, *, watch: bool) -> Iterator[Walk]:
        """Yield a walk; there is one at a time, as each locks the directories that it is in.

        Args:
            root: The tree's top.
            watch: Whether it is to be watched.
        """
        unwatched = 0

        def enter(path: str, directory: int) -> None:
            nonlocal unwatched
            try:
                self._opened().enter(root, path, directory)
            except (OSError, RuntimeError) as error:  # RuntimeError: there can be no more threads
                unwatched += 1
                self._tell(error)

        with self._walking:
            watched = watch and self._begun
            walk = Walk(enter if watched else WHOLE.enter)
            yield walk
            if watched and walk.complete and walk.entered:
                self._walked(root, unwatched)

    def _walked(self, root: str, unwatched: int) -> None:
        self._unwatched[root] = unwatched
        if self._source is not None:
            self._source.walked(root)
            if root not in self._told and not unwatched:
                self._told.add(root)
                logs.watching(root, self._source.directories, self._source.name)

    def leave(self, root: str) -> None:
        """Watch a tree no longer."""
        with self._walking:
            self._told.discard(root)
            self._unwatched.pop(root, None)
            if self._source is not None:
                self._source.leave(root)

    def close(self) -> None:
        """End, until it begins anew."""
        with self._walking:
            source = self._source
            self._reset()
        if source is not None:
            source.close()

    def _opened(self) -> Source:
        if self._source is None:
            with self._opening:
                self._source = first_source(self._hints, self._sources)
        return self._source

    def _tell(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        if reason not in self._told:
            self._told.add(reason)
            logs.not_watched(reason, advice(error))


def first_source(hints: Hints, sources: Sources) -> Source:
    """Return the first source that there is here.

    Raises:
        OSError: there is none, or there can be no more.
    """
    for source in sources:
        try:
            return source(hints)
        except ImportError:
            continue
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
    raise OSError(errno.ENOSYS, "nothing here tells of events")


def advice(error: Exception) -> str:
    """Return what to do about a directory that cannot be watched; empty where nothing helps."""
    return _ADVICE.get(getattr(error, "errno", None) or 0, "")


_ADVICE = {
    errno.ENOSPC: "raise the kernel's limit of directories, sysctl fs.inotify.max_user_watches",
    errno.EMFILE: "raise the kernel's limit, sysctl fs.inotify.max_user_instances, or this process's of open files",
    errno.ENOSYS: "install watchdog, for one by the extra temp-file-manager[monitor]",
}
