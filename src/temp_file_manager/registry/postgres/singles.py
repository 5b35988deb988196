"""Registrations one by one: those that threads ask for at once are one statement."""

from collections import deque
from contextlib import suppress
from threading import Lock

from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import PLAIN, Nature, NewFile
from temp_file_manager.registry.claim import Looked
from temp_file_manager.registry.postgres.claims import PostgresClaims
from temp_file_manager.registry.postgres.records import PostgresRecords
from temp_file_manager.registry.postgres.refusals import ClaimsEndedError


class Single:
    """The registration of one file.

    Attributes:
        file: Which.
        now: Seconds since the epoch.
        looked: As in ``Records.add``.
        nature: What sets its record apart.
        over: Whether it was done.
    """

    __slots__ = ("file", "looked", "nature", "now", "over")

    def __init__(self, file: NewFile, now: float, looked: Looked | None, nature: Nature = PLAIN) -> None:
        self.file = file
        self.now = now
        self.looked = looked
        self.nature = nature
        self.over = False


class Singles:
    """Registrations that wait for the registry's lock: whoever has it writes them all.

    What cannot be written with the others each thread does alone, when it has the lock.
    """

    def __init__(self, records: PostgresRecords, claims: PostgresClaims) -> None:
        self._records = records
        self._claims = claims
        self.after_fork()

    def after_fork(self) -> None:
        """Forget those of the parent's threads."""
        self._waiting: deque[Single] = deque()

    def add(self, single: Single, lock: Lock) -> None:
        """Return when it is done, or raise why it was not."""
        try:
            self._waiting.append(single)
            with lock:
                if not single.over:
                    self._write_all(single)
        finally:  # also if it was interrupted, or nothing was written: nobody else is to do it later
            with suppress(ValueError):
                self._waiting.remove(single)

    def _write_all(self, own: Single) -> None:
        together = self._together(own)
        if len(together) > 1:
            with suppress(RecordClaimedError, ClaimsEndedError):
                self._write(together)
        if not own.over:
            natures = {} if own.nature is PLAIN else {own.file[0]: own.nature}
            self._records.add((own.file,), own.now, looked=own.looked, natures=natures)
            own.over = True

    def _together(self, own: Single) -> list[Single]:
        """Return those that wait and need no look again, each path once: who came later writes later."""
        known, paths, found = self._claims.settlements, set[str](), list[Single]()
        for single in list(self._waiting):
            fresh = single.looked is None or single.looked.settlements == known
            if fresh and single.file[0] not in paths:
                paths.add(single.file[0])
                found.append(single)
            elif single is own:  # to be written alone
                return []
        return found

    def _write(self, singles: list[Single]) -> None:
        natures = {single.file[0]: single.nature for single in singles if single.nature is not PLAIN}
        looked = any(single.looked is not None for single in singles)
        files = [(single.file, single.now) for single in singles]
        known = self._claims.settlements if looked else None
        self._claims.counted(self._records.put(files, known, natures=natures))
        for single in singles:
            single.over = True
            with suppress(ValueError):
                self._waiting.remove(single)
            self._claims.added(single.now, (single.file,))
