"""Records in a SQLite file: they outlive the process, and the processes of one machine share them."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from sqlite3 import Connection
from threading import Lock
from types import MappingProxyType
from weakref import ref

from temp_file_manager.records import NOTHING, Identity, NewFile, Outcome, Selection, TempFile
from temp_file_manager.registry import counters
from temp_file_manager.registry.contract import BOUNDS, Claim, Note, Outlook, Page, Registry, Stats
from temp_file_manager.registry.files import StoredFiles
from temp_file_manager.registry.memory.files import inherited
from temp_file_manager.registry.sqlite.claims import Claiming
from temp_file_manager.registry.sqlite.inserts import Timed
from temp_file_manager.registry.sqlite.integrity import inspect
from temp_file_manager.registry.sqlite.rows import DIRECTORY, ID, NAME, SIZE, Row, record_of
from temp_file_manager.registry.sqlite.transaction import Session
from temp_file_manager.reports import Finding
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.own_files import is_own, why_not_writable
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
        super().__init__()
        self.lock = Lock()
        self._holding = 0
        self._session = Session(path, base_dir, synchronous, self._in_child)
        self._claiming = Claiming(self._session)
        self.own_files = (path,)
        self._mapping: ref[StoredFiles] | None = None

    def _in_child(self) -> None:
        self.lock = Lock()
        self._holding = 0
        self._claiming = Claiming(self._session)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({printable(self._session.database.path)!r})"

    @property
    def read_only(self) -> str:
        """See ``Registry.read_only``."""
        database = self._session.database
        why = why_not_writable(database.path) if os.path.exists(database.path) else ""
        cannot = why and f"{printable(database.path)} cannot be written: {why}"
        return database.file.trouble() or database.read_only or cannot

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
        """See ``Registry.replace``. What is known keeps its identity, and its size."""
        times = [(path, when, inherited(path, when)) for path, when in dict(files).items()]
        known = self.get(path for path, _, _ in times)
        rows: list[Timed] = []
        for path, when, details in times:
            due_at, tags = (details.due_at, details.tags) if details else (None, ())
            size, identity = (known[path].size, known[path].identity) if path in known else (None, _identify(path))
            rows.append(((path, due_at, size, tags, identity), float(when)))
        mapping = self._mapping() if self._mapping else None
        before = None if mapping is None else dict(mapping)
        session = self._session
        with self.lock, session.writing() as connection:
            owners = {path: session.owner_of(connection, record.generation) for path, record in known.items()}
            for statement in ("forget_all", "forget_all_directories", "recount"):
                connection.execute(session.sql[statement], {"scope": session.scope})
            session.add(connection, rows, owners=owners)
        if mapping is not None and before is not None:
            mapping.detach(before)
            self._mapping = None
        self._session.changed()

    def add(self, files: Iterable[NewFile], now: float, *, only_new: bool = False) -> None:
        """See ``Registry.add``."""
        rows = [(file, now) for file in files]
        if not rows:
            return
        with self.lock, self._session.writing() as connection:
            known = self._session.add(connection, rows, only_new=only_new)
        latest = self._session.latest
        behind = now <= latest or any(file[1] is not None and file[1] <= latest for file, _ in rows)
        if known or behind:
            self._session.changed(behind=behind)

    def pin(self, paths: Iterable[str], until: float | None) -> int:
        """See ``Registry.pin``."""
        session, wanted = self._session, list(paths)
        with self.lock, session.writing() as connection:
            rows = [row for row in (session.row(connection, path) for path in wanted) if row is not None]
            for row in rows:
                self._unpin(connection, row)
                if until is not None:
                    session.keep(connection, row, until, holder=None)
        session.changed()
        return len(rows)

    def _unpin(self, connection: Connection, row: Row) -> None:
        bound = {"directory": row[DIRECTORY], "name": row[NAME]}
        connection.execute(self._session.sql["unpin"], bound)

    def hold(self, path: str) -> bool:
        """See ``Registry.hold``. A lock file tells other processes whether this one lives, as for claims."""
        self.release_dropped()
        session = self._session
        with self.lock, session.writing() as connection:
            row = session.row(connection, path)
            if row is None:
                return False
            session.claimers.enter(session.owner)
            session.keep(connection, row, math.inf, holder=session.owner)
        self._holding += 1
        session.changed()
        return True

    def release(self, path: str) -> None:
        """See ``Registry.release``."""
        session = self._session
        directory, _, name = os.fsencode(path).rpartition(b"/")
        with self.lock, session.writing() as connection:
            bound = {"scope": session.scope, "path": directory, "name": name, "holder": session.owner}
            self._holding -= connection.execute(session.sql["release"], bound).rowcount
        session.changed()

    def moment(self) -> bytes:
        """See ``Registry.moment``."""
        return self._session.changes.both()

    def get(self, paths: Iterable[str]) -> dict[str, TempFile]:
        """See ``Registry.get``."""
        found = {}
        wanted = list(paths)  # it may be read from this very registry
        with self._session.reading() as connection:
            for path in wanted:
                row = self._session.row(connection, path)
                if row is not None:
                    found[path] = record_of(row)
        return found

    def forget(self, what: Iterable[str | TempFile]) -> int:
        """See ``Registry.forget``."""
        dropped = list(what)
        with self.lock:
            return self._forget(dropped, unpin=True)

    def _forget(self, what: Iterable[str | TempFile], *, unpin: bool) -> int:
        with self._session.writing() as connection:
            found = {}
            for one in what:
                row = self._session.row(connection, one if isinstance(one, str) else one.path)
                if row is not None and (isinstance(one, str) or row[ID] == one.generation):
                    found[row[ID]] = row
            if unpin:
                self._session.unpin(connection, found)
            directories = {number: row[DIRECTORY] for number, row in found.items()}
            self._session.retire(connection, directories, float(sum(row[SIZE] or 0 for row in found.values())))
        self._session.changed(behind=False)
        return len(found)

    def recall(self, name: str) -> str | None:
        """See ``Registry.recall``."""
        with self._session.reading() as connection:
            bound = {"scope": self._session.scope, "name": name}
            found = connection.execute(self._session.sql["fact"], bound).fetchone()
        return found[0] if found else None

    def remember(self, name: str, text: str) -> None:
        """See ``Registry.remember``."""
        with self._session.writing() as connection:
            bound = {"scope": self._session.scope, "name": name, "text": text}
            connection.execute(self._session.sql["put_fact"], bound)

    def stats(self) -> Stats:
        """See ``Registry.stats``."""
        session = self._session
        with session.reading() as connection:
            rows = connection.execute(session.sql["stats"], {"scope": session.scope}).fetchall()
        records, size, registered = rows[0][:3] if rows else (0, 0, 0)
        counted = {name: value for *_, name, value in rows if name is not None}
        return Stats(records, int(size), {counters.REGISTERED: registered, **counted})

    def oldest(self) -> float | None:
        """See ``Registry.oldest``."""
        with self._session.reading() as connection:
            bound = {"scope": self._session.scope}
            (found,) = connection.execute(self._session.sql["oldest"], bound).fetchone()
        return None if found == math.inf else float(found)

    def outlook(self, due: Selection, bounds: Sequence[float], *, top: int) -> Outlook:
        """See ``Registry.outlook``."""
        session = self._session
        asked = {f"b{number}": bound for number, bound in enumerate(bounds)}
        asked |= {"asof": due.asof, "max_age": due.max_age, "limit": top}
        with session.reading(long=True) as connection:
            asked["scope"] = session.scope
            found = {row[0]: row[1:] for row in connection.execute(session.sql["due_until"], asked)}
            oldest = connection.execute(session.sql["oldest_files"], asked).fetchall()
            largest = connection.execute(session.sql["largest"], asked).fetchall()
        counts = [found.get(number, (0, 0)) for number in range(BOUNDS + 1)]
        files, sizes = tuple(count for count, _ in counts), tuple(int(size) for _, size in counts)
        return Outlook(files, sizes, tuple(map(record_of, oldest)), tuple(map(record_of, largest)))

    # -- what happened

    def note(self, journal: str, note: Note, *, keep: int, more: Mapping[str, float] = MappingProxyType({})) -> None:
        """See ``Registry.note``."""
        with self._session.writing() as connection:
            bound = {"scope": self._session.scope, "journal": journal, "at": note.at, "text": note.text, "keep": keep}
            connection.execute(self._session.sql["add_note"], bound)
            connection.execute(self._session.sql["drop_notes"], bound)
            self._session.tally(connection, more)

    def tally(self, more: Mapping[str, float]) -> None:
        """See ``Registry.tally``."""
        with self._session.writing() as connection:
            self._session.tally(connection, more)

    def notes(self, journal: str, *, since: float = -math.inf, limit: int) -> list[Note]:
        """See ``Registry.notes``."""
        with self._session.reading() as connection:
            bound = {"scope": self._session.scope, "journal": journal, "since": since, "limit": limit}
            return [Note(*row) for row in connection.execute(self._session.sql["notes"], bound)]

    def check(self, *, now: float, fix: bool) -> tuple[Finding, ...]:
        """See ``Registry.check``."""
        with self.lock:
            return tuple(self._claiming.ended(now, fix=fix)) + tuple(inspect(self._session, fix=fix))

    def close(self) -> None:
        """See ``Registry.close``. The next use opens the file again."""
        self._claiming.let_go()
        # What is held stays so for as long as this process lives: closing says nothing about it.
        self._session.close(busy=self._holding > 0)

    # -- what StoredFiles asks

    def get_one(self, path: str) -> TempFile | None:
        """See ``Store.get_one``."""
        return self.get((path,)).get(path)

    def put_one(self, path: str, when: float) -> None:
        """See ``Store.put_one``."""
        with self._session.writing() as connection:
            row = self._session.row(connection, path)
            if row is None:
                file: NewFile = (path, None, None, (), _identify(path))
            else:
                old = record_of(row)
                due_at = None if old.due_at is None else old.due_at + (when - old.registered_at)
                if due_at is not None and math.isnan(due_at):  # infinity less infinity
                    due_at = when
                file = (path, due_at, old.size, old.tags, old.identity)
            owners = {} if row is None else {path: self._session.owner_of(connection, row[ID])}
            self._session.add(connection, [(file, when)], owners=owners)
        self._session.changed()

    def drop_one(self, path: str) -> bool:
        """See ``Store.drop_one``."""
        return self._forget((path,), unpin=False) == 1

    def count(self) -> int:
        """See ``Store.count``."""
        with self._session.reading() as connection:
            found = connection.execute(self._session.sql["records"], {"scope": self._session.scope}).fetchone()
        return found[0] if found else 0

    def paths_after(self, number: int, limit: int) -> list[tuple[int, str]]:
        """See ``Store.paths_after``."""
        with self._session.reading() as connection:
            bound = {"scope": self._session.scope, "after": number, "limit": limit}
            rows = connection.execute(self._session.sql["files_after"], bound).fetchall()
        return [(row[0], os.fsdecode(row[1] + b"/" + row[2])) for row in rows]

    # -- sweeping

    def page(self, due: Selection | None, *, now: float, limit: int, after: object | None = None) -> Page:
        """See ``Registry.page``."""
        return self._claiming.page(due, now, limit, after)

    def claim(self, due: Selection, *, now: float, lease: float, limit: int, after: object | None = None) -> Claim:
        """See ``Registry.claim``."""
        self.release_dropped()
        return self._claiming.claim(due, now, lease, limit, after)

    def still_claimed(self, record: TempFile) -> bool:
        """See ``Registry.still_claimed``."""
        return self._claiming.still_claimed(record)

    def settle(self, outcomes: Iterable[Outcome], now: float) -> None:
        """See ``Registry.settle``."""
        outcomes = list(outcomes)
        # On a full disk the write lock is taken already, and whoever adds takes it after this lock.
        locked = any(outcome.record.claim < 0 for outcome in outcomes)
        with nullcontext() if locked else self.lock:
            self._claiming.settle(outcomes, now)


def _identify(path: str) -> Identity:
    found = Examiner().examine(path) if os.path.isabs(path) and not is_own(path) else None
    return NOTHING if found is None else found.identity
