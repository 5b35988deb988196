"""``why`` about what does not answer: a file on a mount that hangs, and processes that cannot be looked into."""

import builtins
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hanging_mount import hanging_mount
from patience import PATIENCE
from serving import service
from temp_file_manager import TempFileManager
from temp_file_manager.cli.commands.why import headline
from temp_file_manager.inspection import patience
from temp_file_manager.inspection.patience import MOST, SECONDS, Patience
from temp_file_manager.inspection.prospects import Rule
from temp_file_manager.inspection.why import Explanation, why
from temp_file_manager.records import Status
from temp_file_manager.testing import FakeClock


def in_time(clock: FakeClock, ask: Callable[[], Any], hangs: threading.Event | None = None) -> Any:
    """Return what somebody is told who asks, and whose patience ends with the first look, or when one ``hangs``."""
    told: list[Any] = []
    thread = threading.Thread(target=lambda: told.append(ask()), daemon=True)
    thread.start()
    assert hangs is None or hangs.wait(PATIENCE)
    clock.until_waiting()
    clock.advance(SECONDS)
    thread.join(PATIENCE)
    assert told, "it waits on"
    return told[0]


@contextmanager
def blocked_maps(pid: int, place: Path) -> Iterator[threading.Event]:
    """Have the list of a process's mappings not be told until the block ends: it is a pipe that nobody writes to."""
    pipe, real, hangs = place / "pipe", builtins.open, threading.Event()
    os.mkfifo(pipe)

    def opened(file: Any, *how: Any, **more: Any) -> Any:
        if file != f"/proc/{pid}/maps":
            return real(file, *how, **more)
        hangs.set()
        return real(pipe, *how, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(builtins, "open", opened)
        yield hangs
    while patience.hanging():
        with suppress(OSError):  # nobody reads it just now
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))


def come_back() -> None:
    """Wait until no look is left behind."""
    for thread in threading.enumerate():
        if thread.name == "temp-file-look":
            thread.join(PATIENCE)
    assert patience.hanging() == 0


@pytest.fixture(autouse=True)
def all_come_back() -> Iterator[None]:
    yield
    come_back()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(tmp_path: Path, clock: FakeClock, request: pytest.FixtureRequest) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", 100, registry=request.param, clock=clock)) as manager:
        yield manager


class TestFiles:
    def test_a_due_file_on_a_mount_that_hangs(self, manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
        with hanging_mount(tmp_path / "mount", ["stuck"]) as mount:
            if mount is None:
                return
            path = mount.place / "stuck"
            manager.register_file(path, ttl=0)
            mount.deaf = True
            story: Explanation = in_time(clock, lambda: why(manager.context, path))
        assert (story.kind, story.unanswered, story.users.processes) == ("unknown", ("file",), ())
        assert (story.same_file, story.same_directory, story.size) == (None, None, None)
        for forecast in (story.cleanup, story.command_line, story.scheduled):
            assert (forecast.status, forecast.rule) == (Status.FAILED, Rule.OBSTACLE)
        assert headline(story) == "stays: it does not answer"

    def test_one_that_is_not_registered(self, manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
        with hanging_mount(tmp_path / "mount", ["stuck"]) as mount:
            if mount is None:
                return
            mount.deaf = True
            story: Explanation = in_time(clock, lambda: why(manager.context, mount.place / "stuck"))
        assert (story.record, story.kind, story.unanswered) == (None, "unknown", ("file",))
        assert headline(story) == "not registered by this path, and it does not answer"

    def test_after_some_have_been_left_behind_no_more_is_looked_at(
        self, manager: TempFileManager, clock: FakeClock, tmp_path: Path
    ) -> None:
        """And once they have come back, everything is."""
        there = tmp_path / "there"
        there.touch()
        back = threading.Event()
        for _ in range(MOST):
            assert in_time(clock, lambda: Patience(clock).ask(lambda: back.wait(PATIENCE), otherwise=False)) is False
        story = why(manager.context, there)
        assert (story.kind, story.unanswered) == ("unknown", ("file",))
        back.set()
        come_back()
        assert why(manager.context, there).kind == "a regular file"

    def test_an_error_is_the_askers(self, clock: FakeClock) -> None:
        def look() -> None:
            raise KeyError(7)

        with pytest.raises(KeyError, match="7"):
            Patience(clock).ask(look, None)


class TestProcesses:
    def test_one_that_cannot_be_looked_into(self, manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
        path = Path(manager.base_dir, "file")
        path.write_bytes(b"x")
        manager.register_file(path, ttl=50)
        with blocked_maps(os.getpid(), tmp_path) as hangs:
            story: Explanation = in_time(clock, lambda: why(manager.context, path), hangs)
        assert (story.kind, story.unanswered, story.users.complete) == ("a regular file", ("processes",), False)
        assert (story.rule, story.size) == (Rule.TTL, 1)


class TestService:
    @pytest.fixture
    def manager(self, tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
        with closing(TempFileManager(tmp_path / "base", registry="sqlite:", clock=clock)) as manager:
            yield manager

    def test_it_is_answered(self, manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
        with service(manager) as client, hanging_mount(tmp_path / "mount", ["stuck", "other"]) as mount:
            if mount is None:
                return
            manager.register_file(mount.place / "stuck", ttl=0)
            mount.deaf = True
            story = in_time(clock, lambda: client.get(f"/v1/files/why?path={mount.place}/stuck")).json
            assert (story["kind"], story["unanswered"], story["run"]["outcome"]) == ("unknown", ["file"], "failed")
            answer = in_time(clock, lambda: client.get(f"/v1/files/why?path={mount.place}/other"))
            assert (answer.status, answer.json["detail"]) == (503, "its directory does not answer")
            assert answer.headers["retry-after"] == "10"

    def test_of_processes(self, manager: TempFileManager, clock: FakeClock, tmp_path: Path) -> None:
        path = Path(manager.base_dir, "file")
        path.write_bytes(b"x")
        with service(manager) as client, blocked_maps(os.getpid(), tmp_path) as hangs:
            story = in_time(clock, lambda: client.get(f"/v1/files/why?path={path}"), hangs).json
        assert (story["kind"], story["unanswered"], story["open_in"]) == ("a regular file", ["processes"], [])
