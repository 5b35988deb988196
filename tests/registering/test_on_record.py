"""One directory by two paths, a link and a mount: one file to pins, sweeps, adoption and whoever asks."""

import errno
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mounts import mounted
from temp_file_manager import TempFileManager
from temp_file_manager.adopt.plan import adopt, plan
from temp_file_manager.inspection.why import why
from temp_file_manager.registering.on_record import on_record, recorded_path
from temp_file_manager.registry import Settlement
from temp_file_manager.storage.own_files import OWN_DIRECTORY, OwnFiles, OwnPaths, is_called

DAY = 86_400.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


@pytest.fixture
def real(tmp_path: Path) -> Path:
    (tmp_path / "real" / "data").mkdir(parents=True)
    return tmp_path / "real" / "data"


@pytest.fixture(params=["link", "mount", "slashes"])
def other(tmp_path: Path, real: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Another path of that directory."""
    there = tmp_path / "other"
    if request.param == "link":
        there.symlink_to(real.parent)
        yield str(there / "data")
    elif request.param == "mount":
        there.mkdir()
        with mounted(there, ["mount", "--bind", str(real.parent), str(there)]):
            yield str(there / "data")
    else:
        yield f"{real.parent}//./data"


@pytest.mark.parametrize("first", ["real", "other"])
def test_what_is_on_record_by_one_path_is_known_by_the_other(
    manager: TempFileManager, real: Path, other: str, first: str
) -> None:
    (real / "file").write_text("x")
    one, two = f"{real}/file", f"{other}/file"
    registered, asked = (one, two) if first == "real" else (two, one)
    manager.register_file(registered, ttl=DAY)
    record = manager.status(asked).record
    assert record is not None
    assert record.path == os.path.abspath(registered)
    assert why(manager.context, asked).record == record
    manager.pin(asked)
    assert manager.clear_all() == 0
    with manager.hold(asked):
        manager.unpin(asked)
        assert manager.clear_all() == 0
    assert manager.clear_all() == 1


def test_adoption_leaves_it_to_who_registered_it(manager: TempFileManager, real: Path, other: str) -> None:
    (real / "file").write_text("x")
    (real / "nobody's").write_text("x")
    manager.register_file(f"{other}/file", ttl=DAY)
    known = functools.partial(on_record, manager.registry)
    planned = plan(real, now=manager.context.clock.wall() + DAY, max_age=1, known=known)
    assert (planned.files, planned.skipped) == (1, {"already on record": 1})
    assert adopt(manager.context, planned).registered == 1
    assert manager.sweep(force=False).removed == 0
    assert sorted(manager.files) == sorted({os.path.abspath(f"{other}/file"), f"{real}/nobody's"})


@pytest.mark.parametrize("kept", ["pinned", "held", "for longer", "another's"])
def test_a_sweep_leaves_alone_what_the_other_path_keeps(
    manager: TempFileManager, tmp_path: Path, real: Path, kept: str
) -> None:
    """Both are on record; an application may have called the directory by either path."""
    (tmp_path / "other").symlink_to(real)
    path, twin = real / "file", tmp_path / "other" / "file"
    path.write_text("x")
    manager.register_file(path, ttl=0)
    registrar = manager if kept != "another's" else TempFileManager(tmp_path / "base", registry="sqlite:")
    registrar.register_file(twin, ttl=DAY if kept == "for longer" else 0)
    if kept == "pinned":
        manager.pin(twin)
    held = manager.hold(twin) if kept == "held" else None
    if kept == "another's":
        with manager:
            pass
    else:
        assert manager.sweep(dry_run=True).outcomes == ()
        assert manager.cleanup() == 0
    assert path.exists()
    if held is not None:
        held.close()
    if kept == "pinned":
        manager.unpin(twin)
    assert registrar.clear_all() == 2
    assert not path.exists()
    registrar.close()


class TestClaims:
    """A sweep that has claimed a file by one path excludes everybody who comes by the other."""

    @pytest.fixture
    def claimed(self, manager: TempFileManager, tmp_path: Path, real: Path) -> Iterator[Callable[[], None]]:
        """Have another object claim the file by its real path; what is returned removes it, and settles that."""
        (real / "file").write_text("x")
        (real / "more").write_text("x")
        manager.register_file(real / "file", ttl=0)
        manager.registry.patience = 0.0
        with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as sweeping:
            context = sweeping.context

            def settle() -> None:
                (real / "file").unlink()
                context.registry.settle(Settlement(claim, 1, {}, context.clock.wall()))

            claim = context.registry.claim(context.due(), now=context.clock.elapsed(), lease=60, limit=9)
            assert claim.records.paths() == [f"{real}/file"]
            yield settle

    @pytest.mark.parametrize("together", [False, True])
    @pytest.mark.parametrize("known", [False, True], ids=["a new path", "one that has files on record"])
    def test_whoever_registers_waits(
        self, manager: TempFileManager, claimed: Callable[[], None], other: str, *, known: bool, together: bool
    ) -> None:
        """And then is told the truth. Once it was on record, and went in the next moment."""
        paths = [f"{other}/file", f"{other}/more"]
        if known:
            assert manager.register_files(paths[1:]).registered == 1
        asked = paths if together else paths[:1]
        report = manager.register_files(asked)
        assert report.registered == together, "nobody waits for another file"
        ((path, why),) = report.refused
        assert (path, "a sweep" in why) == (os.path.abspath(paths[0]), True)
        claimed()
        ((_, why),) = manager.register_files(asked).refused
        assert why == os.strerror(errno.ENOENT)
        assert f"{other}/file" not in manager.files


def test_a_path_that_leads_elsewhere_by_now_is_no_twin(manager: TempFileManager, tmp_path: Path, real: Path) -> None:
    other, link = tmp_path / "elsewhere", tmp_path / "link"
    other.mkdir()
    link.symlink_to(real)
    for place in (real, other):
        (place / "file").write_text("x")
        (place / "more").write_text("x")
    manager.register_file(real / "file", ttl=0)
    manager.register_file(link / "file", ttl=DAY)
    link.unlink()
    link.symlink_to(other)
    manager.register_files([link / "file", link / "more"], ttl=DAY)
    assert manager.cleanup() == 1
    assert recorded_path(manager.registry, f"{real}/more") == f"{real}/more"
    assert (other / "file").exists()


# -- the package's own


@pytest.fixture
def state(tmp_path: Path) -> Iterator[TempFileManager]:
    """A manager whose registry lies beside its base, and has something on record."""
    (tmp_path / "state").mkdir(0o700)
    manager = TempFileManager(tmp_path / "base", registry=f"sqlite://{tmp_path}/state/registry.db")
    (tmp_path / "needed").write_text("x")
    manager.register_file(tmp_path / "needed", ttl=DAY)
    yield manager
    manager.close()


@pytest.mark.parametrize("by", ["path", "link", "mount"])
def test_a_registry_is_not_registered_in_itself(state: TempFileManager, tmp_path: Path, by: str) -> None:
    """Nor what lies beside it and belongs to it, by whatever path."""
    place, there = tmp_path / "state", tmp_path / "there"
    with state.hold(tmp_path / "needed"):
        own = [path.relative_to(place) for path in place.rglob("*") if path.is_file()]
        assert {"registry.db", "registry.db-wal"} <= set(map(str, own))
        if by == "mount":
            there.mkdir()
            own = [path for path in own if len(path.parts) == 1]
            with mounted(there, ["mount", "--bind", str(place), str(there)]):
                report = state.register_files([there / path for path in own])
        else:
            if by == "link":
                there.symlink_to(place)
            report = state.register_files([(there if by == "link" else place) / path for path in own])
        state.files[str(place / "registry.db")] = 0.0
        (place / "registry.dbx").write_text("somebody else's")
        assert state.register_files([place / "registry.dbx"]).registered == 1
    assert (report.registered, {reason for _, reason in report.refused}) == (
        0,
        {"it is one of this package's own files"},
    )
    state.clear_all()
    assert (place / "registry.db").exists()


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_own_files_by_a_link_stay(tmp_path: Path, registry: str) -> None:
    durable = TempFileManager(tmp_path / "base", registry="sqlite:")
    (tmp_path / "link").symlink_to(tmp_path / "base" / ".temp-file-manager")
    manager = TempFileManager(tmp_path / "other base", registry=registry)
    own = sorted((tmp_path / "link").iterdir())
    manager.register_files(own)
    manager.clear_all()
    assert sorted((tmp_path / "link").iterdir()) == own
    manager.close()
    durable.close()


def test_what_own_files_are_called(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    own = OwnFiles([f"{tmp_path}/d/x.db"])
    found = own.names_in(str(tmp_path / "d"), 1, 1)
    names = ("x.db", "x.db-wal", "x.dbx", "y")
    assert [is_called(name, found) for name in names] == [True, True, False, False]
    assert own.names_in(str(tmp_path), 1, 1) is None
    assert is_called("whatever", own.names_in(f"{tmp_path}/d/x.db-claimers", 1, 1))
    assert own.has(f"{tmp_path}/d/x.db")


def test_where_somebody_exchanges_links_whatever_is_there_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``realpath`` finds a link, and by the time that it reads it a directory; a moment later all is as it was."""

    def exchanged(path: str) -> str:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)

    own = OwnFiles()
    with monkeypatch.context() as patched:
        patched.setattr(os.path, "realpath", exchanged)
        assert own.has(f"{tmp_path}/file")
        assert is_called("file", own.names_in(str(tmp_path), 1, 1))
        assert f"{tmp_path}/file" in (paths := OwnPaths())
    assert not own.has(f"{tmp_path}/file")
    assert not is_called("file", own.names_in(str(tmp_path), 1, 1))
    assert f"{tmp_path}/file" not in paths


def test_a_link_to_them_is_none_of_them(tmp_path: Path) -> None:
    """It is what goes, not what it leads to."""
    (tmp_path / OWN_DIRECTORY).mkdir()
    (tmp_path / "x").symlink_to(tmp_path / OWN_DIRECTORY)
    assert f"{tmp_path}/x" not in (paths := OwnPaths())
    assert f"{tmp_path}/x/file" in paths
