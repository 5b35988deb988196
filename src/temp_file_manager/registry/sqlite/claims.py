"""Claims in the SQLite registry: taking records for a sweep, and settling what became of them."""

import itertools
import math
from collections.abc import Callable, Iterator
from json import dumps
from sqlite3 import Connection
from typing import Any, NamedTuple, TypeVar

from temp_file_manager import logs
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import Selection
from temp_file_manager.registry.answers import Page
from temp_file_manager.registry.claim import Claim, Settlement
from temp_file_manager.registry.position import Position, Way
from temp_file_manager.registry.sqlite.claimed import Claimed
from temp_file_manager.registry.sqlite.inserts import next_number
from temp_file_manager.registry.sqlite.owed import Owed, forgotten
from temp_file_manager.registry.sqlite.rows import COLUMNS, ID, Row, Taken, candidates, every, record_of
from temp_file_manager.registry.sqlite.settling import settle
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.reports import Finding

T = TypeVar("T")


class _Wanted(NamedTuple):
    """What a claim asks for."""

    due: Selection
    now: float
    limit: int


class SqliteClaims:
    """Claims of one scope, and pages of what is due."""

    def __init__(self, transactions: Transactions, claimed: Claimed) -> None:
        self._transactions = transactions
        self._claimed = claimed
        self.after_fork()

    def after_fork(self) -> None:
        """Claim nothing: what there is here is the parent's."""
        self._looks_back = True
        self._locks = itertools.count(-1, -1)
        self._locked = 0  # the claim that is a lock: nobody else can write meanwhile
        self._hanging: dict[int, int] = {}  # such claims, and those that what hung under them is claimed by since
        self._owed = Owed()

    @property
    def at_work(self) -> bool:
        """Whether anything is claimed by this registry object."""
        return self._claimed.has_any

    # -- pages

    def page(self, selection: Selection | None, now: float, limit: int, after: object | None) -> Page:
        """Return a page of what is due and free, or without a selection of everything; see ``Records.page``."""
        with self._transactions.reading() as connection:
            position = after if isinstance(after, Position) else self._start(connection)
            if selection is None:
                rows = every(connection, self._transactions.sql, position, self._bound(), limit)
            else:
                free = self._free(connection, self._claimed.ended(connection, now), self._dead_holders(connection))
                rows = candidates(connection, self._transactions.sql, selection, position, free, limit)
            if len(rows) < limit:
                return Page(tuple(map(record_of, rows)), None)
            return Page(tuple(map(record_of, rows)), position.past(rows) if selection is None else position.after(rows))

    def _start(self, connection: Connection) -> Position:
        return Position(COLUMNS, next_number(connection, self._transactions.sql) - 1, epoch=self._transactions.epoch)

    def _bound(self) -> dict[str, Any]:
        return {"scope": self._transactions.scope, "owner": self._transactions.owner}

    def _free(self, connection: Connection, ended: list[int], dead: list[int]) -> dict[str, Any]:
        """Return the parameters by which records are found that nothing keeps: a claim, a pin, a hold, another path."""
        claims, keeps, twins = connection.execute(self._transactions.sql["any_claim_or_keep"]).fetchone()
        ended_and_dead = {"ended": dumps(ended), "dead": dumps(dead)}
        return self._bound() | ended_and_dead | {"any_claim": claims, "any_keep": keeps, "any_twin": twins}

    def _dead_holders(self, connection: Connection) -> list[int]:
        holders = connection.execute(self._transactions.sql["holders"]).fetchall()
        mine, owners = self._transactions.owner, self._transactions.owners
        return [holder for (holder,) in holders if holder != mine and not owners.alive(holder)]

    # -- taking

    def claim(
        self,
        due: Selection,
        now: float,
        lease: float,
        limit: int,
        after: object | None,
        settling: Settlement | None,
        into: list[Claim],
    ) -> Claim:
        """See ``Claims.claim``. On a full disk, which takes no claim, what is to be removed is locked instead."""
        self._transactions.latest = max(self._transactions.latest, due.asof)
        way = after if isinstance(after, Way) else None
        wanted = _Wanted(due, now, limit)
        self._looks_back |= way is None
        if settling is not None:
            _go_back(settling)
        elif way is None and not self._owed and due.only is None:
            way = self._nothing_due(wanted)
            if way is not None:
                into[:] = [Claim(Taken([]), way)]
                return into[0]
        try:
            claim = self._taken(wanted, lease, way, settling, into)
            if settling is not None and not claim.records:  # the end of a sweep that has done something
                self._transactions.database.give_back()
        except RegistryFullError as error:
            self._owe(settling, error)
            claim = self._taken_by_lock(wanted, way, into)
        return claim

    def _nothing_due(self, wanted: _Wanted) -> Way | None:
        """Return the way of a sweep that has nothing to do, which then waits for nobody who writes."""
        with self._transactions.reading() as connection:
            if self._claimed.any(connection) or self._dead_holders(connection):
                return None
            position, free = self._start(connection), self._free(connection, [], [])
            found = candidates(connection, self._transactions.sql, wanted.due, position, free, 1)
        return None if found else Way(position)

    def _taken(
        self, wanted: _Wanted, lease: float, way: Way | None, settling: Settlement | None, into: list[Claim]
    ) -> Claim:
        claimed, begun = self._claimed, list[int]()
        owed = (*self._owed.settlements, settling) if settling else self._owed.settlements
        over, ended, holders = list[int](), list[int](), list[int]()

        def work(connection: Connection) -> tuple[Position, list[Row], Position]:
            over.extend(self._settle(connection, owed, begun))
            ended.extend(claimed.ended(connection, wanted.now))
            holders.extend([] if way else self._dead_holders(connection))
            self._end(connection, ended, holders)
            start, rows, end = self._next(connection, wanted, way, self._free(connection, [], []))
            if rows:
                begun.append(claimed.begin(connection, [row[ID] for row in rows], wanted.now + lease))
            return start, rows, end

        try:
            start, rows, end = self._write(work, settling, begun)
            self._settled(owed, over)
            if ended or holders:
                self._transactions.owners.dead(remove=True)
            number = begun[-1] if rows else 0
            into[:] = [self._claim(number, rows, way, start, end)]
        except BaseException:  # also an interrupt when it is written already: then it is nobody's
            claimed.forget_all(begun)
            raise
        return into[0]

    def _end(self, connection: Connection, claims: list[int], holders: list[int]) -> None:
        if claims:
            self._claimed.end(connection, claims)
        for holder in holders:
            connection.execute(self._transactions.sql["drop_holder"], {"holder": holder})
        if claims or holders:
            self._transactions.rewind()

    def _claim(self, number: int, rows: list[Row], way: Way | None, start: Position, end: Position) -> Claim:
        way = way or Way(start)
        way.go(start, end)
        return Claim(Taken(rows), way, number)

    def _next(
        self, connection: Connection, wanted: _Wanted, way: Way | None, free: dict[str, Any]
    ) -> tuple[Position, list[Row], Position]:
        """Return where rows were looked for, those that were found, and where the next are to be."""
        epoch = self._transactions.epoch
        due, limit = wanted.due, wanted.limit
        position = way.position if way else self._start(connection)
        if position.epoch != epoch:
            position = position.rewound(epoch)
        rows, end = self._found(connection, due, position, free, limit)
        if len(rows) < limit and not position.at_start and self._looks_back:
            # At the end one look from the start: other processes may have freed what lies behind.
            known = {row[ID] for row in rows}
            again, _ = self._found(connection, due, position.rewound(epoch), free, limit)
            rows += [row for row in again if row[ID] not in known][: limit - len(rows)]
        return position, rows, end

    def _found(
        self, connection: Connection, due: Selection, position: Position, free: dict[str, Any], limit: int
    ) -> tuple[list[Row], Position]:
        """Return rows from a place on, and the place behind them; what is to be forgotten is passed over."""
        while True:
            rows = candidates(connection, self._transactions.sql, due, position, free, limit)
            position = position.after(rows)
            left = self._owed.left(rows) if self._owed else rows
            if left or not rows:
                return left, position

    def _taken_by_lock(self, wanted: _Wanted, way: Way | None, into: list[Claim]) -> Claim:
        """Take rows without writing anything, by keeping every other writer out until they are settled."""
        database, lock = self._transactions.database, next(self._locks)
        try:
            connection = database.hold()
            # What cannot be ended is passed over. So is what is owed, as the rest of those claims is free.
            ended = self._claimed.ended(connection, wanted.now)
            ended += [one.claim.number for one in self._owed.settlements]
            free = self._free(connection, ended, self._dead_holders(connection))
            start, rows, end = self._next(connection, wanted, way, free)
            into[:] = [self._claim(lock if rows else 0, rows, way, start, end)]
            self._locked = lock if rows else 0
            if not rows:
                database.let_go()
        except BaseException:  # also an interrupt while it is let go of
            self._locked = 0
            if database.held:
                database.let_go()
            raise
        return into[0]

    # -- settling

    def settle(self, settlement: Settlement) -> None:
        """See ``Claims.settle``. What a full disk kept from being settled is settled with the next."""
        _go_back(settlement)
        owed, begun = (*self._owed.settlements, settlement), list[int]()
        try:
            over = self._write(lambda connection: self._settle(connection, owed, begun), settlement, begun)
        except RegistryFullError as error:
            self._owe(settlement, error)
        else:
            self._settled(owed, over)

    def _write(self, work: Callable[[Connection], T], settling: Settlement | None, begun: list[int]) -> T:
        """Write: in the transaction that a lock holds open, if that is settled; ``begun`` are claims made in it."""
        database, number = self._transactions.database, settling.claim.number if settling else 0
        held = number == self._locked != 0 and database.held

        def undo() -> None:
            self._claimed.forget_all(begun)
            begun.clear()  # by now the numbers may be somebody else's

        try:
            return self._transactions.write(work, held=held, undo=undo)
        finally:
            if held and number == self._locked and not database.held:  # not the lock of whoever came next
                self._locked = 0

    def _settle(self, connection: Connection, settlements: tuple[Settlement, ...], begun: list[int]) -> list[int]:
        """Settle claims, as far as they have not ended; return those of which nothing is left."""
        over, any_settled = [], False
        for settlement in settlements:
            number, claimed = self._left_of(connection, settlement.claim)
            settled = claimed & {row[ID] for row in settlement.claim.records.rows}
            if settled:
                any_settled = True
                hung = settle(self._transactions, connection, settlement, settled)
                claimed = (claimed - settled) | hung
                self._leave(connection, number, claimed, hung, begun)
            if not claimed:
                over.append(number)
        if any_settled:
            connection.execute(self._transactions.sql["count_settlement"])
        return over

    def _left_of(self, connection: Connection, claim: Claim) -> tuple[int, set[int]]:
        """Return the number of a claim by now, and what is still under it."""
        number, rows = self._hanging.get(claim.number, claim.number), claim.records.rows
        if number == self._locked != 0:
            self._locked = 0
            return number, {row[ID] for row in rows}
        if rows and number < 0:  # a lock that was lost when the disk took nothing
            return number, self._claimed.untouched(connection, rows)
        return number, self._claimed.records(connection, number)

    def _leave(self, connection: Connection, number: int, left: set[int], hung: set[int], begun: list[int]) -> None:
        if number > 0:
            self._claimed.reduce(connection, number, left, hung=bool(hung))
        elif hung:
            begun.append(self._claimed.begin(connection, hung, math.inf))
            self._hanging[number] = begun[-1]

    def _settled(self, settlements: tuple[Settlement, ...], over: list[int]) -> None:
        self._claimed.forget_all(over)
        self._owed.written(settlements)

    def _owe(self, settling: Settlement | None, error: RegistryFullError) -> None:
        """Remember a settlement that a full disk kept from being written. The sweep goes on: it may yet make room."""
        if settling is None:
            return
        self._looks_back = False
        self._owed.add(settling)
        logs.not_settled(settling.done, len(forgotten(settling)), error)

    def ended(self, now: float, *, fix: bool) -> Iterator[Finding]:
        """Yield claims and holds that nobody has any more; with ``fix``, end them."""
        with self._transactions.reading() as connection:
            claims, holders = self._claimed.ended(connection, now), self._dead_holders(connection)
        if fix and (claims or holders):
            self._transactions.write(lambda connection: self._end(connection, claims, holders))
        for number in claims:
            why = "its sweep was killed or has stalled; the next sweep takes its records over"
            yield Finding("lapsed claim", f"claim {number}", why, fix)
        for holder in holders:
            yield Finding("hold of a dead process", f"process {holder}", "the next sweep ends it", fix)


def _go_back(settlement: Settlement) -> None:
    """Let a sweep go on behind what it has worked on: the rest of its claim is free."""
    rows, way = settlement.claim.records.rows, settlement.claim.cursor
    if settlement.done < len(rows) and isinstance(way, Way):
        way.back(rows[: settlement.done])
