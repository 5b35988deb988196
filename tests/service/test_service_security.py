"""Who may do what to the service, and that nothing outside the base directory is ever touched, over real sockets."""

import os
import re
import socket
import threading
import time
from asyncio import Transport
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

import serving as kit
from serving import SECONDS, TOKEN, Answer, Client, service, until
from temp_file_manager import TempFileManager
from temp_file_manager.inspection import overview
from temp_file_manager.service.api import confined, requests
from temp_file_manager.service.api.requests import LARGEST_BODY, LARGEST_LOGIN
from temp_file_manager.service.http import connection, refusals, server
from temp_file_manager.service.http.guard import is_loopback
from temp_file_manager.service.http.login import COOKIE, Credentials
from temp_file_manager.settings import Settings
from temp_file_manager.testing import FakeClock

manager, client = kit.manager, kit.client

READS = ("/v1/files", "/v1/overview", "/v1/outlook", "/v1/samples", "/v1/sweeps", "/v1/files/why?path=/x")
WRITES = ("/v1/files", "/v1/files/status", "/v1/files/forget", "/v1/sweep")
EVERYBODYS = ("/livez", "/readyz", "/metrics", "/openapi.json")
WHOLE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def remote(manager: TempFileManager) -> Iterator[Client]:
    """A service that takes itself to be reachable from everywhere."""
    with service(manager, http_host="0.0.0.0", http_allowed_hosts="tfm.example") as client:
        yield client


def assert_problem(answer: Answer, status: int, words: str = "") -> None:
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json["detail"]


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


# -- the token


@pytest.mark.parametrize("path", WRITES)
def test_writes_need_the_token(client: Client, path: str) -> None:
    for brought in (None, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN,
                    f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN} {TOKEN}", "Bearer \xff"):  # fmt: skip
        answer = client.post(path, {"paths": []}, token=None, Authorization=brought)
        assert_problem(answer, 401, "Authorization: Bearer")
        assert answer.headers["www-authenticate"] == "Bearer"
    body: dict[str, Any] = {} if path == "/v1/sweep" else {"paths": []}
    assert client.post(path, body).status == 200
    assert client.post(path, body, token=None, Authorization=f"bearer  {TOKEN}").status == 200


def test_a_header_that_comes_twice_is_no_token(client: Client) -> None:
    with closing(client.connect()) as connection:
        connection.sendall(
            f"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Authorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", WRITES)
def test_without_a_token_nothing_can_be_changed(manager: TempFileManager, path: str) -> None:
    with service(manager, token=None) as client:
        for brought in (None, "Bearer ", "Bearer None", f"Bearer {TOKEN}"):
            answer = client.post(path, {"paths": []}, token=None, Authorization=brought)
            assert_problem(answer, 403, "TEMP_FILE_API_TOKEN")
        assert_problem(client.post("/login", {"token": ""}, token=None), 403, "TEMP_FILE_API_TOKEN")
        assert client.get("/v1/files").status == 200


def test_the_cookie_reads_and_does_not_write(remote: Client) -> None:
    begun = remote.post("/login", {"token": TOKEN}, token=None)
    assert begun.status == 204
    cookie = cookie_of(begun)
    assert TOKEN not in cookie
    attributes = {part.strip().lower() for part in begun.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/"}
    for path in READS:
        assert remote.get(path, Cookie=f"a=b; {cookie}").status in (200, 404)
        assert_problem(remote.get(path, Cookie=f"{COOKIE}=x"), 401)
        assert_problem(remote.get(path, Cookie=f"{COOKIE}={TOKEN}"), 401)
        assert_problem(remote.get(path, Cookie=f"{COOKIE}="), 401)
    for path in WRITES:
        assert_problem(remote.post(path, {"paths": []}, token=None, Cookie=cookie), 401)
        value = cookie.partition("=")[2]
        assert_problem(remote.post(path, {"paths": []}, token=value), 401)
    ended = remote.ask("DELETE", "/login", Cookie=cookie)
    assert ended.status == 204
    assert f"{COOKIE}=" in ended.headers["set-cookie"]
    assert "Max-Age=0" in ended.headers["set-cookie"]


def test_a_wrong_token_signs_nobody_in(client: Client) -> None:
    for token in ("", TOKEN[:-1], TOKEN + "x", "\udc80", "é"):
        answer = client.post("/login", {"token": token}, token=None)
        assert_problem(answer, 401)
        assert "set-cookie" not in answer.headers
    assert_problem(client.post("/login", {"token": 1}, token=None), 422)
    assert_problem(client.post("/login", {}, token=None), 422)


def test_wrong_tokens_are_told_once_in_a_while(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    count = refusals.Refusals(clock.elapsed)
    waits = [count.note({"client": ("203.0.113.7\n", 5)}) for _ in range(refusals.FREE + 2)]
    assert waits == [0.0] * refusals.FREE + [refusals.PAUSE] * 2
    assert caplog.messages == ["A request from 203.0.113.7\\n brought a wrong token"]
    clock.advance(refusals.WINDOW)
    assert count.note({}) == 0.0
    assert caplog.messages[1] == (
        f"A request from the Unix socket brought a wrong token; {refusals.FREE + 1} more since this was said last"
    )


@pytest.mark.parametrize("way", ["header", "login"])
def test_the_answers_to_many_wrong_tokens_take_their_time_and_right_ones_do_not(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    monkeypatch.setattr(refusals, "FREE", 1)
    monkeypatch.setattr(refusals, "PAUSE", 10.0 * SECONDS)
    assert client.post("/v1/sweep", {}, token="x" * 20).status == 401
    assert "A request from 127.0.0.1 brought a wrong token" in caplog.text
    with closing(client.connect()) as waiting:
        body = b'{"token":"xxxxxxxxxxxxxxxxxxxx"}' if way == "login" else b"{}"
        asked = b"/login HTTP/1.1" if way == "login" else b"/v1/sweep HTTP/1.1\r\nAuthorization: Bearer xxx"
        head = b"\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        waiting.sendall(b"POST " + asked + head + body)
        assert client.post("/v1/sweep", {}).status == 200
        assert client.post("/v1/sweep", {}, token=None).status == 401  # who brings none is no guesser
        waiting.settimeout(0)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)


def test_another_token_makes_another_cookie() -> None:
    assert Credentials("a" * 16).cookie_value != Credentials("b" * 16).cookie_value
    assert not Credentials(None).has_cookie([(b"cookie", f"{COOKIE}=".encode())])


# -- elsewhere than on this machine


def test_on_another_address_reading_needs_the_token(remote: Client) -> None:
    for path in (*READS, "/v1/events", "/v1/nothing", "/nothing"):
        assert_problem(remote.get(path), 401, "reading needs the token")
        assert_problem(remote.get(path, token="x" * 20), 401, "this is not the token")
        assert remote.ask("HEAD", path).status == 401
    for path in READS:
        assert remote.get(path, token=TOKEN).status in (200, 404)
    for path in EVERYBODYS:
        assert remote.get(path).status == 200
    assert_problem(remote.get("/static/nothing"), 404)


def test_strangers_hear_one_word_of_health(remote: Client, client: Client) -> None:
    assert remote.get("/health").json == {"status": "healthy"}
    assert remote.get("/health", token="wrong-wrong-wrong-wrong").json == {"status": "healthy"}
    assert "base_dir" in remote.get("/health", token=TOKEN).json
    assert "base_dir" in client.get("/health").json


def test_elsewhere_and_without_a_token_nobody_reads(manager: TempFileManager) -> None:
    with service(manager, token=None, http_host="192.0.2.1") as client:
        assert_problem(client.get("/v1/files"), 403, "TEMP_FILE_API_TOKEN")
        assert_problem(client.get("/v1/files", Cookie=f"{COOKIE}="), 403)
        assert client.get("/livez").status == 200


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X_Forwarded_For", "X_Real_IP"])
def test_what_a_proxy_passes_on_is_not_from_this_machine(client: Client, header: str) -> None:
    assert_problem(client.get("/v1/files", **{header: "203.0.113.7"}), 401, "reading needs the token")
    assert client.get("/health", **{header: "203.0.113.7"}).json == {"status": "healthy"}
    assert client.get("/v1/files", token=TOKEN, **{header: "203.0.113.7"}).status == 200


def test_who_names_a_proxy_lets_nobody_read_without_a_token(manager: TempFileManager) -> None:
    """Not every proxy says that it is one."""
    with service(manager, http_allowed_hosts="files.example") as client:
        for host in ("files.example", "localhost"):
            assert_problem(client.get("/v1/files", Host=host), 401)
            assert client.get("/v1/files", token=TOKEN, Host=host).status == 200


def test_what_counts_as_this_machine() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "", "127.0.0.1.example")))


# -- pages of other sites

ADDRESSES = ("10.0.0.1", "[::2]", "169.254.1.1")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8080", "10.0.0.1", "[::2]",
        "", "localhost@evil.example", "localhost:80:80", "localhost:x", "127.0.0.1/", " ", "localhost.", "[::1",
        "169.254.1.1",
    ],
)  # fmt: skip
def test_names_that_are_not_meant_are_refused(client: Client, remote: Client, host: str) -> None:
    """As a page does that rebinds its own name to this machine's address; an address cannot be rebound."""
    for one in (client, remote)[: 1 if host in ADDRESSES else 2]:
        for path in (*READS, "/", "/openapi.json", "/static/x", "/nothing"):
            assert_problem(one.get(path, token=TOKEN, Host=host), 421, "TEMP_FILE_HTTP_ALLOWED_HOSTS")
        assert_problem(one.post("/v1/sweep", {}, Host=host), 421)
        assert_problem(one.post("/login", {"token": TOKEN}, Host=host), 421)


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_a_service_at_all_addresses_goes_by_each_of_them(manager: TempFileManager, everywhere: str) -> None:
    """As it is reached from another machine: the page, and the way in; no more than with any other name."""
    with service(manager, http_host=everywhere) as remote:
        for host in (*ADDRESSES, "192.168.7.8:8000"):
            assert remote.get("/", Host=host).headers["content-type"].startswith("text/html")
            assert_problem(remote.get("/v1/files", Host=host), 401)
            assert remote.get("/v1/files", token=TOKEN, Host=host).status == 200
            assert remote.post("/login", {"token": TOKEN}, None, Host=host).status == 204
            assert_problem(remote.get("/", Host=host, Origin="http://evil.example"), 403)
        assert_problem(remote.get("/", Host="evil.example"), 421, "TEMP_FILE_HTTP_ALLOWED_HOSTS")
    with service(manager, http_host="10.1.2.3") as one_address:
        assert_problem(one_address.get("/", Host="10.0.0.1"), 421)


def test_probes_may_ask_by_address_and_by_no_other_name(client: Client, remote: Client) -> None:
    for one in (client, remote):
        for path in ("/livez", "/readyz", "/metrics", "/health"):
            for host in ("10.1.2.3", "10.1.2.3:8080", "[fd00::1]:8080"):
                assert one.get(path, Host=host).status == 200
            assert_problem(one.get(path, Host="evil.example"), 421)


def test_names_that_are_meant(client: Client, remote: Client, manager: TempFileManager) -> None:
    for host in ("localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8080"):
        assert client.get("/v1/files", Host=host).status == 200
    assert_problem(client.get("/v1/files", Host="tfm.example"), 421)
    assert remote.get("/v1/files", token=TOKEN, Host="TFM.example:8080").status == 200
    with service(manager, http_host="fd00::2") as other:
        assert other.get("/v1/files", token=TOKEN, Host="[fd00::2]:8080").status == 200


def test_a_request_without_a_host_is_refused(client: Client) -> None:
    with closing(client.connect()) as connection:
        connection.sendall(b"GET /v1/files HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost", "http://localhost:1", "",
                                    "https://localhost:8080.evil.example", "file://", "ftp://localhost:8080",
                                    "http://localhost:8080, http://evil.example"])  # fmt: skip
def test_other_sites_pages_are_refused(client: Client, origin: str, tmp_path: Path, manager: TempFileManager) -> None:
    for path in ("/v1/files", "/livez", "/health", "/"):
        assert_problem(client.get(path, Host="localhost:8080", Origin=origin), 403, "another site")
    assert_problem(client.post("/v1/sweep", {}, Host="localhost:8080", Origin=origin), 403)
    assert_problem(client.post("/login", {"token": TOKEN}, Host="localhost:8080", Origin=origin), 403)
    with service(manager, uds=tmp_path / "socket") as other:
        assert_problem(other.post("/v1/sweep", {}, Host="localhost:8080", Origin=origin), 403)


def test_our_own_page_is_served(client: Client) -> None:
    for origin in ("http://localhost:8080", "https://LOCALHOST:8080"):
        answer = client.post("/v1/sweep", {}, Host="localhost:8080", Origin=origin)
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_tells_browsers_to_be_careful(client: Client) -> None:
    answers = [client.get(path) for path in ("/", "/v1/files", "/livez", "/nothing", "/openapi.json", "/v1/files?x=1")]
    answers += [client.post("/v1/sweep", {}, token=None), client.get("/v1/files", Host="evil.example")]
    answers += [client.ask("HEAD", "/v1/events"), client.ask("DELETE", "/login")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
    assert client.get("/v1/files").headers["cache-control"] == "no-store"


# -- bodies without end


def test_a_body_too_large_by_its_own_account(client: Client) -> None:
    with closing(client.connect()) as connection:
        connection.sendall(
            f"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: "
            f"application/json\r\nContent-Length: {10**15}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")  # and nothing of it was waited for


def test_a_body_too_large_in_chunks(client: Client) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(3 * LARGEST_BODY // 65536):
            sent += 65536
            yield b" " * 65536

    assert_problem(client.post("/v1/sweep", chunks()), 413)
    assert sent == 3 * LARGEST_BODY
    assert client.post("/v1/sweep", iter([b"{", b"}"])).status == 200


def test_a_body_as_large_as_may_be(client: Client) -> None:
    assert client.post("/v1/sweep", b"{" + b" " * (LARGEST_BODY - 2) + b"}").status == 200
    assert_problem(client.post("/v1/sweep", b"{" + b" " * (LARGEST_BODY - 1) + b"}"), 413)


def test_a_body_that_does_not_come(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "PATIENCE", 0.1)
    with closing(client.connect()) as connection:
        connection.sendall(
            f"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_who_goes_in_the_middle_of_a_body_leaves_nothing(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with closing(client.connect()) as connection:
        connection.sendall(
            f"POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{".encode()
        )
    assert client.post("/v1/sweep", {}).status == 200
    assert not re.search("failed|Exception", caplog.text)


def test_a_login_is_short(client: Client) -> None:
    """Anybody may send one: so many at once must not fill the memory."""
    assert_problem(client.post("/login", {"token": "x" * LARGEST_LOGIN}, token=None), 413)
    assert_problem(client.post("/login", iter([b" " * 60_000] * 2), token=None), 413)


# -- connections of which nothing comes


def said(connection: socket.socket) -> bytes:
    """Return what comes until the other side has ended it."""
    told = b""
    with suppress(ConnectionError):  # cut off, which is an end, too
        while some := connection.recv(65536):
            told += some
    return told


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has the server look at the last connection now, and not only when its time has come."""
    connections, real = [], connection.Connection.connection_made

    def connection_made(self: connection.Connection, transport: Transport) -> None:
        real(self, transport)
        connections.append(self)

    def look() -> None:
        until(lambda: connections)
        looked = threading.Event()
        connections[-1].loop.call_soon_threadsafe(lambda: (connections[-1].look(), looked.set()))
        assert looked.wait(SECONDS)

    monkeypatch.setattr(connection.Connection, "connection_made", connection_made)
    return look


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", WHOLE, WHOLE + b"GET /"])
def test_who_brings_no_request_is_cut_off(
    client: Client, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    with closing(client.connect()) as one:
        one.sendall(sent)
        if sent.startswith(WHOLE):
            assert one.recv(65536).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(connection, "PATIENCE", 0.05)
        look()
        said(one)


def drip(one: socket.socket, drop: bytes) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        one.sendall(drop)
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [("GET / HTTP/1.1\r\nX: ", "x"),
     ("POST /v1/sweep HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n")],
)  # fmt: skip
def test_who_drips_what_nobody_wants_is_cut_off(
    client: Client, monkeypatch: pytest.MonkeyPatch, beginning: str, drop: str
) -> None:
    """The head of a request, and a body when its answer is out."""
    monkeypatch.setattr(connection, "PATIENCE", 0.05)
    with closing(client.connect()) as one:
        one.sendall(beginning.encode())
        with pytest.raises(ConnectionError):
            drip(one, drop.encode())


@pytest.mark.parametrize("keep", ["keep-alive", "close"])
def test_who_takes_no_answer_is_cut_off(
    client: Client, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    monkeypatch.setattr(overview, "overview", lambda _: {"much": "x" * 20_000_000})
    with closing(client.connect()) as one:
        one.sendall(f"GET /v1/overview HTTP/1.1\r\nHost: localhost\r\nConnection: {keep}\r\n\r\n".encode())
        assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(connection, "PATIENCE", 0.05)
        look()
        until(lambda: not client.server.connections)
        assert len(said(one)) < 20_000_000


def test_who_waits_for_a_slow_answer_gets_it(
    client: Client, look: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: TempFileManager) -> dict[str, bool]:
        for _ in range(3):
            look()
        return {"slow": True}

    monkeypatch.setattr(overview, "overview", slow)
    assert client.get("/v1/overview").json == {"slow": True}


def test_too_many_are_answered_503_and_far_too_many_not_at_all(
    manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 4)
    with service(manager) as client, ExitStack() as stack:
        connections = [stack.enter_context(client.connect()) for _ in range(12)]
        for one in connections[8:]:
            assert said(one) == b""
        connections[7].sendall(WHOLE)
        assert said(connections[7]).startswith(b"HTTP/1.1 503 ")
        for one in connections[2:]:
            one.close()
        until(lambda: client.get("/livez").status == 200)


# -- what is hardly HTTP


HOST = "Host: localhost\r\n"
END = f"{HOST}Connection: close\r\n\r\n"
POST = f"{HOST}Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (f"GET /static/..%2f..%2fserver.py HTTP/1.1\r\n{END}", [404]),
        (f"GET /static/../v1/files HTTP/1.1\r\n{END}", [404]),
        (f"GET //v1/files HTTP/1.1\r\n{END}", [404]),
        (f"GET /v1/files%00 HTTP/1.1\r\n{END}", [404]),
        (f"GET /v1/%ff%zz HTTP/1.1\r\n{END}", [404]),
        (f"GET http://localhost/v1/files HTTP/1.1\r\n{END}", [404]),
        (f"GET /livez HTTP/1.0\r\n{HOST}\r\n", [200]),
        (f"HEAD /v1/files HTTP/1.1\r\n{END}", [200]),
        (f"TRACE / HTTP/1.1\r\nX: y\r\n{END}", [405]),
        (f"OPTIONS * HTTP/1.1\r\n{END}", [401]),
        (f"OPTIONS /v1/sweep HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n{END}", [401]),
        (f"CONNECT localhost:80 HTTP/1.1\r\n{END}", [401]),
        (f"GET /livez HTTP/1.1\r\nHost: evil.example\r\n{END}", [400]),
        (f"GET /livez HTTP/1.1\r\n{HOST}\r\n" * 20 + f"GET /livez HTTP/1.1\r\n{END}", [200] * 21),
        (f"GET / HTTP/1.1\r\n{HOST}X: {'x' * 200_000}", [400]),
        (f"GET /livez HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{END}", [200]),
        (f"POST /v1/sweep HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n{POST}\r\n{{}}", [400]),
        (f"POST /v1/sweep HTTP/1.1\r\nContent-Length: -2\r\n{POST}\r\n{{}}", [400]),
        (f"POST /v1/sweep HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n{POST}\r\n0\r\n\r\n", [400]),
        (f"POST /v1/sweep HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n{POST}\r\n0\r\n\r\n", [400]),
        (f"POST /v1/sweep HTTP/1.1\r\nTransfer-Encoding : chunked\r\n{POST}\r\n0\r\n\r\n", [400]),
    ],
)  # fmt: skip
def test_what_is_hardly_http(client: Client, sent: str, statuses: list[int]) -> None:
    with closing(client.connect()) as one:
        one.sendall(sent.encode())
        told = said(one)
    assert [int(status) for status in re.findall(rb"^HTTP/1.1 (\d+)", told, re.MULTILINE)] == statuses
    assert b"access-control" not in told.lower()
    assert client.get("/livez").status == 200


def test_nothing_is_smuggled_behind_a_body(client: Client) -> None:
    """By its chunks the body ends here, by its length later: what follows must not be read both ways."""
    sweep = f"POST /v1/sweep HTTP/1.1\r\n{POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
    with closing(client.connect()) as one:
        one.sendall(f"{sweep}2\r\n{{}}\r\n0\r\n\r\nGET /v1/files HTTP/1.1\r\n{END}".encode())
        told = said(one)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.count(b"HTTP/1.1 ") == 1


# -- outside the base directory


def refused(client: Client, *paths: str) -> None:
    answer = client.post("/v1/files", {"paths": paths, "ttl": 0})
    assert answer.status == 200
    assert answer.json["registered"] == 0
    assert {one["path"] for one in answer.json["refused"]} == set(paths)


def test_nothing_outside_is_registered(client: Client, manager: TempFileManager, tmp_path: Path) -> None:
    base = manager.base_dir
    (tmp_path / "outside").mkdir()
    (tmp_path / "base-not").mkdir()
    for path in ("outside/x", "x", "base-not/x"):
        (tmp_path / path).write_bytes(b"precious")
    os.mkdir(f"{base}/folder")
    os.symlink(tmp_path / "outside", f"{base}/out")
    os.symlink("..", f"{base}/folder/up")
    os.symlink("/", f"{base}/root")
    os.symlink("loop", f"{base}/loop")
    refused(
        client, "/etc/passwd", f"{tmp_path}/x", f"{base}/../x", f"{base}/folder/../../x", f"{base}/./../x",
        f"{base}-not/x", f"{base}/out/x", f"{base}/folder/up/../x", f"{base}/root{tmp_path}/x", f"//{tmp_path}/x",
        f"{base}/out/../x", f"{base}/loop/x", f"{tmp_path}/base/../outside/x",
    )  # fmt: skip
    assert not manager.files
    assert client.post("/v1/sweep", {}).json["removed"] == 0
    assert (tmp_path / "outside" / "x").exists()


def test_links_that_stay_inside_work(client: Client, manager: TempFileManager, tmp_path: Path) -> None:
    base = manager.base_dir
    os.makedirs(f"{base}/folder/deep")
    os.symlink("folder/deep", f"{base}/link")
    os.symlink(base, tmp_path / "linked")
    for name in ("a", "folder/deep/b", "folder/c"):
        Path(base, name).write_bytes(b"")
    paths = [f"{tmp_path}/linked/a", f"{base}/link/b", f"{base}/folder/deep/../c", f"/{base}/a"]
    assert client.post("/v1/files", {"paths": paths}).json["refused"] == []
    real = os.path.realpath(base)
    assert set(manager.files) == {f"{real}/a", f"{real}/folder/deep/b", f"{real}/folder/c"}


def test_a_base_directory_that_is_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    os.symlink("real", tmp_path / "base")
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager, service(manager) as client:
        (tmp_path / "real" / "a").write_bytes(b"")
        assert client.post("/v1/files", {"paths": [f"{tmp_path}/base/a"], "ttl": 0}).json["registered"] == 1
        assert client.post("/v1/sweep", {}).json["removed"] == 1
        assert os.listdir(tmp_path / "real") == [".temp-file-manager"]


def test_the_registry_s_own_files_are_refused(client: Client, manager: TempFileManager) -> None:
    own = f"{manager.base_dir}/.temp-file-manager"
    os.symlink(".temp-file-manager", f"{manager.base_dir}/innocent")
    names = os.listdir(own)
    assert names
    refused(client, *(f"{own}/{name}" for name in names), *(f"{manager.base_dir}/innocent/{name}" for name in names))
    assert set(names) <= set(os.listdir(own))


@pytest.mark.parametrize(("registry", "back"), [("sqlite:", False), ("sqlite:", True), ("memory:", False)])
def test_a_directory_that_is_swapped_at_the_worst_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str, back: bool
) -> None:
    """After it was looked at and before the record is written, and swept at once; perhaps it comes back after."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"")
    (outside / "a").chmod(0o644)
    settings = Settings(permission_mask=0o600)
    made = TempFileManager(tmp_path / "base", registry=registry, settings=settings)
    with closing(made) as manager, service(manager) as client:
        folder = Path(manager.base_dir, "folder")
        folder.mkdir()
        for name in ("a", "b"):
            (folder / name).write_bytes(b"")
        manager.register_files([folder / "b"])
        register = manager.context.registrar.many

        def registering(*told: Any, **more: Any) -> Any:
            folder.rename(tmp_path / "aside")
            folder.symlink_to(outside)
            report = register(*told, **more)
            manager.sweep(protect_open=True)
            if back:
                folder.unlink()
                (tmp_path / "aside").rename(folder)
            return report

        monkeypatch.setattr(manager.context.registrar, "many", registering)
        told = client.post("/v1/files", {"paths": [f"{folder}/a", f"{folder}/b"], "ttl": 0}).json
        assert told["registered"] == 0
        reasons = {Path(one["path"]).name: one["reason"] for one in told["refused"]}
        assert reasons == {"a": confined.SWAPPED, "b": "No such file or directory"}
        assert list(manager.files) == [f"{folder}/b"]  # as it was before
        assert (outside / "a").stat().st_mode & 0o777 == 0o644


class Swapper(threading.Thread):
    """Puts a link in a directory's place and back, as fast as it can."""

    def __init__(self, directory: str, target: str) -> None:
        super().__init__(daemon=True)
        self._directory, self._target = directory, target
        self._over = threading.Event()
        self.turns = 0

    def run(self) -> None:
        aside, link = f"{self._directory}.aside", f"{self._directory}.link"
        while not self._over.is_set():
            os.symlink(self._target, link)
            os.rename(self._directory, aside)
            os.rename(link, self._directory)
            os.unlink(self._directory)
            os.rename(aside, self._directory)
            self.turns += 1

    def end(self) -> None:
        self._over.set()
        self.join(SECONDS)


@pytest.mark.parametrize("depth", ["", "/inner"])
def test_a_directory_that_is_swapped_while_it_is_registered(
    client: Client, manager: TempFileManager, tmp_path: Path, depth: str
) -> None:
    """Whatever the race, no record points outside: neither by its path nor by what it says the file is."""
    inside, outside = f"{manager.base_dir}/folder", str(tmp_path / "outside")
    for directory in (inside, outside):
        os.makedirs(directory + depth)
        for number in range(50):
            Path(f"{directory}{depth}/{number}").write_bytes(b"")
    wanted = os.stat(inside + depth).st_ino
    paths = [f"{inside}{depth}/{number}" for number in range(50)]
    swapper = Swapper(inside, outside)
    swapper.start()
    registered = 0
    reasons = set()
    try:
        deadline = time.monotonic() + SECONDS
        while not (swapper.turns > 1000 and registered and reasons) and time.monotonic() < deadline:
            told = client.post("/v1/files", {"paths": paths, "ttl": 1000}).json
            registered += told["registered"]
            reasons |= {one["reason"] for one in told["refused"]}
            records = manager.registry.get(paths)
            assert len(records) == len(manager.files) == told["registered"]
            assert {record.identity.parent_inode for record in records.values() if record.identity} <= {wanted}
            manager.registry.forget(paths)
    finally:
        swapper.end()
    assert swapper.turns > 1000
    assert registered
    assert reasons
