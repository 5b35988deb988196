"""Every command on a registry on PostgreSQL: a real server, and real processes where several have to do with it."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

import command_line
from command_line import Say, environment, tfm
from postgres_server import PostgresServer
from temp_file_manager import cli
from temp_file_manager.machine import machine

bare, folder, say = command_line.bare, command_line.folder, command_line.say
Type = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.url(postgres.new_database())


@pytest.fixture
def typed(url: str, tmp_path: Path) -> Type:
    """Types a command on this test's registry."""
    return lambda *words, **more: tfm(
        *map(str, words), TEMP_FILE_REGISTRY=url, TEMP_FILE_BASE_DIR=str(tmp_path / "base"), **more
    )


def made(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text("content")
    return paths


def test_every_command_works(say: Say, url: str, typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, but for one that registers: a start of the program takes longer than what it does."""
    monkeypatch.setenv("TEMP_FILE_REGISTRY", url)
    a, b, c, d = made(tmp_path / "files", "a", "b", "c", "d")
    others = tmp_path / "others"
    made(others, "e")
    plan, exported = tmp_path / "plan", tmp_path / "exported"

    def done(*words: object, code: int = 0, says: str = "") -> str:
        said = say(*map(str, words))
        assert said.code == code, (words, said)
        assert re.search(says, said.out + said.err), (words, said)
        tried.add(str(words[0]))
        return said.out

    tried: set[str] = set()
    done("registry", "migrate", says="as before")
    done("registry", "status", says="PostgreSQL")
    assert typed("register", a, b).stdout == "2 files registered.\n"
    done("session", "begin", "job", "--ttl", "100", says="lives")
    done("register", "--session", "job", c)
    done("session", "list", says="job")
    done("list", says=str(a))
    done("status", a, says="a")
    done("why", a, says="stays at least until")
    done("cat", a, says="content")
    done("stats", says="records +3")
    for command in ("pin", "unpin", "pin"):
        done(command, a)
    done("hold", b, "--", "true")
    done("limits")
    done("rules")
    done("check", says="Nothing found")
    done("health", says="healthy")
    done("doctor", says=r"registry: postgresql://.*PostgreSQL")
    done("top", "--once", says="3")
    exported.write_text(done("export"))
    assert len(exported.read_text().splitlines()) == 3
    done("sweep", "--dry-run", "--max-age", "0", says="Dry run: 1 removed")
    done("sweep", "--plan", plan, "--max-age", "0")
    done("apply", plan, says="1 removed")
    assert not b.exists()
    assert a.exists()
    done("forget", a, says="1 record forgotten")
    done("import", exported, code=1)
    done("list", says=str(a))
    done("session", "end", "job")
    done("adopt", others)
    done("adopt", "--yes", others, says="1")
    done("restore", d, code=1)
    done("exec", "--", "true", code=2, says="heirs")
    for words in ("config", "completion bash", "version", "help registry"):
        done(*words.split())
    names = {name.rstrip("_") for name in cli.COMMANDS}
    assert names - tried == {"run", "scope", "fleet", "object"}, (
        "each is tried here, run below, and three have their own"
    )


def test_without_its_server_a_command_says_so_and_shows_no_user(tmp_path: Path) -> None:
    said = tfm(
        "register",
        str(made(tmp_path / "files", "a")[0]),
        TEMP_FILE_REGISTRY=f"postgresql://secretive@/files?host={tmp_path}",
        TEMP_FILE_BASE_DIR=str(tmp_path / "base"),
    )
    assert said.returncode == 1
    assert "does not answer" in said.stderr
    assert "Traceback" not in said.stderr


def test_doctor_names_what_holds_the_server_up(url: str, typed: Type) -> None:
    with psycopg.connect(url, application_name="forgotten") as other:
        other.execute("SELECT 1")
        checks = {check["name"]: check for check in json.loads(typed("doctor", "--json").stdout)["checks"]}
        assert "forgotten" in checks["transactions"]["found"]
    assert "schema" in checks["registry"]["found"]
    assert {"TLS", "server's clock"} <= set(checks)


def test_a_base_directorys_records_belong_to_this_machine(
    postgres: PostgresServer, url: str, typed: Type, tmp_path: Path
) -> None:
    typed("register", *made(tmp_path / "files", "a"))
    with psycopg.connect(url) as other:
        assert other.execute("SELECT name FROM tfm.scopes").fetchall() == [(f"local:{machine()}:{tmp_path}/base",)]


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("raise ModuleNotFoundError(\"No module named 'psycopg'\", name='psycopg')")
    path = f"{tmp_path}:{environment()['PYTHONPATH']}" if "PYTHONPATH" in environment() else str(tmp_path)
    said = tfm(
        "list", PYTHONPATH=path, TEMP_FILE_REGISTRY="postgresql:///files", TEMP_FILE_BASE_DIR=str(tmp_path / "b")
    )
    assert said.returncode == 2
    assert "pip install 'temp-file-manager[postgres]'" in said.stderr
