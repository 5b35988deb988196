"""The question whether a directory may go as a whole: asked before it is moved away, and once more after that."""

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from temp_file_manager.causes import Cause
from temp_file_manager.records import Rewritten, Status, TempFile
from temp_file_manager.rules import is_too_old
from temp_file_manager.storage.below import Totals
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.kernel import mounts, processes
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.kernel.statx import listed_looker
from temp_file_manager.storage.tree import is_locked
from temp_file_manager.storage.unit_contents import Asker, Given, mounted_at
from temp_file_manager.storage.unit_place import Unit
from temp_file_manager.text import printable, span

MANY = 1000
"""With more in it a look at all processes costs less than a second lease on each file."""

_OTHERS_MAY_ENTER = stat.S_IXGRP | stat.S_IXOTH

KeptBelow = Callable[[str], str]
"""Says what of the records below a directory has to stay, and why; nothing if all may go."""


class Terms(NamedTuple):
    """The terms on which units go.

    Attributes:
        asof: Says what ages are read at, seconds since the epoch.
        max_age: Says how old those may get that have no ttl, in seconds; None: they go whatever their age.
        in_use: Makes what tells whether a file is in use; None: nobody asks.
        kept_below: As above.
        owner_check: Keep what belongs to another user, or in which anything does.
    """

    asof: Callable[[], float]
    max_age: Callable[[], float] | None
    in_use: Callable[[], InUse] | None
    kept_below: KeptBelow
    owner_check: bool = False


class Busy(NamedTuple):
    """Directories that processes work in or have open.

    Attributes:
        inodes: Their numbers, among others.
        complete: Whether every process of the machine could be asked.
    """

    inodes: set[int]
    complete: bool

    @classmethod
    def now(cls, but: tuple[int, ...] = ()) -> "Busy":
        """Look at all processes; descriptors of our own in ``but`` do not count."""
        working, seen = processes.working_directories()
        opened, read = processes.open_inodes(but)
        return cls(working | opened, seen and read and processes.sees_all_processes())


class Question:
    """Asks about one unit after the other. For one thread, and one batch.

    Args:
        terms: On which they go.
        only_looking: Whether nothing may be changed, not even for a moment.
    """

    def __init__(self, terms: Terms, *, only_looking: bool = False) -> None:
        self._terms = terms
        self._only_looking = only_looking
        self._look = listed_looker()
        self._asof = terms.asof()
        # Before any unit is open here.
        self._busy = Busy(set(), complete=True) if terms.in_use is None else Busy.now()

    def before(self, unit: Unit, sign: Callable[[], object]) -> Totals:
        """Return what is in a unit that may go. From then on it is locked, as cleaners do it.

        Args:
            unit: The unit, in its place.
            sign: Called now and then.

        Raises:
            NotThatFile: it is to stay, and why.
            OSError: it cannot be looked at.
        """
        record, root, top, terms = unit.record, unit.root, unit.facts, self._terms
        around = self._look(unit.above, b".")
        if top.mount != around.mount:
            raise NotThatFile(Status.KEPT, Cause.OTHER_FILE_SYSTEM, "something is mounted there")
        if is_locked(root):
            raise NotThatFile(Status.KEPT, Cause.IN_USE, "somebody has it locked (flock)")
        self._refuse_kept(record)
        in_use = None if terms.in_use is None else terms.in_use()
        age = self._age(record)
        asker = Asker(self._given(), record, top.mount, in_use, None if age is None else int((self._asof - age) * 1e9))
        totals = asker.walk(root, sign, top, lend=not self._only_looking)
        if age is not None:
            self._refuse_young(record, age, totals)
        if in_use is not None:
            asker.refuse_busy(top, "it")
            in_use.decide(record, True if self._busy.complete or _is_closed(record.path) else None)
        return totals

    def after(self, record: TempFile, root: int, path: str, sign: Callable[[], object], *, many: bool) -> None:
        """Return if a unit may still go that was moved where nobody finds it by its name.

        Args:
            record: Its record.
            root: It, open.
            path: Where it is now, absolute and with links resolved.
            sign: Called now and then.
            many: Whether much is in it.

        Raises:
            NotThatFile: it is to stay, and why.
            OSError: it cannot be looked at.
        """
        self._refuse_kept(record)
        point = mounts.point_below(path)
        if point:
            raise mounted_at(os.path.relpath(point, path))
        in_use = None if self._terms.in_use is None else self._terms.in_use()
        if in_use is None:
            return
        top = self._look(root, b".")
        self._busy = Busy.now((root,))  # anew: whoever lists it has it open, and would see half of it
        asker = Asker(self._given(), record, top.mount, in_use, None)
        asker.refuse_busy(top, "it")
        if mounts.magic(root) not in mounts.LEASES_DECIDE:
            asker.walk(root, sign, top, lend=not self._only_looking)
            return
        mapped, read = processes.mapped_inodes() if many and self._busy.complete else (set[int](), False)
        asker.list(root, sign, self._busy.inodes | mapped, leases=not read)

    def _given(self) -> Given:
        return Given(self._busy.inodes, self._asof, self._terms.owner_check, self._only_looking)

    def _age(self, record: TempFile) -> float | None:
        """Return how old a unit may get, in seconds; None if its age does not matter."""
        if self._terms.max_age is None or record.session:
            return None
        return self._terms.max_age() if record.due_at is None else record.due_at - record.registered_at

    def _refuse_young(self, record: TempFile, age: float, totals: Totals) -> None:
        newest = totals.newest / 1e9
        old = is_too_old(newest, self._asof, age) if record.due_at is None else newest + age <= self._asof
        if old or record.identity is None:
            return
        what = f"{printable(totals.where)} in it" if totals.where else "it"
        detail = f"{what} was changed {span(max(0.0, self._asof - newest))} ago, and it counts from then"
        found = Rewritten(record.identity, newest, 0, totals.disk)
        raise NotThatFile(Status.SKIPPED, Cause.REWRITTEN, detail, found)

    def _refuse_kept(self, record: TempFile) -> None:
        kept = self._terms.kept_below(record.path)
        if kept:
            raise NotThatFile(Status.KEPT, Cause.KEPT_WITHIN, kept)


def _is_closed(path: str) -> bool:
    """Say whether nobody but this user, whose processes can be seen, and root can enter a directory."""
    real = os.path.realpath(path)
    while real != "/":
        if not os.stat(real).st_mode & _OTHERS_MAY_ENTER:
            return True
        real = os.path.dirname(real)
    return False
