"""``run`` with its service on a registry on PostgreSQL, whose server goes away and comes back."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command_line import MODULE, environment, tfm
from postgres_server import PostgresServer
from serving import Client, until


@contextmanager
def running(folder: Path, variables: dict[str, str]) -> Iterator[tuple[Path, Client]]:
    """Start it; yield its log and a client."""
    log, socket = folder / "log", folder / "socket"
    command = [*MODULE, "run", "--cleanup-interval", "1", "--http-socket", str(socket)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment(**variables), stdout=said, stderr=said)
    try:
        until(lambda: "Page and API" in log.read_text() or process.poll() is not None)
        yield log, Client(str(socket))
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait()


def test_it_outlives_its_server(postgres: PostgresServer, tmp_path: Path) -> None:
    """It sweeps, shows, is not well while the server is away, and goes on when that is back."""
    variables = {
        "TEMP_FILE_REGISTRY": postgres.url(postgres.new_database()),
        "TEMP_FILE_BASE_DIR": str(tmp_path / "base"),
    }

    def registered(name: str) -> Path:
        path = tmp_path / name
        path.touch()
        done = tfm("register", "--ttl", "0", str(path), **variables)
        assert done.returncode == 0, done.stderr
        return path

    first = registered("first")
    with running(tmp_path, variables) as (log, client):
        until(lambda: not first.exists())
        for path in ("/health", "/v1/overview", "/metrics", "/v1/files", "/"):
            assert client.ask("GET", path).status == 200, path
        postgres.stop()
        try:
            until(lambda: "does not answer" in log.read_text())
            away = client.ask("GET", "/health")
            assert away.status == 503
            assert "does not answer" in away.body.decode()
            for path in ("/metrics", "/v1/overview", "/"):
                assert client.ask("GET", path).status in (200, 503), path
        finally:
            postgres.start()
        second = registered("second")
        until(lambda: not second.exists())
        until(lambda: client.ask("GET", "/health").status == 200)
