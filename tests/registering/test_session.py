"""Sessions for users: what is in them goes when their block, their task or their process ends."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from contexts import MakeManager
from patience import PATIENCE
from temp_file_manager import TempFileManager
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.registering.session import ManagedSession
from temp_file_manager.registry import Settlement
from temp_file_manager.testing import FakeClock, in_child
from temp_file_manager.testing.contract.words import EVERY


def sessions(manager: TempFileManager) -> list[str]:
    """Return the names of those that live."""
    return [session.name for session in manager.registry.sessions()]


class TestBlock:
    """What a block leaves when it is left."""

    def test_leaving_removes_what_is_in_it(self, manager: TempFileManager, file: Path, clock: FakeClock) -> None:
        other = manager.mkstemp()[1]
        with manager.session("request 42") as session:
            descriptor, made = session.mkstemp(suffix=".csv", prefix="a")
            os.close(descriptor)
            with session.open("w", ".txt") as opened:
                opened.write("x")
            session.register_file(file, tags=("x",))
            assert sessions(manager) == ["request 42"]
            assert {record.session for record in manager.registry.get([made, opened.name, str(file)]).values()} == {
                session.number
            }
            clock.advance(1_000_000)
            assert manager.sweep().retired == 1, "no age counts in a session"
            assert os.path.exists(made)
        assert not [path for path in (made, opened.name, str(file), other) if os.path.exists(path)]
        assert (sessions(manager), len(manager.files)) == ([], 0)

    def test_what_cannot_be_removed_is_due(self, manager: TempFileManager, file: Path) -> None:
        """And later sweeps try, however young it is."""
        with manager.session() as session:
            session.register_files([file])
            claim = manager.registry.claim(EVERY, now=0.0, lease=60, limit=1)
        assert file.exists(), "another sweep was at it"
        manager.registry.settle(Settlement(claim, 0, {}, 0.0))
        assert manager.status(file).due
        assert manager.cleanup() == 1
        assert not file.exists()

    def test_an_error_goes_through_and_ends_it(self, manager: TempFileManager, file: Path) -> None:
        with suppress(KeyError), manager.session() as session:
            session.register_file(file)
            raise KeyError
        assert not file.exists()

    def test_the_history_has_sweeps_alone(self, manager: TempFileManager) -> None:
        """There may be a session for each request, and what a thousand of them left would be all of the history."""
        with manager.session() as session:
            os.close(session.mkstemp()[0])
        assert manager.context.history.sweeps(1) == ()
        assert manager.registry.stats().counters["removed"] == 1

    def test_it_may_be_ended_by_hand(self, manager: TempFileManager, file: Path) -> None:
        session = manager.session()
        assert sessions(manager) == [], "it has not been used"
        session.end()
        session = manager.session("by hand")
        session.register_file(file)
        assert sessions(manager) == ["by hand"]
        session.end()
        session.end()
        assert (file.exists(), sessions(manager)) == (False, [])
        with pytest.raises(InvalidArgumentError):
            session.register_file(manager.mkstemp()[1])
        assert not session.renew(5)

    def test_it_begins_when_it_is_used(self, manager: TempFileManager) -> None:
        session = manager.session()
        assert (session.begun, sessions(manager)) == (False, [])
        os.close(session.mkstemp()[0])
        assert (session.begun, sessions(manager)) == (True, [""])
        session.end()

    def test_it_does_not_begin_when_it_has_ended(self, manager: TempFileManager) -> None:
        """Nobody would end it any more."""
        session = manager.session("short")
        session.end()
        with pytest.raises(InvalidArgumentError, match="'short' has ended: begin another"):
            session.mkstemp()
        assert not session.renew(1)
        assert (session.begun, sessions(manager)) == (False, [])

    def test_sessions_may_be_nested(self, manager: TempFileManager) -> None:
        with manager.session("outer") as outer:
            kept = outer.mkstemp()[1]
            with manager.session("inner") as inner:
                gone, moved = inner.mkstemp()[1], inner.mkstemp()[1]
                outer.register_file(moved)
            assert [os.path.exists(path) for path in (kept, gone, moved)] == [True, False, True]
        assert not [path for path in (kept, moved) if os.path.exists(path)]

    def test_what_is_kept_leaves_it(self, manager: TempFileManager, file: Path, clock: FakeClock) -> None:
        """With its tags; its age begins anew."""
        with manager.session() as session:
            session.register_file(file, tags=("x",))
            clock.advance(50)
            session.keep(file)
            with pytest.raises(InvalidArgumentError):
                session.keep(file)
            with pytest.raises(InvalidArgumentError):
                session.keep(file.parent / "unknown")
            absent = session.mkstemp()[1]
            os.remove(absent)
            with pytest.raises(FileNotFoundError):
                session.keep(absent)
        record = manager.status(file).record
        assert record is not None
        assert (record.session, record.tags, record.due_at) == (0, ("x",), None)
        clock.advance(99)
        assert manager.cleanup() == 0
        clock.advance(2)
        assert manager.cleanup() == 1

    def test_its_time_may_be_up_before(self, manager: TempFileManager, file: Path, clock: FakeClock) -> None:
        with manager.session(ttl=10) as session:
            session.register_file(file)
            clock.advance(9)
            assert session.renew(10)
            clock.advance(9)
            assert manager.cleanup() == 0
            clock.advance(1)
            assert manager.cleanup() == 1
            assert sessions(manager) == []
            assert not session.renew(10)

    @pytest.mark.parametrize("ttl", [-1, float("nan")])
    def test_a_ttl_is_a_number(self, manager: TempFileManager, ttl: float) -> None:
        with pytest.raises(InvalidArgumentError):
            manager.session(ttl=ttl)

    def test_the_managers_block_takes_it_along(self, make_manager: MakeManager, file: Path) -> None:
        with make_manager() as manager:
            manager.session().register_file(file)
        assert not file.exists()


class TestDirectories:
    """Directories of a session."""

    def test_an_empty_one_goes(self, manager: TempFileManager, clock: FakeClock) -> None:
        """With its session, and not before, however long nothing happens in it."""
        with manager.session() as session:
            folder = session.mkdtemp(suffix="x")
            made = Path(folder, "file")
            made.touch()
            session.register_file(made)
            empty = session.mkdtemp()
            clock.advance(1_000_000)
            manager.cleanup()
            assert os.path.isdir(empty)
        assert not os.path.exists(folder)
        assert not os.path.exists(empty)

    def test_another_goes_with_the_managers_sweeps(self, manager: TempFileManager) -> None:
        """As soon as it is empty."""
        with manager.session() as session:
            folder = session.mkdtemp()
            unregistered = Path(folder, "file")
            unregistered.touch()
        assert unregistered.exists()
        manager.clear_all()
        assert unregistered.exists()
        unregistered.unlink()
        manager.clear_all()
        assert not os.path.exists(folder)

    def test_it_is_locked_while_the_session_lives(self, manager: TempFileManager) -> None:
        """As systemd-tmpfiles asks."""

        def is_free(path: str) -> bool:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                os.close(descriptor)
            return True

        session = manager.session()
        folder = session.mkdtemp()
        Path(folder, "file").touch()
        assert not is_free(folder)
        session.end()
        assert is_free(folder)


class TestExit:
    """``until="exit"``: the session of this process."""

    def test_one_session_has_all_of_them(self, manager: TempFileManager, clock: FakeClock) -> None:
        paths = [manager.mkstemp()[1] for _ in range(3)]
        manager.register_file(paths[0], until="exit", tags=("x",))
        assert manager.register_files(paths[1:], until="exit").registered == 2
        assert len(sessions(manager)) == 1
        clock.advance(1_000_000)
        assert manager.cleanup() == 0

    def test_a_ttl_beside_it_is_refused(self, manager: TempFileManager, file: Path) -> None:
        with pytest.raises(InvalidArgumentError):
            manager.register_file(file, ttl=5, until="exit")
        with pytest.raises(InvalidArgumentError):
            manager.register_file(file, until="tomorrow")  # type: ignore[arg-type]  # on purpose
        assert not manager.files

    def test_a_forked_child_has_one_of_its_own(self, make_manager: MakeManager, file: Path) -> None:
        manager = make_manager()
        mine = manager.mkstemp()[1]
        manager.register_file(mine, until="exit")

        def child() -> int:
            manager.register_file(file, until="exit")
            return len(sessions(manager))

        assert in_child(child) == 2
        assert manager.cleanup() == 1
        assert (file.exists(), os.path.exists(mine)) == (False, True)


class TestProcesses:
    """Ends of processes, which nobody announces."""

    PROGRAM = """
import sys
from temp_file_manager import TempFileManager
manager = TempFileManager(sys.argv[1], registry="sqlite:")
session = manager.session("killed")
paths = [session.mkstemp()[1] for _ in range(3)]
manager.register_file(paths[0], until="exit")
manager.close()
del manager, session
print(*paths, flush=True)
input()
"""

    def test_what_a_killed_process_has_left_goes_with_the_next_sweep(self, make_manager: MakeManager) -> None:
        """And not as long as it lives, though it has closed and dropped its registry."""
        manager = make_manager(clock=None)
        words = [sys.executable, "-c", self.PROGRAM, manager.base_dir]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            paths = process.stdout.readline().split()
            assert len(paths) == 3
            assert manager.sweep().retired == manager.sweep(dry_run=True).retired == 0
            assert len(sessions(manager)) == 2
            process.send_signal(signal.SIGKILL)
            process.wait()
        planned = manager.sweep(dry_run=True)
        assert len(sessions(manager)) == 2, "a dry run ends nothing"
        assert {outcome.record.path for outcome in planned.outcomes} == set(paths)
        assert manager.sweep().retired == planned.retired == 3
        assert not [path for path in paths if os.path.exists(path)]
        assert sessions(manager) == []

    def test_a_forked_child_that_leaves_the_block_ends_nothing(self, manager: TempFileManager, file: Path) -> None:
        with manager.session() as session:
            session.register_file(file)
            folder = session.mkdtemp()
            entered = ManagedSession.__exit__

            def child() -> bool:
                entered(session, None, None, None)
                session.end()
                return file.exists()

            assert in_child(child)
            assert len(sessions(manager)) == 1
            assert os.path.isdir(folder)
        assert not file.exists()

    def test_threads_may_share_one(self, manager: TempFileManager) -> None:
        session = manager.session()
        barrier = threading.Barrier(8)

        def work(_: int) -> list[str]:
            barrier.wait()
            return [session.mkstemp()[1] for _ in range(20)]

        with ThreadPoolExecutor(8) as pool:
            made = [path for paths in pool.map(work, range(8)) for path in paths]
        assert len(manager.registry.sessions()) == 1
        assert len(set(made)) == 160
        session.end()
        assert not [path for path in made if os.path.exists(path)]
        assert not manager.files


class TestAsync:
    """``async with``: neither its beginning nor its end stops the event loop."""

    def test_tasks_have_sessions_of_their_own(self, manager: TempFileManager) -> None:
        async def task(number: int) -> str:
            async with manager.session(f"task {number}") as session:
                path = session.mkstemp()[1]
                await asyncio.sleep(0)
                assert os.path.exists(path)
            assert not os.path.exists(path)
            return path

        async def tasks() -> list[str]:
            return await asyncio.gather(*map(task, range(20)))

        assert len(set(asyncio.run(tasks()))) == 20
        assert (sessions(manager), len(manager.files)) == ([], 0)

    def test_the_loop_goes_on_while_it_ends(self, make_manager: MakeManager) -> None:
        """The hook holds the sweep up, until the loop has run."""
        went_on, threads = threading.Event(), []

        def hook(_: object) -> None:
            threads.append(threading.current_thread())
            assert went_on.wait(PATIENCE)

        manager = make_manager(hooks=[hook])
        went_on.set()

        async def work() -> None:
            async with manager.session() as session:
                session.mkstemp()
                went_on.clear()
                threads.clear()
                asyncio.get_running_loop().call_later(0.01, went_on.set)

        asyncio.run(work())
        assert threads
        assert threading.main_thread() not in threads

    def test_a_cancelled_task_ends_it(self, manager: TempFileManager) -> None:
        made = []

        async def work() -> None:
            async with manager.session() as session:
                made.append(session.mkstemp()[1])
                await asyncio.sleep(3600)

        async def cancelled() -> None:
            task = asyncio.create_task(work())
            while not made:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        assert not os.path.exists(made[0])
        assert sessions(manager) == []
