"""What may be wrong inside the SQLite registry's file, beyond its claims."""

from collections.abc import Iterator

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.sqlite.transaction import Session
from temp_file_manager.reports import Finding
from temp_file_manager.text import printable


def inspect(session: Session, *, fix: bool) -> Iterator[Finding]:
    """Yield what is not as it should be; with ``fix``, put it right.

    Raises:
        RegistryError: the file is damaged.
    """
    with session.reading() as connection:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        counted = connection.execute(session.sql["counted"], {"scope": session.scope}).fetchone()
    if verdict != "ok":
        path = printable(session.database.path)
        raise RegistryError(f"{path} is damaged: {printable(verdict)}. Move it away, or put a copy back")
    records, size, found_records, found_size = counted or (0, 0, 0, 0)
    told = (("number of records", records, found_records), ("sum of their sizes in bytes", size, found_size))
    wrong = [
        (what, f"{kept:.0f} by its counter, {found:.0f} by counting") for what, kept, found in told if kept != found
    ]
    if wrong and fix:
        with session.writing() as connection:
            connection.execute(session.sql["recount"], {"scope": session.scope})
    for what, why in wrong:
        yield Finding("wrong count", what, why, fix)
    for name in session.claimers.dead(remove=fix):
        yield Finding("leftover lock file", name, "its process is dead; the file means nothing any more", fix)
