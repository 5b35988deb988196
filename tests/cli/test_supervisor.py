"""What a supervisor is told: datagrams to a real socket, by a real ``run``."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from command_line import MODULE, SECONDS, environment
from temp_file_manager.cli.supervisor import Progress, Supervisor
from temp_file_manager.sweeping.scheduler import JobState


class Listener:
    """A socket as systemd has one, and what came."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.socket.settimeout(SECONDS)

    def next(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def until(self, name: str) -> dict[str, str]:
        while name not in (told := self.next()):
            pass
        return told

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    with closing(Listener(str(tmp_path / "n") if request.param == "path" else f"@{uuid4().hex}")) as made:
        yield made


@contextmanager
def run(folder: Path, listener: Listener, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    told = {"NOTIFY_SOCKET": listener.address, "TEMP_FILE_BASE_DIR": str(folder / "base"), "TEMP_FILE_HTTP_PORT": "off"}
    command = [*MODULE, "run", "--config", str(folder / "settings.toml")]
    with open(folder / "log", "wb") as log:
        env = environment(**told | variables)
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_it_is_told_of_the_start_of_reloads_and_of_the_end(tmp_path: Path, listener: Listener) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[manager]\nmax_age = 60\n")
    with run(tmp_path, listener, WATCHDOG_USEC="500000") as process:
        listener.until("READY")
        listener.until("WATCHDOG")
        settings.write_text("[manager]\nmax_age = 'never'\n")
        process.send_signal(signal.SIGHUP)
        assert int(listener.until("RELOADING")["MONOTONIC_USEC"]) > 0
        told = listener.until("READY")["STATUS"]
        assert told.startswith(f"Settings were refused, the former are in force: {settings}:2: max_age is 'never'")
        settings.write_text("[manager]\nmax_age = 30\n")
        process.send_signal(signal.SIGHUP)
        listener.until("RELOADING")
        assert listener.until("READY")["STATUS"] == "Running by the settings that were read again"
        assert listener.until("WATCHDOG")
        process.terminate()
        listener.until("STOPPING")
        assert process.wait(SECONDS) == 0


def test_it_is_not_ready_before_it_can_work(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[manager]\n")
    with closing(Listener(str(tmp_path / "n"))) as listener, run(tmp_path, listener) as process:
        listener.until("READY")
        process.terminate()
        assert listener.until("STOPPING")
    reader, writer = os.pipe()
    with closing(Listener(str(tmp_path / "m"))) as listener:
        reasons = iter(["the registry cannot be used", ""])

        def why_not() -> str:
            why = next(reasons)
            if not why:
                os.write(writer, b"\x0f")
            return why

        assert Supervisor({"NOTIFY_SOCKET": listener.address}).wait(reader, why_not, lambda: True) == signal.SIGTERM
        assert listener.next() == {"STATUS": "Not ready: the registry cannot be used"}
        assert listener.next()["READY"] == "1"
    os.close(reader)
    os.close(writer)


def test_a_watchdog_hears_nothing_of_what_is_stuck(tmp_path: Path) -> None:
    """Three looks: it gets on, it does not, it does again."""
    reader, writer = os.pipe()
    with closing(Listener(str(tmp_path / "n"))) as listener:
        looks = iter([True, False, True])

        def gets_on() -> bool:
            good = next(looks, None)
            if good is None:
                os.write(writer, b"\x0f")
            return bool(good)

        environ = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": str(os.getpid())}
        Supervisor(environ).wait(reader, lambda: "", gets_on)
        told = [listener.next() for _ in range(3)]
        assert [list(one) for one in told] == [["READY", "STATUS"], ["WATCHDOG"], ["WATCHDOG"]]
        listener.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.next()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}]
)
def test_without_a_watchdog_nobody_looks(tmp_path: Path, environ: dict[str, str]) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"\x0f")
    with closing(Listener(str(tmp_path / "n"))) as listener:
        told = Supervisor({"NOTIFY_SOCKET": listener.address} | environ)
        assert told.wait(reader, lambda: "", lambda: pytest.fail("nobody asked")) == signal.SIGTERM
        os.write(writer, b"\x0f")
        assert told.wait(reader, lambda: "", lambda: pytest.fail("nobody asked")) == signal.SIGTERM
    os.close(reader)
    os.close(writer)


def test_what_nobody_hears_stops_nothing(tmp_path: Path) -> None:
    Supervisor({}).tell("on my own", READY=1)
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("a line\nREADY=1", READY=1)


def test_a_status_is_one_line(tmp_path: Path) -> None:
    with closing(Listener(str(tmp_path / "n"))) as listener:
        Supervisor({"NOTIFY_SOCKET": listener.address}).tell("it is \udcff\nMAINPID=1")
        assert listener.next() == {"STATUS": r"it is \udcff\nMAINPID=1"}


def test_what_waits_or_shows_that_it_works_gets_on_and_what_hangs_does_not() -> None:
    sweep, limits, progress = JobState(working=True, beats=3), JobState(), Progress()
    assert progress.seen([sweep, limits])
    sweep.beats += 1
    assert progress.seen([sweep, limits]), "a long sweep asks before each file whether to stop"
    assert not progress.seen([sweep, limits]), "one that hangs asks nothing"
    sweep.working = False
    assert progress.seen([sweep, limits]), "it waits for its next time"
    limits.working, limits.beats = True, 1
    assert progress.seen([sweep, limits])
    assert not progress.seen([sweep, limits])
