"""What the tests of the command line share: a bare environment, and two ways to type a command."""

import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from patience import PATIENCE
from temp_file_manager import TempFileManager, cli
from temp_file_manager.settings import ALIASES, FIELDS, PREFIX

MODULE = (sys.executable, "-m", "temp_file_manager")
SHIM = (sys.executable, "-m", "aiecs.tools.temp_file_manager")
SECONDS = PATIENCE

SETTINGS = {PREFIX + name.upper() for name in FIELDS} | set(ALIASES.values())


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Say = Callable[..., Said]


def environment(**variables: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in SETTINGS} | variables


def tfm(*words: str, start: tuple[str, ...] = MODULE, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type a command in a process of its own."""
    return subprocess.run(
        [*start, *words], env=environment(**variables), capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the environment that the tests run in."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(bare: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in; the base directory, and the registry in it, are below."""
    monkeypatch.setenv("TEMP_FILE_BASE_DIR", str(tmp_path / "base"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command in this process, in ``folder``; ``stdin`` is bytes, or None for none."""

    def typed(*words: str, stdin: bytes | None = b"") -> Said:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin)))
            code = cli.main(list(words))
        return Said(code, *capsys.readouterr())

    return typed


@pytest.fixture
def manager(folder: Path) -> Iterator[TempFileManager]:
    """A manager on the same records as the commands'."""
    with closing(TempFileManager(folder / "base", registry="sqlite:")) as manager:
        yield manager


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def files(folder: Path, *names: str) -> list[str]:
    """Make files, and return their paths."""
    for name in names:
        (folder / name).write_bytes(b"12345")
    return [str(folder / name) for name in names]
