"""Watched directories: what comes to be there is on record when somebody tells of it, and whatever is not told of."""

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command_line import MODULE, environment
from contexts import timed
from mounts import mounted
from patience import PATIENCE
from temp_file_manager import TempFileManager
from temp_file_manager.adopt import survey
from temp_file_manager.adopt.changed_directories import AGAIN, SETTLE, SHARE, ChangedDirectories
from temp_file_manager.adopt.watched import RECENT, adopt_watched, unwatch, watch, watched
from temp_file_manager.context import Context
from temp_file_manager.records import TempFile
from temp_file_manager.settings import Settings
from temp_file_manager.storage.changes.changes import Changes
from temp_file_manager.storage.changes.inotify_source import InotifySource
from temp_file_manager.sweeping.scheduler import WATCH
from temp_file_manager.testing import FakeClock, in_child
from trees import make

FOR_EVER = 100_000.0
LOGGER = "aiecs.tools.temp_file_manager"
ROOT = os.geteuid() == 0
NOBODY = 65534


class Watching:
    """A watched directory, and whoever looks at it when told to, by hand.

    Args:
        manager: Whose registry it is.
        tree: The directory.
        wanted: What ``survey.wanted`` takes.
    """

    def __init__(self, manager: TempFileManager, tree: Path, **wanted: Any) -> None:
        self.tree = tree
        self.rung = threading.Event()
        self.context: Context = replace(manager.context, changes=Changes(self.ring))
        self._looks = ChangedDirectories(self.context)
        watch(self.context, survey.wanted(tree, watch=True, **wanted))
        self.look()

    def ring(self) -> None:
        self.rung.set()

    def look(self) -> None:
        self._looks.look(lambda: False)

    def until(self, done: Callable[[], bool]) -> None:
        """Look whenever something tells of a change, until that has come true."""
        while not done():
            assert self.rung.wait(PATIENCE), sorted(self.context.registry.files)
            self.rung.clear()
            self.look()

    def until_known(self, *paths: Path) -> list[TempFile]:
        """Look until these are on record."""
        wanted = [str(path) for path in paths]
        registry = self.context.registry
        self.until(lambda: len(registry.get(wanted)) == len(wanted))
        return [registry.get(wanted)[path] for path in wanted]

    def mark(self) -> None:
        """Make a file, and return when it has been found: by then so has been what was told of before."""
        self.until_known(*make(self.tree, f"mark {time.monotonic_ns()}"))

    def on_record(self) -> set[str]:
        top = f"{self.tree}/"
        return {path.removeprefix(top) for path in self.context.registry.files if not path.startswith(f"{top}mark")}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", FOR_EVER, registry="sqlite:", settings=Settings(max_age=FOR_EVER))
    yield manager
    manager.close()


@pytest.fixture
def watching(manager: TempFileManager, tree: Path) -> Iterator[Watching]:
    watching = Watching(manager, tree)
    yield watching
    watching.context.changes.close()


# -- what is adopted


def test_what_was_there_before_is_on_record_at_once(manager: TempFileManager, tree: Path) -> None:
    """Whatever the age: nobody will tell of it."""
    paths = make(tree, "a", "b/c")
    watching = Watching(manager, tree)
    assert set(manager.files) == set(map(str, paths))
    assert watching.context.changes.directories == 2
    watching.context.changes.close()


def test_a_new_file_has_its_true_age(watching: Watching, tmp_path: Path, tree: Path) -> None:
    (written,) = make(tree, "written")
    (moved,) = make(tmp_path, "moved")
    os.utime(moved, (1, 1))
    moved.rename(tree / "moved")
    for record, path in zip(watching.until_known(written, tree / "moved"), (written, tree / "moved"), strict=True):
        changed = path.stat().st_ctime
        assert changed - 1 < record.registered_at <= changed + 1
        assert (record.tags, record.due_at) == (("adopted",), None)


def test_a_ttl_that_was_given_is_theirs(manager: TempFileManager, tree: Path) -> None:
    watching = Watching(manager, tree, ttl=500)
    (record,) = watching.until_known(*make(tree, "file"))
    assert record.due_at == record.registered_at + 500
    watching.context.changes.close()


def test_a_file_that_is_seen_before_it_is_written_is_right_in_the_end(
    manager: TempFileManager, watching: Watching, tree: Path
) -> None:
    with (tree / "file").open("w") as file:
        (record,) = watching.until_known(tree / "file")
        assert record.size == 0
        file.write("twelve bytes")
    os.utime(tree / "file", (time.time() + 5, time.time() + 5))  # as if it had taken so long
    watching.mark()
    later = timed(manager, FakeClock(wall=time.time() + 2 * RECENT))
    adopt_watched(later)
    (record,) = watching.until_known(tree / "file")
    assert (record.size, record.identity is not None) == (12, True)
    assert record.registered_at >= (tree / "file").stat().st_mtime


def test_a_file_in_the_place_of_another_is_known_for_itself(
    manager: TempFileManager, watching: Watching, tree: Path
) -> None:
    (first,) = watching.until_known(*make(tree, "file"))
    (tree / "new").write_text("another")
    (tree / "new").replace(tree / "file")
    watching.mark()
    adopt_watched(timed(manager, FakeClock(wall=time.time() + 2 * RECENT)))
    (record,) = watching.until_known(tree / "file")
    assert record.identity is not None
    assert first.identity is not None
    assert record.identity.inode == (tree / "file").stat().st_ino != first.identity.inode


def test_what_its_application_registers_is_its_applications(
    manager: TempFileManager, watching: Watching, tree: Path
) -> None:
    """Before it was found, or after."""
    after, before = make(tree, "after", "before")
    manager.register_file(before, ttl=7, tags=("mine",))
    watching.until_known(after)
    manager.register_file(after, ttl=7, tags=("mine",))
    for path in (after, before):
        with path.open("a") as file:
            file.write("more")
    watching.mark()
    assert [record.tags for record in watching.until_known(after, before)] == [("mine",)] * 2


def test_what_matches_an_exclude_stays_wherever_it_turns_up(manager: TempFileManager, tree: Path) -> None:
    (tree / "keep").mkdir()
    watching = Watching(manager, tree, exclude=["keep", "*.lock", "a/no"])
    make(tree, "keep/1", "2.lock", "a/no/3", "a/keep/4", "a/yes/5", ".temp-file-manager/6")
    watching.until_known(tree / "a" / "yes" / "5")
    make(tree, "a/yes/keep/7", "a/yes/.temp-file-manager/8")  # in what is watched by now
    watching.mark()
    assert watching.on_record() == {"a/yes/5"}
    assert watching.context.changes.directories == 3
    watching.context.changes.close()


def test_thousands_of_directories_that_are_made_quickly(watching: Watching, tree: Path) -> None:
    """Between a directory and its watch others may be made in it, and files: a walk that comes after finds them."""
    program = """
import os, sys
for number in range(300):
    path = sys.argv[1] + "/" + str(number)
    for name in "abcdefghij":
        os.mkdir(path)
        open(path + "/file", "w").close()
        path += "/" + name
"""
    with subprocess.Popen([sys.executable, "-c", program, str(tree)]) as making:
        watching.until(lambda: len(watching.context.registry.files) == 3000)
        assert making.wait(PATIENCE) == 0
    assert watching.context.changes.directories == 3001


MAKING = """
import os, sys
place, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    os.close(os.open(f"{place}/{number * 100 // count}/{number}", os.O_CREAT | os.O_WRONLY))
"""


def test_of_more_than_the_kernel_can_tell_nothing_is_lost(manager: TempFileManager, tree: Path) -> None:
    """Two processes make files while nobody reads what is told: the queue overflows, and a walk finds the rest.

    ``python -m benchmarks.campaigns overflow`` makes 50,000.
    """
    for name in "ab":
        for number in range(100):
            (tree / name / str(number)).mkdir(parents=True)
    reading = threading.Event()

    class Slow(Watching):
        def ring(self) -> None:
            super().ring()
            assert reading.wait(PATIENCE)

    watching = Slow(manager, tree)
    making = [subprocess.Popen([sys.executable, "-c", MAKING, str(tree / name), "10000"]) for name in "ab"]
    assert [process.wait(PATIENCE) for process in making] == [0, 0]
    reading.set()
    watching.until(lambda: manager.context.registry.stats().records == 20_000)
    watching.context.changes.close()


# -- directories that come and go


def test_a_directory_that_is_renamed_and_another_in_its_place(watching: Watching, tree: Path) -> None:
    """What is on record keeps its record: a file that was moved is not followed."""
    watching.until_known(*make(tree, "a/b/1"))
    (tree / "a").rename(tree / "away")
    watching.until_known(*make(tree, "a/b/2", "away/b/3"))
    watching.until_known(*make(tree, "a/b/4", "away/b/5"))
    assert watching.on_record() - {"away/b/1"} == {"a/b/1", "a/b/2", "away/b/3", "a/b/4", "away/b/5"}


def test_another_directory_in_the_place_of_the_watched_one_is_not_adopted_from(
    watching: Watching, tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it is adopted from in its own right."""
    make(tree, "file")
    watching.until_known(tree / "file")
    shutil.rmtree(tree)
    watching.until(lambda: "Nothing adopted from" in caplog.text)
    tree.mkdir()
    make(tree, "new")
    assert adopt_watched(watching.context) == ()
    assert "another directory has taken its place" in caplog.text
    watch(watching.context, survey.wanted(tree, watch=True))
    adopt_watched(watching.context)
    watching.until_known(tree / "new", *make(tree, "newer", "newest/of all"))


def test_what_is_made_by_another_mount_of_the_directory(manager: TempFileManager, tree: Path, tmp_path: Path) -> None:
    (tree / "a").mkdir()
    (tmp_path / "mounted").mkdir()
    with mounted(tmp_path / "mounted", ["mount", "--bind", str(tree), str(tmp_path / "mounted")]):
        watching = Watching(manager, tmp_path / "mounted")
        make(tree, "a/file")
        watching.until_known(tmp_path / "mounted" / "a" / "file")
        watching.context.changes.close()


def test_what_is_mounted_in_a_directory_is_not_watched(watching: Watching, tree: Path) -> None:
    (tree / "disk").mkdir()
    watching.mark()
    with mounted(tree / "disk", ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tree / "disk")]):
        make(tree, "disk/a/file")
        watching.look()
        adopt_watched(watching.context)
        watching.mark()
        assert watching.on_record() == set()
        assert watching.context.changes.directories == 1


def test_a_directory_that_cannot_be_read_for_a_while(watching: Watching, open_to_all: Path) -> None:
    if not ROOT:
        unreadable_for_a_while(open_to_all)
        return
    watching.mark()  # what is imported for that, nobody may be unable to read
    home = open_to_all / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)

    def work() -> bool:
        os.setuid(NOBODY)
        unreadable_for_a_while(home)
        return True

    assert in_child(work)


def unreadable_for_a_while(place: Path) -> None:
    (place / "tree" / "a").mkdir(parents=True)
    tree, manager = place / "tree", TempFileManager(place / "base", FOR_EVER, registry="sqlite:")
    watching = Watching(manager, tree)
    (tree / "a").chmod(0o300)
    hidden = make(tree, "a/1")
    watching.until_known(*make(tree, "2"))
    watching.mark()
    assert watching.on_record() == {"2"}
    (tree / "a").chmod(0o700)
    watching.until_known(*make(tree, "a/3"), *hidden)
    (tree / "a").chmod(0o300)
    adopt_watched(watching.context)  # which gives up its watch
    assert watching.context.changes.directories == 1
    (tree / "a").chmod(0o700)
    (late,) = make(tree, "a/4")
    adopt_watched(watching.context)
    watching.until_known(late, *make(tree, "a/5"))
    watching.context.changes.close()
    manager.close()


def test_what_somebody_has_locked_is_looked_at_later(watching: Watching, tree: Path) -> None:
    watching.until_known(*make(tree, "a/1"))
    looks = ChangedDirectories(watching.context)
    assert looks.rest() == watching.context.settings.cleanup_interval > AGAIN
    theirs = os.open(tree / "a", os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    make(tree, "a/2")
    watching.mark()
    assert watching.on_record() == {"a/1"}
    assert looks.rest() == AGAIN
    os.close(theirs)
    watching.look()
    assert watching.on_record() == {"a/1", "a/2"}
    assert looks.rest() > AGAIN


# -- who is told, and for how long


def test_a_mark_remembers_that_it_is_watched(manager: TempFileManager, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    watch(manager.context, survey.wanted(tree, watch=True))
    watch(manager.context, survey.wanted(tmp_path / "other"))
    assert [(one.directory, one.watch) for one in watched(timed(manager, FakeClock()))] == [
        (str(tree), True),
        (str(tmp_path / "other"), False),
    ]


class Silent(InotifySource):
    """Tells of nothing, as a network file system on which another machine writes."""

    def enter(self, root: str, path: str, directory: int) -> None:
        """Hear nothing."""


def test_what_nobody_tells_of_the_next_sweep_finds(manager: TempFileManager, tree: Path) -> None:
    context = replace(manager.context, changes=Changes(lambda: None, (Silent,)))
    watch(context, survey.wanted(tree, watch=True))
    looks = ChangedDirectories(context)
    looks.look(lambda: False)
    make(tree, "a/b")
    looks.look(lambda: False)
    assert not manager.files
    adopt_watched(context)
    assert list(manager.files) == [str(tree / "a" / "b")]
    context.changes.close()


def test_without_room_for_a_thread_the_next_sweep_finds_what_is_new(
    manager: TempFileManager, tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    (file,) = make(tree, "file")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        watching = Watching(manager, tree)
    assert list(manager.files) == [str(file)]
    assert "new files there wait for a sweep: can't start new thread" in caplog.text
    assert watching.context.changes.unwatched == 1
    adopt_watched(watching.context)
    assert watching.context.changes.unwatched == 0
    watching.until_known(*make(tree, "another"))
    watching.context.changes.close()


def test_what_is_marked_no_longer_is_watched_no_longer(watching: Watching, tree: Path) -> None:
    unwatch(watching.context, tree)
    make(tree, "file")
    watching.until(lambda: watching.context.changes.directories == 0)
    assert watching.on_record() == set()


def test_only_marks_that_say_so_are_watched(manager: TempFileManager, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    watch(manager.context, survey.wanted(tmp_path / "other"))
    (young,) = make(tmp_path / "other", "young")
    watching = Watching(manager, tree)
    adopt_watched(watching.context)
    assert watching.context.changes.directories == 1
    assert str(young) not in manager.files
    theirs = os.open(tmp_path / "other", os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    adopt_watched(watching.context)
    assert watching.context.changes.waiting == 0
    os.close(theirs)
    watching.context.changes.close()


def test_a_look_can_be_stopped(watching: Watching, tree: Path) -> None:
    make(tree, "file")
    assert watching.rung.wait(PATIENCE)
    ChangedDirectories(watching.context).look(lambda: True)
    assert watching.on_record() == set()


class Slowly(FakeClock):
    """A clock by which everything takes a second."""

    def elapsed(self) -> float:
        self.advance(1)
        return super().elapsed()


def test_who_took_long_rests_longer(manager: TempFileManager) -> None:
    """A directory that changes without end does not have the processor for itself."""
    context = replace(timed(manager, Slowly()), changes=Changes(lambda: None))
    looks = ChangedDirectories(context)
    assert looks.pause() == SETTLE
    looks.look(lambda: False)
    assert looks.pause() == SHARE


@pytest.fixture
def told(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Waits until a started manager has put so many files on record."""
    added, real = threading.Condition(), manager.registry.add

    def add(*args: Any, **how: Any) -> None:
        with added:
            real(*args, **how)
            added.notify_all()

    def until(count: int) -> None:
        last = time.monotonic() + PATIENCE
        with added:  # or another process does, of which this one hears nothing
            while not added.wait_for(lambda: len(manager.files) == count, 0.05):
                assert time.monotonic() < last

    monkeypatch.setattr(manager.registry, "add", add)
    return until


def of_watching() -> tuple[list[str], int]:
    """Return the threads and the descriptors that watching takes."""
    names = [thread.name for thread in threading.enumerate() if "inotify" in thread.name]
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return names, sum(os.path.lexists(link) and "inotify" in os.readlink(link) for link in links)


def test_a_started_manager_watches_until_it_stops(
    manager: TempFileManager, tree: Path, told: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    watch(manager.context, survey.wanted(tree, watch=True))
    make(tree, "before")
    with caplog.at_level(logging.INFO, LOGGER):
        for turn in (1, 2):
            manager.start()
            told(2 * turn - 1)
            make(tree, f"a/{turn}")
            told(2 * turn)
            assert of_watching() == (["temp-file-manager-inotify"], 1)
            assert manager.stop(PATIENCE)
            assert of_watching() == ([], 0)
            make(tree, f"between {turn}")
    assert caplog.text.count(f"Watching {tree} by inotify: ") == 2
    assert manager.context.changes.directories == 0


def test_a_forked_child_watches_nothing_and_may_begin_anew(
    manager: TempFileManager, tree: Path, told: Callable[[int], None]
) -> None:
    watch(manager.context, survey.wanted(tree, watch=True))
    make(tree, "1")
    manager.start()
    told(1)

    def child() -> Any:
        before = of_watching(), manager.context.changes.directories
        manager.start()
        make(tree, "2")
        told(2)
        manager.close()
        return before, of_watching()

    assert in_child(child, timeout=PATIENCE) == [[[[], 0], 0], [[], 0]]
    make(tree, "3")
    told(3)


def test_without_a_watched_directory_nothing_is_opened(manager: TempFileManager, tree: Path) -> None:
    watch(manager.context, survey.wanted(tree))
    manager.start()
    state = manager.context.scheduler.state(WATCH)
    manager.stop(PATIENCE)
    assert (state.failures, of_watching()) == (0, ([], 0))


def test_run_finds_what_the_command_has_marked(tree: Path, tmp_path: Path) -> None:
    """Also what is made after a restart."""
    variables = {"TEMP_FILE_BASE_DIR": str(tmp_path / "base"), "LOG_LEVEL": "DEBUG", "TEMP_FILE_HTTP_PORT": "off"}
    adopting = [*MODULE, "adopt", str(tree), "--keep-adopting", "--watch", "--yes"]
    subprocess.run(adopting, env=environment(**variables), check=True, capture_output=True, timeout=PATIENCE)
    for turn in ("first", "second"):
        command = [*MODULE, "run"]
        with subprocess.Popen(command, env=environment(**variables), stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            lines = iter(running.stderr.readline, "")
            assert next(line for line in lines if f"Watching {tree} by inotify" in line)
            make(tree, f"new/{turn}")
            assert next(line for line in lines if f"Registered temporary file: {tree}/new/{turn}" in line)
            running.terminate()
            running.communicate(timeout=PATIENCE)
        assert running.returncode == 0
