"""Files that nobody registered: what is adopted, what is passed by, and what a plan, a sweep and others may change."""

import fcntl
import functools
import gc
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contexts import MakeManager, timed
from renamer import RENAMER
from temp_file_manager import TempFileManager
from temp_file_manager.adopt import once, survey
from temp_file_manager.adopt import plan as adopting
from temp_file_manager.adopt.survey import Wanted
from temp_file_manager.adopt.watched import RECENT, WATCHED, adopt_watched, read_watched, unwatch, watch, watched
from temp_file_manager.causes import Cause
from temp_file_manager.context import Context
from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError, TempFileError
from temp_file_manager.records import Identity, Status, TempFile
from temp_file_manager.registering.on_record import on_record
from temp_file_manager.settings import Settings
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage import tree as walking
from temp_file_manager.storage.contract import Removal
from temp_file_manager.storage.kernel.statx import Listed, ListedLook, listed_by_stat, listed_looker
from temp_file_manager.storage.prune import prune
from temp_file_manager.storage.tree import Entry, Skip, Tree
from temp_file_manager.storage.wrappers import overwrite
from temp_file_manager.storages import Storages
from temp_file_manager.sweeping.sweep import LEASE
from temp_file_manager.testing import NOW, FakeClock
from trees import DAY, LATER, make, snapshot, special

ROOT = os.geteuid() == 0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


def planned(tree: Path, *, now: float | None = None, max_age: float = DAY, **others: Any) -> adopting.Plan:
    return adopting.plan(tree, now=time.time() if now is None else now, max_age=max_age, **others)


def adopted(manager: TempFileManager, tree: Path, **others: Any) -> adopting.Adoption:
    return adopting.adopt(manager.context, planned(tree, known=manager.registry.get, **others))


def swept_once(tree: Path, *, age: float = LATER, pruning: bool = False, **others: Any) -> once.Done:
    plan = planned(tree, now=time.time() + age, renew=False, **others)
    known = others.get("known", lambda _: {})
    return once.sweep_once(Context.beside(Settings(protect_open=False)), plan, known=known, pruning=pruning)


# -- what is adopted, and what is not


def test_regular_files_at_every_depth_are_adopted(manager: TempFileManager, tree: Path) -> None:
    paths = make(tree, "a", "b/c", "b/d/e/f", ".hidden/.file", "..two dots")
    done = adopted(manager, tree)
    assert (done.registered, done.size, done.skipped) == (5, 25, {})
    assert set(manager.files) == set(map(str, paths))


KINDS = ["link", "dangling link", "link to a directory", "pipe", "socket"] + ["device"] * ROOT


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_passed_by(manager: TempFileManager, tree: Path, kind: str) -> None:
    (file,) = make(tree, "file")
    reason = special(tree / "special", kind)
    done = adopted(manager, tree)
    assert (list(manager.files), done.skipped) == ([str(file)], {reason: 1})


def test_a_file_with_two_names_is_passed_by_under_both(manager: TempFileManager, tree: Path) -> None:
    (file,) = make(tree, "file")
    os.link(file, tree / "other")
    assert (adopted(manager, tree).registered, planned(tree).skipped) == (0, {Skip.LINKS: 2})


def test_our_own_folder_is_passed_by_wherever_it_is(manager: TempFileManager, tree: Path) -> None:
    make(tree, ".temp-file-manager/registry.db", "below/.temp-file-manager/deeper/file")
    (named_alike,) = make(tree, "below/.temp-file-manager.old")
    done = adopted(manager, tree)
    assert (list(manager.files), done.skipped) == ([str(named_alike)], {Skip.OURS: 2})


def test_the_base_directory_itself_can_be_adopted_from(manager: TempFileManager) -> None:
    (file,) = make(Path(manager.base_dir), "file")
    adopted(manager, Path(manager.base_dir))
    assert list(manager.files) == [str(file)]


@pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_directory_that_somebody_has_locked_is_passed_by_with_all_below(
    manager: TempFileManager, tree: Path, how: int
) -> None:
    """As systemd-tmpfiles does it, for whoever works in a directory and says so."""
    free, _, _ = make(tree, "free/file", "locked/file", "locked/below/file")
    theirs = os.open(tree / "locked", os.O_RDONLY)
    fcntl.flock(theirs, how)
    done = adopted(manager, tree)
    assert (list(manager.files), done.skipped) == ([str(free)], {Skip.LOCKED: 1})
    assert planned(tree / "locked").skipped == {Skip.LOCKED: 1}
    assert once.sweep_once(manager.context, planned(tree, now=time.time() + LATER)).report.removed == 1
    os.close(theirs)
    assert adopted(manager, tree).registered == 2


def test_a_base_directory_below_is_its_managers(manager: TempFileManager, tree: Path, tmp_path: Path) -> None:
    """They share a lock on it; somebody who has it alone keeps it from adoption by its own name, too."""
    base = Path(manager.base_dir)
    make(base, "file")
    assert planned(tmp_path).skipped == {Skip.LOCKED: 1}
    assert planned(base).files == 1
    manager.close()
    theirs = os.open(base, os.O_RDONLY)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    assert planned(base).skipped == {Skip.LOCKED: 1}
    os.close(theirs)


def test_files_that_this_program_works_with_are_passed_by(tree: Path) -> None:
    make(tree, "r.db", "r.db-wal", "r.db-claimers/1", "r.dbx", "tfm.log")
    what = survey.wanted(tree, spared=[str(tree / "r.db"), str(tree / "tfm.log")])
    plan = adopting.plan(what, now=time.time(), max_age=1)
    assert (plan.oldest, plan.files, plan.skipped) == (str(tree / "r.dbx"), 1, {Skip.OURS: 4})


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_another_users_files_are_passed_by(manager: TempFileManager, tree: Path) -> None:
    mine, theirs, inside = make(tree, "mine", "theirs", "their directory/mine")
    os.chown(theirs, 12345, 12345)
    os.chown(inside.parent, 12345, 12345)
    done = adopted(manager, tree)
    assert (set(manager.files), done.skipped) == ({str(mine), str(inside)}, {Skip.OWNER: 1})


@pytest.fixture
def mounted(tree: Path) -> Iterator[Path]:
    """A directory in the tree on a mount of its own, with a file, and one above it that has the same device."""
    if not ROOT:
        pytest.skip("only root mounts")
    point, bound = tree / "point", tree / "bound"
    for directory in (point, bound, tree / "source"):
        directory.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no right to mount here")
    try:
        make(tree, "point/file", "source/file")
        subprocess.run(["mount", "--bind", tree / "source", bound], check=True)
        yield point
    finally:
        for directory in (point, bound):
            subprocess.run(["umount", "-l", directory], capture_output=True, check=False)


def test_other_mounts_are_passed_by(manager: TempFileManager, tree: Path, mounted: Path) -> None:
    """Also one that shows a directory of the same file system again, which no device number tells."""
    done = adopted(manager, tree)
    assert (list(manager.files), done.skipped) == ([str(tree / "source" / "file")], {Skip.MOUNT: 2})


def test_where_no_kernel_tells_mounts_devices_do(tree: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "listed_looker", lambda: listed_by_stat)
    assert planned(tree).skipped == {Skip.MOUNT: 1}


def test_a_file_mounted_over_another_is_passed_by(tree: Path, mounted: Path) -> None:
    target, source = make(tree, "target", "elsewhere")
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        assert planned(tree).skipped == {Skip.MOUNT: 3}
    finally:
        subprocess.run(["umount", "-l", target], check=True)


def test_the_directory_may_be_a_mount_itself(manager: TempFileManager, mounted: Path) -> None:
    assert adopted(manager, mounted).registered == 1


def test_what_is_on_record_keeps_its_record(manager: TempFileManager, tree: Path) -> None:
    known, new = make(tree, "known", "new")
    manager.register_file(known, ttl=5, tags=["mine"])
    before = manager.status(known).record
    done = adopted(manager, tree)
    assert (done.registered, done.skipped) == (1, {Skip.KNOWN: 1})
    assert manager.status(known).record == before
    assert adopted(manager, tree).skipped == {Skip.KNOWN: 2}
    assert new.exists()


def test_what_is_on_record_under_the_other_name_of_a_linked_directory_is_known(
    manager: TempFileManager, tree: Path, tmp_path: Path
) -> None:
    (file,) = make(tree, "file")
    (tmp_path / "alias").symlink_to(tree)
    manager.register_file(file)
    assert adopted(manager, tmp_path / "alias").skipped == {Skip.KNOWN: 1}


def test_a_linked_directory_is_adopted_from_under_the_name_it_was_given(
    manager: TempFileManager, tree: Path, tmp_path: Path
) -> None:
    make(tree, "file")
    alias = tmp_path / "alias"
    alias.symlink_to(tree)
    adopted(manager, alias)
    assert list(manager.files) == [str(alias / "file")]
    assert manager.sweep(force=True).removed == 1


# -- excludes


@pytest.mark.parametrize(
    ("glob", "left_out"),
    [
        ("keep", {"keep", "sub/keep"}),
        ("sub/keep", {"sub/keep"}),
        ("sub", {"sub/keep", "sub/x.log"}),
        ("*.log", {"sub/x.log", "y.log"}),
        ("sub/*", {"sub/keep", "sub/x.log"}),
        ("[!a-z]*", {"Ü\n"}),
        ("?", set()),
        ("[", set()),
        ("KEEP", set()),
        ("tree", set()),
    ],
)
def test_what_matches_an_exclude_stays(tree: Path, manager: TempFileManager, glob: str, left_out: set[str]) -> None:
    names = {"keep", "sub/keep", "sub/x.log", "y.log", "Ü\n"}
    make(tree, *names)
    adopted(manager, tree, exclude=[glob])
    assert {os.path.relpath(path, tree) for path in manager.files} == names - left_out


def test_excludes_add_up(tree: Path) -> None:
    make(tree, "a", "b", "c")
    assert planned(tree, exclude=["a", "b"]).skipped == {"excluded by a": 1, "excluded by b": 1}


@pytest.mark.parametrize("glob", ["", "/abs", "./here", "../up", "directory/"])
def test_an_exclude_that_would_protect_nothing_is_refused(tree: Path, glob: str) -> None:
    with pytest.raises(InvalidArgumentError, match="nothing can match"):
        planned(tree, exclude=[glob])


# -- ages


def test_a_file_that_carries_an_old_date_is_as_young_as_it_is(manager: TempFileManager, tree: Path) -> None:
    (file,) = make(tree, "file")
    os.utime(file, (1, 1))
    plan = planned(tree, max_age=60)
    assert (plan.files, plan.due) == (1, 0)
    assert plan.oldest_age < 60
    adopting.adopt(manager.context, plan)
    assert abs(manager.files[str(file)] - time.time()) < 60
    assert manager.sweep().removed == 0


def test_what_carries_a_date_to_come_is_as_old_as_its_adoption(
    tree: Path, make_manager: MakeManager, clock: FakeClock
) -> None:
    """Excludes code that waits for the year 2099, or takes the file for touched anew at each sweep till then."""
    clock.set(wall=time.time() + LATER)
    manager = make_manager(max_age=1000)
    (file,) = make(tree, "file")
    os.utime(file, (1, clock.wall() + 5e9))
    watch(manager.context, survey.wanted(tree))
    adopt_watched(manager.context)
    at = clock.wall()
    assert manager.files[str(file)] == at
    clock.advance(999)
    adopt_watched(manager.context)
    assert (manager.files[str(file)], manager.sweep().removed) == (at, 0)
    clock.advance(2)
    adopt_watched(manager.context)
    assert manager.sweep().removed == 1


def test_each_file_is_given_its_own_age(manager: TempFileManager, tree: Path) -> None:
    now = time.time()
    for number, path in enumerate(make(tree, *map(str, range(50)))):
        os.utime(path, (now, now + 100 + number))
    adopted(manager, tree, now=now + 1000)
    for number in range(50):
        age = manager.files[str(tree / str(number))] - now
        assert abs(age - (100 + number)) <= 1


@pytest.mark.parametrize(
    ("latest", "now", "expected"),
    [
        (5_000_000_000, 9.0, 5.0),
        (5_000_000_001, 9.0, 6.0),
        (5_999_999_999, 6.0, 6.0),
        (5_400_000_000, 5.7, 5.7),  # not to come
        (5_400_000_000, 5.1, 5.1),  # to come
        (0, 9.0, 0.0),
        (-1_500_000_000, 9.0, -1.0),
        (1 << 70, 9.0, 9.0),
    ],
)
def test_times_are_rounded_to_the_younger_side(latest: int, now: float, expected: float) -> None:
    assert survey.registered_at(latest, now) == expected
    assert survey.registered_at(latest, now) >= min(latest / 1e9, now)


def test_the_latest_of_three_times_counts(tree: Path) -> None:
    facts = Listed(0, 1, 0, 0, 1, 0, born=1, changed=2, written=3)
    for times in ((1, 2, 3), (3, 2, 1), (2, 3, 1)):
        born, changed, written = times
        assert walking.entry_of("x", facts._replace(born=born, changed=changed, written=written), facts, 7).latest == 3
    assert walking.entry_of("x", facts._replace(born=0, changed=-5, written=-3), facts, 7).latest == -3


def test_an_age_given_at_adoption_stays_with_the_files(manager: TempFileManager, tree: Path) -> None:
    """Else what was adopted for a day would go after the hour of whoever sweeps."""
    (file,) = make(tree, "file")
    what = survey.wanted(tree, ttl=DAY)
    plan = adopting.plan(what, now=time.time() + 7200, max_age=3600)
    assert (plan.max_age, plan.due) == (DAY, 0)
    adopting.adopt(manager.context, plan)
    record = manager.status(file).record
    assert record is not None
    assert record.due_at == record.registered_at + DAY
    manager.max_age = 0
    assert manager.sweep().removed == 0


def test_a_file_touched_since_it_was_adopted_is_given_a_new_age(manager: TempFileManager, tree: Path) -> None:
    touched, left = make(tree, "touched", "left")
    adopted(manager, tree)
    manager.files[str(touched)] = manager.files[str(left)] = before = time.time() - LATER
    assert adopted(manager, tree).again == 2  # written to since, as far as the records say
    manager.files[str(left)] = time.time()
    manager.files[str(touched)] = before
    plan = planned(tree, known=manager.registry.get)
    assert (plan.files, plan.again, plan.skipped) == (1, 1, {Skip.KNOWN: 1})


def test_only_what_adoption_recorded_is_given_a_new_age() -> None:
    record = TempFile("/x", 5.0)
    assert survey.touched(record._replace(tags=("adopted",)), 6_000_000_000, 6.0)
    assert not survey.touched(record._replace(tags=("adopted",)), 6_000_000_000, 5.5), "a date to come tells nothing"
    assert not survey.touched(record._replace(tags=("adopted",)), 5_000_000_000, 6.0)
    assert not survey.touched(record._replace(tags=("adopted", "mine")), 6_000_000_000, 6.0)
    assert not survey.touched(record, 6_000_000_000, 6.0)


# -- the plan


def test_a_plan_counts_and_changes_nothing(tree: Path) -> None:
    make(tree, "a", "b/c")
    special(tree / "link", "link")
    before = snapshot(tree)
    plan = planned(tree, now=time.time() + LATER)
    assert (plan.files, plan.size, plan.due, plan.due_size) == (2, 10, 2, 10)
    assert plan.skipped == {Skip.LINK: 1}
    assert Path(plan.oldest) in {tree / "a", tree / "b/c"}
    assert abs(plan.oldest_age - LATER) < 60
    assert snapshot(tree) == before


def test_a_plan_names_the_oldest_files_and_no_more(tree: Path) -> None:
    files = make(tree, *(f"{number:02}" for number in range(adopting.FIRST + 5)))
    for number, file in enumerate(files):
        os.utime(file, (NOW + number, NOW + number))
    what = survey.wanted(tree, by=survey.By.MTIME)
    plan = adopting.plan(what, now=time.time(), max_age=DAY)
    assert [file.path for file in plan.first] == [str(file) for file in files[: adopting.FIRST]]
    assert (plan.files, plan.oldest) == (len(files), str(files[0]))


def test_a_plan_tells_of_each_file_and_of_each_thing_that_is_passed_by(tree: Path) -> None:
    make(tree, "a", "b/c", "x.lock", "keep/d")
    special(tree / "link", "link")
    told: list[survey.Chosen | survey.Passed] = []
    planned(tree, exclude=["*.lock", "keep"], tell=told.append)
    assert {one.path for one in told if isinstance(one, survey.Chosen)} == {str(tree / "a"), str(tree / "b/c")}
    assert {one for one in told if isinstance(one, survey.Passed)} == {
        (str(tree / "link"), Skip.LINK),
        (str(tree / "x.lock"), "excluded by *.lock"),
        (str(tree / "keep"), "excluded by keep"),
    }


def test_a_plan_of_units_tells_of_them(tree: Path) -> None:
    (tree / "unit").mkdir()
    (tree / "kept").mkdir()
    make(tree, "file")
    told: list[survey.Chosen | survey.Passed] = []
    what = replace(survey.wanted(tree, ["kept"]), units=True)
    plan = adopting.plan(what, now=time.time(), max_age=DAY, tell=told.append)
    assert {one.path for one in plan.first} == {str(tree / "unit")}
    assert {one for one in told if isinstance(one, survey.Passed)} == {
        (str(tree / "file"), "no directory"),
        (str(tree / "kept"), "excluded by kept"),
    }


def test_a_million_files_leave_twenty_in_memory(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand, found again and again: what is remembered of them does not grow with them."""
    (file,) = make(tree, "file")
    with Tree(str(tree), lambda _: None, lambda *_: None) as opened:
        again = list(opened.entries()) * 100_000
    monkeypatch.setattr(Tree, "entries", lambda *_: iter(again))
    what = survey.wanted(tree)
    tracemalloc.start()
    try:
        plan = adopting.plan(what, now=time.time() + 2 * DAY, max_age=DAY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (plan.files, plan.due, len(plan.first)) == (100_000, 100_000, adopting.FIRST)
    assert peak < 4 << 20, "some batches of a thousand"
    assert plan.first[0].path == str(file)


# -- by mtime


def unpacked(tree: Path, *names: str, days: float = 9) -> list[Path]:
    """Files that carry an old date, and were made a moment ago."""
    files = make(tree, *names)
    for file in files:
        os.utime(file, (time.time() - days * DAY,) * 2)
    return files


def test_by_mtime_an_old_date_counts_and_the_plan_says_how_often(tree: Path) -> None:
    unpacked(tree, "old")
    make(tree, "new")
    by_change, by_mtime = planned(tree), adopting.plan(by_mtime_of(tree), now=time.time(), max_age=DAY)
    assert (by_change.due, by_change.by_mtime_alone) == (0, 1)
    assert (by_mtime.due, by_mtime.by_mtime_alone) == (1, 1)
    later = adopting.plan(by_mtime_of(tree), now=time.time() + 2 * DAY, max_age=DAY)
    assert (later.due, later.by_mtime_alone) == (2, 0), "changed long ago, too"


def by_mtime_of(tree: Path) -> Wanted:
    return survey.wanted(tree, by=survey.By.MTIME)


def test_by_mtime_once_removes_what_find_would(tree: Path) -> None:
    unpacked(tree, "old")
    make(tree, "new")
    plan = adopting.plan(by_mtime_of(tree), now=time.time(), max_age=DAY, renew=False)
    report = once.sweep_once(Context.beside(Settings(protect_open=False)), plan).report
    assert (report.removed, os.listdir(tree)) == (1, ["new"])


def test_by_mtime_files_go_on_record_as_old_as_their_date_until_they_are_written_to(
    manager: TempFileManager, tree: Path
) -> None:
    (old,) = unpacked(tree, "old")
    context, written = manager.context, os.stat(old).st_mtime

    def adopt() -> adopting.Adoption:
        return adopting.adopt_wanted(context, by_mtime_of(tree), time.time(), stop=lambda: False)

    assert adopt().registered == 1
    assert manager.files[str(old)] == pytest.approx(written, abs=1)
    assert adopt().registered == 0, "its date is what it was"
    os.utime(old, (written + DAY, written + DAY))
    assert (adopt().again, manager.files[str(old)]) == (1, pytest.approx(written + DAY, abs=1))


def test_a_mark_remembers_by_what_its_files_age(manager: TempFileManager, tree: Path) -> None:
    watch(manager.context, by_mtime_of(tree))
    assert [one.by for one in watched(manager.context)] == [survey.By.MTIME]
    watch(manager.context, survey.wanted(tree))
    assert [one.by for one in watched(manager.context)] == [survey.By.CHANGE]


def test_an_empty_directory_is_an_empty_plan(tree: Path) -> None:
    plan = planned(tree)
    assert (plan.files, plan.due, plan.oldest, plan.oldest_age, plan.skipped) == (0, 0, "", 0, {})


def test_what_is_in_memory_cannot_be_adopted(tree: Path, tmp_path: Path) -> None:
    """There a file is known by its path alone, and nobody vouched for these paths."""
    make(tree, "file")
    manager = TempFileManager(tmp_path / "base")
    with pytest.raises(InvalidArgumentError, match="durable"):
        adopted(manager, tree)
    assert dict(manager.files) == {}


@pytest.mark.parametrize("age", [-1, float("nan")])
def test_an_age_that_means_nothing_is_refused(tree: Path, age: float) -> None:
    with pytest.raises(InvalidArgumentError):
        planned(tree, max_age=age)


DANGEROUS = ["/", "/usr", "/etc", "/var", "/home", os.path.expanduser("~")]


@pytest.mark.parametrize("directory", DANGEROUS)
def test_a_dangerous_directory_is_refused(directory: str) -> None:
    with pytest.raises(BaseDirectoryError):
        adopting.plan(directory, now=time.time(), max_age=1)


def test_a_directory_that_everybody_may_write_to_is_refused(tree: Path) -> None:
    tree.chmod(0o777)
    with pytest.raises(BaseDirectoryError):
        planned(tree)


@pytest.mark.parametrize("kind", ["missing", "file", "nul", "empty"])
def test_what_is_no_directory_is_refused(tree: Path, kind: str) -> None:
    make(tree, "file")
    directory = "" if kind == "empty" else os.fspath(tree / {"nul": "a\0b"}.get(kind, kind))
    with pytest.raises(TempFileError):
        adopting.plan(directory, now=time.time(), max_age=1)


# -- names


NAMES = [
    b"new\nline",
    b"\xff\xfe undecodable",
    b"\x1b[31mred",
    b" ",
    b"-rf",
    b"*",
    b"\\",
    "\u202e".encode(),
    b"x" * 255,
]


def test_names_of_every_kind_are_adopted_and_swept(manager: TempFileManager, tree: Path) -> None:
    for name in NAMES:
        Path(os.fsdecode(os.path.join(os.fsencode(tree), name))).write_bytes(b"x")
        directory = os.path.join(os.fsencode(tree), b"in " + name[:250])
        os.mkdir(directory)
        Path(os.fsdecode(os.path.join(directory, name))).write_bytes(b"x")
    assert adopted(manager, tree).registered == 2 * len(NAMES)
    assert manager.sweep(force=True).removed == 2 * len(NAMES)
    assert swept_once(tree).report.removed == 0
    assert {name for name in os.listdir(os.fsencode(tree)) if not name.startswith(b"in ")} == set()


# -- scale


def test_twenty_thousand_files_in_batches(
    manager: TempFileManager, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory in range(20):
        (tree / str(directory)).mkdir()
        for number in range(1000):
            os.close(os.open(tree / str(directory) / str(number), os.O_CREAT | os.O_WRONLY, 0o600))
    asked: list[int] = []

    def known(paths: Any) -> dict[str, TempFile]:
        asked.append(len(list(paths)))
        return {}

    assert planned(tree, known=known).files == 20_000
    assert max(asked) <= adopting.BATCH
    assert adopted(manager, tree).registered == len(manager.files) == 20_000
    manager.max_age = 0
    assert manager.sweep(force=True).removed == 20_000


def descriptors() -> int:
    gc.collect()  # what earlier tests left to it
    return len(os.listdir("/dev/fd"))


def test_a_deep_tree_is_walked_to_a_depth(tree: Path) -> None:
    here = os.open(tree, os.O_RDONLY)
    for _ in range(walking.DEEPEST + 10):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    before = descriptors()
    plan = planned(tree)
    assert (plan.files, plan.skipped) == (walking.DEEPEST + 1, {Skip.DEEP: 1})
    assert descriptors() == before
    shutil.rmtree(tree)


def test_what_no_path_leads_to_is_not_planned(manager: TempFileManager, tree: Path) -> None:
    """Excludes code that plans what a walk from directory to directory finds, and then fails to remove it for ever."""
    here = os.open(tree, os.O_RDONLY)
    for _ in range(20):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    done = adopted(manager, tree)
    assert (done.registered + done.skipped[Skip.LONG], done.skipped[Skip.LONG] >= 3) == (20, True)
    assert manager.sweep(force=True).removed == done.registered
    assert len(manager.files) == 0
    shutil.rmtree(tree)


def test_a_walk_that_is_given_up_closes_what_it_opened(manager: TempFileManager, tree: Path) -> None:
    make(tree, *(f"a/b/{number}" for number in range(adopting.BATCH + 5)))
    adopted(manager, tree)  # both of the registry's connections are open now
    for path in list(manager.files):
        manager.registry.forget([path])
    before = descriptors()
    done = adopting.adopt(manager.context, planned(tree), stop=lambda: True)
    assert (done.registered, done.stopped) == (adopting.BATCH, True)
    assert descriptors() == before


# -- a tree that changes


def during(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Do something when the walk is about to look at this entry."""
    real = listed_looker

    def looker() -> ListedLook:
        look = real()

        def acting(directory: int, entry: bytes) -> Listed:
            if entry == name.encode():
                act()
            return look(directory, entry)

        return acting

    monkeypatch.setattr(walking, "listed_looker", looker)


def test_a_file_that_vanishes_is_passed_by(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = make(tree, "file")
    during(monkeypatch, "file", lambda: file.unlink(missing_ok=True))
    assert (planned(tree).files, planned(tree).skipped) == (0, {})
    make(tree, "file")
    assert planned(tree).skipped == {Skip.VANISHED: 1}


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
@pytest.mark.parametrize("level", ["sub", "sub/deep"])
def test_a_renamer_leads_no_walk_and_no_sweep_astray(tree: Path, tmp_path: Path, level: str) -> None:
    make(tmp_path, *(f"victims/{'deep/' if level == 'sub' else ''}{number}" for number in range(20)))
    make(tree, *(f"sub/deep/{number}" for number in range(20)))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "victims")
    renamer = subprocess.Popen([sys.executable, "-c", RENAMER, tree / level, link], stdout=subprocess.PIPE)
    try:
        assert renamer.stdout is not None
        renamer.stdout.readline()
        for _ in range(200):
            swept_once(tree, pruning=True)
    finally:
        renamer.kill()
        renamer.communicate()
    assert sum(path.is_file() for path in (tmp_path / "victims").rglob("*")) == 20


def test_files_made_and_removed_while_it_is_walked(manager: TempFileManager, tree: Path) -> None:
    program = (
        "import os, sys, itertools, random\n"
        "os.chdir(sys.argv[1]); print('busy', flush=True)\n"
        "for n in itertools.count():\n"
        "    d = f'd{n % 50}/e'; os.makedirs(d, exist_ok=True)\n"
        "    open(f'{d}/{n}', 'w').close()\n"
        "    if n > 100: os.remove(f'd{(n - 100) % 50}/e/{n - 100}')\n"
        "    if n % 7 == 0: os.rename(f'd{n % 50}', f'moved{n}'); os.rename(f'moved{n}', f'd{n % 50}')\n"
    )
    busy = subprocess.Popen([sys.executable, "-c", program, tree], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        for _ in range(30):
            adopted(manager, tree)
        assert busy.poll() is None
    finally:
        busy.kill()
        busy.communicate()
    left = sum(path.is_file() for path in tree.rglob("*"))
    adopted(manager, tree)
    report = manager.sweep(force=True)
    assert (report.removed, report.failed, report.replaced) == (left, 0, 0)


def test_a_directory_that_cannot_be_read_is_counted(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tree, "closed/file", "open/file")
    real = os.open

    def refusing(path: Any, *args: Any, **where: Any) -> int:
        if path == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **where)

    monkeypatch.setattr("temp_file_manager.storage.tree.os.open", refusing)
    plan = planned(tree)
    assert (plan.files, plan.skipped) == (1, {Skip.UNREADABLE: 1})


# -- the two ways of looking


def test_both_ways_of_looking_see_the_same(tree: Path) -> None:
    (file,) = make(tree, "file")
    os.utime(file, ns=(1_000_000_001, -2_000_000_002))
    for kind in KINDS:
        special(tree / kind, kind)
    directory = os.open(tree, os.O_RDONLY)
    try:
        look = listed_looker()
        for name in [".", *os.listdir(tree)]:
            facts = look(directory, os.fsencode(name))
            assert facts._replace(born=0, mount=0) == listed_by_stat(directory, os.fsencode(name))._replace(
                born=0, mount=0
            )
        with pytest.raises(FileNotFoundError):
            look(directory, b"missing")
    finally:
        os.close(directory)


def test_an_entry_is_judged_by_what_it_is() -> None:
    fit = Entry("x", stat.S_IFREG | 0o600, 1, 7, 3, 0, 0, Identity(1, 2, 3, 4, 5))
    assert survey.unfit(fit, 3, 7) is None
    for change, reason in {
        ("links", 2): Skip.LINKS,
        ("links", 0): Skip.LINKS,
        ("owner", 8): Skip.OWNER,
        ("mount", 4): Skip.MOUNT,
        ("mode", stat.S_IFLNK): Skip.LINK,
        ("mode", stat.S_IFBLK): Skip.SPECIAL,
    }.items():
        assert survey.unfit(fit._replace(**dict([change])), 3, 7) == reason


# -- once


def test_what_is_due_goes_at_once_and_nothing_is_on_record(tree: Path) -> None:
    make(tree, "a", "b/c")
    assert swept_once(tree, age=0).report.removed == 0
    done = swept_once(tree)
    assert (done.report.removed, done.pruned) == (2, 0)
    assert [path.name for path in tree.rglob("*")] == ["b"]


def test_what_is_on_record_somewhere_stays(manager: TempFileManager, tree: Path) -> None:
    known, adopted_before, other = make(tree, "known", "adopted", "other")
    manager.register_file(known)
    manager.register_file(adopted_before, tags=["adopted"])
    manager.files[str(adopted_before)] = 1.0
    assert swept_once(tree, known=manager.registry.get).report.removed == 1
    assert (known.exists(), adopted_before.exists(), other.exists()) == (True, True, False)


class Between(LocalStorage):
    """Does something between the look at a file and its removal."""

    def __init__(self, act: Callable[[str], object]) -> None:
        super().__init__()
        self._act = act

    def remove(self, removal: Removal) -> None:
        for path in removal.records.paths():
            self._act(path)
        super().remove(removal)


def replaced(path: str) -> None:
    os.rename(path, path + ".aside")
    Path(path).write_text("somebody else's")


@pytest.mark.parametrize(
    ("act", "status"),
    [
        pytest.param(replaced, "replaced", id="replaced"),
        pytest.param(lambda path: Path(path).write_text("again"), "skipped", id="written to"),
        pytest.param(lambda path: os.chmod(path, 0o640), "skipped", id="chmodded"),
        pytest.param(lambda path: os.link(path, path + ".new"), "skipped", id="hard-linked"),
    ],
)
def test_what_changes_before_its_removal_stays(tree: Path, act: Callable[[str], object], status: str) -> None:
    (file,) = make(tree, "file")
    plan = planned(tree, now=time.time() + LATER)
    context = replace(Context.beside(Settings(protect_open=False)), storages=Storages.of(Between(act)))
    report = once.sweep_once(context, plan).report
    assert {str(outcome.status) for outcome in report.outcomes} == {status}
    assert file.exists()


class Hasty(LocalStorage):
    """Has no time for more than two of a chunk, once."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[list[str]] = []

    def remove(self, removal: Removal) -> None:
        self.chunks.append([os.path.basename(path) for path in removal.records.paths()])
        if len(self.chunks) > 1:
            super().remove(removal)
        else:
            super().remove(removal.part(0, 2))
            removal.note(1, Status.SKIPPED, Cause.LEASE_ENDED)
            removal.done = 2


def test_what_there_was_no_time_for_comes_again(tree: Path) -> None:
    make(tree, *"abcd")
    storage = Hasty()
    context = replace(Context.beside(Settings(protect_open=False)), storages=Storages.of(storage))
    report = once.sweep_once(context, planned(tree, now=time.time() + LATER)).report
    first, second = storage.chunks
    assert second == first[1:]
    assert (report.removed, report.gone, os.listdir(tree)) == (3, 1, [])


def test_what_is_overwritten_in_two_goes_is_not_taken_for_touched(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that leaves a file half destroyed, as its change time is that of our own writing."""
    (file,) = make(tree, "file")
    clock = FakeClock(wall=time.time())
    synchronise = overwrite.synchronise

    def slowly(descriptor: int) -> None:
        synchronise(descriptor)
        clock.advance(LEASE / 2 if clock.elapsed() == 0 else 0)

    monkeypatch.setattr(overwrite, "synchronise", slowly)
    context = Context.beside(Settings(protect_open=False, secure_delete=True), clock=clock)
    report = once.sweep_once(context, planned(tree, now=time.time() + LATER)).report
    assert (report.skipped, report.removed, file.exists()) == (1, 1, False)


def test_a_directory_left_empty_goes_only_when_asked_and_never_the_one_that_was_named(tree: Path) -> None:
    make(tree, "a/b/c/file", "a/b/file", "kept/file", "kept/young", "top")
    done = swept_once(tree, pruning=True, exclude=["young"])
    assert (done.report.removed, done.pruned) == (4, 3)
    assert os.listdir(tree) == ["kept"]
    assert os.listdir(tree / "kept") == ["young"]


def test_directories_that_were_empty_go_when_they_are_old_and_may(tree: Path, tmp_path: Path) -> None:
    for name in ("old/inner", "left out/inner", "locked", "young"):
        (tree / name).mkdir(parents=True)
    make(tree, "file")
    held = os.open(tree / "locked", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    now = max(os.stat(found).st_ctime for found in tree.rglob("*")) + DAY
    os.utime(tree / "young", (now, now))
    what = survey.wanted(tree, ["left out"])
    assert adopting.plan(what, now=now - DAY + 1, max_age=DAY, pruning=True).empty == 0
    plan = adopting.plan(what, now=now + 1, max_age=DAY, pruning=True)
    assert (plan.empty, adopting.plan(what, now=now + 1, max_age=DAY).empty) == (1, 0)
    done = once.sweep_once(Context.beside(Settings(protect_open=False)), plan, pruning=True)
    os.close(held)
    assert (done.report.removed, done.pruned) == (1, 2)
    assert sorted(os.listdir(tree)) == ["left out", "locked", "young"]


def test_what_is_in_a_directory_that_is_on_record_stays(manager: TempFileManager) -> None:
    unit, base = Path(manager.mkdtemp(unit=True)), Path(manager.base_dir)
    make(unit, "file", "below/file")
    make(base, "beside/file")
    known = functools.partial(on_record, manager.registry)
    plan = planned(base, now=time.time() + LATER, known=known, renew=False)
    assert (plan.files, plan.skipped[Skip.KNOWN]) == (1, 2)
    report = once.sweep_once(Context.beside(Settings(protect_open=False)), plan, known=known).report
    assert (report.removed, (unit / "file").exists(), (unit / "below/file").exists()) == (1, True, True)
    make(base, "beside/file")
    assert adopted(manager, base).registered == 1


def test_an_empty_directory_that_is_on_record_stays(manager: TempFileManager) -> None:
    unit = Path(manager.mkdtemp(unit=True))
    base = Path(manager.base_dir)
    (base / "other").mkdir()
    known = functools.partial(on_record, manager.registry)
    plan = planned(base, now=time.time() + LATER, known=known, renew=False, pruning=True)
    assert plan.empty == 1
    context = Context.beside(Settings(protect_open=False))
    assert once.sweep_once(context, plan, known=known, pruning=True).pruned == 1
    assert (unit.exists(), (base / "other").exists()) == (True, False)
    (unit / "below").mkdir()
    plan = planned(base, now=time.time() + 2 * LATER, known=known, renew=False, pruning=True)
    assert plan.empty == 0
    assert once.sweep_once(context, plan, known=known, pruning=True).pruned == 0
    assert [path.name for path in unit.iterdir()] == ["below"]


def test_what_comes_into_an_empty_directory_after_the_look_keeps_it(tree: Path) -> None:
    (tree / "empty").mkdir()
    make(tree, "file")

    def fill(_: object) -> bool:
        (tree / "empty" / "new").touch()
        return False

    plan = planned(tree, now=time.time() + LATER, renew=False, pruning=True)
    context = Context.beside(Settings(protect_open=False), hooks=[fill])
    assert once.sweep_once(context, plan, pruning=True).pruned == 0
    assert os.listdir(tree / "empty") == ["new"]


@pytest.mark.skipif(not ROOT, reason="only root gives directories away")
def test_another_users_empty_directory_is_neither_planned_nor_pruned(tree: Path) -> None:
    (tree / "theirs").mkdir()
    os.chown(tree / "theirs", 12345, 12345)
    assert planned(tree, now=time.time() + LATER, pruning=True).empty == 0
    assert (swept_once(tree, pruning=True).pruned, os.listdir(tree)) == (0, ["theirs"])


def test_the_named_directory_stays_when_all_is_gone(tree: Path) -> None:
    make(tree, "a/file", "file")
    assert swept_once(tree, pruning=True).pruned == 1
    assert os.listdir(tree) == []


@pytest.mark.skipif(not ROOT, reason="only root gives directories away")
def test_another_users_directory_is_not_pruned(tree: Path) -> None:
    make(tree, "theirs/mine")
    os.chown(tree / "theirs", 12345, 12345)
    done = swept_once(tree, pruning=True)
    assert (done.report.removed, done.pruned, os.listdir(tree)) == (1, 0, ["theirs"])


def test_a_mount_is_not_pruned(tree: Path, mounted: Path) -> None:
    (mounted / "file").unlink()
    with Tree(str(tree), lambda _: None, lambda *_: None) as open_tree:
        assert prune(open_tree, ["point"]) == 0


# -- marks


def test_marked_directories_are_adopted_from_whenever_asked(
    manager: TempFileManager, tree: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make(tree, "a", "skip.me")
    make(other, "b")
    watch(manager.context, survey.wanted(tree, ["*.me"]))
    watch(manager.context, survey.wanted(other, ttl=5))
    soon = FakeClock(wall=time.time() + 2 * RECENT)
    assert [done.registered for done in adopt_watched(timed(manager, soon))] == [1, 1]
    make(tree, "new")
    assert [done.registered for done in adopt_watched(timed(manager, soon))] == [1, 0]
    record = manager.status(other / "b").record
    assert record is not None
    assert record.due_at == record.registered_at + 5
    assert unwatch(manager.context, tree)
    assert not unwatch(manager.context, tree)
    assert [one.directory for one in watched(manager.context)] == [str(other)]
    assert str(tree / "a") in manager.files


def test_what_was_just_made_is_left_to_whoever_made_it(manager: TempFileManager, tree: Path) -> None:
    """It may be about to be registered, with a ttl that adopting at that moment would take from it."""
    (file,) = make(tree, "file")
    made = file.stat().st_ctime
    watch(manager.context, survey.wanted(tree))
    for later, registered in ((RECENT - 1, 0), (RECENT + 1, 1)):
        (done,) = adopt_watched(timed(manager, FakeClock(wall=made + later)))
        assert (done.registered, done.skipped.get(Skip.RECENT, 0)) == (registered, 1 - registered)


def test_what_was_written_to_a_moment_ago_is_not_due(manager: TempFileManager, tree: Path) -> None:
    """Once, its age did not start anew in the minute after it was touched, and a sweep in that minute took it."""
    (file,) = make(tree, "log")
    manager.max_age = 10 * RECENT
    watch(manager.context, survey.wanted(tree))
    adopt_watched(timed(manager, FakeClock(wall=file.stat().st_ctime + 2 * RECENT)))
    now = file.stat().st_ctime + 20 * RECENT
    os.utime(file, (now - 5, now - 5))
    later = timed(manager, FakeClock(wall=now))
    (done,) = adopt_watched(later)
    assert (done.registered, done.again) == (1, 1)
    assert TempFileManager.from_context(later).cleanup() == 0
    record = manager.status(file).record
    assert record is not None
    assert record.registered_at == pytest.approx(now - 5, abs=1e-3)
    assert adopt_watched(later)[0].again == 0, "once is enough"
    (done,) = adopt_watched(timed(manager, FakeClock(wall=now + 2 * RECENT)))
    assert done.again == 1, "and later, when nobody can be about to register it, all of the record is renewed"


def test_what_its_application_registers_while_its_age_starts_anew_keeps_its_tags(
    make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    clock = FakeClock(wall=file.stat().st_ctime + 2 * RECENT)
    manager, application = make_manager(clock=clock), make_manager(clock=clock)
    watch(manager.context, survey.wanted(file.parent, ttl=1000))
    adopt_watched(manager.context)
    now = clock.wall() + 500
    os.utime(file, (now - 1, now - 1))
    clock.set(wall=now)
    real = manager.registry.amend

    def amend(*args: Any) -> bool:
        application.register_file(file, ttl=86400, tags=("application",))
        return real(*args)

    monkeypatch.setattr(manager.registry, "amend", amend)
    adopt_watched(manager.context)
    record = manager.status(file).record
    assert record is not None
    assert record.due_at == pytest.approx(now + 86400, abs=2)
    assert record.tags == ("application",)


def test_what_is_to_live_for_a_moment_is_adopted_after_half_of_it(manager: TempFileManager, tree: Path) -> None:
    (file,) = make(tree, "file")
    manager.max_age = 10
    watch(manager.context, survey.wanted(tree))
    (done,) = adopt_watched(timed(manager, FakeClock(wall=file.stat().st_ctime + 6)))
    assert done.registered == 1


def test_marking_again_replaces_the_mark(manager: TempFileManager, tree: Path) -> None:
    watch(manager.context, survey.wanted(tree, ["a"]))
    watch(manager.context, survey.wanted(tree, ["b"], ttl=1))
    place = survey.wanted(tree).place
    assert watched(manager.context) == (Wanted(str(tree), ("b",), 1, place=place),)


def test_a_mark_outlives_the_process(manager: TempFileManager, tree: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n")
    what = Wanted(str(tree / name), (name,), None, (name,), (-5, 1 << 62))
    watch(manager.context, what)
    manager.close()
    again = TempFileManager(tmp_path / "base", registry="sqlite:")
    assert watched(again.context) == (what,)
    again.close()


def test_a_mark_is_of_one_directory_and_not_of_whatever_takes_its_place(
    manager: TempFileManager, tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As when somebody has put a link to another directory there."""
    watch(manager.context, survey.wanted(tree))
    before = planned(tree)
    elsewhere = tmp_path / "elsewhere"
    make(elsewhere, "precious")
    tree.rename(tmp_path / "moved")
    later = timed(manager, FakeClock(wall=time.time() + 2 * RECENT))
    tree.symlink_to(elsewhere)
    assert adopt_watched(later) == ()
    for act in (adopting.adopt, once.sweep_once):
        with pytest.raises(BaseDirectoryError, match="another directory has taken its place: adopt from it anew"):
            act(manager.context, before)
    tree.unlink()
    make(tree, "of the next one")
    assert adopt_watched(later) == ()
    assert caplog.text.count("another directory has taken its place") == 2
    shutil.rmtree(tree)
    (tmp_path / "moved").rename(tree)
    assert [done.directory for done in adopt_watched(later)] == [str(tree)]
    assert (elsewhere / "precious").exists()


def test_a_mark_from_before_directories_were_remembered_adopts(manager: TempFileManager, tree: Path) -> None:
    make(tree, "file")
    old = json.dumps([{"directory": str(tree), "exclude": [], "ttl": None, "spared": []}])
    manager.registry.write(WATCHED, old, 0.0, keep=1)
    (done,) = adopt_watched(timed(manager, FakeClock(wall=time.time() + 2 * RECENT)))
    assert done.registered == 1


def test_root_adopts_from_nothing_that_another_user_can_lead_elsewhere(
    manager: TempFileManager, open_to_all: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The unsafe path transition of systemd-tmpfiles, CVE-2018-6954: no race is needed."""
    if os.geteuid():
        pytest.skip("only root can make another user's directory")
    home, victims = open_to_all / "alice", open_to_all / "root-s-data"
    (home / "cache").mkdir(parents=True)
    make(victims, *(f"db-{number}" for number in range(5)))
    watch(manager.context, survey.wanted(home / "cache"))
    os.chown(home, 4242, 4242)
    (home / "cache").rename(home / "elsewhere")
    (home / "cache").symlink_to(victims)
    later = timed(manager, FakeClock(wall=time.time() + 2 * RECENT))
    for mark in (watched(manager.context)[0], replace(watched(manager.context)[0], place=None)):
        watch(manager.context, mark)
        assert adopt_watched(later) == ()
    with pytest.raises(BaseDirectoryError, match="alice above it belongs to user 4242, who can put another directory"):
        survey.wanted(home / "cache")
    assert caplog.text.count("above it belongs to user 4242") == 2
    assert not manager.files


def test_a_marked_directory_that_is_gone_or_unsafe_stops_nothing(
    manager: TempFileManager, tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("gone", "unsafe"):
        (tmp_path / name).mkdir()
        make(tmp_path / name, "file")
        watch(manager.context, survey.wanted(tmp_path / name))
    watch(manager.context, survey.wanted(tree))
    make(tree, "file")
    shutil.rmtree(tmp_path / "gone")
    (tmp_path / "unsafe").chmod(0o777)
    (done,) = adopt_watched(timed(manager, FakeClock(wall=time.time() + 2 * RECENT)))
    assert (done.directory, list(manager.files)) == (str(tree), [str(tree / "file")])
    assert caplog.text.count("Nothing adopted from") == 2


@pytest.mark.parametrize(
    "text",
    [
        "garbage",
        "{}",
        "3",
        "[3]",
        "[null]",
        '[{"directory": "/x"}]',
        '[{"directory": "relative", "exclude": [], "ttl": null, "spared": []}]',
        '[{"directory": 5, "exclude": [], "ttl": null, "spared": []}]',
        '[{"directory": "/x", "exclude": "ab", "ttl": null, "spared": []}]',
        '[{"directory": "/x", "exclude": [], "ttl": "1", "spared": []}]',
        '[{"directory": "/x", "exclude": [], "ttl": NaN, "spared": []}]',
        '[{"directory": "/x", "exclude": [], "ttl": null, "spared": [], "of a later version": 1}]',
        '[{"directory": "/x", "exclude": [], "ttl": null, "spared": [], "inode": 1}]',
        '[{"directory": "/x", "exclude": [], "ttl": null, "spared": [], "inode": 1, "born": "2"}]',
        '[{"directory": "/x", "exclude": [], "ttl": null, "spared": [], "inode": true, "born": 2}]',
        '[{"directory": "/x", "exclude": [], "ttl": null, "spared": [], "watch": false}]',
        '[{"directory": "/x", "exclude": [], "ttl": null, "spared": [], "watch": "true"}]',
        "[" * 100_000,
    ],
)
def test_a_spoiled_mark_adopts_nothing_and_says_so(
    manager: TempFileManager, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    found, problems = read_watched(text)
    assert found == ()
    assert len(problems) == 1
    manager.registry.write(WATCHED, text, 0.0, keep=1)
    assert adopt_watched(manager.context) == ()
    assert "not adopted from" in caplog.text


def test_adopting_what_is_marked_can_be_stopped(manager: TempFileManager, tree: Path) -> None:
    make(tree, "file")
    watch(manager.context, survey.wanted(tree))
    assert adopt_watched(manager.context, stop=lambda: True) == ()


def test_random_trees_are_swept_to_what_find_would_leave(tree: Path) -> None:
    """Against a plain model: every regular file with one name goes, all else stays."""
    chance = random.Random(7)
    for round_number in range(5):
        top = tree / str(round_number)
        top.mkdir()
        directories = [top]
        for number in range(200):
            here = chance.choice(directories)
            path = here / str(number)
            match chance.choice(["file", "file", "file", "directory", "link", "pipe", "hard"]):
                case "directory":
                    path.mkdir()
                    directories.append(path)
                case "link":
                    path.symlink_to(chance.choice(directories))
                case "pipe":
                    os.mkfifo(path)
                case "hard":
                    path.write_text("x")
                    os.link(path, here / f"{number} too")
                case _:
                    path.write_text("x")
        every = [Path(where) / name for where, below, names in os.walk(top) for name in below + names]
        going = {path for path in every if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_nlink == 1}
        assert swept_once(top).report.removed == len(going)
        left = {Path(where) / name for where, below, names in os.walk(top) for name in below + names}
        assert left == set(every) - going


def test_adopting_leaves_alone_what_is_registered_meanwhile(
    make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """Once, what an application registered between the look and the record lost its ttl and its tags."""
    manager, application = make_manager(), make_manager()
    real = manager.registry.add

    def add(*args: Any, **how: Any) -> None:
        application.register_file(file, ttl=86400, tags=("application",))
        real(*args, **how)

    planned = adopting.plan(file.parent, now=time.time() + 1000, max_age=100, known=manager.registry.get)
    assert planned.files == 1
    monkeypatch.setattr(manager.registry, "add", add)
    adopting.adopt(manager.context, planned)
    record = manager.status(file).record
    assert record is not None
    assert (record.due_at, record.tags) == (NOW + 86400, ("application",))


def test_a_registry_in_the_directory_that_is_adopted_is_spared(make_manager: MakeManager, file: Path) -> None:
    """Once, outside its usual directory it was adopted with the rest, and removed in time."""
    manager = make_manager(registry=f"sqlite://{file.parent}/registry.db")
    manager.register_file(file)
    planned = adopting.plan(file.parent, now=time.time() + 1000, max_age=0, known=manager.registry.get)
    adopting.adopt(manager.context, planned)
    assert list(manager.files) == [str(file)]
