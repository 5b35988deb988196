"""Sessions in the SQLite registry: a table, and a lock file for each owner that tells whether it lives."""

from collections.abc import Callable
from functools import cache
from json import dumps, loads
from sqlite3 import Connection

from temp_file_manager.registry.sessions import refuse_endless, refuse_no_text
from temp_file_manager.registry.sqlite.inserts import take_numbers
from temp_file_manager.registry.sqlite.rows import Row
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.sessions import ANOTHER_PROCESS, HEIRS, THIS_PROCESS, Owner, ProcessIdentity, Session

_lasting: set[Transactions] = set()
"""What has sessions of this process. Nobody may have the registry any more: they end with the process all the same."""


class SqliteSessions:
    """Sessions of one scope.

    A session of this process is owned by the registry object, as holds are; one that has heirs is its own owner. The
    kernel lets go of an owner's lock file when the last process has ended that has it open.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._mine: set[int] = set()

    @property
    def living(self) -> bool:
        """Whether any session is this process's."""
        return bool(self._mine)

    def after_fork(self) -> None:
        """Own nothing: what there is here is the parent's."""
        self._mine = set()
        _lasting.discard(self._transactions)

    def begin(self, name: str, now: float, ends_at: float, owner: Owner) -> Session:
        """See ``Sessions.begin``."""
        refuse_endless(ends_at, owner)
        refuse_no_text(name)
        transactions, begun = self._transactions, list[int]()

        def work(connection: Connection) -> Session:
            connection.execute(transactions.sql["drop_sessions"], {"scope": transactions.scope})
            number = take_numbers(connection, transactions.sql, 1)
            begun.append(number)
            lock, descriptor = self._locked(number, owner)
            process = dumps(owner._asdict()) if isinstance(owner, ProcessIdentity) else None
            bound = {"id": number, "scope": transactions.scope, "name": name, "owner": lock, "process": process}
            connection.execute(transactions.sql["begin_session"], bound | {"began_at": now, "ends_at": ends_at})
            alive = True if lock else None
            return Session(number, name, now, ends_at, owner, alive, descriptor)

        return transactions.write(work, undo=lambda: self._over(begun))

    def _locked(self, number: int, owner: Owner) -> tuple[int | None, int]:
        """Say that an owner lives, before anybody sees its session; return its number and a descriptor to inherit."""
        transactions = self._transactions
        if owner == THIS_PROCESS:
            transactions.owners.enter(transactions.owner)
            self._mine.add(number)
            _lasting.add(transactions)
            return transactions.owner, -1
        return (number, transactions.owners.bequeath(number)) if owner == HEIRS else (None, -1)

    def _over(self, numbers: list[int]) -> None:
        """Own sessions no longer that have ended, or came to nothing."""
        self._mine.difference_update(numbers)
        if not self._mine:
            _lasting.discard(self._transactions)
        for number in numbers:
            self._transactions.owners.drop(number)

    def renew(self, number: int, ends_at: float) -> bool:
        """See ``Sessions.renew``."""
        transactions = self._transactions

        def work(connection: Connection) -> bool:
            bound = {"id": number, "scope": transactions.scope}
            known = connection.execute(transactions.sql["living_session"], bound).fetchone()
            refuse_endless(ends_at, THIS_PROCESS if known is None or known[1] else None)
            if known is not None:
                connection.execute(transactions.sql["renew_session"], {"id": number, "at": ends_at})
                connection.execute(transactions.sql["due_with_session"], {"id": number, "at": ends_at})
            return known is not None

        renewed = transactions.write(work)
        transactions.rewind()
        return renewed

    def end(self, numbers: list[int], now: float, *, over: bool) -> int:
        """See ``Sessions.end``."""
        transactions, ended, renewed = self._transactions, 0, set[int]()

        def work(connection: Connection) -> int:
            due = 0
            renewed.clear()
            for number in numbers:
                bound = {"id": number, "scope": transactions.scope, "at": now}
                known = connection.execute(transactions.sql["living_session"], bound).fetchone()
                if known is not None and over and known[0] > now:
                    renewed.add(number)
                elif known is not None:
                    connection.execute(transactions.sql["end_session"], bound)
                    due += connection.execute(transactions.sql["due_with_session"], bound).rowcount
            connection.execute(transactions.sql["drop_sessions"], {"scope": transactions.scope})
            return due

        if numbers:
            ended = transactions.write(work)
            transactions.rewind()
            if not self._mine.issuperset(numbers):
                transactions.owners.dead(remove=True)
            self._over([number for number in numbers if number not in renewed])
        return ended

    def sessions(self, *, ended: bool) -> tuple[Session, ...]:
        """See ``Sessions.sessions``."""
        transactions = self._transactions
        alive = cache(transactions.owners.alive)  # of many sessions that have one owner it is asked once
        with transactions.reading() as connection:
            bound = {"scope": transactions.scope, "ended": ended}
            rows = connection.execute(transactions.sql["sessions"], bound).fetchall()
        return tuple(self._session(row, alive) for row in rows)

    def _session(self, row: Row, alive: Callable[[int], bool]) -> Session:
        number, name, lock, process, began_at, ends_at, ended_at = row
        owner: Owner = None
        if process is not None:
            owner = ProcessIdentity(**loads(process))
        elif lock is not None:
            owner = HEIRS if lock == number else THIS_PROCESS if number in self._mine else ANOTHER_PROCESS
        lives = None if lock is None else alive(lock)
        descriptor = self._transactions.owners.bequeathed(number)
        return Session(number, name, began_at, ends_at, owner, lives, descriptor, ended_at)
