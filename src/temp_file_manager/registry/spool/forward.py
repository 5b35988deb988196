"""The way of spooled records to the server: a record there only goes forward.

The rule, for a registration that waited and the record that the server has of its path by now:

* none: the registration is put on record, at the time at which it was made;
* an older one: it gives way, as it would have to a registration at the time, and its pins stay;
* one of the same time, or a later one, stays as it is: it is this very registration, which came through before, or a
  later registration, which wins;
* whichever, if the registration was meant for unknown paths alone: it stays.

Each step compares and changes at once at the server: the older record is forgotten by its generation, and what is put
on record is put there only if nothing is. So a registration that comes in between wins, too, and no step undone makes
a file go early.
"""

from collections.abc import Sequence

from temp_file_manager.errors import RecordClaimedError
from temp_file_manager.records import PLAIN, TempFile
from temp_file_manager.registry.contract import Registry
from temp_file_manager.registry.spool.rows import Waiting


def gives_way(known: TempFile, row: Waiting) -> bool:
    """Say whether a record at the server gives way to what waited."""
    return not row.only_new and known.registered_at < row.registered_at


def forward(target: Registry, rows: Sequence[Waiting]) -> list[Waiting]:
    """Put what waited on record; return what the server has now.

    What a sweep is at work on is left out, and is to be tried again when that has come to an end.

    Args:
        target: Where records belong.
        rows: Of each path one.

    Raises:
        RegistryUnavailableError: the server does not answer; what was put on record stays, and may be sent again.
    """
    known = target.get([row.path for row in rows])
    older = {row.path: known[row.path] for row in rows if row.path in known and gives_way(known[row.path], row)}
    claimed: set[str] = set()
    while older:
        try:
            target.forget(list(older.values()), keeps=True)
        except RecordClaimedError as error:
            claimed.update(error.paths)
            if not claimed & older.keys():
                raise  # in other words than ours: it would be tried for ever
            older = {path: record for path, record in older.items() if path not in claimed}
        else:
            break
    free = [row for row in rows if row.path not in claimed]
    if free:
        natures = {row.path: row.nature for row in free if row.nature != PLAIN}
        target.add_late([(row.file, row.registered_at) for row in free], natures)
    return free
