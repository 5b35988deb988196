"""The contract of storages: what a removal says, in what order, and what each record costs the others."""

import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from removing import outcomes, removal_of, removed
from temp_file_manager.causes import Cause
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.storage.wrappers.secure import SecureStorage
from temp_file_manager.testing import NOW, FakeClock, in_child
from trees import special


def plain() -> LocalStorage:
    return LocalStorage()


def comparing() -> LocalStorage:
    return LocalStorage(owner_check=True)


def protecting() -> LocalStorage:
    return LocalStorage(lambda: InUse(None, lambda: NOW))


def overwriting() -> LocalStorage:
    return SecureStorage(2)


every_way = pytest.mark.parametrize("made", [plain, comparing, protecting, overwriting])
Make = Callable[[], LocalStorage]


def make(place: Path, count: int) -> list[Path]:
    paths = [place / str(number) for number in range(count)]
    for path in paths:
        path.write_text("x")
    return paths


def by_path(*paths: object) -> list[TempFile]:
    return [TempFile(path, NOW) for path in paths]  # type: ignore[arg-type]  # callers put anything into ``files``


def identified(path: Path) -> TempFile:
    found = Examiner().examine(str(path))
    assert found
    return TempFile(str(path), NOW, identity=found.identity)


@every_way
@pytest.mark.parametrize("kind", ["socket", "pipe", "device"])
def test_what_is_no_file_and_no_link_stays(made: Make, tmp_path: Path, kind: str) -> None:
    """Once, a sweep in memory removed a socket, a pipe or a device that had been put in a registered file's place."""
    try:
        special(tmp_path / "here", kind)
    except PermissionError:
        pytest.skip("making a device takes root")
    (record,) = by_path(str(tmp_path / "here"))
    (foretold,) = made().predict([record])
    (found,) = removed(made(), [record])
    assert found == foretold == Outcome(record, Status.FAILED, Cause.NOT_REGULAR)
    assert os.path.lexists(record.path)


@every_way
def test_one_bad_path_costs_no_other(made: Make, tmp_path: Path) -> None:
    first, last = make(tmp_path, 2)
    found = removed(made(), by_path(str(first), "\ud800", f"{last}\0more", 5, str(last)))
    assert [o.status for o in found] == ["removed", "failed", "failed", "failed", "removed"]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("embedded null byte"), (Cause.ERROR, "embedded null byte")),
        (RuntimeError(), (Cause.ERROR, "RuntimeError()")),
        (OSError("in words alone"), (Cause.ERROR, "in words alone")),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), (Cause.ERROR, f"[Errno 13] {os.strerror(errno.EACCES)}")),
        (OSError(errno.EACCES, os.strerror(errno.EACCES), "/a"), (Cause.REFUSED, "EACCES")),
        (OSError(errno.EACCES, "in other words", "/a"), (Cause.ERROR, "[Errno 13] in other words: '/a'")),
        (OSError(99999, os.strerror(99999), "/a"), (Cause.ERROR, f"[Errno 99999] {os.strerror(99999)}: '/a'")),
    ],
    ids=repr,
)
def test_whatever_a_removal_raises_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: tuple[Cause, str]
) -> None:
    """Excludes code that looks for the number or the name of what is no error of the system's."""
    first, last = make(tmp_path, 2)
    records, real = [identified(first), identified(last)], os.unlink

    def unlink(name: bytes, *, dir_fd: int | None = None) -> None:
        if name == os.fsencode(first.name):
            raise error
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    found = removed(LocalStorage(), records)
    assert [outcome.status for outcome in found] == [Status.FAILED, Status.REMOVED]
    assert (found[0].cause, found[0].detail) == expected


@pytest.mark.parametrize("made", [LocalStorage, comparing, protecting, overwriting])
def test_a_file_directly_in_the_root_is_one_like_any_other(made: Make) -> None:
    """Excludes code that opens the directory by what stands before the name, which there is nothing."""
    try:
        descriptor, path = tempfile.mkstemp(dir="/", prefix="temp-file-manager-test-")
    except PermissionError:
        print("not tried: a file in the root, where only root can make one")
        return
    os.close(descriptor)
    try:
        assert [o.status for o in made().predict([identified(Path(path))])] == [Status.REMOVED]
        assert [o.status for o in removed(made(), [identified(Path(path))])] == [Status.REMOVED]
        assert not os.path.exists(path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(path)


@every_way
def test_records_with_and_without_an_identity_go_together(
    made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes code that takes the name of a path without an identity for one in the working directory."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    bystanders = make(tmp_path / "elsewhere", 2)
    one, other = make(tmp_path, 2)
    found = removed(made(), [identified(one), *by_path(str(other))])
    assert [o.status for o in found] == ["removed", "removed"]
    assert [path.exists() for path in (one, other, *bystanders)] == [False, False, True, True]


@every_way
def test_a_file_of_our_own_stays(made: Make, tmp_path: Path) -> None:
    place = tmp_path / OWN_DIRECTORY / "deeper"
    place.mkdir(parents=True)
    one, other = make(place, 2)
    found = removed(made(), [*by_path(str(one)), identified(other)])
    assert [(o.status, o.cause) for o in found] == [(Status.KEPT, Cause.OWN)] * 2
    assert len(os.listdir(place)) == 2


@every_way
def test_what_is_gone_is_gone(made: Make, tmp_path: Path) -> None:
    (path,) = make(tmp_path, 1)
    record = identified(path)
    path.unlink()
    found = removed(made(), [record, *by_path(str(path), str(path / "below"))])
    assert [o.status for o in found] == ["gone"] * 3


@every_way
def test_what_may_not_go_stays_and_says_why(made: Make, tmp_path: Path) -> None:
    paths = make(tmp_path, 3)
    found = removed(made(), by_path(*map(str, paths)), lambda at: at != 1)
    assert [(o.status, o.cause) for o in found] == [
        (Status.REMOVED, Cause.NONE),
        (Status.SKIPPED, Cause.CLAIM_ENDED),
        (Status.REMOVED, Cause.NONE),
    ]
    assert os.listdir(tmp_path) == ["1"]


@every_way
def test_however_slow_the_machine_one_is_removed(made: Make, tmp_path: Path) -> None:
    """Excludes a sweep that claims and gives back for ever, as it is enough before it has begun."""
    records = by_path(*map(str, make(tmp_path, 3)))
    removal = removal_of(records, elapsed=lambda: 1.0, enough=0.0)
    made().remove(removal)
    assert (removal.done, removal.others) == (1, {})
    assert os.listdir(tmp_path) != []


@every_way
def test_what_the_first_takes_is_not_counted(made: Make, tmp_path: Path) -> None:
    """Or where every process has to be looked at, once a chunk, a chunk would be one file."""
    clock = FakeClock()

    def still(at: int) -> bool:
        clock.advance(5 if at == 0 else 0.02)
        return True

    records = by_path(*map(str, make(tmp_path, 9)))
    removal = removal_of(records, elapsed=clock.elapsed, enough=0.03, still=still)
    made().remove(removal)
    assert (removal.done, removal.others) == (3, {})


@every_way
def test_near_the_end_of_its_claim_nothing_is_removed(made: Make, tmp_path: Path) -> None:
    records = by_path(*map(str, make(tmp_path, 2)))
    removal = removal_of(records, elapsed=lambda: 1.0, deadline=1.0)
    made().remove(removal)
    assert [(o.status, o.cause) for o in outcomes(removal)] == [(Status.SKIPPED, Cause.LEASE_ENDED)] * 2
    assert len(os.listdir(tmp_path)) == 2


@every_way
def test_a_part_begins_where_it_is_told_and_ends_there(made: Make, tmp_path: Path) -> None:
    records = by_path(*map(str, make(tmp_path, 5)))
    asked: list[int] = []
    part = removal_of(records, still=lambda at: asked.append(at) or True).part(1, 3)
    made().remove(part)
    assert (part.done, sorted(os.listdir(tmp_path))) == (3, ["0", "3", "4"])
    assert set(asked) == {1, 2}


def test_the_time_is_looked_at_after_the_question(tmp_path: Path) -> None:
    """Excludes a removal under a lapsed claim, when whoever keeps the records is long in answering."""
    clock = FakeClock()

    def still(_: int) -> bool:
        clock.advance(30)
        return True

    removal = removal_of(by_path(*map(str, make(tmp_path, 1))), elapsed=clock.elapsed, deadline=30, still=still)
    LocalStorage().remove(removal)
    assert [o.cause for o in outcomes(removal)] == [Cause.LEASE_ENDED]


def test_once_nobody_waits_nothing_is_begun(tmp_path: Path) -> None:
    removal = removal_of(by_path(*map(str, make(tmp_path, 2))))
    removal.over = True
    LocalStorage().remove(removal)
    assert (removal.done, len(os.listdir(tmp_path))) == (0, 2)
    assert not removal.may_go(0)
    assert removal.others[0].cause is Cause.ABANDONED


def test_a_dry_run_sees_that_a_sticky_directory_keeps_another_users_file(open_to_all: Path) -> None:
    """Once it said removed, and the removal then failed."""
    if os.geteuid():
        pytest.skip("only root can make another user's file")
    open_to_all.chmod(0o1777)
    file = open_to_all / "file"
    file.touch()

    def act() -> list[str]:
        os.setgroups([])
        os.setresgid(4242, 4242, 4242)
        os.setresuid(4242, 4242, 4242)
        record = identified(file)
        (foretold,) = plain().predict([record])
        return [str(foretold.status), *(str(done.status) for done in removed(plain(), [record]))]

    assert in_child(act) == ["failed", "failed"]
