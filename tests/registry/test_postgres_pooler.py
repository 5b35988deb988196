"""A registry behind PgBouncer in transaction mode: nothing belongs to a session of the server's."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from postgres_server import PostgresServer
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Selection
from temp_file_manager.registry.claim import Settlement
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.server import Server
from temp_file_manager.registry.postgres.standing import standing

NOW = 1_000_000.0
POOLER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@pytest.fixture
def pooled(postgres: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """How libpq reaches a database of this test's own through a pooler that has two connections to it."""
    if POOLER is None:
        pytest.skip("not tried: pgbouncer is not installed")
    name, place = postgres.new_database(), Path(postgres.place)
    port = 7000 + os.getpid() % 1000
    (tmp_path / "users").write_text('"postgres" ""\n')
    (tmp_path / "config").write_text(
        f"[databases]\n{name} = host={place} dbname={name}\n[pgbouncer]\nunix_socket_dir = {place}\n"
        f"listen_addr =\nlisten_port = {port}\nauth_type = trust\nauth_file = {tmp_path}/users\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n"
    )
    command = [POOLER, str(tmp_path / "config")]
    if os.geteuid() == 0:  # as which it refuses to run
        # Not in a namespace of its own, where the files' owner has no name.
        command[1:1] = ["-u", "nobody"]
        for path in (tmp_path, *tmp_path.iterdir()):
            os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        for folder in [tmp_path, *tmp_path.parents][:-2]:
            folder.chmod(folder.stat().st_mode | 0o055)
        place.chmod(0o777)
    with Path(tmp_path, "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd="/")
    conninfo = f"host={place} port={port} dbname={name} user=postgres"
    try:
        until_answered(conninfo, process, tmp_path / "said")
        yield conninfo
    finally:
        process.kill()
        process.wait()


def until_answered(conninfo: str, process: "subprocess.Popen[bytes]", said: Path) -> None:
    while True:
        try:
            psycopg.connect(conninfo).close()
        except psycopg.OperationalError:
            assert process.poll() is None, said.read_text()
        else:
            return


def test_registries_that_share_two_connections(pooled: str) -> None:
    registries = [PostgresRegistry(pooled, "volume:v") for _ in range(8)]
    taken: list[str] = []

    def work(number: int) -> None:
        registry = registries[number]
        registry.add([(f"/v/{number}/{i}", None, None, (), None, None) for i in range(50)], NOW - 100)
        registry.keep([f"/v/{number}/0"], NOW + 100)
        begun = registry.begin(f"s{number}", now=NOW, ends_at=NOW + 10, owner=None)
        registry.end([begun.number], NOW)
        while True:
            claim = registry.claim(Selection(NOW, 10.0), now=registry.clock.elapsed(), lease=30.0, limit=20)
            registry.settle(Settlement(claim, len(claim.records), {}, NOW))
            taken.extend(record.path for record in claim.records)
            if not claim.records:
                return

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 8 * 49
    assert registries[0].stats().records == 8
    for registry in registries:
        registry.close()


def test_transactions_and_errors_leave_nothing_behind(pooled: str) -> None:
    with closing(Server(pooled)) as server, closing(Server(pooled)) as other:
        with pytest.raises(RegistryError, match="division"):
            server.writer.transaction(lambda link: link.execute("SELECT 1 / 0"))
        shown = "SELECT current_setting('idle_in_transaction_session_timeout'), count(*) FROM pg_prepared_statements"
        assert {other.reader.execute(shown)[0] for _ in range(10)} == {("0", 0)}
        assert standing(server).schema > 0
