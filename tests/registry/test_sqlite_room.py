"""Room on the disk that a SQLite registry gives back when its records have gone."""

import math
from contextlib import closing
from pathlib import Path

import pytest

from sqlite_files import ALL, new, over, registry_at
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.registry.sqlite.room import SPARE, is_mostly_free


@pytest.mark.parametrize(
    ("pages", "free", "worth"),
    [(10_000, 9_000, True), (10_000, 7_500, False), (10_000, 7_501, True), (1_000, 1_000, False), (0, 0, False)],
)
def test_only_what_is_mostly_free_is_written_anew(pages: int, free: int, worth: bool) -> None:
    assert is_mostly_free(pages, free, 4096) is worth


def sweep(registry: SqliteRegistry, *, leave: int = 0) -> None:
    cursor, settling = None, None
    for _ in range(registry.stats().records // 500 + 2):
        limit = min(500, registry.stats().records - leave - (500 if settling else 0))
        claim = registry.claim(ALL, now=0, lease=60, limit=max(0, limit), after=cursor, settling=settling)
        if not claim.records:
            return
        cursor, settling = claim.cursor, over(claim)


def test_at_the_end_of_a_sweep_the_file_is_small_again(tmp_path: Path) -> None:
    """Once it kept the size of the most that it had ever held."""
    path = tmp_path / "r.db"
    with closing(registry_at(path, tmp_path)) as registry, closing(registry_at(path, tmp_path)) as other:
        files = [new(f"/p/{number:0200}") for number in range(12_000)]
        registry.add(files, 1.0)
        other.keep([files[0][0]], math.inf)
        sweep(registry)
        assert list(registry.files) == list(other.files) == [files[0][0]]
        other.add([new("/p/b")], 1.0)
        assert path.stat().st_size < SPARE
        assert registry.check(now=0, fix=False) == ()
