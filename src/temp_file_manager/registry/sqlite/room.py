"""Room on the disk that a SQLite registry has taken and no longer needs."""

import sqlite3

SPARE = 4 << 20
"""Bytes that may be free in the file, or taken by its log, without anybody minding."""

_PATIENCE = 100  # milliseconds for readers to be done with what is in the log


def is_mostly_free(pages: int, free: int, size: int) -> bool:
    """Say whether a file should be written anew.

    Only when three of four pages are free: that costs by what is left in it, and so a third of what made them free.

    Args:
        pages: How many it has.
        free: How many of those hold nothing.
        size: Bytes of each.
    """
    return free * size > SPARE and 4 * free > 3 * pages


def give_back(connection: sqlite3.Connection, patience: float) -> None:
    """Give the disk back what a file and its log do not need any more.

    Args:
        connection: In no transaction.
        patience: Seconds that it waits for others, at all other times.

    Raises:
        sqlite3.Error: it could not be done now; nothing is lost.
    """
    counts = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    ]
    if not is_mostly_free(*counts):
        return
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
    try:
        connection.execute("VACUUM")
        # Merges the log into the file, which is cut by that, and lets the next change begin the log anew.
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
