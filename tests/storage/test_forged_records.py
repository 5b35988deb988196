"""Records that somebody has written into a volume's registry: nothing outside the volume is removed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared_volumes
from shared_volumes import Volume
from temp_file_manager import TempFileManager
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.storage.identity import Examiner
from temp_file_manager.storage.shared_volume import SharedVolume


@pytest.fixture
def volume(tmp_path: Path, database: str) -> Iterator[Volume]:
    yield from shared_volumes.volume(tmp_path / "volume", database)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "precious").write_bytes(b"somebody else's")
    return directory / "precious"


def forged(manager: TempFileManager, path: str, like: Path) -> None:
    """Have a record of what lies at a path, with the identity of that very file, as a forger can write it by SQL."""
    seed = Path(manager.context.base_dir) / "seed"
    seed.write_bytes(b"registered")
    manager.register_file(seed)
    registry, found = manager.registry, Examiner().examine(str(like))
    assert isinstance(registry, PostgresRegistry)
    assert found is not None
    ((stored,),) = registry.server.reader.execute("SELECT identity FROM tfm.files")
    little = stored[:8] == seed.stat().st_ino.to_bytes(8, "little")
    identity = b"".join(number.to_bytes(8, "little" if little else "big", signed=True) for number in found.identity)
    registry.server.writer.execute("UPDATE tfm.files SET path = %s, identity = %s", (os.fsencode(path), identity))


def outcome(manager: TempFileManager) -> tuple[str, str]:
    foretold = manager.sweep(force=True, dry_run=True).outcomes
    outcomes = manager.sweep(force=True).outcomes
    assert [one[1:3] for one in outcomes] == [one[1:3] for one in foretold]
    ((_, status, cause, *_),) = outcomes
    return str(status), str(cause)


@pytest.mark.parametrize("paranoid", [True, False])
@pytest.mark.parametrize(
    "path", ["{absolute}", "../outside/precious", "./files/../../outside/precious", "link/precious"]
)
def test_nothing_outside_the_volume_goes(volume: Volume, outside: Path, path: str, paranoid: bool) -> None:
    manager = volume.manager(paranoid=paranoid)
    volume.files(1)
    (volume.root / "link").symlink_to(outside.parent)
    forged(manager, path.format(absolute=outside), outside)
    # What is stored is below the root, a slash at its beginning or not: there is no such file there.
    assert outcome(manager) == (("gone", "gone") if path == "{absolute}" else ("kept", "outside"))
    assert outside.read_bytes() == b"somebody else's"


def test_the_very_same_record_inside_goes(volume: Volume, outside: Path) -> None:
    """Or the test above tests nothing: what it forges would be believed."""
    manager = volume.manager()
    (file,) = volume.files(1)
    forged(manager, "files/0000", file)
    assert outcome(manager) == ("removed", "")
    assert not file.exists()


def test_a_path_alone_proves_nothing(volume: Volume) -> None:
    manager = volume.manager()
    (file,) = volume.files(1)
    forged(manager, "files/0000", file)
    registry = manager.registry
    assert isinstance(registry, PostgresRegistry)
    registry.server.writer.execute("UPDATE tfm.files SET identity = NULL")
    assert outcome(manager)[0] == "kept"
    assert file.exists()


def test_links_that_are_exchanged_after_the_look_lead_nowhere(
    volume: Volume, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is removed is judged by the open directory."""
    manager = volume.manager(paranoid=False)
    monkeypatch.setattr(SharedVolume, "why_not_below", lambda *_: "")
    (volume.root / "link").symlink_to(outside.parent)
    forged(manager, "link/precious", outside)
    assert outcome(manager) == ("kept", "outside")
    assert outside.exists()


def test_what_lies_outside_is_not_registered(volume: Volume, outside: Path) -> None:
    manager = volume.manager()
    (file,) = volume.files(1)
    (volume.root / "link").symlink_to(outside.parent)
    report = manager.register_files([outside, volume.root / "link" / "precious", file])
    assert report.registered == 1
    assert [path for path, _ in report.refused] == [str(outside), str(volume.root / "link" / "precious")]
    assert {reason for _, reason in report.refused} == {
        f"it does not lie below {volume.root}, the root of volume:scratch, and on the same file system"
    }


def test_own_files_are_never_removed_by_a_forged_record(volume: Volume) -> None:
    manager = volume.manager()
    marker = volume.root / ".temp-file-manager" / "volume"
    forged(manager, ".temp-file-manager/volume", marker)
    assert outcome(manager) == ("kept", "own")
    assert marker.exists()
