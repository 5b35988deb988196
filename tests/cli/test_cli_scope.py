"""``scope``: volumes are made, listed and shown."""

import json
from pathlib import Path

import pytest

from shared_volumes import SCOPE, Volume
from temp_file_manager import cli
from temp_file_manager.cli.commands import scope
from temp_file_manager.registry.postgres.registry import PostgresRegistry

ROOT = "TEMP_FILE_BASE_DIR"


@pytest.fixture
def volume(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Volume:
    volume = Volume(tmp_path / "volume", database, made=False)
    monkeypatch.setenv(ROOT, str(volume.root))

    def opened(registry: object, base: str, **how: object) -> PostgresRegistry:
        return volume.registry(Path(base))

    monkeypatch.setattr(scope, "open_registry", opened)
    return volume


def test_create_show_and_list(volume: Volume, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["scope", "show", SCOPE]) == 1
    assert "is not in the registry yet: temp-file-manager scope create volume:scratch" in capsys.readouterr().out
    assert cli.main(["scope", "create", SCOPE]) == 0
    assert capsys.readouterr().out == f"Scope {SCOPE} is made: its volume is mounted at {volume.root}.\n"
    assert cli.main(["scope", "create", SCOPE]) == 0
    assert "was made before, and is as it was" in capsys.readouterr().out
    assert cli.main(["scope", "show", "--scope", SCOPE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mounted"] is True
    assert cli.main(["scope", "show", SCOPE]) == 0
    assert capsys.readouterr().out == f"Volume:scratch is mounted at {volume.root}; 0 records.\n"
    assert cli.main(["scope", "list"]) == 0
    assert capsys.readouterr().out.split() == ["RECORDS", "VOLUME", "NAME", "0", "marked", SCOPE]
    assert cli.main(["scope", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": SCOPE, "marked": True, "records": 0}


def test_what_does_not_fit_is_refused(volume: Volume, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["create"], ["list", SCOPE], ["show"], ["create", "scratch"], ["create", "volume:../x"]):
        assert cli.main(["scope", *words]) == 2
    assert "is 'volume:../x': give volume:NAME" in capsys.readouterr().err
    assert cli.main(["scope", "create", SCOPE]) == 0
    assert cli.main(["scope", "create", SCOPE, "--base-dir", str(tmp_path / "other")]) == 2
    assert "mount the volume; if this is another volume, give it another name" in capsys.readouterr().err


def test_a_registry_of_one_machine_knows_no_volumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--base-dir", str(tmp_path / "base"), "--registry", "sqlite:"]
    assert cli.main(["scope", "create", SCOPE, *words]) == 2
    assert "set TEMP_FILE_REGISTRY=postgresql://HOST/DATABASE" in capsys.readouterr().err
    assert list((tmp_path / "base").rglob("volume*")) == []
    assert cli.main(["scope", "list", *words]) == 0
