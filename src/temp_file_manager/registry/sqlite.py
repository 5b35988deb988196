"""Records in a SQLite file: they outlive the process, and the processes of one machine share them."""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from json import dumps
from sqlite3 import Connection
from typing import Any
from weakref import ref

from temp_file_manager.records import RETIRED, Due, Identity, NewFile, Outcome, Status, TempFile
from temp_file_manager.registry.adding import Timed, add_files, drop_empty, take_numbers
from temp_file_manager.registry.base import Claim, Page, Registry, Stats
from temp_file_manager.registry.changes import Changes
from temp_file_manager.registry.claimers import Claimers
from temp_file_manager.registry.database import Database, load_statements
from temp_file_manager.registry.due_rows import DIRECTORY, ID, Position, Row, candidates, record_of
from temp_file_manager.registry.held import Held
from temp_file_manager.registry.live_files import inherited
from temp_file_manager.registry.stored_files import StoredFiles
from temp_file_manager.rules import retry_at
from temp_file_manager.storage.identity import NOTHING, Examiner
from temp_file_manager.text import printable


class SqliteRegistry(Registry):
    """Records of one base directory in a SQLite file, which may hold those of others, too.

    Args:
        path: The file; made if missing.
        base_dir: Whose records these are: the scope.
        synchronous: ``NORMAL``: what was acknowledged survives the death of any process; ``FULL``: and a power cut.

    Raises:
        RegistryError: the file cannot be used, and why.
    """

    durable = True

    def __init__(self, path: str, base_dir: str, *, synchronous: str = "NORMAL") -> None:
        self._base = os.fsencode(os.path.realpath(base_dir))
        self._sql = load_statements()
        self._database = Database(path, synchronous, self._begin)
        self._changes = Changes(f"{path}-changes")
        self._claimers = Claimers(f"{path}-claimers")
        self._mapping: ref[StoredFiles] | None = None
        self._scope = 0
        self._begin()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({printable(self._database.path)!r})"

    def _begin(self) -> None:
        """Start as a process that has added and claimed nothing: when opened, and in a forked child."""
        self._claimers.after_fork()
        self._held = Held(self._changes.value, self._remaining)
        self._owner = 0
        self._epoch = 0  # grows with whatever puts a due record behind a running sweep's position
        self._latest = -math.inf  # the latest moment that a sweep has read ages at

    # -- what a transaction needs

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._database.writing() as connection:
            entered = self._owner
            try:
                if not entered:
                    connection.execute(self._sql["add_scope"], {"base": self._base})
                    (self._scope,) = connection.execute(self._sql["scope"], {"base": self._base}).fetchone()
                    self._owner = take_numbers(connection, self._sql, 1)
                yield connection
            except BaseException:
                self._owner = entered
                raise

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._database.reading() as connection:
            if not self._scope:
                found = connection.execute(self._sql["scope"], {"base": self._base}).fetchone()
                self._scope = found[0] if found else 0  # 0 is nobody's: there is no record yet
            yield connection

    # -- records

    @property
    def files(self) -> StoredFiles:
        """The live mapping, the same object for as long as somebody holds it."""
        mapping = self._mapping() if self._mapping else None
        if mapping is None:
            mapping = StoredFiles(self)
            self._mapping = ref(mapping)
        return mapping

    def replace(self, files: Iterable[tuple[str, float]]) -> None:
        """See ``Registry.replace``. What is known keeps its identity."""
        times = [(path, when, inherited(path, when)) for path, when in files]
        known = self.get(path for path, _, _ in times)
        rows: list[Timed] = []
        for path, when, details in times:
            due_at, size, tags = (details.due_at, details.size, details.tags) if details else (None, None, ())
            identity = known[path].identity if path in known else _identify(path)
            rows.append(((path, due_at, size, tags, identity), float(when)))
        mapping = self._mapping() if self._mapping else None
        if mapping is not None:
            mapping.detach()
            self._mapping = None
        with self._writing() as connection:
            dropped = connection.execute(self._sql["forget_all"], {"scope": self._scope}).rowcount
            connection.execute(self._sql["count_records"], {"scope": self._scope, "more": -dropped})
            connection.execute(self._sql["forget_all_directories"], {"scope": self._scope})
            add_files(connection, self._sql, self._scope, self._owner, rows)
        self._epoch += 1
        self._changes.announce()

    def add(self, files: Iterable[NewFile], now: float) -> None:
        """See ``Registry.add``."""
        self._put([(file, now) for file in files])

    def _put(self, files: list[Timed]) -> None:
        if not files:
            return
        with self._writing() as connection:
            known = add_files(connection, self._sql, self._scope, self._owner, files)
        if known:
            self._changes.announce()
        if any(when <= self._latest or (file[1] is not None and file[1] <= self._latest) for file, when in files):
            self._epoch += 1

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Registry.get``."""
        found = {}
        with self._reading() as connection:
            for path in paths:
                row = self._row(connection, path)
                if row is not None:
                    found[path] = record_of(row)
        return found

    def _row(self, connection: Connection, path: str) -> Row | None:
        directory, _, name = os.fsencode(path).rpartition(b"/")
        bound = {"scope": self._scope, "path": directory, "name": name}
        row: Row | None = connection.execute(self._sql["file"], bound).fetchone()
        return row

    def forget(self, what: Iterable[str | TempFile]) -> int:
        """See ``Registry.forget``."""
        with self._writing() as connection:
            found = {}
            for one in what:
                row = self._row(connection, one if isinstance(one, str) else one.path)
                if row is not None and (isinstance(one, str) or row[ID] == one.generation):
                    found[row[ID]] = row[DIRECTORY]
            self._retire(connection, found)
        self._changes.announce()
        return len(found)

    def _retire(self, connection: Connection, records: dict[int, int]) -> None:
        """Delete rows by id; each comes with the id of its directory, which goes with its last file."""
        dropped = connection.execute(self._sql["retire"], {"ids": dumps(list(records))}).rowcount
        connection.execute(self._sql["count_records"], {"scope": self._scope, "more": -dropped})
        drop_empty(connection, self._sql, records.values())

    def stats(self) -> Stats:
        """See ``Registry.stats``."""
        return Stats(records=self.count())

    def close(self) -> None:
        """See ``Registry.close``. The next use opens the file again."""
        self._claimers.leave()
        self._database.close()

    # -- what StoredFiles asks

    def get_one(self, path: str) -> TempFile | None:
        """See ``Store.get_one``."""
        return self.get((path,)).get(path)

    def put_one(self, path: str, when: float) -> None:
        """See ``Store.put_one``."""
        with self._writing() as connection:
            row = self._row(connection, path)
            if row is None:
                file: NewFile = (path, None, None, (), _identify(path))
            else:
                old = record_of(row)
                due_at = None if old.due_at is None else old.due_at + (when - old.registered_at)
                if due_at is not None and math.isnan(due_at):  # infinity less infinity
                    due_at = when
                file = (path, due_at, old.size, old.tags, old.identity)
            add_files(connection, self._sql, self._scope, self._owner, [(file, when)])
        self._epoch += 1
        self._changes.announce()

    def drop_one(self, path: str) -> bool:
        """See ``Store.drop_one``."""
        return self.forget((path,)) == 1

    def count(self) -> int:
        """See ``Store.count``."""
        with self._reading() as connection:
            found = connection.execute(self._sql["records"], {"scope": self._scope}).fetchone()
        return found[0] if found else 0

    def paths_after(self, number: int, limit: int) -> list[tuple[int, str]]:
        """See ``Store.paths_after``."""
        bound = {"scope": self._scope, "after": number, "limit": limit}
        with self._reading() as connection:
            rows = connection.execute(self._sql["files_after"], bound).fetchall()
        return [(row[0], os.fsdecode(row[1] + b"/" + row[2])) for row in rows]

    # -- sweeping

    def page(self, due: Due, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Registry.page``."""
        with self._reading() as connection:
            position = after if isinstance(after, Position) else self._start(connection)
            rows = candidates(connection, self._sql, due, position, self._bound(now), limit)
        return Page(tuple(map(record_of, rows)), position.after(rows) if len(rows) == limit else None)

    def _start(self, connection: Connection) -> Position:
        return Position(connection.execute(self._sql["number"]).fetchone()[0], epoch=self._epoch)

    def _bound(self, now: float) -> dict[str, Any]:
        return {"scope": self._scope, "owner": self._owner, "now": now}

    def claim(self, due: Due, *, now: float, lease: float, limit: int, after: object | None = None) -> Claim:
        """See ``Registry.claim``. Found without the lock that writers need, and taken with it, if still free."""
        self._free(now, dead=after is None)
        self._latest = max(self._latest, due.asof)
        position = after if isinstance(after, Position) else None
        while True:
            with self._reading() as connection:
                position = position or self._start(connection)
                if position.epoch != self._epoch:
                    position = position.rewound(self._epoch)
                rows, position = self._next(connection, due, position, now, limit)
            if not rows:
                return Claim((), position)
            records = self._take(rows, now, lease)
            if records:  # else another sweep was faster: on to what follows
                return Claim(tuple(records), position)

    def _next(
        self, connection: Connection, due: Due, position: Position, now: float, limit: int
    ) -> tuple[list[Row], Position]:
        bound = self._bound(now)
        rows = candidates(connection, self._sql, due, position, bound, limit)
        following = position.after(rows)
        if len(rows) < limit and not position.at_start:
            # At the end one look from the start: other processes may have freed what lies behind.
            known = {row[ID] for row in rows}
            again = candidates(connection, self._sql, due, position.rewound(self._epoch), bound, limit)
            rows += [row for row in again if row[ID] not in known][: limit - len(rows)]
        return rows, following

    def _take(self, rows: list[Row], now: float, lease: float) -> list[TempFile]:
        with self._writing() as connection:
            self._claimers.enter(self._owner)
            free = self._still_free(connection, rows, now)
            if not free:
                return []
            claim = take_numbers(connection, self._sql, 1)
            ids = {row[ID]: row[DIRECTORY] for row in free}
            bound = {"id": claim, "scope": self._scope, "claimer": self._owner, "lapses_at": now + lease}
            connection.execute(self._sql["add_claim"], bound | {"files": dumps(list(ids))})
        self._held.add(claim, ids)
        return [record_of(row, claim) for row in free]

    def _still_free(self, connection: Connection, rows: list[Row], now: float) -> list[Row]:
        bound = {"ids": dumps([row[ID] for row in rows]), "now": now}
        free = {number for (number,) in connection.execute(self._sql["still_free"], bound)}
        return [row for row in rows if row[ID] in free]

    def _free(self, now: float, *, dead: bool) -> None:
        """End claims that have lapsed and, with ``dead``, those of claimers that are no more."""
        with self._reading() as connection:
            claims = connection.execute(self._sql["claims"]).fetchall()
        ended = [
            number
            for number, claimer, lapses_at in claims
            if lapses_at <= now or (dead and claimer != self._owner and not self._claimers.alive(claimer))
        ]
        if ended:
            with self._writing() as connection:
                connection.execute(self._sql["drop_claims"], {"ids": dumps(ended)})
            self._epoch += 1
            self._changes.announce()

    def holds(self, record: TempFile) -> bool:
        """See ``Registry.holds``."""
        return self._held.holds(record)

    def _remaining(self, records: list[int], claims: list[int]) -> tuple[set[int], set[int]]:
        with self._reading() as connection:
            there = connection.execute(self._sql["still_there"], {"ids": dumps(records)}).fetchall()
            known = connection.execute(self._sql["claims"]).fetchall()
        return {row[0] for row in there}, {row[0] for row in known} & set(claims)

    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """See ``Registry.settle``."""
        by_claim: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.record.generation in self._held.records(outcome.record.claim):
                by_claim.setdefault(outcome.record.claim, []).append(outcome)
        if not by_claim:
            return
        with self._writing() as connection:
            known = {row[0] for row in connection.execute(self._sql["claims"])}
            for claim, settled in by_claim.items():
                if claim in known:
                    self._settle(connection, claim, settled, now)
        for claim, settled in by_claim.items():
            self._held.release(claim, [outcome.record.generation for outcome in settled])
            self._epoch += any(outcome.status is Status.SKIPPED for outcome in settled)

    def _settle(self, connection: Connection, claim: int, outcomes: list[Outcome], now: float) -> None:
        held = self._held.records(claim)
        numbers = [outcome.record.generation for outcome in outcomes]
        retired = {number: held[number] for number, o in zip(numbers, outcomes, strict=True) if o.status in RETIRED}
        if retired:
            self._retire(connection, retired)
        left = [o for o in outcomes if o.status is Status.FAILED or o.status is Status.KEPT]
        if left:
            tried = take_numbers(connection, self._sql, 1)
            failures = [o.record.failures + (o.status is Status.FAILED) for o in left]
            connection.executemany(
                self._sql["put_off"],
                [
                    (tried, count, retry_at(count, now), o.record.generation)
                    for o, count in zip(left, failures, strict=True)
                ],
            )
        rest = list(held.keys() - numbers)
        if rest:
            connection.execute(self._sql["keep_claim"], {"id": claim, "files": dumps(rest)})
        else:
            connection.execute(self._sql["drop_claims"], {"ids": dumps([claim])})


def _identify(path: str) -> Identity:
    found = Examiner().examine(path) if os.path.isabs(path) else None
    return NOTHING if found is None else found.identity
