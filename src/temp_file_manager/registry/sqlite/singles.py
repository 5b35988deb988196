"""Registrations one by one: those that threads ask for at once share a transaction."""

from collections import deque
from contextlib import suppress
from json import dumps
from sqlite3 import Connection, Error
from threading import Lock, get_ident

from temp_file_manager.records import NOTHING, PLAIN, Nature, NewFile
from temp_file_manager.registry.claim import Looked
from temp_file_manager.registry.natures import stored
from temp_file_manager.registry.sqlite.claimed import Claimed
from temp_file_manager.registry.sqlite.errors import damaged
from temp_file_manager.registry.sqlite.inserts import (
    counts_as_new,
    know_directory,
    leads_elsewhere,
    new_room,
    statement,
    take_out,
)
from temp_file_manager.registry.sqlite.rows import Row, place_of
from temp_file_manager.registry.sqlite.transaction import Transactions


class Single:
    """The registration of one file.

    Attributes:
        file: Which.
        place: Its directory and its name.
        now: Seconds since the epoch.
        looked: As in ``Records.add``.
        nature: What sets its record apart.
        thread: Who asked for it.
        error: Why it was not done.
        over: Whether it was, or could not be.
    """

    __slots__ = ("error", "file", "looked", "nature", "now", "over", "place", "thread")

    def __init__(self, file: NewFile, now: float, looked: Looked | None, nature: Nature = PLAIN) -> None:
        self.file = file
        self.place = place_of(file[0])
        self.now = now
        self.looked = looked
        self.nature = nature
        self.thread = get_ident()
        self.error: Exception | None = None
        self.over = False


class Singles:
    """Registrations that wait for the registry's lock: whoever has it writes them all."""

    def __init__(self, transactions: Transactions, claimed: Claimed) -> None:
        self._transactions = transactions
        self._claimed = claimed
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
        finally:
            if not single.over:  # interrupted, or nothing was written: nobody else is to do it later
                with suppress(ValueError):
                    self._waiting.remove(single)
        if single.error is not None:
            if isinstance(single.error, TypeError):  # a row that this program did not write
                raise damaged(self._transactions.database.path, str(single.error)) from single.error
            raise single.error

    def _write_all(self, own: Single) -> None:
        waiting, others = self._waiting, list[Single]()
        try:
            while waiting:
                others.append(waiting.popleft())
            others = [one for one in others if one is not own]
            self._write([own, *others])
        except Exception:
            if not others:
                raise
            self._write([own])  # alone, as the others will: it may have been the fault of one of them

    def _write(self, singles: list[Single]) -> None:
        transactions = self._transactions
        transactions.settlements = transactions.write(lambda connection: self._put_all(connection, singles))
        latest = transactions.latest
        for single in singles:
            single.over = True
            due_at = single.file[1]
            if single.now <= latest or (due_at is not None and due_at <= latest):
                transactions.rewind()

    def _put_all(self, connection: Connection, singles: list[Single]) -> int:
        """Write files, and return the number of settlements; notes of each whether it failed alone."""
        records, size, registered = 0, 0.0, 0
        settlements = self._transactions.settlements
        for single in singles:
            try:
                settlements, done, new, larger = self._put(connection, single)
            except Error:
                raise
            except Exception as error:  # nothing of it is written, and the others are no worse for it
                single.error = error
            else:
                records, size, registered = records + new, size + larger, registered + done
        if registered or records or size:
            bound = (records, size, registered, self._transactions.scope)
            connection.execute(self._transactions.sql["count_records"], bound)
        return settlements

    def _put(self, connection: Connection, single: Single) -> tuple[int, int, int, float]:
        """Write a file; return the number of settlements, and how many registrations, records and bytes that makes."""
        transactions, sql, file = self._transactions, self._transactions.sql, single.file
        bound = (transactions.scope, *single.place)
        asked = connection.execute(sql["single"], bound).fetchone()
        last, settlements, any_claim, any_twin, directory, *before, known, known_room = asked
        claimed = {known: file[0]} if known and any_claim else {}
        if any_claim and (any_twin or leads_elsewhere(file[4] or NOTHING, before)):
            claimed |= self._claimed.by_other_paths(connection, (file,))
        if claimed:
            self._claimed.refuse(connection, claimed, single.thread)
            settlements = transactions.count_settlements(connection)
        if single.looked is not None and single.looked.settlements != settlements:
            found = single.looked.again((file,))
            if not found:
                return settlements, 0, 0, 0.0
            (file,) = found
        if directory is None:
            directory = connection.execute(sql["add_directory"], bound[:2]).lastrowid
        identity, tags = file[4] or NOTHING, file[3]
        know_directory(connection, sql, bound[0], directory, before, identity)
        if known:
            take_out(connection, sql, bound[0], (known,))
        row = _row(last + 1, bound[0], directory, file, single, transactions.owner_of(connection, single.nature))
        connection.execute(sql[statement("replace_file" if known else "add_new_file", (row,))], row)
        if tags:
            connection.execute(sql["add_tagged"], {"first": last + 1})
        larger = float(new_room(file)) - float(known_room or 0)
        return settlements, counts_as_new(file, single.nature), not known, larger


def _row(number: int, scope: int, directory: int, file: NewFile, single: Single, owner: int) -> Row:
    """Return the parameters of a row; see ``inserts``."""
    _, due_at, size, tags, identity, disk = file
    words = dumps(tags) if tags else None
    place = single.place[1]
    row = (number, scope, directory, place, single.now, due_at, size, words, *(identity or NOTHING), owner, disk, 0)
    return row if single.nature is PLAIN else (*row, *stored(single.nature))
