"""A Unix socket to listen on: private, and one at its path whoever else makes one there."""

import fcntl
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patience import PATIENCE
from temp_file_manager import TempFileManager
from temp_file_manager.storage.kernel import unix_socket

"""Seconds after which what has not answered hangs."""


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """Whatever is made is as open as it was asked to be."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_umask")
def test_it_is_private_before_anybody_can_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is the file by whose lock others wait."""
    modes = {}
    listen = socket.socket.listen

    def listening(self: socket.socket, backlog: int) -> None:
        modes.update({path.name: stat.S_IMODE(path.lstat().st_mode) for path in tmp_path.iterdir()})
        listen(self, backlog)

    monkeypatch.setattr(socket.socket, "listen", listening)
    with unix_socket.listen(str(tmp_path / "socket"), 1).socket:
        assert modes == {"socket": 0o600, "socket.lock": 0o600}
        assert os.listdir(tmp_path) == ["socket"]


def test_of_those_that_start_at_once_one_listens(tmp_path: Path) -> None:
    """Where a killed one has left its socket: none may take another's new one for that."""
    path = str(tmp_path / "socket")
    for _ in range(100):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        barrier = threading.Barrier(4)
        made, refusals = [], []

        def start(barrier: threading.Barrier = barrier, made: list[Any] = made, no: list[str] = refusals) -> None:
            barrier.wait(PATIENCE)
            try:
                made.append(unix_socket.listen(path, 1))
            except OSError as error:
                no.append(str(error.strerror))

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert refusals == ["another process listens there"] * 3
        (one,) = made
        unix_socket.remove(one)
        one.socket.close()
        assert not os.path.lexists(path)


def test_a_socket_in_a_base_directory_that_managers_hold(tmp_path: Path) -> None:
    """They hold it by a lock on the directory, which once was what those who make sockets locked, too."""
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    before = os.listdir(manager.base_dir)
    made = unix_socket.listen(f"{manager.base_dir}/socket", 1)
    assert sorted(os.listdir(manager.base_dir)) == sorted([*before, "socket"])
    unix_socket.remove(made)
    made.socket.close()
    manager.close()


def test_a_path_that_is_too_long_is_refused_with_how_long_it_may_be(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="longer than 107 bytes"):
        unix_socket.listen(str(tmp_path / ("x" * 107)), 1)
    assert os.listdir(tmp_path) == []


def test_while_another_process_makes_one_there_it_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_socket, "PATIENCE", 0.0)
    with (tmp_path / "socket.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another process has locked"):
            unix_socket.listen(str(tmp_path / "socket"), 1)
    assert os.listdir(tmp_path) == ["socket.lock"]
    listening = unix_socket.listen(str(tmp_path / "socket"), 1)  # it was killed, and its lock is gone
    unix_socket.remove(listening)
    listening.socket.close()
    assert os.listdir(tmp_path) == []
