"""The server's clock, which all who share a registry read, whatever their own say."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from postgres_server import PostgresServer
from temp_file_manager import TempFileManager
from temp_file_manager.clock import SystemClock
from temp_file_manager.errors import RegistryError, RegistryUnavailableError
from temp_file_manager.machine import machine
from temp_file_manager.registry.journal import last_line
from temp_file_manager.registry.postgres.clock import DRIFT, REST, RETRY, Offset, ServerClock, better
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.postgres.server import Server
from temp_file_manager.sweeping.clock_guard import ClockGuard
from temp_file_manager.testing import FakeClock


def test_a_quick_answer_a_minute_ago_tells_more_than_a_slow_one_now() -> None:
    quick = Offset(100.0, 0.001, 0.0)
    assert better(None, quick) is quick
    assert better(quick, Offset(100.2, 0.5, 60.0)) is quick
    assert better(quick, later := Offset(100.01, 0.0005, 60.0)) is later
    assert better(quick, slow := Offset(103.0, 0.5, 60.0)) is slow, "somebody has set the server's clock"
    assert quick.doubt_at(1000.0) == pytest.approx(0.001 + DRIFT * 1000)


def test_it_goes_by_a_clock_that_nobody_can_set() -> None:
    machine = FakeClock()
    clock = ServerClock(lambda: None, machine)
    clock.see(machine.elapsed(), 5_000_000.0, machine.elapsed())
    machine.set(wall=machine.wall() + 86400)
    assert clock.wall() == clock.elapsed() == 5_000_000.0
    machine.advance(REST - 1)
    assert clock.wall() == pytest.approx(5_000_000.0 + REST - 1)
    assert not clock.is_old
    machine.advance(1)
    assert clock.is_old


def test_before_the_first_answer_it_is_this_machines_and_its_leases_have_lapsed() -> None:
    asked, machine = [], FakeClock()

    def meet() -> None:
        asked.append(machine.elapsed())
        raise RegistryUnavailableError("nobody there")

    clock = ServerClock(meet, machine)
    assert clock.wall() == machine.wall()
    assert clock.elapsed() == machine.elapsed()
    assert SystemClock().elapsed() < time.time() - 365 * 86400, "as long as it is not up for decades"
    assert len(asked) == 1, "not at each look"
    machine.advance(RETRY)
    clock.wall()
    assert len(asked) == 2


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is an hour fast."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)


@pytest.mark.usefixtures("wrong")
def test_a_machine_whose_clock_is_wrong_registers_at_the_servers_time(postgres: PostgresServer, tmp_path: Path) -> None:
    name = postgres.new_database()
    (tmp_path / "file").touch()
    with TempFileManager(tmp_path / "base", max_age=600, registry=postgres.url(name)) as manager:
        manager.register_file(tmp_path / "file")
        (record,) = manager.registry.get([str(tmp_path / "file")]).values()
        ((now,),) = manager.registry.server.reader.execute("SELECT tfm.moment()")  # type: ignore[attr-defined]
        assert abs(record.registered_at - now) < 60
        assert manager.cleanup() == 0, "it is not an hour old"
        assert manager.context.clock is manager.registry.clock


def test_a_given_clock_wins(postgres: PostgresServer, tmp_path: Path) -> None:
    clock = FakeClock()
    url = postgres.url(postgres.new_database())
    with TempFileManager(tmp_path / "base", registry=url, clock=clock) as manager:
        assert manager.context.clock is clock


class TestGuard:
    """The guard judges the server's clock by this machine's, and keeps a line for each machine."""

    def test_a_server_whose_clock_jumps_ahead_makes_nothing_due(self, database: str) -> None:
        own = FakeClock()
        with closing(PostgresRegistry(database, "volume:v")) as registry:
            shared = ServerClock(lambda: None, own)
            shared.see(own.elapsed(), 5_000_000.0, own.elapsed())
            guard = ClockGuard(registry, shared, own)
            assert guard.read().trusted
            shared.see(own.elapsed(), 5_000_000.0 + 86400, own.elapsed())
            reading = guard.read()
            assert not reading.trusted
            assert reading.asof == pytest.approx(5_000_000.0)

    def test_each_machine_has_a_line_of_its_own(self, database: str) -> None:
        own = FakeClock()
        with closing(PostgresRegistry(database, "volume:v")) as registry:
            ClockGuard(registry, own).read()
            assert last_line(registry, f"clock {machine()}") is not None
            assert last_line(registry, "clock") is None


def test_the_clock_of_a_server_is_read_when_it_is_met(database: str) -> None:
    with closing(Server(database)) as server:
        assert abs(server.clock.wall() - time.time()) < 60
        assert server.clock.offset is not None


def test_it_is_read_again_a_minute_later_by_whoever_asks_for_anything(database: str) -> None:
    with closing(Server(database)) as server:
        server.clock.machine = own = FakeClock()
        server.meet()
        seen = [server.clock.offset]
        for seconds in (REST - 1, 1):
            own.advance(seconds)
            server.reader.execute("SELECT")
            seen.append(server.clock.offset)
        assert seen[0] is seen[1] is not seen[2]


def test_a_server_out_of_reach_leaves_the_time_to_this_machine(tmp_path: Path) -> None:
    with closing(Server(f"host={tmp_path} dbname=any")) as server:
        assert abs(server.clock.wall() - time.time()) < 60
        with pytest.raises(RegistryError):
            server.refuse_older()
