"""The removal of all that is in a directory which nobody else finds by its name, however much that is.

From below upwards, by one open directory at a time, each opened relative to the one above and without following links;
going up, the directory there must be the one that was left. What is mounted is never entered.
"""

import os
import stat
from collections.abc import Callable, Iterator

from temp_file_manager.causes import Cause, sentence
from temp_file_manager.chunks import Other, failed
from temp_file_manager.records import Status
from temp_file_manager.storage.below import WITHIN, changing, make_accessible, place, up
from temp_file_manager.storage.kernel.statx import listed_looker
from temp_file_manager.text import printable

_AT_ONCE = 1000
"""Names of one directory that are in memory at a time, of what is to be entered, and of what cannot be removed."""

_LOOKS = 64
"""Files removed between two questions whether to go on."""


class Clearance:
    """One removal of what is in a directory. For one thread, and one round.

    Args:
        root: The directory, open; it stays.
        stopped: Says whether to leave it at that.

    Attributes:
        trouble: What became of the first thing that could not be removed; None: nothing was in the way.
        complete: Whether nothing is left in it.
    """

    def __init__(self, root: int, stopped: Callable[[], bool]) -> None:
        self.trouble: Other | None = None
        self.complete = False
        self._root = root
        self._stopped = stopped
        self._look = listed_looker()
        self._mount = self._look(root, b".").mount
        self._user = os.geteuid()
        self._way: list[_Level] = []
        self._over = False

    def run(self) -> None:
        """Remove what can be removed, until it is enough.

        Raises:
            NotThatFile: something else goes on in it; what is left is for another time.
        """
        here = os.open(".", WITHIN, dir_fd=self._root)
        try:
            self._way = [_Level("", place(here))]
            while not self._over and not self._stopped():
                level = self._way[-1]
                if not level.below and not level.listed:
                    self._clear(here, level)
                elif level.below:
                    here = self._down(here, level.below.pop())
                elif len(self._way) == 1:
                    self.complete = not level.stuck
                    return
                else:
                    self._way.pop()
                    here = up(here, self._way[-1].place)
                    self._drop(here, level)
        finally:
            os.close(here)

    def _clear(self, here: int, level: "_Level") -> None:
        """Remove what is no directory, and note some that are."""
        level.listed = True
        for number, (name, is_directory) in enumerate(_names(here)):
            if number % _LOOKS == 0 and self._stopped():
                level.listed = False
                return
            if name in level.stuck:
                continue
            if is_directory:
                level.below.append(name)
                if len(level.below) == _AT_ONCE:
                    level.listed = False
                    return
            else:
                self._unlink(here, name, level)

    def _unlink(self, here: int, name: str, level: "_Level") -> None:
        try:
            os.unlink(name, dir_fd=here)
        except FileNotFoundError:
            return
        except OSError as error:
            self._give_up(level, name, failed(error))

    def _down(self, here: int, name: str) -> int:
        """Go into a directory, and close the one above; what cannot be entered is given up."""
        level = self._way[-1]
        try:
            facts = self._look(here, os.fsencode(name))
            if facts.mount != self._mount:
                self._give_up(level, name, Other(Status.KEPT, Cause.OTHER_FILE_SYSTEM, "something is mounted there"))
                return here
            if self._is_closed(facts.mode, facts.owner):
                make_accessible(here, name)
            inner = os.open(name, WITHIN, dir_fd=here)
        except FileNotFoundError:
            return here
        except OSError as error:
            self._give_up(level, name, failed(error))
            return here
        if self._look(inner, b".").mount != self._mount:
            os.close(inner)
            raise changing(self._where(name))
        self._way.append(_Level(name, place(inner)))
        os.close(here)
        return inner

    def _drop(self, here: int, left: "_Level") -> None:
        """Remove a directory that has been cleared; with what is stuck in it, it is stuck, too."""
        level = self._way[-1]
        if left.stuck:
            level.stuck.add(left.name)
            return
        try:
            os.rmdir(left.name, dir_fd=here)
        except FileNotFoundError:
            return
        except OSError as error:
            self._give_up(level, left.name, failed(error))

    def _is_closed(self, mode: int, owner: int) -> bool:
        """Say whether a directory of this user's keeps it from removing what is in it."""
        return self._user != 0 and owner == self._user and mode & stat.S_IRWXU != stat.S_IRWXU

    def _give_up(self, level: "_Level", name: str, other: Other) -> None:
        level.stuck.add(name)
        self._over = len(level.stuck) >= _AT_ONCE  # whatever is in the way of so many has to be seen to first
        if self.trouble is None:
            detail = f"{printable(self._where(name))} in it: {sentence(other.cause, other.detail)}"
            cause = Cause.ERROR if other.cause is Cause.REFUSED else other.cause  # its detail is a name, and no words
            self.trouble = Other(other.status, cause, detail)

    def _where(self, name: str) -> str:
        return "/".join([*(level.name for level in self._way[1:]), name])


class _Level:
    """A directory on the way down.

    Attributes:
        name: Its name.
        place: Which it is.
        below: Directories in it that are still to be cleared.
        listed: Whether all that is in it has been seen.
        stuck: What in it cannot be removed.
    """

    __slots__ = ("below", "listed", "name", "place", "stuck")

    def __init__(self, name: str, place: tuple[int, int]) -> None:
        self.name = name
        self.place = place
        self.below: list[str] = []
        self.listed = False
        self.stuck: set[str] = set()


def _names(directory: int) -> Iterator[tuple[str, bool]]:
    """Yield what is in an open directory, and whether that is a directory."""
    with os.scandir(directory) as listing:
        for found in listing:
            yield found.name, found.is_dir(follow_symlinks=False)
