"""Claims in the SQLite file: which records are whose, and which claims have come to their end."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from json import dumps
from sqlite3 import Connection
from threading import get_ident

from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import NewFile
from temp_file_manager.registry.sqlite.inserts import take_numbers
from temp_file_manager.registry.sqlite.rows import ID, Row, consecutive, file_of, place_of
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.registry.waiting import StillClaimedError

_threads: dict[tuple[str, int], int] = {}
"""Which thread of this process made a claim, by file and number. It would wait for itself, and is refused at once."""


class Claimed:
    """Claims of everybody who shares the file, and of which this registry object knows that they are its own.

    A claim ends when its claimer's process does, which a lock file tells, or when its lease has lapsed.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._file = os.path.realpath(transactions.database.path)
        self._mine: set[int] = set()

    def after_fork(self) -> None:
        """Know nothing: what there is here is the parent's."""
        _threads.clear()
        self._mine = set()

    @property
    def has_any(self) -> bool:
        """Whether any claim is this object's."""
        return bool(self._mine)

    def forget(self, number: int) -> None:
        """Take a claim for ended."""
        self._mine.discard(number)
        _threads.pop((self._file, number), None)

    def forget_all(self, numbers: Iterable[int]) -> None:
        """Take claims for ended."""
        for number in list(numbers):
            self.forget(number)

    def knows(self, number: int) -> bool:
        """Say whether a claim is this object's."""
        return number in self._mine

    def begin(self, connection: Connection, records: Iterable[int], lapses_at: float) -> int:
        """Claim records; return the number of the claim, which is known from now on."""
        transactions, sql = self._transactions, self._transactions.sql
        transactions.owners.enter(transactions.owner)
        number = take_numbers(connection, sql, 1)
        # Before it is committed: nobody is to see it and take it for nobody's.
        self._mine.add(number)
        _threads[self._file, number] = get_ident()
        bound = {"id": number, "scope": transactions.scope, "claimer": transactions.owner, "lapses_at": lapses_at}
        connection.execute(sql["add_claim"], bound)
        connection.executemany(sql["add_range"], [(*ends, number) for ends in consecutive(records)])
        return number

    def records(self, connection: Connection, number: int) -> set[int]:
        """Return what is under a claim of this object's."""
        found = connection.execute(self._transactions.sql["ranges"], {"claim": number}) if self.knows(number) else ()
        return {record for first, last in found for record in range(first, last + 1)}

    def untouched(self, connection: Connection, rows: Sequence[Row]) -> set[int]:
        """Return the ids of rows that nobody has claimed or changed since, but to put them off."""
        ids = [row[ID] for row in rows]
        found = connection.execute(self._transactions.sql["files_of"], {"ids": dumps(ids)})
        same = {row[ID]: file_of(row) for row in found}
        return {row[ID] for row in rows if same.get(row[ID]) == file_of(row)} - self.taken(connection, ids, -math.inf)

    def reduce(self, connection: Connection, number: int, records: set[int], *, hung: bool) -> None:
        """Leave only these under a claim; ``hung``: until its process ends. Without any it ends."""
        sql = self._transactions.sql
        connection.execute(sql["drop_ranges"], (number,))
        if not records:
            connection.execute(sql["drop_claim"], (number,))
            return
        connection.executemany(sql["add_range"], [(*ends, number) for ends in consecutive(records)])
        if hung:
            connection.execute(sql["outlast"], {"claim": number, "lapses_at": float("inf")})

    def ended(self, connection: Connection, now: float) -> list[int]:
        """Return the claims that have lapsed, or whose claimers are dead."""
        claims = connection.execute(self._transactions.sql["claims"]).fetchall()
        return [number for number, claimer, lapses_at in claims if lapses_at <= now or not self._lives(number, claimer)]

    def taken(self, connection: Connection, records: Iterable[int], now: float) -> set[int]:
        """Return those of these records that are under a claim which has not ended."""
        ended = set(self.ended(connection, now))
        rows = connection.execute(self._transactions.sql["claims_on"], {"ids": dumps(list(records))})
        return {record for record, number, _ in rows if number not in ended}

    def end(self, connection: Connection, numbers: list[int]) -> None:
        """End claims; what was registered after a look that came before is looked at again."""
        sql = self._transactions.sql
        connection.executemany(sql["drop_ranges"], [(number,) for number in numbers])
        connection.executemany(sql["drop_claim"], [(number,) for number in numbers])
        connection.execute(sql["count_settlement"])

    def any(self, connection: Connection) -> bool:
        """Say whether anything is claimed."""
        return bool(connection.execute(self._transactions.sql["any_claim"]).fetchone()[0])

    def by_other_paths(self, connection: Connection, files: Iterable[NewFile]) -> dict[int, str]:
        """Return the claimed records of files that are on record by other paths of their directories, too.

        Returns:
            Ids, with the paths that are given here.
        """
        sql, scope = self._transactions.sql, self._transactions.scope
        several, found = dict[tuple[bytes, int, int], bool](), dict[int, str]()
        for path, _, _, _, identity, _ in files:
            if identity is None or not identity.parent_inode:
                continue
            directory, name = place_of(path)
            bound = {"scope": scope, "inode": identity.parent_inode, "born": identity.parent_born}
            place = directory, identity.parent_inode, identity.parent_born
            if place not in several:
                several[place] = any(other != directory for (other,) in connection.execute(sql["spellings"], bound))
            if several[place]:
                rows = connection.execute(sql["claimed_in"], bound | {"name": name})
                found.update((number, path) for (number,) in rows)
        return found

    def refuse(self, connection: Connection, records: Mapping[int, str], thread: int) -> None:
        """Return if none of these records, ids with their paths, is claimed by anybody who lives; the rest is ended.

        So, too, if one of the same file is, which is on record by another path of its directory.

        Raises:
            StillClaimedError: some are, and may soon be free.
            RecordClaimedError: some are, by ``thread`` itself.
        """
        if not records:
            return
        any_claim, any_twin = connection.execute(self._transactions.sql["any_claim"]).fetchone()
        if not any_claim:
            return
        if any_twin:
            twins = connection.execute(self._transactions.sql["twins"], {"ids": dumps(list(records))})
            records = {**{twin: records[record] for record, twin in twins}, **records}
        rows = connection.execute(self._transactions.sql["claims_on"], {"ids": dumps(list(records))}).fetchall()
        dead = [number for number, claimer in {row[1:] for row in rows} if not self._lives(number, claimer)]
        if dead:
            self.end(connection, dead)
        left = [(record, number) for record, number, _ in rows if number not in dead]
        paths = [records[record] for record, _ in left]
        if any(_threads.get((self._file, number)) == thread for _, number in left):
            raise RecordClaimedError(paths)
        if left:
            raise StillClaimedError(paths)

    def _lives(self, number: int, claimer: int) -> bool:
        if claimer == self._transactions.owner:
            return self.knows(number)  # one that came to nothing after it was committed is nobody's
        return self._transactions.owners.alive(claimer)
