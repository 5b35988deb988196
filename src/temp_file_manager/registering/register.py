"""Registration: files are looked at and put on record, with no sweep in between."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from temp_file_manager import logs
from temp_file_manager.arguments import labels, seconds
from temp_file_manager.clock import Wall
from temp_file_manager.durations import Duration
from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.events import FilesRegistered, Hooks
from temp_file_manager.records import Identity, Kind, Nature, NewFile
from temp_file_manager.registry import Looked, Registry
from temp_file_manager.reports import RegisterReport
from temp_file_manager.rules.ruling import Ruling
from temp_file_manager.settings import Settings
from temp_file_manager.settings.shared_volume import checks_owner
from temp_file_manager.storage import permissions
from temp_file_manager.storage.compressed_copy import SUFFIX
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.identity import Found as Known
from temp_file_manager.storage.own_files import OURS, OwnFiles, is_own
from temp_file_manager.storage.paths import AnyPath, absolute, absolute_all, size_of, why_not_regular
from temp_file_manager.storage.shared_volume import SharedVolume
from temp_file_manager.storage.system_files import SystemFiles
from temp_file_manager.sweeping.limit_states import LimitStates

Found = tuple[int | None, Identity | None, int | None]
"""The size, where anybody asks for it, and the identity and the room on the disk, where those are kept."""

Judge = Callable[[str, Identity | None], str]
"""Says of a path, and of the file found there, why it is not to be registered; nothing when it is."""


Look = Callable[[str], Found | str | None]
"""Says of a path what is to be recorded, or why it is refused; None when it is no regular file."""

SWEPT = "removed by a sweep while it was being registered"

PACKED = "it is the compressed form of a file on record: restore that, and register it"

CLAIMED = "a sweep is at work on it, and has not come to an end in time"


def _anywhere(_: str) -> str:
    return ""


def anything(path: str, identity: Identity | None) -> str:
    """Be a ``Judge`` that has nothing against any."""
    del path, identity
    return ""


class Registrar:
    """What ``TempFileManager.register_file`` and ``register_files`` do.

    Args:
        registry: Where the records go.
        clock: What tells the time that records carry.
        hooks: Who hears of it.
        settings: ``size_limit``, ``permission_mask``, ``owner_check`` and ``scope``.
        system: What has something against system files; root alone has it asked unless it says otherwise, as only root
            can have those removed that are not its own.
        limits: What counts how much was registered; None where there are no limits.
        ruling: The rules that are asked; None where there are none.
        volume: The shared volume on which files have to lie; None: they lie anywhere.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Wall,
        hooks: Hooks,
        settings: Settings,
        system: SystemFiles,
        limits: LimitStates | None = None,
        ruling: Ruling | None = None,
        volume: SharedVolume | None = None,
    ) -> None:
        self._registry = registry
        self._volume = volume
        self._clock = clock
        self._hooks = hooks
        self._size_limit = settings.size_limit
        self._mask = settings.permission_mask
        self._owner_check = checks_owner(settings)
        self._own = OwnFiles(registry.properties.files)
        self._limits = limits
        self.system = system
        self._judges = os.geteuid() == 0
        self.ruling = ruling
        self._plain = (
            not registry.properties.keeps_identity and self._mask is None and not self._owner_check and limits is None
        )

    def one(
        self,
        file_path: AnyPath,
        ttl: Duration | None,
        tags: Iterable[str],
        session: int = 0,
        *,
        allow_system: bool = False,
    ) -> None:
        """Register one file. In memory it is the hottest path of all, and spelt out."""
        judge: Judge | None = self.system if self._judges and not allow_system else None
        if session or not self._plain:
            self.many((file_path,), ttl, tags, judge or anything, session)
            return
        path = absolute(file_path)
        now = self._clock.wall()
        due_at = None if ttl is None else now + seconds("ttl", ttl)
        settlements = self._registry.settlements
        if not os.path.isfile(path) or is_own(path):
            logs.refused(path)
            return
        if judge is not None and (reason := judge(path, None)):
            logs.refused(path, reason)
            return
        size = None if self._size_limit is None else size_of(path)
        plain = due_at is None and size is None and not tags
        if plain and self.ruling is not None:
            plain = self.ruling.book.decide(path) is None
        if not (plain and self._registry.add_one(path, now, settlements)):
            row = (path, due_at, size, labels(tags), None, None)
            if self._refused([row], now, settlements, self.look(judge or anything)):
                return
        logs.registered(path)
        oversized = self._oversized(path, size)
        if self._hooks.hooks:
            self._hooks.emit(FilesRegistered((path,), (path,) if oversized else ()))

    def many(
        self,
        file_paths: Iterable[AnyPath],
        ttl: Duration | None,
        tags: Iterable[str],
        judge: Judge | None = None,
        session: int = 0,
        *,
        allow_system: bool = False,
    ) -> RegisterReport:
        """Register many files in one step; those that ``judge`` has something against are refused.

        Where none is given, and ``allow_system`` is not, that is what root has asked.
        """
        if judge is None:
            judge = self.system.batch() if self._judges and not allow_system else anything
        paths = absolute_all(file_paths, "register_file")
        now = self._clock.wall()
        due_at = None if ttl is None else now + seconds("ttl", ttl)
        words = labels(tags)
        settlements = self._registry.settlements
        rows: list[NewFile] = []
        refused = []
        look = self.look(judge)
        for path in paths:
            found = look(path)
            if found is None:
                refused.append((path, why_not_regular(path)))
                logs.refused(path)
            elif isinstance(found, str):
                refused.append((path, found))
                logs.refused(path, found)
            else:
                rows.append((path, due_at, found[0], words, found[1], found[2]))
        lost = self._refused(rows, now, settlements, look, session) if rows else {}
        refused += lost.items()
        kept = {row[0]: row[2] for row in rows if row[0] not in lost}
        return RegisterReport(len(kept), len(self.tell(kept)), tuple(refused))

    def put(self, rows: Iterable[NewFile], at: float, *, only_new: bool = False, session: int = 0) -> None:
        """Put files on record that were registered at a time, under the rules that are about them; tells nobody.

        Raises:
            RecordClaimedError: as ``Records.add``, whose arguments these are.
        """
        rows, natures = self._under_rules(rows, at, session)
        self._registry.add(rows, at, only_new=only_new, session=session, natures=natures)

    def _under_rules(
        self, rows: Iterable[NewFile], at: float, session: int
    ) -> tuple[Iterable[NewFile], Mapping[str, Nature]]:
        """Return rows, and which of them come under a rule; in a session none does."""
        return (rows, {}) if self.ruling is None or session else self.ruling.give(rows, at)

    def tell(self, registered: Mapping[str, int | None]) -> tuple[str, ...]:
        """Tell the log and the hooks what was put on record, paths with sizes; return those that are too large."""
        logs.registered_all(registered)
        if self._limits is not None and registered:
            self._limits.took(registered.values())
        oversized = tuple(path for path, size in registered.items() if self._oversized(path, size))
        if self._hooks.hooks and registered:
            self._hooks.emit(FilesRegistered(tuple(registered), oversized))
        return oversized

    def look(self, judge: Judge) -> Look:
        """Return what looks at files that are to be put on record, refuses those that are not, and sets their modes."""
        card = self._registry.properties
        examine = Examiner(self._own).examine if card.keeps_identity else None
        longest, elsewhere = card.longest_path, self.elsewhere()

        def look(path: str) -> Found | str | None:
            if is_own(path):
                return why_not_regular(path)
            if reason := elsewhere(path):
                return reason
            if longest is not None and len(os.fsencode(path)) > longest:
                return f"its path is longer than the {longest} bytes that {card.address} keeps"
            if examine is None:
                return self._seen(path, judge)
            try:
                return self._identified(path, judge, examine)
            except OSError as error:
                return error.strerror or str(error)

        return look

    def elsewhere(self) -> Callable[[str], str]:
        """Return what says why a path is none of the shared volume's, or that this is not there; else nothing."""
        volume = self._volume
        if volume is None:
            return _anywhere
        absent = volume.why_absent()
        return lambda path: absent or volume.why_not_below(path)

    def _identified(self, path: str, judge: Judge, examine: Callable[[str], Known | None]) -> Found | str | None:
        """Say so of a path where identities are kept."""
        found = examine(path)
        if found is None:
            return None
        if found.own:
            return OURS
        if path.endswith(SUFFIX) and self._stands_for_another(path, found.identity):
            return PACKED
        reason = (permissions.foreign(found.owner) if self._owner_check else "") or judge(path, found.identity)
        if reason:
            return reason
        if self._mask is not None:
            self._restrict(path, self._mask)
            found = examine(path)  # again: that has moved the change time
        return found and (found.size, found.identity, found.disk)

    def _stands_for_another(self, path: str, found: Identity) -> bool:
        """Say whether a file is the compressed form of another: registered as itself it would be that no more."""
        record = self._registry.get((path,)).get(path)
        if record is None or record.kind is not Kind.COMPRESSED or record.identity is None:
            return False
        return (record.identity.inode, record.identity.born) == (found.inode, found.born)

    def _seen(self, path: str, judge: Judge) -> Found | str | None:
        """Say so of a path where no identity is kept."""
        if not os.path.isfile(path):
            return None
        reason = (permissions.foreign_at(path) if self._owner_check else "") or judge(path, None)
        if reason:
            return reason
        if self._mask is not None:
            self._restrict(path, self._mask)
        return None if self._size_limit is None else size_of(path), None, None

    def _restrict(self, path: str, mask: int) -> None:
        reason = permissions.restrict(path, mask)
        if reason:
            logs.mode_left(path, mask, reason)

    def _refused(
        self, rows: Sequence[NewFile], now: float, settlements: int, look: Look, session: int = 0
    ) -> dict[str, str]:
        """Put rows on record; return the paths of those that could not be, each with the reason."""
        claimed: dict[str, str] = {}
        gone: dict[str, str] = {}

        def again(rows: Sequence[NewFile]) -> list[NewFile]:
            gone.clear()
            found = [(row, look(row[0])) for row in rows]
            gone.update((row[0], SWEPT) for row, file in found if not isinstance(file, tuple))
            return [(*row[:2], file[0], row[3], *file[1:]) for row, file in found if isinstance(file, tuple)]

        while rows:
            ruled, natures = self._under_rules(rows, now, session)
            try:
                self._registry.add(ruled, now, looked=Looked(settlements, again), session=session, natures=natures)
                break
            except RecordClaimedError as error:
                claimed |= dict.fromkeys(error.paths, CLAIMED)
                rows = [row for row in rows if row[0] not in claimed]
        for path, reason in (claimed | gone).items():
            logs.refused(path, reason)
        return claimed | gone

    def _oversized(self, path: str, size: int | None) -> bool:
        limit = self._size_limit
        if limit is None or size is None or size <= limit:
            return False
        logs.oversized(path, size, limit)
        return True
