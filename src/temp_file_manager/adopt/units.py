"""A survey of the directories in a directory, each of which can be adopted as a whole."""

import os
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing

from temp_file_manager.adopt.survey import Chosen, Exclusion, Known, Passed, Wanted, registered_at, touched
from temp_file_manager.errors import BaseDirectoryError
from temp_file_manager.storage.tree import Skip
from temp_file_manager.storage.unit_rules import FoundUnit, UnitRefusedError, examine, has_lock

_NO_DIRECTORY = "no directory"


class UnitSurvey:
    """One look at what is directly in a directory, and the count of what it passes by.

    A unit is as old as the latest change of anything in it. Arguments as of ``Survey``.
    """

    def __init__(
        self,
        what: Wanted,
        known: Known,
        now: float,
        *,
        renew: bool = True,
        tell: Callable[[Passed], None] = lambda _: None,
    ) -> None:
        self.skipped: Counter[str] = Counter()
        self._what = what
        self._known = known
        self._now = now
        self._renew = renew
        self._tell = tell
        self._excluded = Exclusion(what.exclude)
        self._base = what.directory.rstrip("/")

    def batches(self, size: int) -> Generator[list[Chosen], None, None]:
        """Yield what can be adopted, at most ``size`` directories at a time.

        Raises:
            BaseDirectoryError: the directory cannot be read, or is another one by now.
        """
        with self._what.opened(lambda _: None, lambda _, __: None), closing(self._names()) as names:
            batch: list[Chosen] = []
            for name in names:
                batch += self._chosen(name)
                if len(batch) == size:
                    yield batch
                    batch = []
            yield batch

    def _names(self) -> Generator[str, None, None]:
        try:
            with os.scandir(self._base or "/") as listing:
                for found in listing:
                    if found.is_dir(follow_symlinks=False):
                        yield found.name
                    else:
                        self._skip(found.name, _NO_DIRECTORY)
        except OSError as error:
            raise BaseDirectoryError(error.errno, f"cannot be read ({error.strerror})", self._base) from error

    def _skip(self, name: str, reason: str) -> None:
        self.skipped[reason] += 1
        self._tell(Passed(f"{self._base}/{name}", reason))

    def _chosen(self, name: str) -> list[Chosen]:
        """Return what is to be put on record of a directory; nothing, and the reason is counted, if it is not."""
        found = self._found(name)
        if isinstance(found, str):
            self._skip(name, found)
            return []
        path = f"{self._base}/{name}"
        record = self._known((path,)).get(path)
        latest = int((self._now if found.newest is None else found.newest) * 1e9)
        if record is not None and not (self._renew and touched(record, latest, self._now)):
            self._skip(name, Skip.KNOWN)
            return []
        disk, where = found.disk or 0, path if record is None else record.path
        return [Chosen(where, registered_at(latest, self._now), disk, found.identity, record is not None, disk)]

    def _found(self, name: str) -> FoundUnit | str:
        path = f"{self._base}/{name}"
        if self._excluded.takes(name):
            return self._excluded.words(name)
        if any(one.startswith(f"{path}/") for one in self._what.spared):
            return Skip.OURS
        try:
            if has_lock(path):
                return Skip.LOCKED
            return examine(path, self._base or "/", self._now, owner_check=True)
        except UnitRefusedError as reason:
            return str(reason)
        except OSError:
            return Skip.VANISHED if not os.path.lexists(path) else Skip.UNREADABLE
