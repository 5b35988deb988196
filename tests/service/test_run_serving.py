"""``run`` with its service, as a process: how it starts, what it refuses, how it ends, and what it outlives."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from command_line import MODULE, environment, files, tfm
from runs import END, Running, starting
from serving import SECONDS, TOKEN, Answer, Client, until
from temp_file_manager import TempFileManager
from temp_file_manager.cli.service_extra import read_token
from temp_file_manager.service import run as service
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel import unix_socket

WITHOUT_EXTRA = (
    sys.executable,
    "-c",
    """
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name in ("msgspec", "prometheus_client", "starlette", "uvicorn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NotInstalled())
from temp_file_manager.cli import main
sys.exit(main())
""",
)


def in_shell(commands: str) -> tuple[str, ...]:
    """Return how to start it with what a shell arranges first."""
    return ("/bin/sh", "-c", commands, "sh", *MODULE)


@contextmanager
def running(folder: Path, *words: str, **more: Any) -> Iterator[Running]:
    """Start it on a free port, in ``folder / "base"``, with a token, and wait until it runs."""
    variables = {"TEMP_FILE_BASE_DIR": str(folder / "base"), "TEMP_FILE_API_TOKEN": TOKEN, "TEMP_FILE_HTTP_PORT": "0"}
    with starting(*words, **variables | more) as process:
        assert "Running" in process.say("Running: base_dir")
        yield process


@contextmanager
def manager_of(folder: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(folder / "base", registry="sqlite:")) as manager:
        yield manager


def due(folder: Path, *names: str) -> list[str]:
    """Put files on record that any sweep would take."""
    with manager_of(folder) as manager:
        paths = files(folder / "base", *names)
        manager.register_files(paths, ttl=0)
    return paths


def refused(folder: Path, *words: str, start: tuple[str, ...] = MODULE, **variables: str) -> str:
    """Start what cannot be, make sure that it swept nothing, and return what it said."""
    (path,) = due(folder, "due")
    done = tfm("run", *words, start=start, **{"TEMP_FILE_BASE_DIR": str(folder / "base")} | variables)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert "Traceback" not in done.stderr
    assert os.path.exists(path)
    return done.stderr.splitlines()[-1]


def free_port(family: socket.AddressFamily = socket.AF_INET6) -> int:
    with socket.create_server(("", 0), family=family) as some:
        port: int = some.getsockname()[1]
        return port


# -- without the extra


def test_without_the_extra_it_is_the_scheduler(tmp_path: Path) -> None:
    (path,) = due(tmp_path, "due")
    with starting(start=WITHOUT_EXTRA, TEMP_FILE_BASE_DIR=str(tmp_path / "base")) as process:
        assert "temp-file-manager[service]" in process.say("HTTP is off")
        until(lambda: not os.path.exists(path))
        assert process.end()[0] == 0
    assert len([line for line in process.lines if "HTTP" in line]) == 1


def test_without_the_extra_and_with_nothing_wanted_not_a_word(tmp_path: Path) -> None:
    variables = {"TEMP_FILE_BASE_DIR": str(tmp_path / "base"), "TEMP_FILE_HTTP_PORT": "off"}
    with starting(start=WITHOUT_EXTRA, **variables) as process:
        process.say("Running: base_dir")
        assert process.end()[0] == 0
    assert not [line for line in process.lines if "HTTP" in line]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENABLE_TEMP_FILE_METRICS", "true"), ("TEMP_FILE_HTTP_PORT", "0"), ("TEMP_FILE_HTTP_HOST", "127.0.0.1"),
        ("TEMP_FILE_HTTP_SOCKET", "/nowhere/socket"), ("TEMP_FILE_API_TOKEN", TOKEN),
    ],
)  # fmt: skip
def test_without_the_extra_what_is_asked_for_is_an_error(tmp_path: Path, name: str, value: str) -> None:
    said = refused(tmp_path, start=WITHOUT_EXTRA, **{name: value})
    assert said.startswith(f"temp-file-manager: {name} cannot be had: ")
    assert "pip install 'temp-file-manager[service]'" in said


# -- metrics


def test_metrics_on_all_interfaces_and_nothing_else_there(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, ENABLE_TEMP_FILE_METRICS="1", PROMETHEUS_PORT=str(port)) as process:
        page = process.client
        hosts = ["127.0.0.1", "127.0.0.2", *(["::1"] if socket.has_dualstack_ipv6() else [])]
        for client in (page, *(Client((host, port)) for host in hosts)):
            for path in ("/metrics", "/livez", "/readyz"):
                answer = client.get(path)
                assert answer.status == 200
                named = [line for line in answer.body.splitlines() if str(tmp_path).encode() in line]
                assert all(line.startswith(b"temp_file_manager_info{base=") for line in named), (
                    "the base directory alone"
                )
        for host in hosts:
            client = Client((host, port))
            for path in ("/", "/health", "/v1/files", "/v1/events", "/openapi.json", "/static/page.js", "/login"):
                assert client.get(path, token=TOKEN).status == 404
            assert client.post("/v1/sweep", {}).status == 404
        assert page.get("/v1/files").status == 200
        assert process.end()[0] == 0


def test_who_fills_one_port_does_not_shut_out_the_other(tmp_path: Path) -> None:
    more = {
        "ENABLE_TEMP_FILE_METRICS": "1",
        "PROMETHEUS_PORT": str(free_port()),
        "start": in_shell('ulimit -n 64; exec "$@"'),
    }
    with running(tmp_path, **more) as process, ExitStack() as stack:
        metrics = Client(("127.0.0.1", int(more["PROMETHEUS_PORT"])))
        for _ in range(12):
            stack.enter_context(metrics.connect())
        until(lambda: metrics.get("/livez").status == 503)
        assert process.client.get("/livez").status == 200
        assert process.client.get("/health").json["status"] == "healthy"


def test_another_backend_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, METRICS_BACKEND="statsd", ENABLE_TEMP_FILE_METRICS="1")
    assert "METRICS_BACKEND is 'statsd': give prometheus" in said


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_metrics_port_that_is_taken_is_an_error(tmp_path: Path, family: socket.AddressFamily, host: str) -> None:
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.create_server((host, 0), family=family) as taken:
        port = str(taken.getsockname()[1])
        said = refused(tmp_path, ENABLE_TEMP_FILE_METRICS="1", PROMETHEUS_PORT=port, TEMP_FILE_HTTP_PORT="off")
    assert f"PROMETHEUS_PORT {port}: cannot listen there: Address already in use" in said


# -- where it listens


def test_the_usual_port_that_is_taken_turns_page_and_api_off(tmp_path: Path) -> None:
    (path,) = due(tmp_path, "due")
    with ExitStack() as stack:
        with suppress(OSError):  # taken already
            stack.enter_context(socket.create_server(("127.0.0.1", 8080)))
        with starting(TEMP_FILE_BASE_DIR=str(tmp_path / "base")) as process:
            assert "TEMP_FILE_HTTP_PORT 8080: cannot listen there: Address already in use" in process.say("HTTP is off")
            until(lambda: not os.path.exists(path))
            assert process.end()[0] == 0


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(tmp_path, "--http-port", port)
        assert f"TEMP_FILE_HTTP_PORT {port}: cannot listen there: Address already in use" in said
        assert "cannot listen there" in refused(tmp_path, TEMP_FILE_HTTP_PORT=port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "somewhere.invalid"])
def test_other_machines_are_not_let_in_without_a_token(tmp_path: Path, host: str) -> None:
    said = refused(tmp_path, TEMP_FILE_HTTP_HOST=host, TEMP_FILE_HTTP_PORT="0")
    assert "TEMP_FILE_API_TOKEN or TEMP_FILE_API_TOKEN_FILE" in said


def test_other_machines_are_let_in_with_a_token(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n")
    more = {"TEMP_FILE_HTTP_HOST": "0.0.0.0", "TEMP_FILE_API_TOKEN_FILE": str(secret), "TEMP_FILE_API_TOKEN": ""}
    with running(tmp_path, **more) as process:
        client = Client(("127.0.0.1", process.client.address[1]))
        assert client.get("/v1/files").status == 401
        assert client.get("/v1/files", token=TOKEN).status == 200
        assert client.post("/v1/sweep", {}).status == 200
        assert process.end()[0] == 0


def test_the_token_is_told_to_nobody(tmp_path: Path) -> None:
    with running(tmp_path, "--log-level", "DEBUG", "--json") as process:
        client = process.client
        assert client.post("/v1/sweep", {}).status == 200
        assert client.post("/v1/sweep", {}, token=f"{TOKEN}x").status == 401
        assert client.post("/login", {"token": TOKEN}, token=None).status == 204
        answers = [client.get(path).body for path in ("/health", "/v1/overview", "/metrics", "/", "/nothing")]
        assert TOKEN.encode() not in b"".join(answers)
        assert TOKEN.encode() not in Path(f"/proc/{process.process.pid}/cmdline").read_bytes()
        _, out = process.end()
    assert TOKEN not in "".join(process.lines) + out
    short, broken = tmp_path / "short", tmp_path / "broken"
    short.write_text("secret-secret")
    broken.write_bytes(b"secret-secret-secret-\xff")
    for path in (short, broken):
        said = refused(tmp_path, TEMP_FILE_API_TOKEN_FILE=str(path))
        assert "must hold 16 or more" in said
        assert "secret-secret" not in said
    assert "No such file" in refused(tmp_path, TEMP_FILE_API_TOKEN_FILE=str(tmp_path / "none"))


# -- the Unix socket


@contextmanager
def on_socket(folder: Path, **more: Any) -> Iterator[tuple[Running, Client]]:
    path = folder / "socket"
    with running(folder, TEMP_FILE_HTTP_SOCKET=str(path), **more) as process:
        assert str(path) in process.say("the Unix socket")
        yield process, Client(str(path))


def test_a_token_that_others_may_choose_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o646)
    assert "all users may write to it (chmod 0640)" in refused(tmp_path, TEMP_FILE_API_TOKEN_FILE=str(secret))
    if os.geteuid():
        pytest.skip("only root gives files away")
    secret.chmod(0o600)
    os.chown(secret, 4242, 4242)
    assert "it belongs to user 4242" in refused(tmp_path, TEMP_FILE_API_TOKEN_FILE=str(secret))


def test_a_token_that_others_may_read_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Docker and Kubernetes give secrets such a mode, and there nobody else is."""
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    for mode, told in ((0o600, 0), (0o440, 0), (0o444, 1)):
        secret.chmod(mode)
        assert read_token(Settings(api_token_file=str(secret))) == TOKEN
        assert caplog.text.count(f"All users may read the secret in {secret}") == told
    assert "take that right away (chmod 0440)" in caplog.text


def test_a_unix_socket_comes_and_goes(tmp_path: Path) -> None:
    with on_socket(tmp_path, start=in_shell('umask 0; exec "$@"')) as (process, client):
        assert stat.S_IMODE(os.lstat(tmp_path / "socket").st_mode) == 0o600
        assert client.post("/v1/sweep", {}).status == 200
        assert client.post("/v1/sweep", {}, token=None).status == 401
        assert process.end()[0] == 0
    assert not os.path.lexists(tmp_path / "socket")


def test_a_killed_one_s_socket_is_taken_over_and_a_live_one_s_is_not(tmp_path: Path) -> None:
    with on_socket(tmp_path) as (process, client):
        process.end(signal.SIGKILL)
        assert os.path.lexists(tmp_path / "socket")
    with on_socket(tmp_path) as (process, client):
        assert client.get("/livez").status == 200
        said = refused(tmp_path, TEMP_FILE_HTTP_SOCKET=str(tmp_path / "socket"))
        assert "another process listens there" in said
        assert client.get("/livez").status == 200


def test_one_that_is_too_busy_to_answer_is_alive(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, ExitStack() as stack:
        busy.bind(str(tmp_path / "socket"))
        busy.listen(0)
        while True:
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            if waiting.connect_ex(str(tmp_path / "socket")):
                break
        assert "another process listens" in refused(tmp_path, TEMP_FILE_HTTP_SOCKET=str(tmp_path / "socket"))


@pytest.mark.parametrize("kind", ["file", "directory", "link", "link to nowhere", "pipe"])
def test_what_is_no_socket_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "socket"
    (tmp_path / "precious").write_text("precious")
    {
        "file": lambda: path.write_text("precious"),
        "directory": path.mkdir,
        "link": lambda: path.symlink_to("precious"),
        "link to nowhere": lambda: path.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(path),
    }[kind]()
    before = os.lstat(path)
    assert "something is there that is no socket" in refused(tmp_path, TEMP_FILE_HTTP_SOCKET=str(path))
    assert os.path.samestat(os.lstat(path), before)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_socket_where_none_can_be_is_an_error(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path, TEMP_FILE_HTTP_SOCKET=str(tmp_path / "none" / "socket"))
    assert "longer than 107 bytes" in refused(tmp_path, TEMP_FILE_HTTP_SOCKET=str(tmp_path / ("x" * 120)))


def test_a_socket_that_took_our_name_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a file system gives its inode's number to the next one at once."""
    path = tmp_path / "socket"
    remove = unix_socket.remove

    def removing(listening: unix_socket.Listening) -> None:
        os.remove(path)
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(str(path))
            remove(listening)

    monkeypatch.setattr(unix_socket, "remove", removing)
    with closing(TempFileManager(tmp_path / "base")) as manager:
        told = Settings(base_dir=manager.base_dir, http_socket=str(path))
        with service.serving(manager, told, token=None, asked=True):
            assert Client(str(path)).get("/livez").status == 200
    assert path.is_socket()


# -- its end


def half_a_request(client: Client) -> socket.socket:
    connection = client.connect()
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: local")
    return connection


def half_a_body(client: Client) -> socket.socket:
    connection = client.connect()
    connection.sendall(
        f"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{".encode()
    )
    return connection


def answered(client: Client) -> socket.socket:
    connection = client.connect()
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    return connection


def stream(client: Client) -> socket.socket:
    connection = client.connect()
    connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    return connection


def silent(client: Client) -> socket.socket:
    return client.connect()


@pytest.mark.parametrize("connecting", [half_a_request, half_a_body, answered, stream, silent])
def test_who_is_connected_holds_up_no_end(tmp_path: Path, connecting: Callable[[Client], socket.socket]) -> None:
    (kept,) = files(tmp_path, "kept")
    with running(tmp_path, "--json", "--cleanup-interval", "1000") as process, ExitStack() as stack:
        client = process.client
        assert client.get("/livez").status == 200
        for _ in range(3):
            stack.enter_context(connecting(client))
        with manager_of(tmp_path) as manager:
            manager.register_file(kept, ttl=0)
        code, out = process.end()
    assert code == 0
    assert json.loads(out) == {"stopped_by": "SIGTERM", "registered": 1, "records_stay": True, "removed_on_exit": 0}
    assert os.path.exists(kept)
    assert all("message" in json.loads(line) for line in process.lines)
    assert "CancelledError" not in "".join(process.lines)


def test_more_signals_change_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as process, half_a_body(process.client):
        process.process.send_signal(signal.SIGTERM)
        process.process.send_signal(signal.SIGINT)
        code, out = process.end()
    assert code == 0
    assert "nothing removed on the way out" in out


@pytest.mark.parametrize("words", ["Initialized", "Metrics:", "Page and API"])
def test_a_signal_that_comes_while_it_starts(tmp_path: Path, words: str) -> None:
    variables = {"TEMP_FILE_BASE_DIR": str(tmp_path / "base"), "TEMP_FILE_HTTP_SOCKET": str(tmp_path / "socket")}
    variables |= {"ENABLE_TEMP_FILE_METRICS": "1", "PROMETHEUS_PORT": str(free_port())}
    with starting(**variables) as process:
        process.say(words)
        code, out = process.end()
    assert (code, out.split(":")[0]) == (0, "Stopped by SIGTERM")
    assert not os.path.lexists(tmp_path / "socket")


def test_on_exit_it_clears_what_nobody_keeps_and_only_when_told(tmp_path: Path) -> None:
    with running(tmp_path, "--clear-on-exit", "--cleanup-interval", "1000") as process, ExitStack() as stack:
        gone, pinned, held, opened, unknown = files(tmp_path / "base", "gone", "pinned", "held", "opened", "unknown")
        assert process.client.post("/v1/files", {"paths": [gone, pinned, held, opened]}).json["registered"] == 4
        manager = stack.enter_context(manager_of(tmp_path))
        manager.pin(pinned)
        stack.enter_context(manager.hold(held))
        stack.enter_context(open(opened, "rb"))
        code, out = process.end()
        assert (code, "1 file removed on the way out" in out) == (0, True), out
        assert [os.path.exists(path) for path in (gone, pinned, held, opened, unknown)] == [False, *[True] * 4]


def test_a_sweep_that_was_asked_for_ends_with_the_chunk_in_hand_and_says_so(tmp_path: Path) -> None:
    answers: list[Answer] = []
    with running(tmp_path, "--cleanup-interval", "1000", "--max-age", "1000") as process:
        client = process.client
        paths = files(tmp_path / "base", *map(str, range(20_000)))
        for half in (paths[:10_000], paths[10_000:]):
            assert client.post("/v1/files", {"paths": half, "ttl": 0}).json["registered"] == 10_000
        asking = threading.Thread(target=lambda: answers.append(client.post("/v1/sweep", {})))
        asking.start()
        until(lambda: not os.path.exists(paths[0]))
        assert process.end()[0] == 0
        asking.join(SECONDS)
    (answer,) = answers
    left = [path for path in paths if os.path.exists(path)]
    assert (answer.status, answer.json["stopped"]) == (200, "stopped")
    assert answer.json["removed"] == len(paths) - len(left) > 0
    with manager_of(tmp_path) as manager:
        assert set(manager.files) == set(left)


def test_it_ends_when_its_registry_is_taken_away_and_a_new_start_mends_it(tmp_path: Path) -> None:
    """To go on would look as if all were well, and sweep nothing."""
    with running(tmp_path, TEMP_FILE_CLEANUP_INTERVAL="0.2") as process:
        (tmp_path / "base").rename(tmp_path / "aside")
        due(tmp_path, "registered elsewhere by now")
        code, told = process.over()
        assert (code, told) == (1, "")
    said = "".join(process.lines)
    assert "registry.db is another file by now: put it back" in said or "registry.db is not there any more" in said
    assert said.endswith("Ending, with exit code 1: the registry was taken away, and only a new start finds another\n")
    assert "Traceback" not in said
    with running(tmp_path) as process:
        until(lambda: not (tmp_path / "base" / "registered elsewhere by now").exists())
        assert process.end()[0] == 0


# -- what it outlives


def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    """Eight clients register in batches; in the middle the service is killed, and another takes its socket over."""
    base = tmp_path / "base"
    base.mkdir(mode=0o700)
    acknowledged: list[str] = []
    enough = threading.Event()

    def register(number: int) -> None:
        client = Client(str(tmp_path / "socket"))
        batch = 0
        while not enough.is_set():
            paths = files(base, *(f"{number}-{batch}-{one}" for one in range(20)))
            batch += 1
            try:
                answer = client.post("/v1/files", {"paths": paths})
            except (OSError, ValueError):
                continue  # nobody said that it had it
            if answer.status == 200:
                assert answer.json["registered"] == 20
                acknowledged.extend(paths)

    threads = [threading.Thread(target=register, args=(number,), daemon=True) for number in range(8)]
    with on_socket(tmp_path) as (process, _):
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 400)
        process.end(signal.SIGKILL)
    before = len(acknowledged)
    with on_socket(tmp_path) as (process, _):
        until(lambda: len(acknowledged) > before + 400)
        enough.set()
        for thread in threads:
            thread.join(SECONDS)
        assert process.end()[0] == 0
    with manager_of(tmp_path) as manager:
        assert set(acknowledged) <= set(manager.files)


def test_every_line_is_json_whatever_is_sent(tmp_path: Path) -> None:
    with running(tmp_path, LOG_FORMAT="json") as process:
        client = process.client
        for number in range(20):
            with client.connect() as connection:
                connection.sendall(b"\x16\x03\x01" if number % 2 else b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        with client.connect() as connection:  # rubbish in a body that is not waited for any more
            connection.sendall(b"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")
            connection.sendall(b"rubbish\r\n")
            while connection.recv(1000):
                pass
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Key": "x"}
        assert client.get("/livez", **upgrade).status == 200
        assert process.end()[0] == 0
    told = [json.loads(line)["message"] for line in process.lines]
    assert [line for line in told if "HTTP request" in line] == ["Invalid HTTP request received."]  # once is enough
    assert not [line for line in told if "WebSocket" in line or "Fatal" in line]


def listens(client: Client) -> bool:
    """Say whether a service is to be reached: its socket has a name before it listens."""
    try:
        client.connect().close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("closed", ["2>&-", "2>&- >&- <&-"])
def test_without_standard_streams_it_serves_all_the_same(tmp_path: Path, closed: str) -> None:
    variables = environment(
        TEMP_FILE_BASE_DIR=str(tmp_path / "base"), TEMP_FILE_HTTP_SOCKET=str(tmp_path / "socket"),
        TEMP_FILE_API_TOKEN=TOKEN,
    )  # fmt: skip
    process = subprocess.Popen([*in_shell(f'exec "$@" {closed}'), "run"], env=variables)
    try:
        client = Client(str(tmp_path / "socket"))
        until(lambda: listens(client))
        assert client.get("/livez").status == 200
        assert client.ask("GET", "/livez", Host="a b").status == 200
        assert client.post("/v1/sweep", {}).status == 200
        process.terminate()
        assert process.wait(END) == 0
    finally:
        process.kill()
        process.wait(END)


def test_too_many_connections_end_neither_the_service_nor_the_sweeps(tmp_path: Path) -> None:
    more = {"LOG_FORMAT": "json", "start": in_shell('ulimit -n 64; exec "$@"'), "TEMP_FILE_CLEANUP_INTERVAL": "0.05"}
    with running(tmp_path, **more) as process:
        client = process.client
        with ExitStack() as stack:
            connections = [stack.enter_context(client.connect()) for _ in range(100)]
            answers = set()
            for connection in connections:
                try:
                    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    answers.add(connection.recv(1000)[:13])
                except ConnectionError:
                    answers.add(b"")
            assert b"HTTP/1.1 503 " in answers
            assert answers <= {b"", b"HTTP/1.1 200 ", b"HTTP/1.1 503 "}
            (path,) = due(tmp_path, "due")
            until(lambda: not os.path.exists(path))
        until(lambda: client.get("/livez").status == 200)
        assert process.end()[0] == 0
    assert len(process.lines) < 20
    assert all("message" in json.loads(line) for line in process.lines)
