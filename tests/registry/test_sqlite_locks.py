"""Locks of the SQLite registry: no thread waits for itself, and no two for each other."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import small_disk
from small_disk import fill, fill_pages, make, manager_of, register_until_full
from sqlite_files import new, over, registry_at
from temp_file_manager.records import Selection, Status
from temp_file_manager.registry import Claim
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.testing import in_child

ALL = Selection(1e10, 0, force=True)


disk = small_disk.disk


class TestNobodyWaitsForItself:
    @pytest.mark.parametrize("what", ["get", "forget", "pin"])
    def test_asked_about_what_comes_from_itself(self, registry: SqliteRegistry, what: str) -> None:
        """A generator that reads and writes the same registry while it is asked for paths."""

        def paths() -> Iterator[str]:
            registry.add([new("/p/b")], 1.0)
            yield from registry.files

        asked: dict[str, Callable[[], int]] = {
            "get": lambda: len(registry.get(paths())),
            "forget": lambda: registry.forget(paths()),
            "pin": lambda: len(registry.keep(paths(), 5.0)),
        }
        assert in_child(asked[what]) == 2

    def test_registering_while_a_full_disk_is_swept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The sweep has one lock and the registration the other: each once waited for the other's."""

        def both() -> int:
            registry = registry_at(tmp_path / "r.db", tmp_path)
            fill_pages(registry, [new(f"/p/{number:04}") for number in range(6000)])
            claim = registry.claim(ALL, now=0, lease=60, limit=2000)
            assert claim.number < 0
            session, locked = registry.transactions, threading.Event()
            write = session.write

            def wanted(work: Callable[[sqlite3.Connection], Any], *, held: bool = False, **more: Any) -> Any:
                if not held:
                    locked.set()
                return write(work, held=held, **more)

            monkeypatch.setattr(session, "write", wanted)
            adding = threading.Thread(target=registry.add, args=([new("/q"), new("/r")], 2.0))
            adding.start()
            locked.wait()
            assert registry.lock.locked()
            registry.settle(over(claim))
            adding.join()
            return len(registry.files)

        assert in_child(both) == 1002

    def test_two_threads_sweep_a_full_disk(self, disk: Path | None) -> None:
        """What the second takes between the first's settling and its letting go stays the second's."""
        if disk is None:
            return

        def sweeps() -> int:
            manager = manager_of(disk)
            registry = manager.registry
            paths = make(disk, 100, 0)
            manager.register_files(paths)
            fill(disk)
            register_until_full(manager, paths)
            first = registry.claim(ALL, now=0, lease=60, limit=50)
            second: list[Claim] = []
            over_with, claimed = threading.Event(), threading.Event()

            class Claiming(logging.Handler):
                """Hears that the first could not forget its records."""

                def emit(self, _: logging.LogRecord) -> None:
                    if not second:
                        threading.Thread(target=self.claim).start()
                        claimed.wait()

                def claim(self) -> None:
                    second.append(registry.claim(ALL, now=0, lease=60, limit=50, after=first.cursor))
                    claimed.set()
                    over_with.wait()
                    registry.settle(over(second[0], Status.SKIPPED))

            logging.getLogger("aiecs.tools.temp_file_manager").addHandler(Claiming())
            registry.settle(over(first))
            assert [len(claim.records) for claim in second] == [50]
            over_with.set()
            third = registry.claim(ALL, now=0, lease=60, limit=1)
            assert len(third.records) == 1
            registry.settle(over(third, Status.SKIPPED))
            return len(manager.files)

        assert in_child(sweeps) == 100

    def test_a_file_that_was_moved_away_while_somebody_has_it(self, tmp_path: Path) -> None:
        """As the message about a damaged one says; the new one begins with the same numbers."""

        def anew() -> list[str]:
            path = tmp_path / "r.db"
            old = registry_at(path, tmp_path)
            old.add([new("/p/a")], 1.0)
            assert len(old.claim(ALL, now=0, lease=60, limit=9).records) == 1
            for end in ("", "-wal", "-shm"):
                os.rename(f"{path}{end}", f"{path}-old{end}")
            other = registry_at(path, tmp_path)
            other.add([new("/p/b")], 1.0)
            return list(other.claim(ALL, now=0, lease=60, limit=9).records.paths())

        assert in_child(anew) == ["/p/b"]
