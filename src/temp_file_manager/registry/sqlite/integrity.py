"""Faults inside the SQLite registry's file, beyond its claims."""

from collections.abc import Iterator
from sqlite3 import Connection

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.sqlite.transaction import Transactions
from temp_file_manager.reports import Finding
from temp_file_manager.text import printable


def inspect(transactions: Transactions, *, fix: bool) -> Iterator[Finding]:
    """Yield what is not as it should be; with ``fix``, put it right.

    Raises:
        RegistryError: the file is damaged.
    """
    with transactions.reading() as connection:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        wrong = list(_miscounts(transactions, connection))
    if verdict != "ok":
        path = printable(transactions.database.path)
        raise RegistryError(f"{path} is damaged: {printable(verdict)}. Move it away, or put a copy back")
    if wrong and fix:
        transactions.write(lambda connection: _recount(transactions, connection))
    for what, why in wrong:
        yield Finding("wrong count", what, why, fix)
    for name in transactions.owners.dead(remove=fix):
        yield Finding("leftover lock file", name, "its process is dead; the file means nothing any more", fix)


def _miscounts(transactions: Transactions, connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield which of the counts that are kept are not what counting gives, and how far off they are."""
    bound = {"scope": transactions.scope}
    counted = connection.execute(transactions.sql["counted"], bound).fetchone()
    records, size, found_records, found_size = counted or (0, 0, 0, 0)
    told = [("number of records", records, found_records), ("sum of their sizes in bytes", size, found_size)]
    for tags, kept_records, kept_size, *found in connection.execute(transactions.sql["tagged_counted"], bound):
        told.append((f"number of records with the tags {printable(tags)}", kept_records, found[0]))
        told.append((f"sum of the sizes of records with the tags {printable(tags)}", kept_size, found[1]))
    for what, kept, found_by_counting in told:
        if kept != found_by_counting:
            yield what, f"{kept:.0f} by its counter, {found_by_counting:.0f} by counting"


def _recount(transactions: Transactions, connection: Connection) -> None:
    for statement in ("recount", "forget_tagged", "recount_tagged"):
        connection.execute(transactions.sql[statement], {"scope": transactions.scope})
