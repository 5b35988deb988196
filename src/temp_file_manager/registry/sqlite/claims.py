"""Claims in the SQLite registry: taking records for a sweep, and settling what became of them."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from json import dumps, loads
from sqlite3 import Connection
from typing import Any

from temp_file_manager import logs
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.records import RETIRED, Outcome, Selection, Status, TempFile
from temp_file_manager.registry.contract import Claim, Page
from temp_file_manager.registry.counters import of_settled
from temp_file_manager.registry.sqlite.inserts import take_numbers
from temp_file_manager.registry.sqlite.own_claims import Held
from temp_file_manager.registry.sqlite.rows import DIRECTORY, ID, Position, Row, candidates, every, record_of
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.reports import Finding
from temp_file_manager.rules import retry_at


class SqliteClaims:
    """Claims of one scope, and pages of what is due. ``settle`` and ``ended`` want the registry's lock to be held."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self.after_fork()

    def after_fork(self) -> None:
        """Claim nothing: what there is here is the parent's."""
        self._held = Held(self._transactions.changes.value, self._remaining)
        self._locks = itertools.count(-1, -1)  # numbers of claims that are locks: nobody else can write meanwhile
        self._looks_back = True
        self._owed: tuple[Outcome, ...] = ()  # removed, and not forgotten yet

    def let_go(self) -> None:
        """Claim nothing any more: what a sweep still has in hand it leaves, and others may take."""
        self._held.clear()

    def page(self, selection: Selection | None, now: float, limit: int, after: object | None) -> Page:
        """Return a page of what is due and free, or without a selection of everything; see ``Records.page``."""
        if after is None and selection is not None:
            with suppress(RegistryError):  # one that can only be read shows what dead processes left as theirs
                self._free(now, dead=True)
        with self._transactions.reading() as connection:
            position = after if isinstance(after, Position) else self._start(connection)
            sql, bound = self._transactions.sql, self._bound(now)
            if selection is None:
                rows = every(connection, sql, position, bound, limit)
            else:
                rows = candidates(connection, sql, selection, position, bound, limit)
        return Page(tuple(map(record_of, rows)), position.after(rows) if len(rows) == limit else None)

    def _start(self, connection: Connection) -> Position:
        return Position(
            connection.execute(self._transactions.sql["number"]).fetchone()[0], epoch=self._transactions.epoch
        )

    def _bound(self, now: float) -> dict[str, Any]:
        return {"scope": self._transactions.scope, "owner": self._transactions.owner, "now": now}

    def claim(self, due: Selection, now: float, lease: float, limit: int, after: object | None) -> Claim:
        """See ``Claims.claim``. Found without the lock that writers need, and taken with it, if still free."""
        self._transactions.latest = max(self._transactions.latest, due.asof)
        if after is None and self._owed:
            self.settle((), due.asof)
        self._free(now, dead=after is None)
        self._looks_back |= after is None
        position = after if isinstance(after, Position) else None
        while True:
            with self._transactions.reading() as connection:
                position = position or self._start(connection)
                if position.epoch != self._transactions.epoch:
                    position = position.rewound(self._transactions.epoch)
                rows, position = self._next(connection, due, position, now, limit)
            if not rows:
                return Claim((), position)
            records = self._take(rows, due.asof, now, lease)
            if records:  # else another sweep was faster: on to what follows
                return Claim(tuple(records), position)

    def _next(
        self, connection: Connection, due: Selection, position: Position, now: float, limit: int
    ) -> tuple[list[Row], Position]:
        bound = self._bound(now)
        rows = candidates(connection, self._transactions.sql, due, position, bound, limit)
        following = position.after(rows)
        if len(rows) < limit and not position.at_start and self._looks_back:
            # At the end one look from the start: other processes may have freed what lies behind.
            known = {row[ID] for row in rows}
            again = candidates(
                connection, self._transactions.sql, due, position.rewound(self._transactions.epoch), bound, limit
            )
            rows += [row for row in again if row[ID] not in known][: limit - len(rows)]
        return rows, following

    def _take(self, rows: list[Row], asof: float, now: float, lease: float) -> list[TempFile]:
        try:
            return self._take_by_claim(rows, asof, now, lease)
        except RegistryFullError:
            return self._take_by_lock(rows, asof, now)

    def _take_by_claim(self, rows: list[Row], asof: float, now: float, lease: float) -> list[TempFile]:
        transactions = self._transactions
        claim = 0
        try:
            with transactions.writing() as connection:
                transactions.owners.enter(transactions.owner)
                free = self._still_free(connection, rows, asof, now)
                if not free:
                    return []
                claim = take_numbers(connection, transactions.sql, 1)
                ids = {row[ID]: row[DIRECTORY] for row in free}
                bound = {
                    "id": claim,
                    "scope": transactions.scope,
                    "claimer": transactions.owner,
                    "lapses_at": now + lease,
                }
                connection.execute(transactions.sql["add_claim"], bound | {"files": dumps(list(ids))})
                self._held.add(claim, ids, asof)
        except BaseException:
            self._held.drop(claim)
            raise
        return [record_of(row, claim) for row in free]

    def _take_by_lock(self, rows: list[Row], asof: float, now: float) -> list[TempFile]:
        """Take rows without writing anything, by keeping every other writer out until they are settled.

        For a full disk: claims cannot be written there, and removing files is what it needs.
        """
        database = self._transactions.database
        connection = database.hold()
        claim = next(self._locks)
        try:
            free = self._still_free(connection, rows, asof, now)
            self._held.add(claim, {row[ID]: row[DIRECTORY] for row in free}, asof)
        except BaseException:
            self._held.drop(claim)
            database.let_go()
            raise
        if not free:
            self._held.drop(claim)
            database.let_go()
        return [record_of(row, claim) for row in free]

    def _still_free(self, connection: Connection, rows: list[Row], asof: float, now: float) -> list[Row]:
        bound = {"ids": dumps([row[ID] for row in rows]), "now": now, "asof": asof}
        free = {number for (number,) in connection.execute(self._transactions.sql["still_free"], bound)}
        return [row for row in rows if row[ID] in free]

    def _free(self, now: float, *, dead: bool) -> None:
        """End claims that have lapsed and, with ``dead``, claims and holds of processes that are no more."""
        claims = list(self._lapsed(now, dead=dead))
        holders = list(self._dead_holders()) if dead else []
        if claims or holders:
            # On a full disk they stay: what has lapsed is free all the same, and the rest is soon.
            with suppress(RegistryFullError):
                self._end(claims, holders)
            self._transactions.owners.dead(remove=True)

    def _lapsed(self, now: float, *, dead: bool) -> Iterator[int]:
        transactions = self._transactions
        with transactions.reading() as connection:
            claims = connection.execute(transactions.sql["claims"]).fetchall()
        for number, claimer, lapses_at in claims:
            if lapses_at <= now or (dead and not self._lives(claimer)):
                yield number

    def _dead_holders(self) -> Iterator[int]:
        with self._transactions.reading() as connection:
            holders = connection.execute(self._transactions.sql["holders"]).fetchall()
        yield from (holder for (holder,) in holders if not self._lives(holder))

    def _lives(self, owner: int) -> bool:
        return owner == self._transactions.owner or self._transactions.owners.alive(owner)

    def _end(self, claims: list[int], holders: list[int]) -> None:
        with self._transactions.writing() as connection:
            connection.execute(self._transactions.sql["drop_claims"], {"ids": dumps(claims)})
            for holder in holders:
                connection.execute(self._transactions.sql["drop_holder"], {"holder": holder})
        self._transactions.changed()

    def ended(self, now: float, *, fix: bool) -> Iterator[Finding]:
        """Yield claims and holds that nobody has any more; with ``fix``, end them."""
        claims, holders = list(self._lapsed(now, dead=True)), list(self._dead_holders())
        if fix and (claims or holders):
            self._end(claims, holders)
        for number in claims:
            why = "its sweep was killed or has stalled; the next sweep takes its records over"
            yield Finding("lapsed claim", f"claim {number}", why, fix)
        for holder in holders:
            yield Finding("hold of a dead process", f"process {holder}", "the next sweep ends it", fix)

    def still_claimed(self, record: TempFile) -> bool:
        """See ``Claims.still_claimed``."""
        return self._held.still_claimed(record)

    def _remaining(self, claim: int, records: list[int]) -> set[int]:
        with self._transactions.reading() as connection:
            claimed = self._claimed(connection, claim)
            bound = {"ids": dumps(records), "asof": self._held.asof(claim)}
            rows = connection.execute(self._transactions.sql["still_there"], bound).fetchall()
        return claimed & {row[0] for row in rows}

    def _claimed(self, connection: Connection, claim: int) -> set[int]:
        """Return what is under a claim, as far as it is held here, too."""
        held = set(self._held.records(claim))
        if claim < 0:
            return held
        row = connection.execute(self._transactions.sql["claimed"], {"id": claim}).fetchone()
        return held & set(loads(row[0])) if row else set()

    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """See ``Claims.settle``. What a full disk kept from being settled is settled with the next."""
        by_claim: dict[int, list[Outcome]] = {}
        for outcome in (*self._owed, *outcomes):
            if self._held.knows(outcome.record.claim):
                by_claim.setdefault(outcome.record.claim, []).append(outcome)
        self._owed = ()
        if not by_claim:
            return
        self._transactions.changes.announce_removals()
        lock = min(by_claim)
        try:
            with self._finishing(locked=lock < 0) as connection:
                for claim, settled in by_claim.items():
                    self._settle(connection, claim, settled, now)
        except RegistryFullError as error:
            # The files are gone and their records stay for now. The sweep goes on: it may yet make room.
            self._looks_back = False
            self._owed = tuple(
                outcome for claim in by_claim if claim != lock or lock > 0 for outcome in by_claim[claim]
            )
            logs.not_forgotten(sum(map(len, by_claim.values())), error)
            by_claim = {lock: by_claim[lock]} if lock < 0 else {}
        for claim, settled in by_claim.items():
            self._held.release(claim, [outcome.record.generation for outcome in settled])
            self._transactions.epoch += any(outcome.status is Status.SKIPPED for outcome in settled)
        if lock < 0:
            self._held.drop(lock)

    def _finishing(self, *, locked: bool) -> AbstractContextManager[Connection]:
        return self._transactions.database.finishing() if locked else self._transactions.writing()

    def _settle(self, connection: Connection, claim: int, outcomes: list[Outcome], now: float) -> None:
        held, claimed = self._held.records(claim), self._claimed(connection, claim)
        tried = {o.record.generation: o for o in outcomes if o.record.generation in claimed}
        # What was forgotten or registered again after its file was dealt with is another's, and counts nothing here.
        rows = connection.execute(self._transactions.sql["those_there"], {"ids": dumps(list(tried))})
        outcomes = [tried[number] for (number,) in rows]
        retired = {o.record.generation: held[o.record.generation] for o in outcomes if o.status in RETIRED}
        if retired:
            size = sum([o.record.size or 0 for o in outcomes if o.status in RETIRED])
            self._transactions.unpin(connection, retired)
            self._transactions.retire(connection, retired, float(size))
        self._transactions.count(connection, of_settled(outcomes, now))
        left = [o for o in outcomes if o.status is Status.FAILED or o.status is Status.KEPT]
        if left:
            number = take_numbers(connection, self._transactions.sql, 1)
            failures = [o.record.failures + (o.status is Status.FAILED) for o in left]
            connection.executemany(
                self._transactions.sql["put_off"],
                [
                    (number, count, retry_at(count, now), o.record.generation)
                    for o, count in zip(left, failures, strict=True)
                ],
            )
        rest = list(claimed.difference(tried))
        if claim < 0:
            return
        if rest:
            connection.execute(self._transactions.sql["keep_claim"], {"id": claim, "files": dumps(rest)})
        else:
            connection.execute(self._transactions.sql["drop_claims"], {"ids": dumps([claim])})
