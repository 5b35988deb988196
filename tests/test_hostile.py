"""Attackers and faults against our own cleaner: no other file is touched, nothing is lost, and all goes afterwards.

Faults are real where this machine lets us and injected where not; each test prints which. Root in CI can mount: there a
mount that fails is a failure.
"""

import errno
import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contexts import jobs_of, timed
from hanging_mount import HangingMount
from patience import PATIENCE
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.errors import TempFileError
from temp_file_manager.inspection.check import check
from temp_file_manager.records import Outcome
from temp_file_manager.storage import LocalStorage
from temp_file_manager.testing import (
    HANG,
    HOLDING,
    FailingStorage,
    FakeClock,
    busy,
    filler,
    holders,
    in_child,
    limited,
    openers,
    read_only,
    small_disk,
    swapper,
)

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534
REGISTRIES = ["memory:", "sqlite:"]
AFTER = 4000  # seconds: longer than the first back-off, a lease and the scheduler's interval


def make(directory: Path, count: int, size: int = 0) -> list[str]:
    directory.mkdir(exist_ok=True)
    paths = [str(directory / f"{number:04}") for number in range(count)]
    for path in paths:
        with open(path, "wb") as file:
            file.write(bytes(size))
    return paths


# -- who swaps

ATTEMPTS = 10_000
"""Removals beside who swaps. ``python -m benchmarks.campaigns swap`` makes more."""
FILES = 2000


def snapshot(directory: Path) -> list[tuple[str, int, int, int]]:
    """What would show that a file was touched: its number, its size, and when it was last changed in any way."""
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.stat()) for entry in entries]
    return sorted((name, seen.st_ino, seen.st_size, seen.st_ctime_ns) for name, seen in found)


@dataclass
class Swapped:
    """A directory with our files, and what leads elsewhere while ``pair`` is swapped."""

    mine: Path
    victims: Path
    pair: tuple[Path, Path]
    spare: list[str]

    def refill(self) -> list[str]:
        """Put the same files back under their names. (New ones take ext4 a millisecond each after many removals.)"""
        there = set(os.listdir(self.mine))
        paths = [str(self.mine / os.path.basename(spare)) for spare in self.spare]
        for path, spare in zip(paths, self.spare, strict=True):
            if os.path.basename(path) not in there:
                os.link(spare, path)
        return paths


def swapped(root: Path, kind: str) -> Swapped:
    mine, victims = root / "mine", root / "victims"
    if kind == "the directory above":
        mine, victims = root / "above" / "mine", root / "elsewhere" / "mine"
    for directory in (mine, victims):
        directory.mkdir(parents=True)
    make(victims, FILES, 1)
    spare = make(root / "spare", FILES)
    if kind == "a link":
        (root / "link").symlink_to(victims)
        return Swapped(mine, victims, (mine, root / "link"), spare)
    pair = (mine.parent, victims.parent) if kind == "the directory above" else (mine, victims)
    return Swapped(mine, victims, pair, spare)


@pytest.mark.parametrize("registry", ["sqlite:"])  # in memory a path is all that is known: docs/threat-model.md
def test_cleanups_against_who_swaps_directories_touch_no_victim(tmp_path: Path, registry: str) -> None:
    settings = Settings(cleanup_batch_size=10)  # each batch opens the directory anew
    manager = TempFileManager(tmp_path / "base", registry=registry, settings=settings)
    scenes = [swapped(tmp_path / kind, kind) for kind in ("a directory", "a link", "the directory above")]
    before = [snapshot(scene.victims) for scene in scenes]
    attempts = kept = swaps = 0
    while attempts < ATTEMPTS:
        for scene in scenes:
            manager.register_files(scene.refill())
            with swapper(*scene.pair) as swapping:
                for _ in range(4):
                    report = manager.sweep(force=True)
                    assert report.failed == report.gone == report.replaced == 0, "what comes back is not forgotten"
                    attempts += report.removed + report.kept
                    kept += report.kept
            swaps += swapping.counts["swaps"]
            manager.clear_all()
            assert (len(manager.files), os.listdir(scene.mine)) == (0, []), "all goes once the swapping stops"
    assert [snapshot(scene.victims) for scene in scenes] == before
    assert kept > attempts / 10, "the swapper was hardly met: this test tries nothing"
    assert check(manager.context) == ()
    print(f"{attempts} attempts, {kept} met another directory, {swaps} swaps, atomic: {swapping.counts['atomic']}")
    manager.close()


# -- who opens and holds


def test_racing_openers_lose_nothing_that_they_have_open(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    paths = make(tmp_path / "files", 50)
    kept = 0
    with openers(paths, 2) as opening:
        for _ in range(40):
            manager.register_files(make(tmp_path / "files", 50))
            report = manager.sweep(force=True, protect_open=True)
            kept += report.kept
            assert report.failed == 0
    assert kept, "the openers were never met: this test tries nothing"
    assert opening.counts["taken"] == 0
    manager.close()


@pytest.mark.parametrize("how", HOLDING)
@pytest.mark.parametrize("registry", REGISTRIES)
def test_held_files_stay_and_go_afterwards(tmp_path: Path, registry: str, how: str) -> None:
    manager = TempFileManager(tmp_path / "base", registry=registry)
    paths = make(tmp_path / "files", 3, 100)
    manager.register_files(paths)
    with holders(paths, how) as holding:
        report = manager.sweep(force=True, protect_open=True)
    # What only points at a file cannot read it; where leases decide, it does not count.
    assert (report.kept, report.removed) in ([(3, 0), (0, 3)] if how == "O_PATH" else [(3, 0)])
    assert holding.counts["held"] == 3
    assert manager.sweep(force=True, protect_open=True).removed == report.kept
    assert (len(manager.files), os.listdir(tmp_path / "files")) == (0, [])
    manager.close()


# -- what fails


@dataclass
class Scene:
    """A manager, files whose removal is about to fail, and files that must go all the same."""

    manager: TempFileManager
    clock: FakeClock
    bad: list[str]
    good: list[str] = field(default_factory=list)
    unsettled: bool = False  # whether records and claims may outlive their files: there was no room to settle them

    def sweep(self, by: str) -> str:
        """Sweep by hand or on schedule; return what the sweep raised, if it did."""
        if by == "schedule":
            self.clock.advance(AFTER)
            self.manager.start()
            self.clock.until_waiting(jobs_of(self.manager))
            return ""
        try:
            self.manager.sweep(force=True)
        except (TempFileError, OSError) as error:
            return repr(error)
        return ""

    def assert_nothing_lost(self) -> None:
        recorded = set(self.manager.files)
        there = {path for path in (*self.bad, *self.good) if os.path.lexists(path)}
        assert there <= recorded, "a file that nobody knows any more"
        missing = recorded - there
        assert self.unsettled or not missing
        assert self.manager.registry.stats().records == len(recorded)
        findings = [(finding.kind, finding.subject) for finding in check(timed(self.manager, self.clock))]
        if self.unsettled:
            findings = [(kind, subject) for kind, subject in findings if kind != "lapsed claim"]
        assert sorted(findings) == [("record without a file", path) for path in sorted(missing)]

    def assert_all_gone(self) -> None:
        assert [path for path in (*self.bad, *self.good) if os.path.lexists(path)] == []
        assert (len(self.manager.files), self.manager.registry.stats().records) == (0, 0)
        assert check(timed(self.manager, self.clock)) == ()


def outlives(scene: Scene, fault: AbstractContextManager[object], by: str, *, some_stay: bool = True) -> str:
    """Sweep while the fault lasts, and once when it is over; return what the first sweep raised."""
    scene.manager.register_files([*scene.bad, *scene.good])
    with fault:
        raised = scene.sweep(by)
        assert not some_stay or all(map(os.path.lexists, scene.bad)), "the fault was not met"
        assert raised or not any(map(os.path.lexists, scene.good)), "others go"
    scene.assert_nothing_lost()
    assert by != "schedule" or scene.manager.context.scheduler.running
    if by == "schedule":
        scene.clock.advance(AFTER)
        scene.clock.until_waiting(jobs_of(scene.manager))
        scene.manager.stop()
    else:
        assert scene.sweep(by) == ""
    scene.assert_all_gone()
    return raised


@pytest.fixture(params=REGISTRIES)
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["hand", "schedule"])
def by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path, registry: str) -> Iterator[Scene]:
    clock = FakeClock()
    manager = TempFileManager(tmp_path / "base", 100, registry=registry, clock=clock)
    yield Scene(manager, clock, make(tmp_path / "bad", 60), make(tmp_path / "good", 60))
    manager.close()


def tried(
    name: str,
    mounted: Callable[[], AbstractContextManager[object]],
    stack: ExitStack,
    otherwise: str = "injected",
) -> bool:
    """Enter what mounts; say, and return, whether that worked."""
    try:
        stack.enter_context(mounted())
    except OSError as error:
        if ROOT and "CI" in os.environ:
            pytest.fail(f"root in CI can mount: {error}")
        print(f"{name}: {otherwise}, as it could not be had for real: {error}")
        return False
    print(f"{name}: real")
    return True


def failing(storage: FailingStorage, monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[object]:
    """Have every storage fail as this one does."""
    monkeypatch.setattr(LocalStorage, "remove", lambda _, removal: storage.remove(removal))
    return ended(storage)


@contextmanager
def ended(storage: FailingStorage) -> Iterator[None]:
    try:
        yield
    finally:
        storage.release()


class Removing(LocalStorage):
    """What removes, whatever ``LocalStorage`` is made to do."""

    remove = LocalStorage.remove


def test_eio(scene: Scene, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    print("EIO: injected")
    storage = FailingStorage(errno.EIO, scene.bad, storage=Removing())
    assert outlives(scene, failing(storage, monkeypatch), by) == ""
    assert storage.hits == 60


def test_an_error_that_escapes_the_storage(scene: Scene, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    print("a bug in a storage: injected")
    scene.good = []
    storage = FailingStorage(errno.EIO, scene.bad[:1], storage=Removing(), escapes=True)
    raised = outlives(scene, failing(storage, monkeypatch), by)
    assert by == "schedule" or "Input/output" in raised


class FailingMount(HangingMount):
    """A file system that answers a removal with EIO until it is ``well``."""

    well = False

    def _handle(self, opcode: int, unique: int, node: int, body: bytes) -> None:
        if opcode != 10:
            super()._handle(opcode, unique, node, body)
        elif self.well:
            del self._nodes[body.rstrip(b"\0")]
            self._answer(unique)
        else:
            self._answer(unique, b"", errno.EIO)


@contextmanager
def failing_mount(place: Path, names: list[str], kind: type[HangingMount] = FailingMount) -> Iterator[HangingMount]:
    place.mkdir(exist_ok=True)
    mount = kind(place, names)
    try:
        yield mount
    finally:
        mount.close()


@contextmanager
def until_well(mount: FailingMount) -> Iterator[None]:
    yield
    mount.well = True


def test_eio_of_a_file_system(tmp_path: Path, registry: str, by: str) -> None:
    clock = FakeClock()
    settings = Settings(protect_open=False)  # there are no leases on it
    manager = TempFileManager(tmp_path / "base", 100, registry=registry, clock=clock, settings=settings)
    names = [str(number) for number in range(60)]
    mounts: list[FailingMount] = []

    @contextmanager
    def mounted() -> Iterator[None]:
        with failing_mount(tmp_path / "mount", names) as mount:
            assert isinstance(mount, FailingMount)
            mounts.append(mount)
            yield

    with ExitStack() as stack:
        if tried("EIO of a file system", mounted, stack, "injected in test_eio"):
            scene = Scene(
                manager, clock, [str(tmp_path / "mount" / name) for name in names], make(tmp_path / "good", 60)
            )
            assert outlives(scene, until_well(mounts[0]), by) == ""
    manager.close()


def test_erofs(scene: Scene, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as fault:
        if not tried("EROFS", lambda: read_only(os.path.dirname(scene.bad[0])), fault):
            fault.enter_context(failing(FailingStorage(errno.EROFS, scene.bad, storage=Removing()), monkeypatch))
        assert outlives(scene, fault, by) == ""


def test_files_that_fail_alike_are_one_reason(registry: str, tmp_path: Path) -> None:
    """The system's errors end with a name, and nothing else tells one from another."""
    paths = make(tmp_path / "files", 3)
    with closing(TempFileManager(tmp_path / "base", registry=registry)) as manager, ExitStack() as fault:
        manager.register_files(paths)
        if tried("EROFS", lambda: read_only(tmp_path / "files"), fault, otherwise="not tried"):
            (reason,) = manager.sweep(force=True).reasons
            assert (reason.status, reason.files, reason.example) == ("failed", 3, paths[0])
            assert reason.reason == "Read-only file system"


def test_ebusy(scene: Scene, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.good, scene.bad = scene.good + scene.bad[3:], scene.bad[:3]

    @contextmanager
    def all_busy() -> Iterator[None]:
        with ExitStack() as stack:
            for path in scene.bad:
                stack.enter_context(busy(path))
            yield

    with ExitStack() as fault:
        if not tried("EBUSY", all_busy, fault):
            fault.enter_context(failing(FailingStorage(errno.EBUSY, scene.bad, storage=Removing()), monkeypatch))
        assert outlives(scene, fault, by) == ""


@contextmanager
def not_writable(directory: str) -> Iterator[None]:
    os.chmod(directory, 0o555)
    try:
        yield
    finally:
        os.chmod(directory, 0o755)


def test_eacces_of_another_user(open_to_all: Path, registry: str, by: str) -> None:
    """Real for everybody: root becomes another user first."""
    print("EACCES: real")
    own = open_to_all / "own"
    own.mkdir()
    if ROOT:
        os.chown(own, NOBODY, NOBODY)

    def child() -> str:
        if ROOT:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        clock = FakeClock()
        manager = TempFileManager(own / "base", 100, registry=registry, clock=clock)
        scene = Scene(manager, clock, make(own / "bad", 60), make(own / "good", 60))
        raised = outlives(scene, not_writable(str(own / "bad")), by)
        manager.close()
        return raised

    assert in_child(child) == ""


@pytest.mark.parametrize("swept_before", [False, True])
def test_emfile(scene: Scene, by: str, swept_before: bool, tmp_path: Path) -> None:
    """A process without a free descriptor: a sweep may raise, if its registry is not open yet; then nothing went."""
    print("EMFILE: real")
    scene.bad, scene.good = scene.bad + scene.good, []
    if swept_before:
        scene.manager.register_files(make(tmp_path / "before", 1))
        assert scene.manager.clear_all() == 1
    # A removal by its path alone takes no descriptor.
    stays = scene.manager.registry.properties.outlives_process or by == "schedule"
    raised = outlives(scene, limited(resource.RLIMIT_NOFILE, 0), by, some_stay=stays)
    assert not raised or (scene.manager.registry.properties.outlives_process and not swept_before)


def test_enospc_of_a_removal(scene: Scene, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As file systems have it that write a new block to remove a name."""
    print("ENOSPC of a removal: injected")
    storage = FailingStorage(errno.ENOSPC, scene.bad, storage=Removing())
    assert outlives(scene, failing(storage, monkeypatch), by) == ""


@contextmanager
def no_room(disk: Path) -> Iterator[None]:
    """Fill it once; what gets free is for whoever comes first."""
    with open(disk / "ballast", "ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    os.remove(disk / "ballast")


def on_a_small_disk(disk: Path, registry: str, stack: ExitStack) -> Scene | None:
    if not tried("ENOSPC", lambda: small_disk(disk, 4 << 20), stack, "injected in test_enospc_of_a_removal"):
        return None
    clock = FakeClock()
    manager = TempFileManager(disk / "base", 100, registry=registry, clock=clock)
    stack.callback(manager.close)
    return Scene(manager, clock, [], make(disk / "files", 120, 8192), unsettled=True)


def test_enospc_under_files_and_registry(tmp_path: Path, registry: str, by: str) -> None:
    disk = tmp_path / "disk"
    with ExitStack() as stack:
        scene = on_a_small_disk(disk, registry, stack)
        assert scene is None or outlives(scene, no_room(disk), by) == ""


def test_enospc_whatever_is_freed_is_taken_again(tmp_path: Path, registry: str, by: str) -> None:
    """A sweep that finds no room to forget what it has removed goes on removing; a later one forgets."""
    disk = tmp_path / "disk"
    with ExitStack() as stack:
        scene = on_a_small_disk(disk, registry, stack)
        if scene is None:
            return
        scene.manager.register_files(scene.good)
        with filler(disk) as filling:
            scene.sweep(by)
            assert by != "schedule" or scene.manager.context.scheduler.running
            removed = sum(not os.path.lexists(path) for path in scene.good)
        assert removed == len(scene.good)
        assert filling.counts["bytes"] > 0
        scene.manager.stop()
        scene.clock.advance(AFTER)
        scene.assert_nothing_lost()
        assert scene.sweep("hand") == ""
        scene.assert_all_gone()


def test_a_disk_that_fills_up_between_claim_and_settlement(
    tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim could be written, what becomes of it not; this very process forgets it as soon as there is room."""
    with ExitStack() as stack, ExitStack() as fault:
        scene = on_a_small_disk(tmp_path / "disk", registry, stack)
        if scene is None:
            return
        scene.manager.register_files(scene.good)
        real = LocalStorage.remove

        def remove(*arguments: Any) -> Iterator[Outcome]:
            monkeypatch.setattr(LocalStorage, "remove", real)
            fault.enter_context(filler(tmp_path / "disk" / "base"))
            return real(*arguments)

        monkeypatch.setattr(LocalStorage, "remove", remove)
        assert scene.manager.sweep(force=True).removed == len(scene.good)
        fault.close()
        scene.manager.sweep(force=True)
        assert len(scene.manager.files) == 0
        assert check(timed(scene.manager, scene.clock)) == ()


@contextmanager
def not_to_be_written(folder: Path) -> Iterator[None]:
    """Take the right to write it from this user, which root always has."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_a_registry_on_what_becomes_read_only(tmp_path: Path, by: str) -> None:
    """No claim can be written, so nothing is removed."""
    base = tmp_path / "base"
    clock = FakeClock()
    manager = TempFileManager(base, 100, registry="sqlite:", clock=clock)
    scene = Scene(manager, clock, make(tmp_path / "bad", 60))
    manager.register_files(scene.bad)
    manager.registry.close()  # what is open can still be written to
    with ExitStack() as fault:
        if not tried("EROFS of the registry", lambda: read_only(base), fault, "by its modes"):
            fault.enter_context(not_to_be_written(base / ".temp-file-manager"))
        raised = scene.sweep(by)
        assert by == "schedule" or "RegistryError" in raised
        assert all(map(os.path.exists, scene.bad))
        assert by != "schedule" or manager.context.scheduler.running
        manager.stop()
    manager.registry.close()
    scene.assert_nothing_lost()
    assert scene.sweep("hand") == ""
    scene.assert_all_gone()
    manager.close()


# -- what hangs


def meanwhile(scene: Scene, tmp_path: Path) -> None:
    """While a sweep hangs at ``scene.bad``: registering goes on, sweeping goes on, nothing is lost."""
    others = make(tmp_path / "others", 60)
    assert scene.manager.register_files(others).registered == 60
    assert scene.manager.sweep(force=True).removed >= 60
    assert os.listdir(tmp_path / "others") == []
    assert set(scene.bad) <= set(scene.manager.files)


def outlives_a_hang(scene: Scene, hung: threading.Event, release: Callable[[], object], tmp_path: Path) -> None:
    scene.manager.register_files([*scene.bad, *scene.good])
    sweeping = threading.Thread(target=scene.manager.clear_all)
    sweeping.start()
    try:
        assert hung.wait(PATIENCE)
        meanwhile(scene, tmp_path)
    finally:
        release()
        sweeping.join(PATIENCE)
    assert not sweeping.is_alive()
    scene.assert_nothing_lost()
    scene.sweep("hand")
    scene.assert_all_gone()


def test_a_hang(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    print("a hang: injected")
    scene.bad, scene.good = scene.bad[:1], scene.bad[1:]
    storage = FailingStorage(HANG, scene.bad, storage=Removing())
    failing(storage, monkeypatch)
    outlives_a_hang(scene, storage.hung, storage.release, tmp_path)
    assert storage.hits == 1


class StuckMount(FailingMount):
    """A file system whose removals hang until ``let_go``, and go through afterwards."""

    def let_go(self) -> None:
        self.release()
        self.well = True

    def _handle(self, opcode: int, unique: int, node: int, body: bytes) -> None:
        if opcode == 10 and not self.well:
            HangingMount._handle(self, opcode, unique, node, body)
        else:
            super()._handle(opcode, unique, node, body)


def test_a_hang_of_a_file_system(tmp_path: Path, registry: str) -> None:
    clock = FakeClock()
    manager = TempFileManager(tmp_path / "base", 100, registry=registry, clock=clock)
    mounts: list[StuckMount] = []

    @contextmanager
    def mounted() -> Iterator[None]:
        with failing_mount(tmp_path / "mount", ["stuck"], StuckMount) as mount:
            assert isinstance(mount, StuckMount)
            mounts.append(mount)
            yield

    with ExitStack() as stack:
        if tried("a hang of a file system", mounted, stack, "injected in test_a_hang"):
            scene = Scene(manager, clock, [str(tmp_path / "mount" / "stuck")])
            outlives_a_hang(scene, mounts[0].hung, mounts[0].let_go, tmp_path)
    manager.close()


def test_the_scheduler_hangs_alone_and_goes_on(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FailingStorage(HANG, scene.bad[:1], storage=Removing())
    failing(storage, monkeypatch)
    scene.manager.register_files(scene.bad)
    scene.clock.advance(AFTER)
    scene.manager.start()
    assert storage.hung.wait(PATIENCE)
    make(tmp_path / "others", 3)
    assert scene.manager.register_files(make(tmp_path / "others", 3)).registered == 3
    storage.release()
    scene.clock.until_waiting(jobs_of(scene.manager))
    assert scene.manager.context.scheduler.running
    scene.clock.advance(AFTER)
    scene.clock.until_waiting(jobs_of(scene.manager))
    scene.manager.stop()
    assert len(scene.manager.files) == 0
    assert os.listdir(tmp_path / "others") == []
