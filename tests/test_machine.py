"""The name of this machine."""

import socket
from pathlib import Path

from temp_file_manager.machine import machine


def test_it_is_of_the_host_and_of_the_machines_id(tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    assert machine(str(path)) == f"{socket.gethostname()}-01234567"


def test_where_there_is_no_id_it_is_the_hosts(tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    assert machine(str(path)) == socket.gethostname()
    path.write_text("")
    assert machine(str(path)) == socket.gethostname()
