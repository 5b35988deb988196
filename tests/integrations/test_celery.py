"""A session a task: with real workers, whose processes are killed, and with tasks that run where they are called."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import folder_queue  # noqa: F401 - it makes the queue safe
import pytest
from celery import Celery, Task
from celery.exceptions import TimeLimitExceeded
from celery.result import AsyncResult

from command_line import environment
from patience import PATIENCE
from places import TESTS
from serving import until
from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.integrations.celery import TaskSessions

PREFORK = ("--pool=prefork", "--concurrency=1")
SECONDS = PATIENCE


class Worker(NamedTuple):
    """A worker of the application in ``celery_tasks``, from outside."""

    folder: Path
    manager: TempFileManager
    client: Celery

    def begins(self, task: str) -> AsyncResult:
        """Send it a task."""
        return self.client.send_task(f"celery_tasks.{task}")

    def does(self, task: str) -> Any:
        """Have a task done; return what it returns, or raise what it raises."""
        return self.begins(task).get(timeout=SECONDS)


@contextmanager
def working(folder: Path, *pool: str) -> Iterator[Worker]:
    """Run a worker for as long as the block lasts."""
    for name in ("queue", "control", "results"):
        (folder / name).mkdir()
    command = (sys.executable, "-m", "celery", "--app=celery_tasks", "worker", "--without-gossip", "--without-mingle")
    client = Celery("client", broker="filesystem://", backend=f"file://{folder}/results", set_as_current=False)
    client.conf.broker_transport_options = {
        "data_folder_in": folder / "queue",
        "data_folder_out": folder / "queue",
        "control_folder": folder / "control",
    }
    with client.connection() as connection:  # a table that both made at once would be empty for a moment, too
        client.amqp.queues["celery"].bind(connection).declare()
    with (
        (folder / "log").open("wb") as log,
        closing(client),
        closing(TempFileManager(folder / "base", registry="sqlite:")) as manager,
        subprocess.Popen(
            [*command, "--without-heartbeat", "--loglevel=INFO", *pool],
            env=environment(FOLDER_OF_TASKS=str(folder)),
            cwd=TESTS / "integrations",
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as worker,
    ):
        try:
            yield Worker(folder, manager, client)
        finally:
            # With all its processes. Asked to stop, Celery may wait for ever for a lock that a killed one had.
            os.killpg(worker.pid, signal.SIGKILL)


def made(manager: TempFileManager) -> list[str]:
    return [name for name in os.listdir(manager.base_dir) if not name.startswith(".")]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that forks one process for its tasks at a time."""
    with working(tmp_path_factory.mktemp("prefork"), *PREFORK) as worker:
        yield worker


class TestPrefork:
    """Each task in a process that the worker has forked."""

    def test_files_go_with_their_task(self, worker: Worker) -> None:
        first, second = worker.does("render")
        assert os.path.dirname(first) == worker.manager.base_dir
        until(lambda: not os.path.exists(first) and not os.path.exists(second))

    def test_what_is_kept_stays(self, worker: Worker) -> None:
        kept = worker.does("render_and_keep")
        worker.does("render")  # by the same process, after it was done with the other
        assert worker.manager.is_temp_file(kept)
        assert os.path.exists(kept)
        os.unlink(kept)

    def test_files_of_a_task_that_fails_go(self, worker: Worker) -> None:
        with pytest.raises(ZeroDivisionError):
            worker.does("fail")
        until(lambda: not os.path.exists((worker.folder / "failed").read_text()))

    def test_files_of_an_attempt_go_before_the_next(self, worker: Worker) -> None:
        path, earlier_was_there = worker.does("retry")
        assert not earlier_was_there
        until(lambda: not os.path.exists(path))

    def test_files_of_a_task_that_takes_too_long_go(self, worker: Worker) -> None:
        while not (path := worker.does("take_too_long")):
            pass
        until(lambda: not os.path.exists(path))

    def test_the_next_sweep_takes_the_files_of_one_that_was_killed(self, worker: Worker) -> None:
        """By kill -9; the worker gives the task to the next process, as it acknowledges late."""
        killed, second = worker.does("die_once")
        until(lambda: not os.path.exists(second))
        assert os.path.exists(killed)
        worker.manager.cleanup()
        assert not os.path.exists(killed)

    def test_no_file_stays_of_one_that_its_limit_ended(self, tmp_path: Path) -> None:
        """By SIGTERM, which lets it clean up, and then by kill -9.

        In a worker of its own: where a queue is not one that Celery polls, that may take a lock along that all need.
        """
        with working(tmp_path, *PREFORK) as worker:
            while not (told := tmp_path / "over_time").exists() or not (path := told.read_text()):
                with pytest.raises(TimeLimitExceeded):
                    worker.does("be_killed_by_the_time_limit")

            def gone() -> bool:
                worker.manager.cleanup()
                return not os.path.exists(path)

            until(gone)


class TestThreads:
    """Several tasks in one process, at the same time."""

    def test_each_has_its_own(self, tmp_path: Path) -> None:
        with working(tmp_path, "--pool=threads", "--concurrency=2") as worker:
            one, other = worker.begins("number"), worker.begins("number")
            assert one.get(timeout=SECONDS) != other.get(timeout=SECONDS)


class TestHere:
    """Tasks that run where they are called."""

    @pytest.fixture(params=["memory:", "sqlite:"])
    def manager(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TempFileManager]:
        with closing(TempFileManager(tmp_path / "base", registry=request.param)) as manager:
            yield manager
            assert manager.registry.sessions() == (), "each has ended"

    @pytest.fixture
    def app(self) -> Iterator[Celery]:
        with closing(Celery("here", broker="memory://", backend="cache+memory://", set_as_current=False)) as app:
            app.conf.task_always_eager = True
            yield app

    @pytest.fixture
    def sessions(self, manager: TempFileManager) -> TaskSessions:
        return TaskSessions(manager)

    def test_an_eager_one_has_a_session(self, app: Celery, manager: TempFileManager, sessions: TaskSessions) -> None:
        @app.task
        def render() -> int:
            with ExitStack() as files:
                for _ in range(2):
                    files.enter_context(sessions.current.open())
            return len(made(manager))

        assert render.delay().get() == 2
        assert made(manager) == []

    def test_one_within_another_has_its_own(self, app: Celery, sessions: TaskSessions) -> None:
        @app.task(bind=True, max_retries=2)
        def outer(self: Task, numbers: tuple[int, ...] = ()) -> list[int]:
            told = (*numbers, sessions.current.number)
            if len(told) < 3:
                raise self.retry(args=(told,))  # eagerly: the next attempt runs within this one
            return [*told, sessions.current.number]

        first, second, third, again = outer.delay().get()
        assert len({first, second, third}) == 3
        assert again == third

    def test_one_goes_on_when_another_within_it_has_ended(
        self, app: Celery, manager: TempFileManager, sessions: TaskSessions
    ) -> None:
        @app.task
        def inner() -> str:
            with sessions.current.open() as file:
                return str(file.name)

        @app.task
        def outer() -> list[bool]:
            with sessions.current.open() as file:
                return [os.path.exists(path) for path in (inner.delay().get(disable_sync_subtasks=False), file.name)]

        assert outer.delay().get() == [False, True]
        assert made(manager) == []

    def test_one_that_is_called_belongs_to_the_caller(self, app: Celery, sessions: TaskSessions) -> None:
        @app.task
        def inner() -> int:
            return sessions.current.number

        @app.task
        def outer() -> tuple[int, int]:
            return inner(), sessions.current.number

        called, own = outer.delay().get()
        assert called == own

    def test_an_error_reaches_the_caller(self, app: Celery, manager: TempFileManager, sessions: TaskSessions) -> None:
        app.conf.task_eager_propagates = True

        @app.task
        def fail() -> None:
            sessions.current.mkstemp()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail.delay()
        assert made(manager) == []

    def test_no_task_has_no_session(self, app: Celery, sessions: TaskSessions) -> None:
        @app.task
        def start_a_thread() -> str:
            told = []

            def use() -> None:
                try:
                    told.append(sessions.current.name)
                except InvalidArgumentError as error:
                    told.append(str(error))

            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
            return told[0]

        assert "hand the session of a task on" in start_a_thread.delay().get()
        with pytest.raises(InvalidArgumentError, match="runs no task"):
            sessions.current  # noqa: B018 - it raises

    def test_nothing_is_begun_for_a_task_that_makes_no_files(
        self, app: Celery, manager: TempFileManager, sessions: TaskSessions
    ) -> None:
        @app.task
        def count() -> tuple[bool, int]:
            return sessions.current.begun, len(manager.registry.sessions())

        assert count.delay().get() == (False, 0)

    def test_made_in_the_middle_of_a_task(
        self, app: Celery, manager: TempFileManager, caplog: pytest.LogCaptureFixture
    ) -> None:
        @app.task
        def begin() -> None:
            kept.append(TaskSessions(manager))

        kept: list[TaskSessions] = []
        assert begin.delay().get() is None
        assert caplog.messages == []
