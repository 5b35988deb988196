"""Hosts that share a volume: processes that have a root and a database in common, and nothing else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared_volumes
from mounts import mounted
from patience import PATIENCE
from shared_volumes import SCOPE, Volume
from temp_file_manager.inspection.check import check
from temp_file_manager.registry.postgres.registry import PostgresRegistry

HOST = """
import json, os, sys
from temp_file_manager import TempFileManager
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.settings import Settings

database, root, how = sys.argv[1:4]
settings = Settings(scope="volume:scratch", if_unknown=0, max_age=0, cleanup_batch_size=20)
manager = TempFileManager(root, registry=PostgresRegistry(database, "volume:scratch", root=root), settings=settings)
if how == "killed":
    unlink, count = os.unlink, [0]
    def counting(*args, **where):
        unlink(*args, **where)
        count[0] += 1
        if count[0] == 30:
            os.kill(os.getpid(), 9)
    os.unlink = counting
elif how == "holding":
    held = manager.hold(sys.argv[4])
    held.__enter__()
    print("held", flush=True)
    sys.stdin.read()
sys.stdin.readline() if how == "together" else None
report = manager.sweep(force=True)
print(json.dumps([report.removed, report.gone, report.failed, report.kept]), flush=True)
"""


@pytest.fixture
def volume(tmp_path: Path, database: str) -> Iterator[Volume]:
    yield from shared_volumes.volume(tmp_path / "volume", database)


def host(volume: Volume, how: str = "", *more: str, root: Path | None = None) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", HOST, volume.database, str(root or volume.root), how, *more]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def let_lapse(volume: Volume) -> None:
    """Be as much later as leases last: the clock of the server goes on by itself alone."""
    registry = volume.registry()
    registry.server.writer.execute("UPDATE tfm.claims SET lapses_at = lapses_at - 3600")
    registry.server.writer.execute("UPDATE tfm.owners SET seen_at = seen_at - 3600")
    registry.close()


def test_of_hosts_that_sweep_at_once_each_file_goes_once(volume: Volume) -> None:
    manager = volume.manager()
    files = volume.files(600)
    assert manager.register_files(files).registered == 600
    hosts = [host(volume, "together") for _ in range(3)]
    for one in hosts:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [json.loads(one.communicate(timeout=PATIENCE)[0]) for one in hosts]
    assert [sum(column) for column in zip(*told, strict=True)] == [600, 0, 0, 0]
    assert len(manager.files) == 0
    assert not any(file.exists() for file in files)


def test_what_a_killed_host_had_is_taken_over_after_its_lease(volume: Volume) -> None:
    manager = volume.manager()
    files = volume.files(200)
    stranger = volume.root / "files" / "stranger"
    stranger.write_bytes(b"")
    manager.register_files(files)
    killed = host(volume, "killed")
    assert killed.wait(PATIENCE) == -signal.SIGKILL
    killed.communicate()
    first = manager.sweep(force=True)
    assert 0 < first.removed <= 180
    assert len(manager.files) in range(1, 41)  # what it had claimed
    let_lapse(volume)
    manager.sweep(force=True)
    assert len(manager.files) == 0
    assert [path.name for path in (volume.root / "files").iterdir()] == ["stranger"]
    assert check(manager.context) == ()


def test_what_a_killed_host_has_set_aside_comes_back(volume: Volume) -> None:
    manager = volume.manager()
    files = volume.files(3)
    manager.register_files(files)
    program = HOST.replace("unlink(*args, **where)\n", "pass\n").replace("count[0] == 30", "count[0] == 1")
    done = subprocess.run(
        [sys.executable, "-c", program, volume.database, str(volume.root), "killed"], timeout=PATIENCE, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert sum(file.exists() for file in files) < 3
    (*found,) = check(manager.context, fix=True)
    assert {finding.kind for finding in found if finding.fixed} >= {"file set aside"}
    assert all(file.exists() for file in files)
    let_lapse(volume)
    assert manager.sweep(force=True).removed == 3


def test_a_hold_ends_with_its_host(volume: Volume) -> None:
    manager = volume.manager()
    (file,) = volume.files(1)
    manager.register_file(file)
    holding = host(volume, "holding", str(file))
    assert holding.stdout is not None
    assert holding.stdout.readline() == "held\n"
    assert manager.sweep(force=True).removed == 0
    holding.kill()
    holding.communicate()
    assert manager.sweep(force=True).removed == 0  # nobody here can see that it is dead
    let_lapse(volume)
    assert manager.sweep(force=True).removed == 1


def test_hosts_mount_a_volume_where_they_like(volume: Volume, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    with mounted(there, ["mount", "--bind", str(volume.root), str(there)]):
        here, other = volume.manager(), volume.manager(there)
        files = volume.files(3)
        here.register_files(files)
        assert set(other.files) == {str(there / "files" / file.name) for file in files}
        registry = here.registry
        assert isinstance(registry, PostgresRegistry)
        stored = registry.server.reader.execute("SELECT path FROM tfm.files ORDER BY path")
        assert [os.fsdecode(path) for (path,) in stored] == ["files/0000", "files/0001", "files/0002"]
        other.mkstemp()
        (made,) = set(here.files) - {str(file) for file in files}
        assert Path(made).parent == volume.root
        assert other.sweep(force=True).removed == 4
        assert not any(file.exists() for file in files)
        assert len(here.files) == 0


def test_a_directory_that_is_gone_is_gone_for_the_other_host_too(volume: Volume, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    with mounted(there, ["mount", "--bind", str(volume.root), str(there)]):
        here, other = volume.manager(), volume.manager(there)
        here.register_files(volume.files(2))
        for file in (volume.root / "files").iterdir():
            file.unlink()
        (volume.root / "files").rmdir()
        report = other.sweep(force=True)
        assert (report.gone, report.kept) == (2, 0)


def test_what_is_mounted_in_a_volume_is_none_of_it(volume: Volume) -> None:
    inner = volume.root / "inner"
    inner.mkdir()
    with mounted(inner, ["mount", "-t", "tmpfs", "tmpfs", str(inner)]):
        (inner / "file").write_bytes(b"elsewhere")
        ((_, why),) = volume.manager().register_files([inner / "file"]).refused
        assert "and on the same file system" in why


def test_a_scope_is_of_that_volume_alone(volume: Volume, tmp_path: Path) -> None:
    other = Volume(tmp_path / "other", volume.database, "volume:other")
    manager, others = volume.manager(), other.manager()
    manager.register_files(volume.files(2))
    others.register_files(other.files(3))
    assert (len(manager.files), len(others.files)) == (2, 3)
    known = {one.name: one.records for one in manager.registry.scopes()}
    assert known == {SCOPE: 2, "volume:other": 3}
    assert manager.sweep(force=True).removed == 2
    assert len(others.files) == 3
    other.close()
