"""What was in a file is gone before its name is: real files, real file systems, real kills."""

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contexts import MakeManager, removing_by
from patience import PATIENCE
from removing import outcomes, removal_of, removed
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.clock import SystemClock
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.kernel.statx import HERE, looker
from temp_file_manager.storage.wrappers import overwrite, secure
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.storage.wrappers.overwrite import PIECE, STRIDE, Overwriter, Stopped, guarantee, open_writable
from temp_file_manager.storage.wrappers.secure import SecureStorage
from temp_file_manager.sweeping import sweep
from temp_file_manager.testing import FakeClock, in_child
from temp_file_manager.testing.threads import Work

SECRET = b"what nobody may read again. "
NOBODY = 65534
KEPT_ELSEWHERE = "not_guaranteed: not overwritten, as it is kept under other names: 2"


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TempFileManager]:
    manager = securing(TempFileManager(tmp_path / "base", registry=request.param))
    yield manager
    manager.close()


def securing(manager: TempFileManager) -> TempFileManager:
    return removing_by(manager, SecureStorage(4))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


@pytest.fixture
def file(manager: TempFileManager, place: Path) -> Path:
    path = place / "file"
    path.write_bytes(SECRET)
    manager.register_file(path)
    return path


def swept(manager: TempFileManager) -> tuple[str, str]:
    """Sweep the one record there is: what a dry run foretells."""
    (foretold,) = manager.sweep(force=True, dry_run=True).outcomes
    (outcome,) = manager.sweep(force=True).outcomes
    assert foretold[1:] == outcome[1:]
    assert len(manager.files) == (0 if outcome.retired else 1)
    return str(outcome.status), outcome.reason


class Witness:
    """Reads each file through a descriptor of its own, after it was overwritten and before it is cut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[bytes] = []
        cut = os.ftruncate

        def witnessed(descriptor: int, size: int) -> None:
            with open(f"/proc/self/fd/{descriptor}", "rb") as seen:
                self.read.append(seen.read())
            cut(descriptor, size)

        monkeypatch.setattr(os, "ftruncate", witnessed)


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    return Witness(monkeypatch)


@pytest.fixture
def in_one_stride(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of these tests are overwritten as a whole before any of it is cut off."""
    monkeypatch.setattr(overwrite, "FIRST", STRIDE)


# -- what is overwritten


@pytest.mark.parametrize("size", [1, 4096, PIECE, 3 * PIECE, 3 * PIECE + 1])
@pytest.mark.usefixtures("in_one_stride")
def test_every_byte_is_overwritten(manager: TempFileManager, file: Path, witness: Witness, size: int) -> None:
    file.write_bytes((SECRET * (size // len(SECRET) + 1))[:size])
    assert swept(manager) == ("removed", "")
    assert witness.read == [bytes(size)]
    assert not file.exists()


def test_an_empty_file_needs_nothing(manager: TempFileManager, file: Path, witness: Witness) -> None:
    file.write_bytes(b"")
    assert swept(manager) == ("removed", "")
    assert witness.read == []


@pytest.mark.usefixtures("in_one_stride")
def test_holes_stay_holes(
    manager: TempFileManager, file: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take no room, and there is nothing in them; what lies between them is overwritten."""
    with file.open("r+b") as sparse:
        sparse.seek(2 * PIECE)
        sparse.write(SECRET)
        sparse.truncate(5 * PIECE)
    before = os.stat(file).st_blocks
    real, blocks = os.ftruncate, list[int]()

    def cut(descriptor: int, size: int) -> None:
        blocks.append(os.fstat(descriptor).st_blocks)
        real(descriptor, size)

    monkeypatch.setattr(os, "ftruncate", cut)
    assert swept(manager) == ("removed", "")
    assert blocks[0] <= before
    assert not any(map(any, witness.read))


def test_where_nothing_tells_of_holes_all_is_overwritten(
    manager: TempFileManager, file: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: int) -> int:
        raise OSError(errno.EINVAL, "no such whence")

    monkeypatch.setattr(os, "lseek", refused)
    assert swept(manager) == ("removed", "")
    assert witness.read == [bytes(len(SECRET))]


def test_what_is_written_meanwhile_is_overwritten_too(
    manager: TempFileManager, file: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    appending(file, monkeypatch, times=1)
    assert swept(manager) == ("removed", "")
    assert witness.read == [bytes(2 * len(SECRET))]


def appending(file: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    left = iter(range(times))

    def synchronised(descriptor: int) -> None:
        os.fsync(descriptor)
        if next(left, None) is not None:
            with file.open("ab") as more:
                more.write(SECRET)

    monkeypatch.setattr(overwrite, "synchronise", synchronised)


def test_a_file_that_does_not_stop_growing_stays(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appending(file, monkeypatch, times=2)
    report = manager.sweep(force=True)
    assert "somebody goes on writing to it" in report.outcomes[0].reason
    assert (report.failed, len(manager.files), file.exists()) == (1, 1, True)
    assert swept(manager) == ("removed", "")


def test_many_are_overwritten_at_once_and_go_in_order(
    manager: TempFileManager, place: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(4)
    threads = set()

    def synchronised(descriptor: int) -> None:
        threads.add(threading.get_ident())
        meeting.wait(PATIENCE)
        os.fsync(descriptor)

    monkeypatch.setattr(overwrite, "synchronise", synchronised)
    monkeypatch.setattr(sweep, "ENOUGH", PATIENCE)  # all in one chunk: four meet, and four more
    paths = [str(place / f"{number:03}") for number in range(48)]
    for path in paths:
        Path(path).write_bytes(SECRET)
        manager.register_file(path)
    report = manager.sweep(force=True)
    assert [outcome.record.path for outcome in report.outcomes] == paths
    assert (report.removed, os.listdir(place), len(witness.read)) == (48, [], 48)
    assert len(threads) >= 4


def test_on_the_disk_itself_nothing_is_left(tmp_path: Path, place: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as disk:
        disk.truncate(8 << 20)
    if not shutil.which("mkfs.ext4"):
        print("not tried on a whole disk: no mkfs.ext4")
        return
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True).returncode:
        print("not tried on a whole disk: cannot mount")
        return
    manager = securing(TempFileManager(tmp_path / "base"))
    try:
        (place / "file").write_bytes(SECRET * 40_000)
        os.sync()
        assert SECRET * 2 in image.read_bytes()
        manager.register_file(place / "file")
        assert swept(manager) == ("removed", "")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
    os.sync()
    assert SECRET * 2 not in image.read_bytes()


# -- what is only unlinked


def test_what_has_other_names_is_kept_under_them(manager: TempFileManager, file: Path) -> None:
    others = [file.parent / "other name", file.parent / "another name"]
    for other in others:
        os.link(file, other)
    assert swept(manager) == ("removed", KEPT_ELSEWHERE)
    assert {other.read_bytes() for other in others} == {SECRET}


def test_of_a_link_only_the_link_goes(manager: TempFileManager, place: Path) -> None:
    (place / "target").write_bytes(SECRET)
    (place / "link").symlink_to(place / "target")
    manager.register_file(place / "link")
    assert swept(manager) == ("removed", "")
    assert ((place / "target").read_bytes(), os.listdir(place)) == (SECRET, ["target"])


# -- what stays


@pytest.mark.parametrize(
    ("make", "why"), [(os.mkfifo, "it is no regular file"), (os.mkdir, "it is a directory")], ids=["pipe", "directory"]
)
def test_what_is_no_file_stays(manager: TempFileManager, file: Path, make: Callable[[Path], None], why: str) -> None:
    os.link(file, file.parent / "keeps the inode taken")
    file.unlink()
    make(file)
    before = os.lstat(file)
    assert swept(manager) in (
        ("failed", why),
        ("replaced", "another file has been put in its place since it was registered"),
    )
    assert os.lstat(file) == before


def test_what_was_put_in_its_place_before_stays(place: Path, tmp_path: Path) -> None:
    manager = securing(TempFileManager(tmp_path / "base", registry="sqlite:"))
    (place / "file").write_bytes(SECRET)
    manager.register_file(place / "file")
    (place / "new").write_bytes(b"somebody else's")
    (place / "new").rename(place / "file")
    assert swept(manager)[0] == "replaced"
    assert (place / "file").read_bytes() == b"somebody else's"
    manager.close()


def test_what_is_put_in_its_place_meanwhile_stays(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def synchronised(_: int) -> None:
        (file.parent / "new").write_bytes(b"somebody else's")
        (file.parent / "new").rename(file)

    monkeypatch.setattr(overwrite, "synchronise", synchronised)
    (outcome,) = manager.sweep(force=True).outcomes
    assert (outcome.status, file.read_bytes()) == ("replaced", b"somebody else's")


def test_what_is_put_in_its_place_while_it_is_opened_stays(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = secure.open_writable

    def too_late(*arguments: object) -> int:
        (file.parent / "new").write_bytes(b"somebody else's")
        (file.parent / "new").rename(file)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(secure, "open_writable", too_late)
    (outcome,) = manager.sweep(force=True).outcomes
    assert (outcome.status, outcome.retired, file.read_bytes()) == ("kept", False, b"somebody else's")


def test_a_file_gone_is_gone(manager: TempFileManager, file: Path) -> None:
    file.unlink()
    assert swept(manager) == ("gone", "already gone")


def test_what_may_not_go_stays_whole(file: Path) -> None:
    (outcome,) = removed(SecureStorage(1), [TempFile(str(file), 0.0)], lambda _: False)
    assert (outcome.status, outcome.cause, file.read_bytes()) == ("skipped", Cause.CLAIM_ENDED, SECRET)


def test_what_may_not_go_any_more_once_it_is_overwritten_keeps_its_name(manager: TempFileManager, file: Path) -> None:
    answers = iter([True, False])
    (outcome,) = removed(SecureStorage(1), [TempFile(str(file), 0.0)], lambda _: next(answers))
    assert (outcome.status, outcome.cause, file.read_bytes()) == ("skipped", Cause.CLAIM_ENDED, b"")
    assert swept(manager) == ("removed", "")


# -- as long as there is time


def test_a_file_that_takes_longer_than_its_claim_is_cut_and_goes_in_the_end(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes code that overwrites what is not its own any more, and code that begins at the beginning each time."""
    clock, sizes = FakeClock(), []
    file.write_bytes(bytes(3 * PIECE) + b"x")
    cut = os.ftruncate
    monkeypatch.setattr(overwrite, "next_stride", lambda stride, _: stride)

    def slowly(descriptor: int, size: int) -> None:
        sizes.append(size)
        cut(descriptor, size)
        clock.advance(20)

    monkeypatch.setattr(os, "ftruncate", slowly)
    record = TempFile(str(file), 0.0)
    for left in (2 * PIECE, 0):
        removal = removal_of([record], elapsed=clock.elapsed, deadline=clock.elapsed() + 30)
        SecureStorage(1).remove(removal)
        assert [(o.status, o.cause) for o in outcomes(removal)] == [(Status.SKIPPED, Cause.LEASE_ENDED)]
        assert file.stat().st_size == left
    assert sizes == [3 * PIECE, 2 * PIECE, PIECE, 0]
    assert swept(manager) == ("removed", "")


def test_a_stop_is_heard_in_the_middle_of_a_file(
    make_manager: MakeManager, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, the scheduler's end waited for half of a claim's time: 24 s at a slow disk, where 5 were promised."""
    manager = make_manager(settings=Settings(secure_delete=True, cleanup_threads=2))
    paths = [place / str(number) for number in range(4)]
    for path in paths:
        path.write_bytes(SECRET)
    manager.register_files(paths, ttl=0)
    begun = threading.Event()

    def write(*_: object) -> int:
        begun.set()
        return 0  # it never comes to its end

    monkeypatch.setattr(os, "pwrite", write)
    manager.start()
    assert begun.wait(PATIENCE)
    assert Work(manager.stop).end()
    assert {record.failures for record in manager.registry.get(map(str, paths)).values()} == {0}
    assert len(manager.files) == len(os.listdir(place)) == 4
    assert {path.read_bytes() for path in paths} == {SECRET}


def test_whoever_wants_what_is_being_overwritten_waits_and_is_told_the_truth(
    make_manager: MakeManager, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, another process was told that it is registered, pinned or held; then it was empty, or gone."""
    manager = make_manager(settings=Settings(secure_delete=True))
    other = make_manager(settings=Settings(secure_delete=True))
    reached, released = threading.Event(), threading.Event()

    def synchronised(_: int) -> None:
        reached.set()
        assert released.wait(PATIENCE)

    monkeypatch.setattr(overwrite, "synchronise", synchronised)
    other.registry.patience = PATIENCE
    path = place / "file"
    path.write_bytes(SECRET)
    manager.register_file(path)
    sweeping = Work(manager.clear_all)
    assert reached.wait(PATIENCE)
    registering, pinning, holding = Work(other.register_files, [path]), Work(other.pin, path), Work(other.hold, path)
    assert registering.waits()
    assert pinning.waits()
    assert holding.waits()
    released.set()
    assert sweeping.end() == 1
    assert registering.end().registered == 0
    for work in (pinning, holding):
        with pytest.raises((ValueError, FileNotFoundError)):
            work.end()
    assert not path.exists()


def test_a_slow_disk_is_given_little_at_a_time() -> None:
    """Nothing ends the call that brings it to the disk."""
    strides = [overwrite.FIRST]
    for took in (0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.6, 0.6, 9.0, 9.0, 9.0):
        strides.append(overwrite.next_stride(strides[-1], took))
    assert [stride // PIECE for stride in strides] == [1, 2, 4, 4, 8, 16, 16, 8, 4, 2, 1, 1]


def test_once_time_is_up_no_content_goes(file: Path) -> None:
    removal = removal_of([TempFile(str(file), 0.0)], elapsed=lambda: 1.0, deadline=1.0)
    SecureStorage(1).remove(removal)
    assert [o.cause for o in outcomes(removal)] == [Cause.LEASE_ENDED]
    assert file.read_bytes() == SECRET


def test_what_was_begun_with_is_ended_and_no_more_is_begun(place: Path) -> None:
    """Time is up when the first is in hand: the threads have work, and what was begun with goes."""
    clock = FakeClock()
    paths = [place / str(number) for number in range(20)]
    for path in paths:
        path.write_bytes(SECRET)

    def later(at: int) -> bool:
        if at == 3:
            clock.advance(1)
        return True

    records = [TempFile(str(path), 0.0) for path in paths]
    removal = removal_of(records, elapsed=clock.elapsed, enough=0.5, still=later)
    SecureStorage(4).remove(removal)
    assert (removal.done, removal.others, len(os.listdir(place))) == (4, {}, 16)


# -- who may write


def as_nobody(work: Callable[[], object]) -> object:
    def demoted() -> object:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        return work()

    return in_child(demoted)


@pytest.mark.parametrize("mode", [0o400, 0o000, 0o200])
def test_a_file_of_ours_that_is_not_writable_is_made_so(tmp_path: Path, mode: int) -> None:
    def work() -> object:
        place = Path("/tmp") / f"overwrite-{os.getpid()}"  # below tmp_path nobody may go
        place.mkdir(0o700)
        try:
            manager = securing(TempFileManager(place / "base", registry="sqlite:"))
            (place / "file").write_bytes(SECRET)
            manager.register_file(place / "file")
            (place / "file").chmod(mode)
            outcome = swept(manager)
            return [*outcome, (place / "file").exists()]
        finally:
            shutil.rmtree(place)

    assert (as_nobody(work) if os.getuid() == 0 else in_child(work)) == ["removed", "", False]


def test_another_users_file_stays(tmp_path: Path) -> None:
    if os.getuid() != 0:
        print("not tried: takes two users")
        return
    place = Path("/tmp") / f"overwrite-{os.getpid()}"
    place.mkdir()
    try:
        place.chmod(0o777)
        (place / "file").write_bytes(SECRET)

        def work() -> object:
            manager = securing(TempFileManager(place / "base"))
            manager.register_file(place / "file")
            return swept(manager)

        assert as_nobody(work) == ["failed", f"[Errno 13] Permission denied: '{place / 'file'}'"]
        assert (place / "file").read_bytes() == SECRET
    finally:
        shutil.rmtree(place)


def test_an_immutable_file_stays(manager: TempFileManager, file: Path) -> None:
    done = subprocess.run(["chattr", "+i", str(file)], check=False, capture_output=True)
    if done.returncode:
        print(f"not tried: {done.stderr!r}")
        return
    try:
        report = manager.sweep(force=True)
        assert (report.failed, len(manager.files), file.read_bytes()) == (1, 1, SECRET)
    finally:
        subprocess.run(["chattr", "-i", str(file)], check=True)
    assert swept(manager) == ("removed", "")


@contextlib.contextmanager
def mounted(place: Path, kind: str, options: str) -> Iterator[bool]:
    place.mkdir(exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(place), kind.encode(), 0, options.encode()):
        print(f"not tried with {kind}: {os.strerror(ctypes.get_errno())}")
        yield False
        return
    try:
        yield True
    finally:
        libc.umount2(os.fsencode(place), 2)


def test_a_file_that_is_longer_than_its_disk_takes_no_room_from_it(manager: TempFileManager, tmp_path: Path) -> None:
    """Once its holes were filled, which failed, and the disk was full from then on."""
    with mounted(tmp_path / "small", "tmpfs", "size=64k") as able:
        if not able:
            return
        path = tmp_path / "small" / "sparse"
        path.write_bytes(SECRET)
        os.truncate(path, 1 << 20)
        free = os.statvfs(path).f_bavail
        manager.register_file(path)
        assert swept(manager) == ("removed", "")
        assert os.statvfs(path.parent).f_bavail > free


def test_what_lies_on_an_overlay_is_removed_and_not_guaranteed(manager: TempFileManager, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "tmpfs", "size=1m") as able:
        if not able:
            return
        lower, upper, work = (tmp_path / "disk" / name for name in ("lower", "upper", "work"))
        for directory in (lower, upper, work):
            directory.mkdir()
        (lower / "file").write_bytes(SECRET)
        with mounted(tmp_path / "both", "overlay", f"lowerdir={lower},upperdir={upper},workdir={work}") as both:
            if both:
                manager.register_file(tmp_path / "both" / "file")
                (outcome,) = manager.sweep(force=True).outcomes
                assert (outcome.status, outcome.reason) == (
                    "removed",
                    "not_guaranteed: overlay copies up what lies below: the old bytes stay there",
                )
                assert (lower / "file").read_bytes() == SECRET


@pytest.mark.parametrize(
    ("kind", "words"),
    [("ext4", ""), ("tmpfs", ""), ("btrfs", "copies on write"), ("f2fs", "log"), ("nfs", "not known"), ("", "nothing")],
)
def test_what_a_file_system_cannot_promise_is_said(kind: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "kind", lambda _: kind)
    said = guarantee("/somewhere")
    assert words in said
    assert bool(said) is bool(words)


# -- in use, interrupted, abandoned, killed


def test_where_no_thread_can_start_the_file_stays_and_nothing_leaks(
    manager: TempFileManager, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        (outcome,) = manager.sweep(force=True).outcomes
    assert (outcome.status, outcome.reason) == (Status.FAILED, "can't start new thread")
    assert file.read_bytes() == SECRET
    manager.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_somebody_has_open_stays_whole(manager: TempFileManager, file: Path) -> None:
    manager = removing_by(manager, SecureStorage(2, lambda: InUse(None, SystemClock().wall)))
    with file.open("rb"):
        assert swept(manager)[0] == "kept"
        assert file.read_bytes() == SECRET
    assert swept(manager) == ("removed", "")


def test_an_interrupt_waits_for_who_is_writing(manager: TempFileManager, place: Path) -> None:
    paths = [place / str(number) for number in range(20)]
    for path in paths:
        path.write_bytes(SECRET)
    manager.register_files(paths)
    asked = iter(range(1000))

    def interrupting(_: int) -> bool:
        if next(asked) == 12:
            raise KeyboardInterrupt
        return True

    removal = removal_of([TempFile(str(path), 0.0) for path in paths], still=interrupting)
    with pytest.raises(KeyboardInterrupt):
        SecureStorage(4).remove(removal)
    assert not [thread for thread in threading.enumerate() if thread.name == "temp-file-overwriting"]
    assert {outcome.record.path for outcome in outcomes(removal)} == {str(path) for path in paths if not path.exists()}
    assert manager.sweep(force=True).retired == 20


def test_nothing_is_written_once_nobody_waits(place: Path) -> None:
    (place / "file").write_bytes(SECRET)
    removal = removal_of([])
    removal.over = True
    with (
        (place / "file").open("r+b") as file,
        Overwriter(1, removal.why_ended) as overwriter,
        pytest.raises(Stopped),
    ):
        overwriter.begin(file.fileno()).result(removal)
    assert (place / "file").read_bytes() == SECRET


def test_a_disk_that_hangs_is_left_behind(
    manager: TempFileManager, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, hangs, release = FakeClock(), threading.Semaphore(0), threading.Event()
    paths = [place / str(number) for number in range(9)]
    for path in paths:
        path.write_bytes(SECRET)
    manager.register_files(paths)

    def synchronised(_: int) -> None:
        hangs.release()
        assert release.wait(PATIENCE)

    monkeypatch.setattr(overwrite, "synchronise", synchronised)
    manager = removing_by(manager, Abandoning(SecureStorage(2), 5, clock))
    told: list[Outcome] = []
    sweep = threading.Thread(target=lambda: told.extend(manager.sweep(force=True).outcomes))
    sweep.start()
    for _ in range(2):
        assert hangs.acquire(timeout=PATIENCE)
    while sweep.is_alive():
        clock.advance(1)
        sweep.join(0.001)
    under_way = [Other(outcome.status, outcome.cause).under_way for outcome in told]
    assert under_way == [True] * 4 + [False] * 5, "those that threads have in hand, and no more"
    manager.registry.patience = 0.01
    assert manager.register_files(paths[:4]).registered == 0, "as threads may yet write to them"
    release.set()
    for thread in threading.enumerate():
        if thread.name in ("temp-file-removal", "temp-file-overwriting"):
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert len(os.listdir(place)) == 9
    monkeypatch.undo()
    assert manager.register_files(paths[:4]).registered == 4
    assert securing(manager).sweep(force=True).removed == 9


@pytest.mark.usefixtures("in_one_stride")
def test_a_kill_in_the_middle_leaves_it_on_record(tmp_path: Path, place: Path) -> None:
    manager = securing(TempFileManager(tmp_path / "base", registry="sqlite:"))
    file = place / "file"
    file.write_bytes(SECRET * 100_000)
    manager.register_file(file)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        overwrite.synchronise = lambda _: os.write(writer, b"x") and signal.pause()
        securing(TempFileManager(tmp_path / "base", registry="sqlite:")).clear_all()
        os._exit(0)
    os.read(reader, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    assert (set(file.read_bytes()), file.stat().st_size, len(manager.files)) == ({0}, len(SECRET) * 100_000, 1)
    assert manager.sweep(force=True).removed == 1
    assert os.listdir(place) == []
    manager.close()


def test_no_file_is_held_open_until_all_are_overwritten(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes code that runs out of descriptors in the middle of a large sweep."""
    paths = [tmp_path / f"{number}" for number in range(100)]
    for path in paths:
        path.write_bytes(SECRET)
    manager.register_files(paths)
    before, opened, synchronise = len(os.listdir("/dev/fd")), [], overwrite.synchronise

    def counted(descriptor: int) -> None:
        opened.append(len(os.listdir("/dev/fd")))
        synchronise(descriptor)

    monkeypatch.setattr(overwrite, "synchronise", counted)
    assert manager.sweep(force=True).removed == 100
    assert max(opened) < before + 100, sorted(opened)


def test_what_the_system_forbids_is_not_made_writable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looker()(HERE, os.fsencode(file))

    def forbidden(path: Any, flags: int, *others: Any, **more: Any) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(PermissionError, match="Operation not permitted") as caught:
        open_writable(HERE, os.fsencode(file), seen)
    assert caught.value.__context__ is None, "nothing else was tried"
