"""``doctor`` on a volume that hosts share: it tries the real file system, and says what follows."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import shared_volumes
from mounts import mounted
from shared_volumes import Volume
from temp_file_manager import cli
from temp_file_manager.cli.commands import doctor
from temp_file_manager.inspection import health
from temp_file_manager.inspection.doctor import Check, Level
from temp_file_manager.inspection.metrics import ManagerCollector
from temp_file_manager.inspection.shared_volume import checks, judged
from temp_file_manager.settings import Settings
from temp_file_manager.storage.volume_trial import Trial, try_out

GOOD = Trial(True, True, True, True, True, True, (), True, 0.0, 0.001)


@pytest.fixture
def volume(tmp_path: Path, database: str) -> Iterator[Volume]:
    yield from shared_volumes.volume(tmp_path / "volume", database)


def told(found: Iterator[Check]) -> dict[str, Level]:
    return {check.name: check.level for check in found}


def test_a_local_file_system_can_all_and_nothing_is_left(volume: Volume) -> None:
    shared = volume.manager().context.volume
    assert shared is not None
    found = told(checks(shared, Settings(scope=volume.scope, if_unknown=60)))
    assert set(found.values()) == {Level.OK}
    assert {"volume", "identity", "renames", "locks", "removals"} <= set(found)
    assert os.listdir(volume.root / ".temp-file-manager") == ["volume"]


def test_tmpfs(tmp_path: Path) -> None:
    with mounted(tmp_path, ["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", str(tmp_path)]):
        trial = try_out(str(tmp_path))
        assert trial._replace(ahead=0.0, removal=0.0, born=True) == GOOD._replace(removal=0.0)


def test_what_is_set_otherwise_is_told(volume: Volume) -> None:
    shared = volume.manager().context.volume
    assert shared is not None
    found = told(checks(shared, Settings(scope=volume.scope, paranoid=False, owner_check=False)))
    assert found["paranoid"] is found["owner check"] is Level.WARNING
    assert found["files in use elsewhere"] is Level.PROBLEM


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"born": False, "handle": False}, "identity"),
        ({"born": False, "reused": False}, "identity"),
        ({"renames": False}, "renames"),
        ({"links": False}, "two names of a file"),
        ({"locks": False}, "locks"),
        ({"open_after_removal": False}, "reading what was removed"),
        ({"ahead": -7.0}, "clock of the file server"),
    ],
)
def test_what_is_missing_is_a_warning(how: dict[str, object], name: str) -> None:
    found = told(judged(GOOD._replace(**how), "nfs4", 16))  # type: ignore[arg-type]
    assert [each for each, level in found.items() if level is Level.WARNING] == [name]
    assert set(told(judged(GOOD, "nfs4", 16)).values()) == {Level.OK}


def test_the_arithmetic_of_threads() -> None:
    (found,) = (check.found for check in judged(GOOD, "nfs4", 16) if check.name == "removals")
    assert found == "1.00 ms, so at most 16,000 a second by 16 threads"


def test_the_command(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "open_registry", lambda _, base, **__: volume.registry(Path(base)))
    words = ["doctor", str(volume.root), "--scope", volume.scope, "--if-unknown", "60", "--registry", "memory:"]
    assert cli.main(words) == 0
    assert f"ok       volume: {volume.scope} is mounted at {volume.root}\n" in capsys.readouterr().out
    volume.root.rename(tmp_path / "away")
    volume.root.mkdir(mode=0o700)
    assert cli.main(words) == 1
    assert "problem  volume: volume:scratch is not mounted at" in capsys.readouterr().out


def test_health_and_metrics_say_that_it_is_away(volume: Volume, tmp_path: Path) -> None:
    context = volume.manager().context

    def present() -> list[float]:
        metrics = ManagerCollector(context).collect()
        return [one.value for metric in metrics if metric.name == "temp_file_volume_present" for one in metric.samples]

    assert (str(health.examine(context).status), present()) == ("healthy", [1.0])
    away = volume.root.rename(tmp_path / "away")
    found = health.examine(context)
    assert (str(found.status), present()) == ("degraded", [0.0])
    assert "the shared volume is not there: volume:scratch is not mounted at" in found.reasons[0]
    away.rename(volume.root)
    assert (str(health.examine(context).status), present()) == ("healthy", [1.0])
