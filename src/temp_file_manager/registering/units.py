"""Registration of units: directories that are one record each."""

import os
from collections.abc import Iterable, Sequence

from temp_file_manager import logs
from temp_file_manager.arguments import labels, seconds
from temp_file_manager.clock import Wall
from temp_file_manager.durations import Duration
from temp_file_manager.errors import InvalidArgumentError, RecordClaimedError
from temp_file_manager.records import Kind, Nature, NewFile
from temp_file_manager.registering.register import CLAIMED, SWEPT, Judge, Registrar, anything
from temp_file_manager.registry import Looked, Registry
from temp_file_manager.reports import RegisterReport
from temp_file_manager.settings import Settings
from temp_file_manager.settings.shared_volume import checks_owner
from temp_file_manager.storage.paths import AnyPath, absolute_all
from temp_file_manager.storage.unit_rules import FoundUnit, UnitRefusedError, examine

_UNIT = Nature(kind=Kind.UNIT)


class UnitRegistrar:
    """What ``TempFileManager.register_directory`` does.

    Args:
        registry: Where the records go.
        clock: What tells the time that records carry.
        registrar: What tells the log and the hooks.
        settings: ``owner_check``, ``secure_delete``.
        base_dir: Where units may lie.
    """

    def __init__(
        self, registry: Registry, clock: Wall, registrar: Registrar, settings: Settings, base_dir: str
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._registrar = registrar
        self._owner_check = checks_owner(settings)
        self._destroys = settings.secure_delete
        self._base_dir = base_dir

    def one(self, path: AnyPath, ttl: Duration | None, tags: Iterable[str], session: int = 0) -> None:
        """Register one.

        Raises:
            InvalidArgumentError: it cannot be one, and why.
            FileNotFoundError: it is not there.
        """
        for name, reason in self.many((path,), ttl, tags, session=session).refused:
            if not os.path.lexists(name):
                raise FileNotFoundError(2, reason, name)
            raise InvalidArgumentError(f"{name!r} cannot go as a whole: {reason}")

    def many(
        self,
        paths: Iterable[AnyPath],
        ttl: Duration | None,
        tags: Iterable[str],
        judge: Judge = anything,
        session: int = 0,
    ) -> RegisterReport:
        """Register many, those that can be; the others are refused. ``judge`` is as in ``Registrar.many``."""
        wanted, words = absolute_all(paths, "register_directory"), labels(tags)
        now = self._clock.wall()
        due_at = None if ttl is None else now + seconds("ttl", ttl)
        refused = []
        for path in wanted:
            reason = self._refusal(path, due_at, words, now, judge, session)
            if reason:
                refused.append((path, reason))
                logs.directory_refused(path, reason)
            else:
                self._registrar.tell({path: None})
        return RegisterReport(len(wanted) - len(refused), 0, tuple(refused))

    def look(self, path: str, within: str, now: float) -> FoundUnit | str:
        """Return what is at a path, or why it can be no unit; arguments as of ``examine``."""
        if not self._registry.properties.keeps_identity:
            # By its path alone, a whole directory must not be removed.
            return "records in memory do not say which directory is meant: use a durable registry, as sqlite:"
        if self._destroys:
            return "secure_delete overwrites what is registered file by file: register the files in it"
        if reason := self._registrar.elsewhere()(path):
            return reason
        try:
            return examine(path, within, now, owner_check=self._owner_check)
        except UnitRefusedError as reason:
            return str(reason)
        except OSError as error:
            return error.strerror or str(error)

    def _refusal(
        self, path: str, due_at: float | None, tags: tuple[str, ...], now: float, judge: Judge, session: int
    ) -> str:
        """Put one on record, or say why not."""
        lost: list[str] = []

        def again(rows: Sequence[NewFile]) -> list[NewFile]:
            lost.clear()
            found = self._row(path, due_at, tags, now, judge)
            if isinstance(found, str):
                lost.append(SWEPT)
                return []
            return [found] if rows else []

        settlements = self._registry.settlements
        row = self._row(path, due_at, tags, now, judge)
        if isinstance(row, str):
            return row
        try:
            looked = Looked(settlements, again)
            self._registry.add((row,), now, looked=looked, session=session, natures={path: _UNIT})
        except RecordClaimedError:
            return CLAIMED
        return "".join(lost)

    def _row(self, path: str, due_at: float | None, tags: tuple[str, ...], now: float, judge: Judge) -> NewFile | str:
        found = self.look(path, self._base_dir, now)
        if isinstance(found, str):
            return found
        reason = judge(path, found.identity)
        return reason or (path, due_at, None, tags, found.identity, found.disk)
