"""Faults inside the SQLite registry's file, beyond its claims."""

from collections.abc import Iterator

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
        counted = connection.execute(transactions.sql["counted"], {"scope": transactions.scope}).fetchone()
    if verdict != "ok":
        path = printable(transactions.database.path)
        raise RegistryError(f"{path} is damaged: {printable(verdict)}. Move it away, or put a copy back")
    records, size, found_records, found_size = counted or (0, 0, 0, 0)
    told = (("number of records", records, found_records), ("sum of their sizes in bytes", size, found_size))
    wrong = [
        (what, f"{kept:.0f} by its counter, {found:.0f} by counting") for what, kept, found in told if kept != found
    ]
    if wrong and fix:
        bound = {"scope": transactions.scope}
        transactions.write(lambda connection: connection.execute(transactions.sql["recount"], bound))
    for what, why in wrong:
        yield Finding("wrong count", what, why, fix)
    for name in transactions.owners.dead(remove=fix):
        yield Finding("leftover lock file", name, "its process is dead; the file means nothing any more", fix)
