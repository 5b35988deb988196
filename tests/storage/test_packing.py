"""Compression of idle files: what is compressed, what is left, and that nothing is lost meanwhile."""

import itertools
import mmap
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from interrupts import everywhere, interrupted, stop
from packed import AGE, IDLE, TEXT, Folder, content, record
from removing import outcomes, removal_of
from small_disk import mounted, together
from temp_file_manager import RegistryFullError, SettingsError, TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.cli.sweep_output import Teller
from temp_file_manager.events import RecordsSettled
from temp_file_manager.inspection.prospects import Rule
from temp_file_manager.inspection.why import why
from temp_file_manager.records import Kind, Outcome, Status
from temp_file_manager.registry.counters import COMPRESSED_SAVED_BYTES
from temp_file_manager.storage import compressed_copy, new_files, packing_batch, zstd
from temp_file_manager.storage.kernel import leases
from temp_file_manager.storage.packing_judge import Judge, refuse
from temp_file_manager.storage.packing_plan import LeftError
from temp_file_manager.testing import FakeClock
from temp_file_manager.text import human_size

NOISE = os.urandom(1 << 16)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "base", FakeClock(time.time()))  # the tests' own files are made now
    yield made
    made.close()


@pytest.fixture
def manager(folder: Folder) -> TempFileManager:
    return folder.manager()


def swept(manager: TempFileManager) -> list[Outcome]:
    return list(manager.sweep().outcomes)


# -- what becomes of files


def test_an_idle_file_is_compressed(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a.csv", tags=("x", "y"))
    path.chmod(0o640)
    os.setxattr(path, "user.colour", b"blue")
    before, was = path.stat(), record(manager, path)
    assert [one.status for one in swept(manager)] == [Status.COMPRESSED]
    assert folder.left() == ["a.csv.zst"]
    packed = folder.base / "a.csv.zst"
    found, now = packed.stat(), record(manager, packed)
    assert content(packed) == TEXT
    assert (found.st_mode, found.st_mtime_ns, found.st_atime_ns) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_atime_ns,
    )
    assert os.getxattr(packed, "user.colour") == b"blue"
    assert (now.kind, now.origin, now.rule, now.tags) == (Kind.COMPRESSED, str(path), "logs", ("x", "y"))
    assert (now.registered_at, now.due_at) == (was.registered_at, was.registered_at + AGE)
    assert (now.size, now.disk) == (found.st_size, found.st_blocks * 512)
    assert str(path) not in manager.registry.files


def test_a_compressed_file_is_not_registered_as_itself(folder: Folder, manager: TempFileManager) -> None:
    """Else nothing would know any more what it stands for. What is in its place by then is a file like any other."""
    path = folder.add(manager, "a.log")
    packed = path.with_name("a.log.zst")
    assert manager.sweep().compressed == 1
    before = record(manager, packed)
    ((refused, reason),) = manager.register_files([packed], ttl=5, tags=["other"]).refused
    assert (refused, reason) == (
        str(packed),
        "it is the compressed form of a file on record: restore that, and register it",
    )
    assert record(manager, packed) == before
    assert manager.restore(path) == str(path)
    assert manager.sweep().compressed == 0
    folder.clock.advance(IDLE + 1)
    assert manager.sweep().compressed == 1
    packed.rename(packed.with_name("elsewhere"))
    packed.write_text("another")
    assert manager.register_files([packed]).registered == 1
    assert record(manager, packed).kind is Kind.FILE


def test_a_compressed_file_goes_when_its_origin_would_have(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a")
    swept(manager)
    folder.clock.advance(AGE - IDLE - 10)
    assert swept(manager) == []
    folder.clock.advance(20)
    assert [one.status for one in swept(manager)] == [Status.REMOVED]
    assert folder.left() == []
    assert not manager.registry.files
    assert not path.exists()


def test_what_is_saved_is_counted(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a")
    before = path.stat().st_blocks * 512
    (outcome,) = swept(manager)
    saved = before - (folder.base / "a.zst").stat().st_blocks * 512
    assert outcome.saved == saved > 0
    counters = manager.registry.stats().counters
    assert (counters[COMPRESSED_SAVED_BYTES], counters["compressed"]) == (saved, 1)


def test_the_log_and_the_totals_tell_of_it(
    folder: Folder, manager: TempFileManager, caplog: pytest.LogCaptureFixture
) -> None:
    folder.add(manager, "a")
    with caplog.at_level("INFO"):
        report = manager.sweep()
    assert (report.compressed, report.retired) == (1, 0)
    assert [line for line in caplog.messages if line.startswith("Cleaned up")] == [
        "Cleaned up 0 temporary files (force=False), 1 compressed"
    ]
    teller = Teller(as_json=False, quiet=False)
    with redirect_stdout(StringIO()) as said:
        teller(RecordsSettled(report.outcomes))
        teller.end(report)
    first, last = said.getvalue().splitlines()
    assert first == f"compressed {folder.base / 'a'}: {human_size(report.outcomes[0].saved)} saved"
    assert ", 1 compressed, 0 failed in " in last


def test_force_removes_for_good(folder: Folder, manager: TempFileManager) -> None:
    folder.add(manager, "a")
    assert [one.status for one in manager.sweep(force=True).outcomes] == [Status.REMOVED]
    assert folder.left() == []


def test_many_go_together_and_each_is_what_it_was(folder: Folder, manager: TempFileManager) -> None:
    """More than are in hand at a time."""
    texts = {f"{number:03}": TEXT[number:] for number in range(150)}
    for name, text in texts.items():
        (folder.base / name).write_bytes(text)
    manager.register_files([folder.base / name for name in texts])
    folder.clock.advance(IDLE + 1)
    assert {one.status for one in swept(manager)} == {Status.COMPRESSED}
    assert folder.left() == [f"{name}.zst" for name in texts]
    assert all(content(folder.base / f"{name}.zst") == text for name, text in texts.items())


# -- what is left as it is


def small(path: Path) -> None:
    path.write_bytes(TEXT[:8191])


def noise(path: Path) -> None:
    path.write_bytes(NOISE)


def noise_after_text(path: Path) -> None:
    path.write_bytes(TEXT[: 1 << 16] + os.urandom(1 << 20))


def link(path: Path) -> None:
    path.with_name("target").write_bytes(TEXT)
    path.unlink()
    path.symlink_to("target")


def hard_link(path: Path) -> None:
    path.with_name("other").hardlink_to(path)


def holes(path: Path) -> None:
    os.truncate(path, len(TEXT) + 100_000)


def taken(path: Path) -> None:
    path.with_name(f"{path.name}.zst").write_text("somebody else's")


LEFT: dict[Callable[[Path], None], str] = {
    small: "smaller than 8192 bytes",
    noise: "smaller by less than a tenth",
    noise_after_text: "smaller by less than a tenth",
    link: "of a link the link alone",
    hard_link: "other names",
    holes: "has holes",
    taken: "with .zst is taken",
}


@pytest.mark.parametrize("how", LEFT, ids=lambda how: how.__name__)
def test_left_as_it_is(folder: Folder, manager: TempFileManager, how: Callable[[Path], None]) -> None:
    path = folder.base / "a"
    path.write_bytes(TEXT)
    how(path)
    folder.register(manager, path)
    was, seen = record(manager, path), path.read_bytes()
    names, times = folder.left(), (path.lstat().st_mtime_ns, path.lstat().st_ino)
    foretold = manager.sweep(dry_run=True).outcomes
    if how is not noise_after_text:
        assert why(manager.context, path).cleanup.rule is Rule.NOT_COMPRESSED
    (outcome,) = swept(manager)
    assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.NOT_COMPRESSED)
    assert LEFT[how] in outcome.reason
    assert outcome.due_at == was.registered_at + AGE
    assert (folder.left(), path.read_bytes()) == (names, seen)
    assert times == (path.lstat().st_mtime_ns, path.lstat().st_ino)
    assert record(manager, path).due_at == was.registered_at + AGE
    if how is not noise_after_text:  # a dry run compresses no more than the beginning
        assert [one._replace(record=outcome.record) for one in foretold] == [outcome]
    assert swept(manager) == []
    folder.clock.advance(AGE)
    assert swept(manager)[0].status is Status.REMOVED


def test_a_name_that_leaves_no_room_for_the_ending(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "n" * 253)
    (outcome,) = swept(manager)
    assert "too long" in outcome.reason
    assert path.read_bytes() == TEXT


def opened_to_read(path: Path) -> Callable[[], object]:
    return open(path, "rb").close


def opened_to_write(path: Path) -> Callable[[], object]:
    return open(path, "ab").close


def mapped(path: Path) -> Callable[[], object]:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close


@pytest.mark.parametrize("used", [opened_to_read, opened_to_write, mapped])
def test_what_somebody_has_open_is_looked_at_again(
    folder: Folder, manager: TempFileManager, used: Callable[[Path], Callable[[], object]]
) -> None:
    """Also by a sweep that does not protect open files: who writes to them would write to nothing."""
    path = folder.add(manager, "a")
    release = used(path)
    try:
        (foretold,), (outcome,) = manager.sweep(dry_run=True).outcomes, swept(manager)
        assert (outcome.status, outcome.cause) == (Status.KEPT, Cause.NOT_COMPRESSED)
        assert foretold == outcome
        assert "somebody has it open" in outcome.reason
        assert outcome.due_at == folder.clock.wall() + IDLE
    finally:
        release()
    folder.clock.advance(IDLE)
    assert swept(manager)[0].status is Status.COMPRESSED


def test_held_and_pinned_files_are_left(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a")
    with manager.hold(path):
        assert swept(manager) == []
    assert swept(manager)[0].status is Status.COMPRESSED


def test_a_rule_that_nobody_has_noted_is_noted_with_its_end(folder: Folder, manager: TempFileManager) -> None:
    """A record that was registered without rules: alone the end would be taken for one of its own."""
    plain = TempFileManager(folder.base, 100, registry="sqlite:", clock=folder.clock)
    path = folder.base / "a"
    small(path)
    plain.register_file(path)
    folder.clock.advance(IDLE + 1)
    manager.max_age = 100
    outcome = Meanwhile(manager, path)(lambda: None)
    assert (outcome.cause, outcome.rule) == (Cause.NOT_COMPRESSED, "logs")
    plain.close()


def test_reading_leaves_no_trace(folder: Folder, manager: TempFileManager) -> None:
    """Or it would look used by what finds out that it is not."""
    path = folder.base / "a"
    noise(path)
    os.utime(path, ns=(10**18, 2 * 10**18))  # read before it was written: any reading would be noted
    folder.register(manager, path)
    manager.sweep(dry_run=True)
    swept(manager)
    assert path.stat().st_atime_ns == 10**18


# -- while somebody writes


class Meanwhile:
    """Compression of one file, with something done when so many parts have been read."""

    def __init__(self, manager: TempFileManager, path: Path) -> None:
        self._storage = manager.context.storage_for(protect_open=False)
        self._records = [record(manager, path)]

    def __call__(self, work: Callable[[], object], **how: Any) -> Outcome:
        todo = [work]

        def stop() -> bool:
            while todo:
                todo.pop()()
            return False

        removal = removal_of(self._records, stop=stop, **how)
        self._storage.remove(removal)
        (outcome,) = outcomes(removal)
        return outcome


def test_who_comes_to_write_waits_for_a_moment_and_the_file_is_left(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a", TEXT * 100)

    def come() -> None:
        with pytest.raises(BlockingIOError):
            os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)

    outcome = Meanwhile(manager, path)(come)
    assert "writing to it" in outcome.reason
    with open(path, "ab") as file:  # nobody waits any more
        file.write(b"more")
    assert path.read_bytes() == TEXT * 100 + b"more"
    assert folder.left() == ["a"]


def test_who_comes_to_read_does_not_wait(folder: Folder, manager: TempFileManager) -> None:
    """And has it open when it is to go: it is left."""
    path, readers = folder.add(manager, "a", TEXT * 100), list[int]()
    outcome = Meanwhile(manager, path)(lambda: readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
    assert "somebody has it open" in outcome.reason
    os.close(readers[0])
    assert folder.left() == ["a"]


def test_what_is_put_in_its_place_meanwhile_stays(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a", TEXT * 100)
    other = path.with_name("b")
    other.write_bytes(b"other" * 5000)
    outcome = Meanwhile(manager, path)(lambda: other.rename(path))
    assert outcome.status is not Status.COMPRESSED
    assert path.read_bytes() == b"other" * 5000
    assert folder.left() == ["a"]


def test_a_name_that_is_taken_meanwhile_stays(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a", TEXT * 100)
    outcome = Meanwhile(manager, path)(lambda: taken(path))
    assert "is taken" in outcome.reason
    assert (folder.base / "a.zst").read_text() == "somebody else's"
    assert path.read_bytes() == TEXT * 100


def test_what_takes_the_name_meanwhile_keeps_its_record(
    folder: Folder, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it comes: while the file is compressed, or when its successor is on record already."""
    path, other = folder.add(manager, "a", TEXT * 100), folder.base / "a.zst"

    def come() -> None:
        other.write_text("somebody else's")
        manager.register_file(other, ttl=7, tags=("theirs",))

    outcome = Meanwhile(manager, path)(come)
    assert "is taken" in outcome.reason
    assert record(manager, other).tags == ("theirs",)
    manager.registry.forget((str(other),))
    other.unlink()
    real = new_files.give_name

    def late(*args: Any) -> None:
        come()
        real(*args)

    monkeypatch.setattr(new_files, "give_name", late)
    outcome = Meanwhile(manager, path)(lambda: None)
    assert "is taken" in outcome.reason
    assert (record(manager, other).tags, other.read_text()) == (("theirs",), "somebody else's")
    assert path.read_bytes() == TEXT * 100


def test_what_somebody_removes_before_it_takes_the_others_place_is_on_record_no_more(
    folder: Folder, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, packed, real = folder.add(manager, "a"), folder.base / "a.zst", new_files.give_name

    def removed(*args: Any) -> None:
        real(*args)
        packed.unlink()
        path.replace(path.with_name("b"))

    monkeypatch.setattr(new_files, "give_name", removed)
    assert Meanwhile(manager, path)(lambda: None).status is not Status.COMPRESSED
    assert folder.left() == ["b"]
    assert str(packed) not in manager.registry.files


def test_a_claim_that_ends_meanwhile_leaves_it(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a")
    outcome = Meanwhile(manager, path)(lambda: None, still=lambda _: False)
    assert (outcome.status, outcome.cause) == (Status.SKIPPED, Cause.CLAIM_ENDED)
    assert folder.left() == ["a"]
    assert f"{path}.zst" not in manager.registry.files


def test_whoever_sweeps_can_be_stopped(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a", TEXT * 100)
    removal = removal_of([record(manager, path)], stop=lambda: True)
    manager.context.storage_for(protect_open=False).remove(removal)
    assert [(one.status, one.cause) for one in outcomes(removal)] == [(Status.SKIPPED, Cause.SWEEP_OVER)]
    assert folder.left() == ["a"]


def test_another_users_file_is_left_unless_root_sweeps(
    folder: Folder, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nobody else can leave it theirs."""
    found = folder.add(manager, "a").stat()
    refuse(found)
    monkeypatch.setattr(os, "geteuid", lambda: found.st_uid + 1)
    with pytest.raises(LeftError, match="another user"):
        refuse(found)


def test_without_nameless_files_it_is_left(
    folder: Folder, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.add(manager, "a")
    monkeypatch.setattr(compressed_copy, "create_nameless", lambda _: None)
    (outcome,) = swept(manager)
    assert "no files without a name" in outcome.reason
    assert folder.left() == ["a"]


def test_without_leases_it_is_left(folder: Folder, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would tell that somebody comes to write."""
    folder.add(manager, "a")
    monkeypatch.setattr(leases, "lease_calls", lambda: None)
    (outcome,) = swept(manager)
    assert outcome.cause is Cause.NOT_COMPRESSED
    assert folder.left() == ["a"]


def test_what_is_too_large_for_a_claim_is_not_tried_for_ever(folder: Folder, manager: TempFileManager) -> None:
    path, clock = folder.add(manager, "a", TEXT * 100), folder.clock
    was = record(manager, path)
    late = Meanwhile(manager, path)(lambda: clock.advance(31), elapsed=clock.elapsed, deadline=clock.elapsed() + 30)
    assert "too large" in late.reason
    assert late.due_at == was.registered_at + AGE


def test_another_that_has_no_time_left_is_tried_again(folder: Folder, manager: TempFileManager) -> None:
    paths, clock = [folder.add(manager, name, TEXT * 100) for name in "ab"], folder.clock
    asked = itertools.count()

    def stop() -> bool:
        if next(asked) == 40:  # in the second
            clock.advance(31)
        return False

    removal = removal_of(
        [record(manager, path) for path in paths], stop=stop, elapsed=clock.elapsed, deadline=clock.elapsed() + 30
    )
    manager.context.storage_for(protect_open=False).remove(removal)
    assert {(one.status, one.cause) for one in outcomes(removal)[1:]} == {(Status.SKIPPED, Cause.LEASE_ENDED)}
    assert folder.left() == ["a", "b"]


def test_a_large_file_takes_little_memory_and_shows_signs_of_life(folder: Folder, manager: TempFileManager) -> None:
    path = folder.add(manager, "a", TEXT * 300)
    removal = removal_of([record(manager, path)])
    tracemalloc.start()
    try:
        manager.context.storage_for(protect_open=False).remove(removal)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [one.status for one in outcomes(removal)] == [Status.COMPRESSED]
    assert removal.signs > path.with_name("a.zst").stat().st_size // zstd.PART
    assert most < 4 * zstd.PART


# -- killed


STEPS = ("look", "compress", "record", "name", "record again", "go")


def hooked(manager: TempFileManager, before: Callable[[str], object], after: Callable[[str], object]) -> None:
    """Have something done before and after each step; for a process of its own, as nothing is put back."""

    def around(owner: Any, name: str, *steps: str, last: bool = True) -> None:
        real, left = getattr(owner, name), list(steps)

        def call(*args: Any, **how: Any) -> Any:
            step = left.pop(0) if left else ""
            if step:
                before(step)
            found = real(*args, **how)
            if step and last:
                after(step)
            return found

        setattr(owner, name, call)

    around(Judge, "opened", "look")
    around(packing_batch, "make_alike", "compress")
    around(manager.registry, "add", "record", "record again")
    around(new_files, "give_name", "name")
    around(Judge, "confirm", "", "go", last=False)
    real = os.unlink

    def unlink(*args: Any, **how: Any) -> None:
        real(*args, **how)
        after("go")

    os.unlink = unlink  # type: ignore[assignment]


APPEND = """
import os, sys
try:
    os.close(os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK))
except BlockingIOError:
    print("waits", flush=True)
with open(sys.argv[1], "ab") as file:
    file.write(b"more")
print("written", flush=True)
"""


def append(path: Path, tell: int) -> None:
    """Append to a file in another program; return when that has done so or waits for its turn."""
    # Another program, not only a child: that would have inherited the lease that it waits for.
    words = [sys.executable, "-S", "-c", APPEND, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, pass_fds=(tell,)) as program:
        assert program.stdout is not None
        program.stdout.readline()
        os.write(tell, b"w")
        program.stdout = None
        program.returncode = 0  # nobody waits for it here


def killed(folder: Folder, path: Path, write: str, kill: str) -> bool:
    """Sweep in a process that is killed after a step, with the file written to before one; say whether it was."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            manager = folder.manager()

            def before(step: str) -> None:
                if step == write:
                    append(path, tell)

            hooked(manager, before, lambda step: step == kill and os.kill(os.getpid(), signal.SIGKILL))
            manager.sweep()
        finally:
            os._exit(0)
    os.close(tell)
    _, status = os.waitpid(child, 0)
    # Who writes has this pipe, too: it ends when that has ended.
    with open(told, "rb") as pipe:
        assert (b"w" in pipe.read()) == (write in STEPS[: STEPS.index(kill) + 1])
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("write", STEPS)
@pytest.mark.parametrize("kill", STEPS)
def test_killed_and_written_to_at_any_step_nothing_is_lost(folder: Folder, write: str, kill: str) -> None:
    manager = folder.manager()
    path, packed = folder.add(manager, "a"), folder.base / "a.zst"
    is_written = STEPS.index(write) <= STEPS.index(kill)
    newest = TEXT + b"more" if is_written else TEXT
    was_killed = killed(folder, path, write, kill)
    assert was_killed or is_written  # whoever wrote has kept it from coming so far
    assert (path.read_bytes() if path.exists() else content(packed)) == newest
    folder.clock.advance(IDLE + 1)
    manager.sweep()
    assert folder.left() == ["a.zst"]
    assert content(packed) == newest
    assert list(manager.registry.files) == [str(packed)]


def test_interrupted_at_any_point_nothing_is_lost(folder: Folder, manager: TempFileManager) -> None:
    def at(point: int) -> bool:
        name = f"{point:03}"
        path, packed = folder.add(manager, name), folder.base / f"{name}.zst"
        with suppress(KeyboardInterrupt), interrupted(point, "storage/packing", stop) as reached:
            manager.sweep()
        assert (path.read_bytes() if path.exists() else content(packed)) == TEXT
        manager.sweep()
        assert folder.left() == [f"{name}.zst"]
        assert list(manager.registry.files) == [str(packed)]
        assert content(packed) == TEXT
        manager.sweep(force=True)
        return reached()

    assert everywhere(at) > 50


def test_what_a_killed_sweep_left_is_foretold_as_it_comes(folder: Folder) -> None:
    """A dry run takes nothing away."""
    manager = folder.manager()
    path = folder.add(manager, "a")
    assert killed(folder, path, "", "record again")
    assert folder.left() == ["a", "a.zst"]
    assert [one.status for one in manager.sweep(dry_run=True).outcomes] == [Status.COMPRESSED]
    assert folder.left() == ["a", "a.zst"]
    assert [one.status for one in swept(manager)] == [Status.COMPRESSED]
    assert folder.left() == ["a.zst"]


def test_what_a_killed_sweep_left_and_somebody_holds_stays(folder: Folder) -> None:
    manager = folder.manager()
    path = folder.add(manager, "a")
    assert killed(folder, path, "", "record again")
    with manager.hold(f"{path}.zst"):
        (outcome,) = swept(manager)
    assert "is taken" in outcome.reason
    assert folder.left() == ["a", "a.zst"]


def test_an_older_compressed_file_stays_beside_a_new_file_of_the_name(folder: Folder, manager: TempFileManager) -> None:
    """It is whole, and what is in it is nowhere else."""
    path = folder.add(manager, "a")
    swept(manager)
    folder.add(manager, "a", TEXT[::-1])
    (outcome,) = swept(manager)
    assert "is taken" in outcome.reason
    assert (path.read_bytes(), content(folder.base / "a.zst")) == (TEXT[::-1], TEXT)


def test_a_sweep_that_misses_it_before_it_has_its_name_loses_nothing(
    folder: Folder, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, its record was forgotten, and the compressed file stayed for ever."""
    path, real = folder.add(manager, "a"), new_files.give_name

    def late(*args: Any) -> None:
        assert manager.registry.forget((f"{path}.zst",)) == 1
        real(*args)

    monkeypatch.setattr(new_files, "give_name", late)
    assert [one.status for one in swept(manager)] == [Status.COMPRESSED]
    assert list(manager.registry.files) == [f"{path}.zst"]
    folder.clock.advance(AGE)
    swept(manager)
    assert folder.left() == []


# -- together with others


def test_several_processes_compress_each_file_once(folder: Folder, manager: TempFileManager) -> None:
    texts = {f"{number:02}": TEXT[number:] for number in range(60)}
    for name, text in texts.items():
        folder.add(manager, name, text)

    def work(_: int) -> int:
        mine = folder.manager()
        return mine.sweep().compressed

    assert sum(together(3, work)) == len(texts)
    assert folder.left() == [f"{name}.zst" for name in texts]
    assert all(content(folder.base / f"{name}.zst") == text for name, text in texts.items())


def test_a_bounded_and_paranoid_sweep_compresses_as_well(folder: Folder) -> None:
    manager = folder.manager(paranoid=True, cleanup_timeout=5.0)
    path = folder.add(manager, "a", TEXT * 10)
    assert [one.status for one in swept(manager)] == [Status.COMPRESSED]
    assert folder.left() == ["a.zst"]
    assert content(folder.base / "a.zst") == TEXT * 10
    assert not any((folder.base / ".temp-file-manager" / "aside").iterdir())
    assert not path.exists()


def test_on_a_full_disk_it_is_left_until_there_is_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=8m") as done:
        if not done:
            pytest.skip("mounting takes root")
        folder = Folder(tmp_path / "disk" / "base", FakeClock(time.time()))
        manager = folder.manager()
        path = folder.add(manager, "a", TEXT * 10)
        with open(folder.base / "filler", "wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))
        (outcome,) = swept(manager)
        assert "no room" in outcome.reason
        assert path.read_bytes() == TEXT * 10
        os.remove(folder.base / "filler")
        folder.clock.advance(IDLE + 1)
        assert [one.status for one in swept(manager)] == [Status.COMPRESSED]
        assert content(folder.base / "a.zst") == TEXT * 10
        folder.close()


def test_a_registry_that_is_full_leaves_it(
    folder: Folder, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.add(manager, "a")

    def full(*_: Any, **__: Any) -> None:
        raise RegistryFullError("full")

    monkeypatch.setattr(manager.registry, "add", full)
    (outcome,) = swept(manager)
    assert "no room" in outcome.reason
    assert path.read_bytes() == TEXT
    assert folder.left() == ["a"]


# -- whose it is


def test_who_has_swept_and_leaves_takes_what_others_have_registered_not_along(
    folder: Folder, manager: TempFileManager
) -> None:
    for name in ("alone", "one", "other"):
        folder.add(manager, name)
        with folder.manager() as sweeper:
            assert len(sweeper.sweep().outcomes) == 1
    names = [folder.base / "first", folder.base / "second"]
    for path in names:
        path.write_bytes(TEXT)
    manager.register_files(names)
    folder.clock.advance(IDLE + 1)
    with folder.manager() as sweeper:
        assert {one.status for one in swept(sweeper)} == {Status.COMPRESSED}
    assert folder.left() == ["alone.zst", "first.zst", "one.zst", "other.zst", "second.zst"]


def test_who_has_registered_it_takes_it_along_whoever_has_swept(folder: Folder, manager: TempFileManager) -> None:
    with folder.manager() as owner:
        folder.add(owner, "a")
        assert [one.status for one in swept(manager)] == [Status.COMPRESSED]
    assert folder.left() == []


# -- refused at start


def test_what_destroys_does_not_compress(folder: Folder) -> None:
    with pytest.raises(SettingsError, match="secure_delete is on"):
        folder.manager(secure_delete=True)


def test_without_the_library_it_says_what_to_install(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd, "library", lambda: None)
    with pytest.raises(SettingsError, match=r"temp-file-manager\[compress\]"):
        folder.manager()
    folder.manager(rule={"compress": None})


def test_the_library_is_imported_when_something_is_compressed() -> None:
    program = (
        "import sys, temp_file_manager; print([name for name in sys.modules if 'zstd' in name.rpartition('.')[2]])"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert found == "['temp_file_manager.storage.zstd']\n"
