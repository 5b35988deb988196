"""Claims and records in the SQLite file: when they end, and what is left of them."""

from contextlib import closing
from pathlib import Path

from sqlite_files import over
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import NOW


def test_a_claim_has_lapsed_at_the_very_end_of_its_lease(fresh: SqliteRegistry) -> None:
    """Excludes code that ends claims only after that moment, though its records are free at it."""
    fresh.add([("/s/a", None, None, (), None)], NOW)
    assert fresh.claim(Selection(NOW, 0, force=True), now=NOW, lease=60, limit=9).records
    assert fresh.check(now=NOW + 59.5, fix=False) == ()
    assert [finding.kind for finding in fresh.check(now=NOW + 60, fix=False)] == ["lapsed claim"]


def test_a_sweep_s_last_chunk_finds_what_another_registry_freed_behind_it(
    fresh: SqliteRegistry, tmp_path: Path
) -> None:
    """Excludes code that looks back in its first chunk only: what the other let go of would wait for a later sweep."""
    due = Selection(NOW + 9, 0, force=True)
    for second, path in enumerate(("/s/a", "/s/b", "/s/c")):
        fresh.add([(path, None, None, (), None)], NOW + second)
    with closing(SqliteRegistry(str(tmp_path / "r.db"), str(tmp_path))) as other:
        theirs = other.claim(due, now=NOW, lease=60, limit=1)
        ours = fresh.claim(due, now=NOW, lease=60, limit=1)
        other.settle(over(theirs, Status.SKIPPED))
        rest = fresh.claim(due, now=NOW, lease=60, limit=9, after=ours.cursor)
    assert [list(claim.records.paths()) for claim in (theirs, ours)] == [["/s/a"], ["/s/b"]]
    assert set(rest.records.paths()) == {"/s/a", "/s/c"}


def test_a_directory_is_forgotten_with_its_last_file(fresh: SqliteRegistry) -> None:
    """Excludes code whose file grows by each directory that ever held a file."""
    fresh.add([("/s/a", None, None, (), None), ("/t/a", None, None, (), None)], NOW)
    fresh.forget(["/s/a"])
    with fresh.transactions.reading() as connection:
        assert connection.execute("SELECT path FROM directories").fetchall() == [(b"/t",)]
