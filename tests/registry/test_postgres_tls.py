"""TLS to a real server, with a certificate made here; and passwords, which come from a file."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from postgres_server import PostgresServer
from temp_file_manager.errors import RegistryError, RegistryUnavailableError
from temp_file_manager.registry.postgres import address
from temp_file_manager.registry.postgres.opening import server_of
from temp_file_manager.registry.postgres.standing import standing

PASSWORD = "correct horse battery staple"
HOST = "127.0.0.1"


def certificate(folder: Path, name: str, host: str) -> Path:
    """Make a key and a certificate that is its own authority, for a host."""
    path = folder / name
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={host} -addext subjectAltName=IP:{host}"
    subprocess.run([*made.split(), "-keyout", f"{path}.key", "-out", f"{path}.crt"], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that takes TLS and a password alone: its address without options, and where the certificates are."""
    folder = tmp_path_factory.mktemp("tls")
    ours = certificate(folder, "ours", HOST)
    certificate(folder, "others", HOST)
    certificate(folder, "elsewhere", "192.0.2.1")
    server = PostgresServer()
    try:
        data = Path(server.place, "data")
        with closing(psycopg.connect(server.conninfo("postgres"), autocommit=True)) as admin:
            admin.execute(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}' IN ROLE tfm_view")  # type: ignore[call-overload]
        server.stop("fast")
        for ending in ("crt", "key"):
            shutil.copy(f"{ours}.{ending}", data / f"server.{ending}")
            (data / f"server.{ending}").chmod(0o600)
        (data / "pg_hba.conf").write_text("local all postgres trust\nhostssl all app 127.0.0.1/32 scram-sha-256\n")
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        server.start("-c", "ssl=on", "-c", f"listen_addresses={HOST}", "-c", f"port={port}")
        # libpq looks for its socket by the port, too.
        yield f"//app@{HOST}:{port}/migrated", folder
    finally:
        server.remove()


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    path.chmod(0o600)
    return path


def connect(where: str, password: Path | str, **options: str) -> str:
    """Return who is known to the server."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    with closing(server_of(address.read(f"{where}?{query}", {}), str(password))) as server:
        return str(server.reader.execute("SELECT current_user::text")[0][0])


def test_a_server_that_shows_who_it_is(secured: tuple[str, Path], password: Path) -> None:
    where, folder = secured
    how = {"sslmode": "verify-full", "sslrootcert": f"{folder}/ours.crt"}
    assert connect(where, password, **how) == "app"
    with closing(
        server_of(address.read(f"{where}?sslmode=verify-full&sslrootcert={folder}/ours.crt", {}), str(password))
    ) as server:
        found = standing(server)
        assert (found.tls, found.verified, found.user) == ("TLS", True, "app")


@pytest.mark.parametrize("theirs", ["others", "elsewhere"])
def test_one_that_cannot_is_refused(secured: tuple[str, Path], password: Path, theirs: str) -> None:
    where, folder = secured
    with pytest.raises(RegistryUnavailableError, match="certificate"):
        connect(where, password, sslmode="verify-full", sslrootcert=f"{folder}/{theirs}.crt")


def test_without_tls_it_lets_nobody_in(secured: tuple[str, Path], password: Path) -> None:
    with pytest.raises(RegistryUnavailableError, match=r"no encryption|no pg_hba"):
        connect(secured[0], password, sslmode="disable")


def test_a_password_that_changes_is_read_again(secured: tuple[str, Path], password: Path) -> None:
    where, _ = secured
    with closing(server_of(address.read(f"{where}?sslmode=require", {}), str(password))) as server:
        password.write_text("wrong-secret")
        with pytest.raises(RegistryUnavailableError) as caught:
            server.reader.execute("SELECT 1")
        assert "wrong-secret" not in str(caught.value)
        password.write_text(PASSWORD)
        assert server.reader.execute("SELECT 1") == [(1,)]


def test_a_file_that_others_may_choose_is_refused(secured: tuple[str, Path], password: Path) -> None:
    password.chmod(0o646)
    with pytest.raises(
        RegistryError, match=r"TEMP_FILE_REGISTRY_PASSWORD_FILE: .* all users may write to it"
    ) as caught:
        connect(secured[0], password, sslmode="require")
    assert PASSWORD not in str(caught.value)
    with pytest.raises(RegistryError, match="cannot read"):
        connect(secured[0], password.parent / "none", sslmode="require")


def test_one_that_others_may_read_is_told_of(
    secured: tuple[str, Path], password: Path, caplog: pytest.LogCaptureFixture
) -> None:
    password.chmod(0o644)
    assert connect(secured[0], password, sslmode="require") == "app"
    assert "All users may read the secret in" in caplog.text
    assert PASSWORD not in caplog.text


def test_libpq_finds_it_in_a_file_of_its_own(
    secured: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pass").write_text(f"*:*:*:app:{PASSWORD}\n")
    os.chmod(tmp_path / "pass", 0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    assert connect(secured[0], "", sslmode="require") == "app"
