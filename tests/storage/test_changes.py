"""Changes in directories: what both sources tell, what inotify does at its limits, and that nothing is left behind."""

import errno
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patience import PATIENCE
from temp_file_manager.storage.changes import changes as choosing
from temp_file_manager.storage.changes import hints as hinting
from temp_file_manager.storage.changes.changes import Changes, first_source
from temp_file_manager.storage.changes.contract import Source
from temp_file_manager.storage.changes.hints import Changed, Hints
from temp_file_manager.storage.changes.inotify_source import InotifySource
from temp_file_manager.storage.changes.watchdog_source import WatchdogSource
from temp_file_manager.storage.kernel import statx
from temp_file_manager.storage.kernel.inotify import Inotify, limits
from temp_file_manager.storage.tree import Part, Tree
from temp_file_manager.testing import in_child

LOGGER = "aiecs.tools.temp_file_manager"


class Ears:
    """Hears hints, and keeps them for a test to wait for."""

    def __init__(self) -> None:
        self.rung = threading.Event()
        self.hints = Hints(self.rung.set)
        self.heard: list[Changed] = []

    def hear(self) -> list[Changed]:
        self.heard += self.hints.take()
        return self.heard

    def until(self, path: str, *, root: Path | None = None, whole: bool | None = None) -> None:
        """Return once it has heard of a directory."""
        while not any(
            one.path == path and (root is None or one.root == str(root)) and whole in (None, one.whole)
            for one in self.hear()
        ):
            assert self.rung.wait(PATIENCE), f"nothing told of {path!r}: {self.heard}"
            self.rung.clear()

    def paths(self) -> set[str]:
        return {one.path for one in self.hear()}


def walk(source: Source, root: Path, *, path: str = "") -> None:
    """Go through a tree as adoption does."""
    with Tree(str(root), lambda _: None, lambda _, __: None) as tree:
        for _ in tree.entries(Part(path, enter=lambda path, directory: source.enter(str(root), path, directory))):
            pass


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "other").mkdir()
    return root


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def inotifies() -> int:
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum(os.path.lexists(link) and os.readlink(link) == "anon_inode:inotify" for link in links)


class TestSources:
    """The contract, which each of them keeps."""

    @pytest.fixture(params=[InotifySource, WatchdogSource])
    def kind(self, request: pytest.FixtureRequest) -> Callable[[Hints], Source]:
        kind: Callable[[Hints], Source] = request.param
        return kind

    @pytest.fixture
    def source(self, kind: Callable[[Hints], Source], ears: Ears, root: Path) -> Iterator[Source]:
        source = kind(ears.hints)
        walk(source, root)
        source.walked(str(root))
        yield source
        source.close()

    @pytest.mark.parametrize("path", ["", "a", "a/b"])
    @pytest.mark.usefixtures("source")
    def test_a_file_that_is_written(self, ears: Ears, root: Path, path: str) -> None:
        (root / path / "file").write_text("content")
        ears.until(path)

    @pytest.mark.usefixtures("source")
    def test_a_file_that_is_written_to_again(self, ears: Ears, root: Path) -> None:
        (root / "a" / "file").touch()
        ears.until("a")
        with (root / "a" / "file").open("a") as file:
            (root / "other" / "mark").touch()
            ears.until("other")
            ears.heard.clear()
            file.write("more")
        ears.until("a")

    @pytest.mark.usefixtures("source")
    def test_a_file_that_is_moved_there(self, ears: Ears, root: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "file").rename(root / "a" / "b" / "file")
        ears.until("a/b")

    @pytest.mark.usefixtures("source")
    def test_a_directory_that_is_made(self, ears: Ears, root: Path) -> None:
        (root / "a" / "new").mkdir()
        ears.until("a/new", whole=True)

    def test_a_directory_that_is_moved_there_with_all_below(
        self, source: Source, ears: Ears, root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "new" / "deeper").mkdir(parents=True)
        (tmp_path / "new").rename(root / "a" / "new")
        ears.until("a/new", whole=True)
        walk(source, root, path="a/new")
        (root / "a" / "new" / "deeper" / "file").touch()
        ears.until("a/new/deeper")

    def test_a_directory_that_is_moved_within(self, source: Source, ears: Ears, root: Path) -> None:
        (root / "a").rename(root / "other" / "a")
        ears.until("other/a", whole=True)
        walk(source, root, path="other/a")
        ears.heard.clear()
        (root / "other" / "a" / "b" / "file").touch()
        ears.until("other/a/b")

    def test_a_directory_that_is_removed_and_made_again(self, source: Source, ears: Ears, root: Path) -> None:
        shutil.rmtree(root / "a")
        (root / "a").mkdir()
        ears.until("a", whole=True)
        walk(source, root, path="a")
        ears.heard.clear()
        (root / "a" / "file").touch()
        ears.until("a")

    def test_a_look_is_no_change(self, source: Source, ears: Ears, root: Path) -> None:
        """Or it would be followed by another, without end."""
        (root / "a" / "file").touch()
        ears.until("a")
        (root / "other" / "first").touch()
        ears.until("other")
        ears.heard.clear()
        walk(source, root)
        assert (root / "a" / "file").read_text() == ""
        (root / "a" / "b" / "last").touch()
        ears.until("a/b")
        assert ears.paths() <= {"a/b", "other"}

    def test_a_walk_again_changes_nothing(self, source: Source, ears: Ears, root: Path) -> None:
        before = source.directories
        walk(source, root)
        source.walked(str(root))
        assert source.directories == before > 0
        (root / "a" / "file").touch()
        ears.until("a")

    def test_what_is_left_is_told_of_no_more(self, source: Source, ears: Ears, root: Path, tmp_path: Path) -> None:
        second = tmp_path / "second"
        second.mkdir()
        walk(source, second)
        source.leave(str(root))
        (root / "a" / "file").touch()
        (second / "file").touch()
        ears.until("", root=second)
        assert {one.root for one in ears.heard} == {str(second)}
        source.leave(str(second))
        assert source.directories == 0

    def test_two_trees_of_which_one_is_in_the_other(self, source: Source, ears: Ears, root: Path) -> None:
        walk(source, root / "a")
        (root / "a" / "b" / "file").touch()
        ears.until("a/b", root=root)
        ears.until("b", root=root / "a")

    @pytest.mark.usefixtures("source")
    def test_names_of_every_kind(self, ears: Ears, root: Path) -> None:
        name = os.fsdecode(b"line\nbreak \xff")
        (root / name).mkdir()
        ears.until(name, whole=True)

    def test_another_directory_in_the_place_of_the_top(
        self, source: Source, ears: Ears, root: Path, tmp_path: Path
    ) -> None:
        root.rename(tmp_path / "away")
        root.mkdir()
        walk(source, root)
        source.walked(str(root))
        ears.hear()
        ears.heard.clear()
        (root / "file").touch()
        ears.until("")

    def test_nothing_is_left_when_it_is_closed(self, kind: Callable[[Hints], Source], ears: Ears, root: Path) -> None:
        kind(ears.hints).close()  # what is imported, and kept open by that, is open before
        threads, before = set(threading.enumerate()), descriptors()
        source = kind(ears.hints)
        walk(source, root)
        (root / "file").touch()
        ears.until("")
        source.close()
        for thread in set(threading.enumerate()) - threads:
            thread.join(PATIENCE)
        assert (set(threading.enumerate()) - threads, descriptors()) == (set(), before)


def test_nothing_is_left_of_a_source_that_cannot_be_had(ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    before = descriptors()
    monkeypatch.setattr(os, "eventfd", fails)
    with pytest.raises(OSError, match="Too many open files") as caught:
        InotifySource(ears.hints)
    assert descriptors() == before
    del caught


# -- hints


def test_what_changes_often_is_looked_at_once() -> None:
    rings: list[None] = []
    hints = Hints(lambda: rings.append(None))
    for _ in range(1000):
        hints.add("/root", "a")
    assert len(rings) == len(hints) == 1
    assert hints.take() == [Changed("/root", "a", whole=False)]
    assert hints.take() == []
    hints.add("/root", "a")
    assert len(rings) == 2


def test_what_lies_in_what_is_looked_at_whole_is_looked_at_once() -> None:
    hints = Hints(lambda: None)
    for path, whole in (("a/b/c", False), ("a/b", True), ("a", False), ("ab", False), ("a/b/c/d", True)):
        hints.add("/root", path, whole=whole)
    hints.add("/root", "ab")
    hints.add("/other", "a/b/c")
    assert [tuple(one) for one in hints.take()] == [
        ("/root", "a", False),
        ("/root", "a/b", True),
        ("/root", "ab", False),
        ("/other", "a/b/c", False),
    ]


def test_whole_stays_whole() -> None:
    hints = Hints(lambda: None)
    hints.add("/root", "a", whole=True)
    hints.add("/root", "a")
    assert hints.take() == [Changed("/root", "a", whole=True)]


def test_of_very_many_the_whole_tree_is_looked_at() -> None:
    hints = Hints(lambda: None)
    for number in range(hinting.MOST + 5):
        hints.add("/root", f"new {number}", whole=True)
        assert len(hints) <= hinting.MOST
    assert hints.take() == [Changed("/root", "", whole=True)]


def test_what_is_put_back_rings_nobody() -> None:
    rung = threading.Event()
    changes = Changes(rung.set)
    changes.put_back(Changed("/root", "a", whole=True))
    assert (rung.is_set(), changes.waiting) == (False, 1)
    assert changes.take() == [Changed("/root", "a", whole=True)]


# -- inotify


def test_an_overflow_is_a_look_at_everything(root: Path) -> None:
    """The kernel's own queue: somebody who does not read, while more is made than it holds."""
    reading = threading.Event()
    rung = threading.Event()

    def ring() -> None:
        rung.set()
        assert reading.wait(PATIENCE)

    hints = Hints(ring)
    source = InotifySource(hints)
    walk(source, root)
    (root / "a" / "first").touch()
    assert rung.wait(PATIENCE)
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
        queued = int(file.read())
    for number in range(queued // 2 + 100):  # each is made, and closed after writing
        (root / "other" / str(number)).touch()
    assert hints.take() == [Changed(str(root), "a", whole=False)]
    reading.set()
    taken: dict[str, bool] = {}
    while not taken.get(""):
        rung.clear()
        taken |= {one.path: one.whole for one in hints.take()}
        assert taken.get("") or rung.wait(PATIENCE)
    source.close()


def kernels_watches() -> int:
    """Return how many watches the kernel has for this process."""
    count = 0
    for name in os.listdir("/proc/self/fdinfo"):
        try:
            with open(f"/proc/self/fdinfo/{name}", encoding="ascii") as file:
                count += sum(line.startswith("inotify wd:") for line in file)
        except FileNotFoundError:  # that of the listing
            continue
    return count


def test_the_kernel_watches_what_is_in_any_tree_and_no_more(ears: Ears, root: Path) -> None:
    source = InotifySource(ears.hints)
    for top in (root, root / "a"):
        walk(source, top)
    assert (source.directories, kernels_watches()) == (6, 4)
    source.leave(str(root))
    assert (source.directories, kernels_watches()) == (2, 2)
    source.leave(str(root / "a"))
    assert (source.directories, kernels_watches()) == (0, 0)
    source.close()


def test_a_directory_that_went_elsewhere_is_watched_until_the_next_walk(ears: Ears, root: Path, tmp_path: Path) -> None:
    source = InotifySource(ears.hints)
    walk(source, root)
    source.walked(str(root))
    assert source.directories == 4
    (root / "a").rename(tmp_path / "away")
    walk(source, root)
    source.walked(str(root))
    assert source.directories == 2
    source.close()


def test_the_end_of_the_top_is_a_look_at_everything(ears: Ears, root: Path) -> None:
    source = InotifySource(ears.hints)
    walk(source, root)
    shutil.rmtree(root)
    ears.until("", whole=True)
    while source.directories:  # each end is an event
        assert ears.rung.wait(PATIENCE)
        ears.hear()
    source.close()


def test_a_child_has_no_part_in_it(ears: Ears, root: Path) -> None:
    changes = Changes(ears.rung.set)
    changes.begin()
    with changes.walk(str(root), watch=True) as going, Tree(str(root), lambda _: None, lambda _, __: None) as tree:
        assert list(tree.entries(Part(enter=going.enter))) == []
    assert inotifies() == 1

    def child() -> bool:
        (root / "a" / "of the child").touch()
        own = changes.directories, changes.waiting, inotifies()
        changes.close()
        return own == (0, 0, 0)

    assert in_child(child)
    assert ears.rung.wait(PATIENCE)
    assert [one.path for one in changes.take()] == ["a"]
    assert changes.directories == 4
    changes.close()


def test_a_directory_is_watched_by_what_it_is_and_not_by_its_path(ears: Ears, root: Path, tmp_path: Path) -> None:
    """A path may lead elsewhere by then."""
    source = InotifySource(ears.hints)
    directory = os.open(root / "a", os.O_RDONLY)
    (root / "a").rename(tmp_path / "away")
    (root / "a").symlink_to(root / "other")
    source.enter(str(root), "a", directory)
    os.close(directory)
    (root / "other" / "file").touch()
    (tmp_path / "away" / "file").touch()
    ears.until("a")
    source.close()
    file = os.open(root / "other" / "file", os.O_RDONLY)
    inotify = Inotify()
    with pytest.raises(NotADirectoryError):
        inotify.add(file)
    inotify.close()
    os.close(file)


LIMITED = """
import os, sys, logging
from pathlib import Path
limit, number, root = sys.argv[1:]
Path(f"/proc/sys/user/{limit}").write_text(number)
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from temp_file_manager.storage.changes.changes import Changes
from temp_file_manager.storage.tree import Part, Tree
changes = Changes(lambda: None)
changes.begin()
for _ in range(2):
    with changes.walk(root, watch=True) as walk, Tree(root, lambda _: None, lambda _, __: None) as tree:
        assert list(tree.entries(Part(enter=walk.enter))) == []
        walk.complete = True
print(changes.directories, changes.unwatched, len(os.listdir("/proc/self/fd")))
changes.close()
print(len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.parametrize(
    ("limit", "number", "told", "counts"),
    [
        ("max_inotify_watches", 3, "max_user_watches", (3, 1)),
        ("max_inotify_instances", 0, "max_user_instances", (0, 4)),
    ],
)
def test_limits_of_the_kernel_are_told_once(
    root: Path, limit: str, number: int, told: str, counts: tuple[int, int]
) -> None:
    """Real ones: those of a user namespace."""
    alone = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*alone, "test", "-w", f"/proc/sys/user/{limit}"], check=False, capture_output=True).returncode:
        pytest.skip("not tried: there are no user namespaces with limits of their own here")
    command = [*alone, sys.executable, "-c", LIMITED, limit, str(number), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    line, found, after = done.stdout.splitlines()
    assert told in line
    watched, unwatched, before = map(int, found.split())
    assert (watched, unwatched) == counts
    assert int(after) == before - 2 * bool(watched)


# -- which source there is


def test_without_inotify_watchdog_tells(ears: Ears, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statx, "system_call", lambda _: None)
    monkeypatch.setattr("temp_file_manager.storage.kernel.inotify.system_call", lambda _: None)
    source = first_source(ears.hints, choosing.SOURCES)
    assert source.name == "watchdog"
    source.close()


def test_without_either_walks_alone_find_what_is_new(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("temp_file_manager.storage.kernel.inotify.system_call", lambda _: None)
    monkeypatch.setitem(sys.modules, "watchdog.observers", None)
    changes = Changes(lambda: None)
    changes.begin()
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(2):
            with changes.walk(str(root), watch=True) as going, Tree(str(root), lambda _: None, lambda _, __: None) as t:
                assert list(t.entries(Part(enter=going.enter))) == []
                going.complete = True
    assert [record.message for record in caplog.records] == [
        "Not every directory can be watched, and new files there wait for a sweep: nothing here tells of events: "
        "install watchdog, for one by the extra temp-file-manager[monitor]"
    ]
    assert (changes.directories, changes.unwatched) == (0, 4)
    changes.close()


def test_a_call_that_is_forbidden_is_none(ears: Ears) -> None:
    def forbidden(_: Hints) -> Source:
        raise OSError(errno.EPERM, "forbidden")

    source = first_source(ears.hints, (forbidden, InotifySource))
    assert source.name == "inotify"
    source.close()


def test_before_it_begins_nothing_is_watched(ears: Ears, root: Path) -> None:
    before = descriptors()
    changes = Changes(ears.rung.set)
    for begun, watch in ((False, True), (True, False)):
        assert changes.begin() if begun else True
        with changes.walk(str(root), watch=watch) as going, Tree(str(root), lambda _: None, lambda _, __: None) as tree:
            assert list(tree.entries(Part(enter=going.enter))) == []
        assert (changes.directories, descriptors()) == (0, before)
    assert not changes.begin()


def test_limits_are_read(tmp_path: Path) -> None:
    (tmp_path / "max_user_watches").write_text("8192\n")
    assert limits(str(tmp_path)) == (8192, 0)
    assert min(limits()) > 0


# -- a walk that begins somewhere


def listed(root: Path, part: Part, skipped: list[tuple[str, str]]) -> set[str]:
    with Tree(str(root), lambda _: None, lambda path, reason: skipped.append((path, reason.name))) as tree:
        return {entry.path for entry in tree.entries(part)}


def test_a_part_of_a_tree_is_walked_through(root: Path) -> None:
    for path in ("1", "a/2", "a/b/3", "other/4"):
        (root / path).touch()
    skipped: list[tuple[str, str]] = []
    assert listed(root, Part("a"), skipped) == {"a/2", "a/b/3"}
    assert listed(root, Part("a", whole=False), skipped) == {"a/2"}
    assert listed(root, Part("", whole=False), skipped) == {"1"}
    assert listed(root, Part("a/b"), skipped) == {"a/b/3"}
    assert skipped == []


def test_what_leads_to_a_part_is_judged_as_on_a_walk_from_the_top(root: Path) -> None:
    (root / ".temp-file-manager" / "x").mkdir(parents=True)
    (root / "link").symlink_to(root / "a")
    theirs = os.open(root / "other", os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    (root / "other" / "below").mkdir()
    before = descriptors()
    for path, at, reason in (
        (".temp-file-manager/x", ".temp-file-manager", "OURS"),
        ("link/b", "link", "VANISHED"),
        ("missing/b", "missing", "VANISHED"),
        ("other/below", "other", "LOCKED"),
        ("/".join("d" * 300), "d", "VANISHED"),
        ("..", "..", "VANISHED"),
        ("a/../../" + root.name, "a/..", "VANISHED"),
        ("a//b", "a/", "VANISHED"),
    ):
        skipped: list[tuple[str, str]] = []
        assert listed(root, Part(path), skipped) == set()
        assert skipped == [(at, reason)]
    os.close(theirs)
    assert descriptors() == before - 1
