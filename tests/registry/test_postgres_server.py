"""Connections to a real PostgreSQL server: lost, stopped, forked and interrupted ones."""

import gc
import math
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread, get_ident
from typing import Any

import psycopg
import pytest

from interrupts import everywhere, interrupted, stop
from postgres_server import PostgresServer
from temp_file_manager.errors import RegistryBusyError, RegistryError, RegistryUnavailableError
from temp_file_manager.registry.postgres import link as links
from temp_file_manager.registry.postgres.link import Link
from temp_file_manager.registry.postgres.migration import migrate, schema_of
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Server
from temp_file_manager.registry.postgres.sql import MIGRATIONS
from temp_file_manager.testing.threads import Work

PID = "SELECT pg_backend_pid()"


@pytest.fixture
def server(database: str) -> Iterator[Server]:
    with closing(Server(database)) as server:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the server at once whether it is there."""
    monkeypatch.setattr(Link, "silence", 0.1)


def all_processes(postgres: PostgresServer) -> list[int]:
    """Return the server's processes, the first of which starts the others."""
    first = int(Path(postgres.place, "data", "postmaster.pid").read_text().split()[0])
    tasks = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, tasks)]


@contextmanager
def stopped(postgres: PostgresServer) -> Iterator[None]:
    processes = all_processes(postgres)
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def elsewhere(database: str, sql: str) -> list[Any]:
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        cursor = connection.execute(sql)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def until_active(database: str, pid: int) -> None:
    """Wait until one of the server's processes is at work on a statement."""
    while elsewhere(database, f"SELECT state FROM pg_stat_activity WHERE pid = {pid}") != [("active",)]:
        pass


def test_a_database_is_migrated_once(server: Server) -> None:
    assert schema_of(server) == len(MIGRATIONS)
    assert migrate(server) == (len(MIGRATIONS), len(MIGRATIONS))


def test_whoever_enters_a_scope_is_an_owner_of_its_own(server: Server) -> None:
    first, second = (Scope(server, "local:here:/base") for _ in range(2))
    first.enter()
    second.enter()
    assert first.number == second.number
    assert 0 < first.owner < second.owner
    assert len(first.registry) == 12


class TestSilence:
    """A server that does not answer is out of reach, and nobody waits for it for ever."""

    @pytest.mark.usefixtures("hasty")
    def test_a_stopped_server_is_out_of_reach_and_then_back(self, server: Server, postgres: PostgresServer) -> None:
        server.reader.execute(PID)
        with stopped(postgres):
            for connection in (server.reader, server.writer):  # one that is open, and one that is to be opened
                with pytest.raises(RegistryUnavailableError, match="does not answer"):
                    connection.execute(PID)
        assert server.reader.execute("SELECT 1") == server.writer.execute("SELECT 1") == [(1,)]

    def test_a_server_that_takes_connections_and_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            conninfo = f"host=127.0.0.1 port={mute.getsockname()[1]} dbname=any connect_timeout=2"
            with closing(Server(conninfo)) as server, pytest.raises(RegistryUnavailableError):
                server.reader.execute("SELECT 1")

    @pytest.mark.usefixtures("hasty")
    def test_many_threads_wait_for_it_together(self, server: Server, postgres: PostgresServer) -> None:
        """And not one after the other."""
        server.reader.execute(PID)
        said: list[str] = []

        def ask() -> None:
            try:
                server.reader.execute(PID)
            except RegistryUnavailableError as error:
                said.append(str(error))

        with stopped(postgres):
            threads = [Thread(target=ask) for _ in range(50)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(said) == 50
        assert sum("another thread" in line for line in said) == 49

    def test_nobody_is_there(self, tmp_path: Path) -> None:
        nowhere = Server(f"host={tmp_path} dbname=any")
        with closing(nowhere), pytest.raises(RegistryUnavailableError, match="does not answer"):
            nowhere.writer.execute("SELECT 1")

    @pytest.mark.usefixtures("hasty")
    def test_a_statement_that_takes_long_is_waited_for_while_the_server_answers_others(
        self, server: Server, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """This one takes until the server was asked twice."""
        made, real = [], Link.connect

        def connect(*words: Any, **how: Any) -> Link:
            made.append(real(*words, **how))
            if len(made) == 3:
                elsewhere(database, "INSERT INTO asked VALUES (2)")
            return made[-1]

        monkeypatch.setattr(Link, "connect", connect)
        elsewhere(database, "CREATE TABLE asked (times integer)")
        until_twice = "WHILE NOT EXISTS (SELECT FROM asked) LOOP PERFORM pg_sleep(0.01); END LOOP"
        server.reader.execute(f"DO $$ BEGIN {until_twice}; END $$")
        assert len(made) >= 3, "its own, and one each time it asks"

    @pytest.mark.usefixtures("hasty")
    def test_not_longer_than_it_may_take(self, server: Server) -> None:
        with pytest.raises(RegistryUnavailableError, match="has taken"):
            server.reader.execute("SELECT pg_sleep(100)", longest=0.2)
        assert server.reader.execute("SELECT 1") == [(1,)]

    @pytest.mark.usefixtures("hasty")
    def test_a_lock_that_somebody_holds_is_named(
        self, server: Server, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(links, "PATIENCE", 0)
        with closing(psycopg.connect(database)) as other:
            other.execute("LOCK TABLE tfm.scopes")
            with pytest.raises(RegistryUnavailableError, match=rf"pg_terminate_backend\({other.info.backend_pid}\)"):
                server.writer.execute("SELECT id FROM tfm.scopes")

    @pytest.mark.usefixtures("hasty")
    def test_a_lock_that_somebody_gives_up_soon_is_waited_for(
        self, server: Server, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By then the server was asked twice what it waits for."""
        monkeypatch.setattr(links, "PATIENCE", math.inf)
        with closing(psycopg.connect(database)) as other:
            other.execute("LOCK TABLE tfm.scopes")
            made, real = [], Link.connect

            def connect(*words: Any, **how: Any) -> Link:
                made.append(real(*words, **how))
                if len(made) == 3:
                    other.commit()
                return made[-1]

            monkeypatch.setattr(Link, "connect", connect)
            assert server.writer.execute("SELECT count(*) FROM tfm.scopes") == [(0,)]
        assert len(made) >= 3

    def test_a_transaction_that_stops_in_the_middle_is_ended_by_the_server(self, server: Server) -> None:
        show = "SHOW idle_in_transaction_session_timeout"
        assert server.writer.transaction(lambda link: link.execute(show).fetchall()) == [("5s",)]
        assert server.writer.execute(show) == [("0",)]


class TestLosses:
    def test_a_connection_that_ended_while_nobody_used_it_is_opened_again(self, server: Server, database: str) -> None:
        ((before,),) = server.writer.execute(PID)
        assert elsewhere(database, f"SELECT pg_terminate_backend({before}, 60000)") == [(True,)]
        ((after,),) = server.writer.execute(PID)
        assert after != before

    def test_a_statement_that_was_under_way_raises_and_is_not_sent_again(self, server: Server, database: str) -> None:
        elsewhere(database, "CREATE TABLE done (pid integer)")
        ((pid,),) = server.writer.execute(PID)
        raised: list[Exception] = []

        def insert() -> None:
            try:
                server.writer.execute("INSERT INTO done SELECT pg_backend_pid() FROM pg_sleep(100)")
            except RegistryUnavailableError as error:
                raised.append(error)

        thread = Thread(target=insert)
        thread.start()
        until_active(database, pid)
        elsewhere(database, f"SELECT pg_terminate_backend({pid})")
        thread.join()
        assert len(raised) == 1
        assert server.writer.execute("SELECT * FROM done") == []

    def test_a_restarted_server(self, server: Server, postgres: PostgresServer) -> None:
        server.writer.execute(PID)
        postgres.stop()
        with pytest.raises(RegistryUnavailableError):
            server.writer.execute(PID)
        postgres.start()
        assert server.writer.execute("SELECT 1") == [(1,)]

    def test_a_transaction_that_fails_leaves_nothing_and_a_connection_that_works(
        self, server: Server, database: str
    ) -> None:
        elsewhere(database, "CREATE TABLE done (number integer)")

        def work(connection: psycopg.Connection[Any]) -> None:
            connection.execute("INSERT INTO done VALUES (1)")
            connection.execute("SELECT 1 / 0")

        with pytest.raises(RegistryError, match="division"):
            server.writer.transaction(work)
        assert server.writer.execute("SELECT * FROM done") == []

    def test_a_standby_is_out_of_reach_for_changes(self, server: Server) -> None:
        ((before,),) = server.writer.execute(PID)
        with pytest.raises(RegistryUnavailableError, match="standby"):
            server.writer.transaction(
                lambda connection: connection.execute("SET TRANSACTION READ ONLY; CREATE TABLE none ()")
            )
        ((after,),) = server.writer.execute(PID)
        assert after != before, "the next connection may lead to the primary"


class TestForks:
    @staticmethod
    def in_child(work: Callable[[], bool]) -> bool:
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if work() else 1
            finally:
                os._exit(status)
        return os.waitpid(child, 0)[1] == 0

    @pytest.mark.parametrize("how", ["close", "collect", "use", "leave"])
    def test_a_childs_end_leaves_its_parents_connections(self, server: Server, how: str) -> None:
        before = server.writer.execute(PID), server.reader.execute(PID)

        def work() -> bool:
            if how == "close":
                server.close()
            elif how == "collect":
                server.writer = server.reader = None  # type: ignore[assignment]
                gc.collect()
            elif how == "use":
                return server.writer.execute(PID) != before[0] and server.reader.execute(PID) != before[1]
            return True

        assert self.in_child(work)
        assert (server.writer.execute(PID), server.reader.execute(PID)) == before

    def test_both_use_theirs_at_the_same_time(self, server: Server) -> None:
        before = server.writer.execute(PID)
        reading, writing = os.pipe()

        def work() -> bool:
            number = server.writer.execute("SELECT 1")
            os.write(writing, b"x")
            return number == server.writer.execute("SELECT 1 FROM generate_series(1, 1)")

        child = Thread(target=lambda: done.append(self.in_child(work)))
        done: list[bool] = []
        child.start()
        os.read(reading, 1)
        assert all(server.writer.execute(PID) == before for _ in range(50))
        child.join()
        assert done == [True]
        os.close(reading)
        os.close(writing)

    def test_a_child_made_in_the_middle_of_a_transaction_has_no_part_in_it(self, server: Server, database: str) -> None:
        elsewhere(database, "CREATE TABLE done (number integer)")

        def work(connection: psycopg.Connection[Any]) -> bool:
            connection.execute("INSERT INTO done VALUES (1)")
            return self.in_child(lambda: server.writer.execute("SELECT * FROM done") == [])

        assert server.writer.transaction(work)
        assert server.reader.execute("SELECT * FROM done") == [(1,)]

    def test_a_child_made_while_another_thread_waits_waits_for_nobody(self, server: Server) -> None:
        started = Event()

        def long(connection: psycopg.Connection[Any]) -> None:
            started.set()
            connection.execute("SELECT pg_sleep(100)")

        def wait() -> None:
            with pytest.raises(RegistryUnavailableError):
                server.writer.transaction(long)

        ((pid,),) = server.writer.execute(PID)
        thread = Thread(target=wait)
        thread.start()
        started.wait()
        assert self.in_child(lambda: server.writer.execute("SELECT 1") == [(1,)])
        server.reader.execute("SELECT pg_terminate_backend(%s)", (pid,))
        thread.join()


class TestInterrupts:
    def half_open(self, database: str) -> list[Any]:
        return elsewhere(
            database, "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state ~ 'idle in trans'"
        )

    @pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
    def test_an_interrupt_anywhere_leaves_a_connection_that_works(
        self, server: Server, database: str, error: type[BaseException]
    ) -> None:
        """Also by an error that the driver does not know for an interrupt."""
        elsewhere(database, "CREATE TABLE done (number integer)")

        def raises() -> None:
            raise error

        def work(connection: psycopg.Connection[Any]) -> None:
            connection.execute("INSERT INTO done VALUES (1)")
            connection.execute("INSERT INTO done VALUES (2)")

        def step(at: int) -> bool:
            server.writer.execute("TRUNCATE done")
            ended = True
            with interrupted(at, "registry/postgres", raises) as came:
                try:
                    server.writer.transaction(work)
                except error:
                    ended = False
            while self.half_open(database):  # until the server has seen that nobody is there
                pass
            rows = server.writer.execute("SELECT * FROM done")
            assert rows == [(1,), (2,)] or (rows == [] and not ended)
            return came()

        assert everywhere(step) > 20

    def test_a_statement_under_way_is_given_up(self, server: Server, database: str) -> None:
        ((pid,),) = server.writer.execute(PID)

        def interrupt(main: int) -> None:
            until_active(database, pid)
            signal.pthread_kill(main, signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, lambda *_: stop())
        try:
            interrupting = Work(interrupt, get_ident())
            with pytest.raises(KeyboardInterrupt):
                server.writer.execute("SELECT pg_sleep(100)")
            interrupting.end()
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert server.writer.execute("SELECT 1") == [(1,)]

    def test_a_handler_is_refused_by_the_connection_that_its_thread_is_using(self, server: Server) -> None:
        found: list[object] = []

        def handler() -> None:
            for connection in (server.writer, server.reader):
                try:
                    found.append(connection.execute("SELECT 1"))
                except RegistryBusyError:
                    found.append("busy")
            server.writer.close()  # does nothing

        def work(connection: psycopg.Connection[Any]) -> int:
            handler()
            return int(connection.execute("SELECT 2").fetchall()[0][0])

        assert server.writer.transaction(work) == 2
        assert found == ["busy", [(1,)]]
        assert server.writer.execute("SELECT 3") == [(3,)]

    def test_a_handler_anywhere_hangs_nobody(self, server: Server) -> None:
        def handler() -> None:
            with suppress(RegistryBusyError):
                server.writer.execute("SELECT 1")

        def step(at: int) -> bool:
            with interrupted(at, "registry/postgres", handler) as came:
                assert server.writer.execute("SELECT 2") == [(2,)]
            return came()

        assert everywhere(step) > 10
