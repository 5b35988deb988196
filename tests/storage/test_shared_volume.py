"""Volumes that hosts share: without its marker nothing on one is removed, forgotten or registered."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared_volumes
from mounts import mounted
from shared_volumes import SCOPE, Volume
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.errors import BaseDirectoryError, RegistryError, SettingsError
from temp_file_manager.events import RecordsSettled
from temp_file_manager.inspection.check import check
from temp_file_manager.registering.shared_volume import ScopeError
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.settings import Settings
from temp_file_manager.storage.shared_volume import path_of, read_marker
from temp_file_manager.storage.wrappers import marked

KEPT = ("kept", "absent volume")


@pytest.fixture
def volume(tmp_path: Path, database: str) -> Iterator[Volume]:
    yield from shared_volumes.volume(tmp_path / "volume", database)


@pytest.fixture
def manager(volume: Volume) -> TempFileManager:
    return volume.manager()


def swept(manager: TempFileManager) -> list[tuple[str, str]]:
    """Sweep, and return what became of each, which a dry run has foretold."""
    foretold = [outcome[1:3] for outcome in manager.sweep(force=True, dry_run=True).outcomes]
    outcomes = [outcome[1:3] for outcome in manager.sweep(force=True).outcomes]
    assert outcomes == foretold
    return [(str(status), str(cause)) for status, cause in outcomes]


# -- making one


def test_a_scope_is_made_once(volume: Volume) -> None:
    marker = read_marker(str(volume.root))
    assert marker.startswith(f"{SCOPE} ")
    assert len(marker) == len(SCOPE) + 25
    again = volume.make()
    assert (again.marker, again.made) == (marker, False)
    path = Path(path_of(str(volume.root)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["volume"]


def test_a_scope_whose_making_was_interrupted_is_made_to_the_end(tmp_path: Path, database: str) -> None:
    volume = Volume(tmp_path / "volume", database, made=False)
    registry = volume.registry()
    registry.mark = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        shared_volumes.shared_volume.create(registry, str(volume.root), SCOPE)
    written = read_marker(str(volume.root))
    assert (volume.make().marker, volume.make().made) == (written, False)
    registry.close()


def test_a_volume_of_another_scope_is_refused(volume: Volume) -> None:
    other = Volume(volume.root, volume.database, "volume:other", made=False)
    with pytest.raises(ScopeError, match="is volume:scratch: give that name, or another directory"):
        other.make()
    registry = other.registry()
    assert (read_marker(str(volume.root)).split()[0], registry.marker()) == (SCOPE, "")
    registry.close()


def test_a_scope_that_another_volume_has_is_refused(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(ScopeError, match="has no marker: mount the volume; if this is another volume, give it another"):
        volume.make(tmp_path / "new")
    assert os.listdir(tmp_path / "new") == []
    Path(path_of(str(volume.root))).write_text(f"{SCOPE} forged\n")
    with pytest.raises(ScopeError, match="is not the one that volume:scratch is in the registry"):
        volume.make()


def test_of_two_that_make_one_at_once_both_have_the_same(tmp_path: Path, database: str) -> None:
    volume = Volume(tmp_path / "volume", database, made=False)
    registry = volume.registry()
    noted = registry.mark

    def mark(marker: str) -> str:
        assert volume.make().marker == marker  # it finds the file that the first has just written
        return noted(marker)

    registry.mark = mark  # type: ignore[method-assign]
    made = shared_volumes.shared_volume.create(registry, str(volume.root), SCOPE)
    assert made.marker == read_marker(str(volume.root)) == registry.marker()
    registry.close()


def test_a_volume_that_comes_second_keeps_no_marker(tmp_path: Path, database: str) -> None:
    first, second = (Volume(tmp_path / name, database, made=False) for name in ("first", "second"))
    registry = second.registry()
    noted = registry.mark

    def mark(marker: str) -> str:
        first.make()
        return noted(marker)

    registry.mark = mark  # type: ignore[method-assign]
    with pytest.raises(ScopeError, match="another volume has become"):
        shared_volumes.shared_volume.create(registry, str(second.root), SCOPE)
    assert (read_marker(str(second.root)), read_marker(str(first.root))) == ("", registry.marker())
    registry.close()


def test_records_of_one_machine_are_of_no_volume(tmp_path: Path, database: str) -> None:
    for registry in (
        TempFileManager(tmp_path / "a", registry="sqlite:").registry,
        PostgresRegistry(database, "local:x"),
    ):
        with pytest.raises(RegistryError, match="TEMP_FILE_REGISTRY=postgresql://HOST/DATABASE"):
            registry.mark("volume:x 1")
        assert (registry.marker(), len(registry.scopes())) == ("", 0)
        registry.close()


# -- what it takes


def test_a_volume_takes_a_registry_that_hosts_share_and_an_age(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        TempFileManager(tmp_path, registry="sqlite:", settings=Settings(scope=SCOPE))
    assert [problem.partition(":")[2].partition("takes ")[2][:40] for problem in refused.value.problems] == [
        "a registry that hosts share, which sqlit",
        "TEMP_FILE_IF_UNKNOWN: nothing here can t",
    ]


def test_where_nobody_asks_who_has_files_open_no_age_is_needed(volume: Volume) -> None:
    assert volume.manager(if_unknown=None, protect_open=False).context.volume is not None
    with pytest.raises(SettingsError, match="TEMP_FILE_IF_UNKNOWN"):
        volume.manager(if_unknown=None)


def test_a_root_that_is_not_there_is_not_made(volume: Volume) -> None:
    missing = volume.root.with_name("missing")
    with pytest.raises(BaseDirectoryError, match="mount the volume, or make it there"):
        volume.manager(missing)
    assert not missing.exists()


# -- not mounted


def test_what_lies_on_a_volume_that_is_away_stays_on_record(
    volume: Volume, manager: TempFileManager, caplog: pytest.LogCaptureFixture
) -> None:
    files = volume.files(3)
    assert manager.register_files(files).registered == 3
    away = volume.root.rename(volume.root.with_name("away"))
    volume.root.mkdir()  # as a mount point is
    with caplog.at_level(logging.INFO, logger="aiecs.tools.temp_file_manager"):
        assert swept(manager) == [KEPT] * 3
        assert swept(manager) == [KEPT] * 3
    told = [line.getMessage() for line in caplog.records if "Nothing is removed" in line.getMessage()]
    assert len(told) == 1
    assert f"volume:scratch is not mounted at {volume.root}, which has no marker: mount it" in told[0]
    assert len(manager.files) == 3
    assert {record.kept_for for record in manager.registry.get(map(str, files)).values()} == {"absent volume"}
    volume.root.rmdir()
    away.rename(volume.root)
    assert swept(manager) == [("removed", "")] * 3
    assert not any(file.exists() for file in files)


def test_another_volume_there_is_not_touched(volume: Volume, manager: TempFileManager) -> None:
    files = volume.files(2)
    manager.register_files(files)
    volume.root.rename(volume.root.with_name("away"))
    other = Volume(volume.root, volume.database, "volume:other")
    assert other.files(2) == files
    (outcome, _) = manager.sweep(force=True).outcomes
    assert outcome.cause is Cause.ABSENT_VOLUME
    assert outcome.reason == (
        f"another volume is mounted at {volume.root}, volume:other: mount volume:scratch, or say which scope is meant"
    )
    assert all(file.exists() for file in files)
    assert len(manager.files) == 2


def test_a_scope_that_nobody_has_made_is_left_alone(tmp_path: Path, database: str) -> None:
    volume = Volume(tmp_path / "volume", database, made=False)
    manager = volume.manager()
    (file,) = volume.files(1)
    report = manager.register_files([file])
    assert report.refused == (
        (
            str(file),
            "volume:scratch is not in the registry yet: temp-file-manager scope create volume:scratch puts it there",
        ),
    )
    volume.make()
    assert manager.register_files([file]).registered == 1
    volume.close()


def test_a_marker_that_cannot_be_read_is_none(volume: Volume, manager: TempFileManager) -> None:
    manager.register_files(volume.files(1))
    marker = Path(path_of(str(volume.root)))
    content = marker.read_bytes()
    marker.unlink()
    marker.symlink_to("/etc/hostname")
    assert swept(manager) == [KEPT]
    marker.unlink()
    os.mkfifo(marker)
    assert swept(manager) == [KEPT]
    marker.unlink()
    marker.write_bytes(b"\xff" * 10_000)
    assert swept(manager) == [KEPT]
    marker.write_bytes(content)
    assert swept(manager) == [("removed", "")]


def test_nothing_is_made_or_registered_while_it_is_away(volume: Volume, manager: TempFileManager) -> None:
    away = volume.root.rename(volume.root.with_name("away"))
    volume.root.mkdir()
    (volume.root / "file").write_text("below the mount point")
    for make in (manager.mkstemp, manager.mkdtemp):
        with pytest.raises(BaseDirectoryError, match="is not mounted"):
            make()
    (refused,) = manager.register_files([volume.root / "file"]).refused
    assert "is not mounted" in refused[1]
    with pytest.raises(Exception, match="is not mounted"):
        manager.register_directory(volume.root / "file")
    assert os.listdir(volume.root) == ["file"]
    assert len(manager.files) == 0
    away.rename(volume.root.with_name("again"))


@pytest.mark.parametrize("fix", [False, True])
def test_check_forgets_nothing_while_it_is_away(volume: Volume, manager: TempFileManager, fix: bool) -> None:
    manager.register_files(volume.files(3))
    volume.root.rename(volume.root.with_name("away"))
    volume.root.mkdir()
    (finding,) = check(manager.context, fix=fix)
    assert (finding.kind, finding.fixed) == ("volume not there", False)
    assert len(manager.files) == 3


def test_measuring_forgets_nothing_while_it_is_away(volume: Volume, manager: TempFileManager) -> None:
    manager.register_files(volume.files(3))
    volume.root.rename(volume.root.with_name("away"))
    volume.root.mkdir()
    manager.context.measuring.slice(lambda: False)
    assert len(manager.files) == 3


def test_a_volume_that_goes_in_the_middle_of_a_chunk_loses_no_record(
    volume: Volume, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marker was read; then what the volume was mounted on is found, where nothing is."""
    manager.register_files(volume.files(3))
    looked: list[str] = []
    known = marked.SharedVolume.why_not_below

    def go(self: marked.SharedVolume, path: str) -> str:
        why = known(self, path)
        if not looked:
            volume.root.rename(volume.root.with_name("away"))
            (volume.root / "files").mkdir(parents=True)
        looked.append(path)
        return why

    monkeypatch.setattr(marked.SharedVolume, "why_not_below", go)
    outcomes = manager.sweep(force=True).outcomes
    assert [outcome.status for outcome in outcomes] == ["kept"] * 3
    assert len(manager.files) == 3


def test_a_real_volume_is_unmounted_in_the_middle_of_a_sweep(tmp_path: Path, database: str) -> None:
    root = tmp_path / "volume"
    root.mkdir()
    with mounted(root, ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(root)]):
        volume = Volume(root, database)
        manager = volume.manager(cleanup_batch_size=10)
        manager.register_files(volume.files(30))
        aside = tmp_path / "elsewhere"
        aside.mkdir()

        unmounted = []

        def unmount(event: object) -> None:
            if isinstance(event, RecordsSettled) and not unmounted:
                unmounted.append(True)
                assert os.system(f"mount --bind {root} {aside} && umount -l {root}") == 0
                (root / "files").mkdir()

        other = TempFileManager(root, registry=manager.registry, settings=manager.context.settings, hooks=[unmount])
        report = other.sweep(force=True)
        assert (report.removed, report.kept, report.gone) == (10, 20, 0)
        assert len(os.listdir(aside / "files")) == 20
        assert len(other.files) == 20
        assert os.system(f"rmdir {root}/files && mount --bind {aside} {root} && umount -l {aside}") == 0
        assert other.sweep(force=True).removed == 20
        volume.close()
