"""The adversarial kit itself: it finds what it is made to find, leaves nothing behind, and says what it cannot do."""

import errno
import os
import re
import resource
import select
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from places import DOCS, TESTS
from removing import removed
from temp_file_manager import testing
from temp_file_manager.records import Status, TempFile
from temp_file_manager.testing import (
    HOLDING,
    FailingStorage,
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
from temp_file_manager.testing.hostile import attackers

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
LINUX = sys.platform == "linux"
KIT = ["FailingStorage", "busy", "filler", "holders", "limited", "openers", "read_only", "small_disk", "swapper"]


def make(directory: Path, count: int) -> list[Path]:
    directory.mkdir(exist_ok=True)
    paths = [directory / str(number) for number in range(count)]
    for path in paths:
        path.write_text("x")
    return paths


# -- it finds what it is made to find


def test_a_cleaner_that_looks_and_then_removes_by_the_path_hits_victims(tmp_path: Path) -> None:
    mine, victims = make(tmp_path / "mine", 20), make(tmp_path / "victims", 20)
    spares = [tmp_path / f"spare {path.parent.name} {path.name}" for path in (*mine, *victims)]
    for spare, path in zip(spares, (*mine, *victims), strict=True):
        os.link(path, spare)
    known = {path: path.stat().st_ino for path in mine}
    directory = os.open(tmp_path / "mine", os.O_RDONLY)
    hit = False
    with swapper(tmp_path / "mine", tmp_path / "victims"):
        for _ in range(5000):
            for path in mine:
                if os.stat(path).st_ino == known[path]:
                    os.remove(path)
            hit = any(spare.stat().st_nlink == 1 for spare in spares[20:])
            if hit:
                break
            for path, spare in zip(mine, spares[:20], strict=True):
                if spare.stat().st_nlink == 1:
                    os.link(spare, path.name, dst_dir_fd=directory)
    os.close(directory)
    assert hit


def test_a_cleaner_that_asks_nobody_takes_what_is_open(tmp_path: Path) -> None:
    paths = make(tmp_path / "files", 4)
    with openers(paths) as opening:
        for _ in range(300):
            for path in paths:
                path.unlink()
                path.touch()
    assert opening.counts["taken"] > 0


# -- it leaves nothing behind


def test_what_was_swapped_is_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").symlink_to("one")
    for _ in range(3):
        with swapper(tmp_path / "one", tmp_path / "other") as swapping:
            pass
        assert swapping.counts["swaps"] > 0
        assert (tmp_path / "other").is_symlink()
    with pytest.raises(KeyError), swapper(tmp_path / "one", tmp_path / "other"):
        raise KeyError
    assert sorted(os.listdir(tmp_path)) == ["one", "other"]
    assert (tmp_path / "other").is_symlink()


def test_without_the_system_call_it_swaps_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attackers.ctypes, "PyDLL", lambda *_, **__: object())
    (tmp_path / "one").write_text("1")
    (tmp_path / "other").write_text("2")
    swapping = attackers.swap(str(tmp_path / "one"), str(tmp_path / "other"))
    assert next(swapping) == {"swaps": 2, "failed": 0, "atomic": 0}
    assert next(swapping)["swaps"] == 4
    assert (tmp_path / "one").read_text() == "1"
    assert sorted(os.listdir(tmp_path)) == ["one", "other"]


@pytest.mark.parametrize("how", HOLDING)
def test_who_holds_leaves_the_files_alone(tmp_path: Path, how: str) -> None:
    paths = make(tmp_path / "files", 3)
    before = [path.stat() for path in paths]
    with holders(paths, how) as holding:
        assert [path.stat().st_nlink for path in paths] == [2 if how == "another name" else 1] * 3
    assert holding.counts == {"held": 3}
    assert [(path.stat().st_ino, path.stat().st_nlink) for path in paths] == [(seen.st_ino, 1) for seen in before]
    assert sorted(os.listdir(tmp_path / "files")) == ["0", "1", "2"]


def test_attackers_end_with_who_started_them(tmp_path: Path) -> None:
    make(tmp_path / "one", 1)
    make(tmp_path / "other", 1)
    program = (
        "import os, sys; from temp_file_manager.testing import swapper; swapping = swapper(*sys.argv[1:]); "
        "print(swapping.__enter__().processes[0].pid, flush=True); input(); os._exit(1)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "one", tmp_path / "other"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    attacker = os.pidfd_open(int(starter.stdout.readline()))
    assert select.select([attacker], [], [], 0)[0] == []
    starter.communicate("\n")
    assert select.select([attacker], [], [], 30)[0] == [attacker]
    os.close(attacker)


def test_a_limit_is_put_back(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(OSError, match="Too many open files"), limited(resource.RLIMIT_NOFILE, 0):
        os.open(tmp_path, os.O_RDONLY)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_a_full_disk_is_full_and_gets_empty_again(tmp_path: Path) -> None:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(tmp_path / "disk", 1 << 20))
        except OSError as error:
            if ROOT and "CI" in os.environ:
                pytest.fail(f"root in CI can mount: {error}")
            print(f"not tried: {error}")
            return
        with open(f"{disk}/file", "wb") as file:
            file.write(bytes(100_000))
        with filler(disk) as filling:
            with open(f"{disk}/other", "wb", buffering=0) as other, pytest.raises(OSError, match="No space left"):
                other.write(b"x")
            os.remove(f"{disk}/file")
        assert filling.counts["bytes"] > 900_000
        assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize == 1 << 20
    assert os.listdir(disk) == []


# -- it says when it cannot begin


def test_what_cannot_begin_says_so(tmp_path: Path) -> None:
    make(tmp_path / "one", 1)
    with pytest.raises(ChildProcessError, match="No such file"), swapper(tmp_path / "one", tmp_path / "missing"):
        pass
    with pytest.raises(ChildProcessError, match="No such file"), holders([tmp_path / "missing"]):
        pass
    with pytest.raises(ValueError, match="give one of open, mapped"), holders([], "firmly"):
        pass
    with pytest.raises(ValueError, match="fill a small_disk"), filler(tmp_path, most=0):
        pass


def test_an_attacker_that_dies_is_no_success(tmp_path: Path) -> None:
    (path,) = make(tmp_path / "files", 1)

    def opened() -> None:
        with openers([path]) as opening:
            path.unlink()
            path.mkdir()
            (process,) = opening.processes
            process.wait()

    with pytest.raises(ChildProcessError, match="IsADirectoryError"):
        opened()


@pytest.mark.parametrize("mounting", [lambda path: small_disk(path, 1 << 20), read_only, busy])
def test_who_may_not_mount_is_told_what_is_missing(mounting: object) -> None:
    def child() -> str:
        if ROOT:
            os.setuid(65534)
        try:
            with tempfile.TemporaryDirectory() as directory, mounting(directory):  # type: ignore[operator]
                return "mounted"
        except OSError as error:
            return str(error)

    assert "it takes root (CAP_SYS_ADMIN)" in in_child(child) or not LINUX


# -- the storage that fails


def test_a_failing_storage_keeps_the_contract(tmp_path: Path) -> None:
    paths = make(tmp_path / "files", 4)
    records = [TempFile(str(path), 0.0) for path in paths]
    storage = FailingStorage(errno.EIO, paths[1:3])
    found = removed(storage, records, lambda at: at != 2)
    assert [outcome.record for outcome in found] == records
    assert [outcome.status for outcome in found] == [Status.REMOVED, Status.FAILED, Status.SKIPPED, Status.REMOVED]
    assert (storage.hits, found[1].reason) == (1, f"[Errno 5] Input/output error: '{paths[1]}'")
    storage.release()
    assert [o.status for o in storage.predict(records[1:2])] == [Status.REMOVED]
    assert [o.status for o in removed(storage, records[1:3])] == [Status.REMOVED] * 2
    assert storage.hits == 1


# -- what is said of it


@pytest.mark.parametrize("name", KIT)
def test_each_says_what_it_proves_its_limits_and_an_example(name: str) -> None:
    text = getattr(testing, name).__doc__
    assert [word for word in ("Proves", "Limits: ", "Example::") if word not in text] == []


def test_the_tests_that_the_threat_model_names_are_there() -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", (DOCS / "threat-model.md").read_text())
    assert len(named) > 10
    sources = {file: "".join(there.read_text() for there in TESTS.rglob(f"{file}.py")) for file, _ in named}
    assert [f"{file}::{test}" for file, test in named if f"def {test}(" not in sources[file]] == []
