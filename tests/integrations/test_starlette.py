"""A session a request, and files that go with their responses: behind a real uvicorn, and with clients that leave."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from serving import SECONDS, Client, until
from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.events import Event, SweepFinished
from temp_file_manager.integrations.starlette import PATHSEND, SessionMiddleware, TempFileResponse
from temp_file_manager.registering.session import ManagedSession
from uvicorn_server import download, uvicorn_serving

LARGE = 32 << 20  # more than the buffers of two sockets take
GET: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "headers": [],
    "query_string": b"",
    "asgi": {"spec_version": "2.4"},  # as servers call that raise an error when the client has left
}

Sending = AbstractContextManager[Client]


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", registry=request.param)) as manager:
        yield manager
        assert manager.registry.sessions() == (), "each has ended"


def made(manager: TempFileManager) -> list[str]:
    """Return the names of the files in the base directory."""
    return [name for name in os.listdir(manager.base_dir) if not name.startswith(".")]


def app(manager: TempFileManager, *endpoints: Any) -> ASGIApp:
    """Return an application that serves functions under their own names."""
    routes = [Route(f"/{endpoint.__name__}", endpoint) for endpoint in endpoints]
    return SessionMiddleware(Starlette(routes=routes), manager)


def written(session: Any, size: int = 5) -> str:
    """Return the path of a new file of the session."""
    fd, path = session.mkstemp(suffix=".bin")
    os.truncate(fd, size)
    os.close(fd)
    return str(path)


async def ask(app: ASGIApp, messages: asyncio.Queue[Message], **scope: Any) -> list[Message]:
    """Call an application as a server would; return what it sends."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**GET, **scope}, messages.get, send)
    return sent


class TestSession:
    def test_ends_when_the_response_was_sent(self, manager: TempFileManager) -> None:
        def endpoint(request: Request) -> Response:
            written(request.state.temp_session)
            return PlainTextResponse(str(len(made(manager))))

        with uvicorn_serving(app(manager, endpoint)) as client:
            assert client.get("/endpoint").body == b"1"
            until(lambda: not made(manager))
        assert not manager.files

    def test_is_one_in_all_that_a_request_comes_through(self, manager: TempFileManager) -> None:
        """Also for threads that use it first at the same time."""

        def endpoint(request: Request) -> Response:
            numbers = []
            together = threading.Barrier(8)

            def use() -> None:
                together.wait(SECONDS)
                numbers.append(request.state.temp_session.number)

            threads = [threading.Thread(target=use) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return PlainTextResponse(str(len({*numbers, request.state.outer.number})))

        class Outer(BaseHTTPMiddleware):
            async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
                request.state.outer = request.state.temp_session
                return await call_next(request)

        inner = Starlette(routes=[Mount("/below", routes=[Route("/endpoint", endpoint)])])
        inner.add_middleware(Outer)
        inner.add_middleware(SessionMiddleware, manager=manager)
        with uvicorn_serving(inner) as client:
            assert client.get("/below/endpoint").body == b"1"

    def test_is_not_begun_where_nobody_uses_it(self, manager: TempFileManager) -> None:
        def endpoint(request: Request) -> Response:
            assert isinstance(request.state.temp_session, ManagedSession)
            return PlainTextResponse(str(len(manager.registry.sessions())))

        with uvicorn_serving(app(manager, endpoint)) as client:
            assert client.get("/endpoint").body == b"0"

    def test_ends_when_the_endpoint_fails(self, manager: TempFileManager) -> None:
        def endpoint(request: Request) -> Response:
            written(request.state.temp_session)
            raise ZeroDivisionError

        with uvicorn_serving(app(manager, endpoint)) as client:
            assert client.get("/endpoint").status == 500
            until(lambda: not made(manager))

    def test_lasts_until_the_background_tasks_are_done(self, manager: TempFileManager) -> None:
        sent, seen = threading.Event(), []

        def background(path: str) -> None:
            assert sent.wait(SECONDS)
            seen.append(os.path.getsize(path))

        def endpoint(request: Request) -> Response:
            path = written(request.state.temp_session)
            return PlainTextResponse("sent", background=BackgroundTask(background, path))

        with uvicorn_serving(app(manager, endpoint)) as client:
            assert client.get("/endpoint").body == b"sent"
            sent.set()
            until(lambda: not made(manager))
        assert seen == [5]

    def test_lasts_as_long_as_a_stream(self, manager: TempFileManager) -> None:
        asked = threading.Event()

        def endpoint(request: Request) -> Response:
            path = written(request.state.temp_session)

            def parts() -> Iterator[str]:
                yield f"{os.path.getsize(path)} "
                assert asked.wait(SECONDS)
                yield str(os.path.getsize(path))

            return StreamingResponse(parts())

        with uvicorn_serving(app(manager, endpoint)) as client:
            threading.Timer(0, asked.set).start()
            assert client.get("/endpoint").body == b"5 5"
            until(lambda: not made(manager))

    def test_ends_when_the_client_leaves_a_stream_that_never_ends(self, manager: TempFileManager) -> None:
        async def endpoint(request: Request) -> Response:
            written(request.state.temp_session)

            async def parts() -> AsyncIterator[bytes]:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0)

            return StreamingResponse(parts())

        with uvicorn_serving(app(manager, endpoint)) as client:
            with download(client, "/endpoint"):
                assert len(made(manager)) == 1
            until(lambda: not made(manager))

    def test_ends_when_the_client_leaves_a_download(self, manager: TempFileManager) -> None:
        def endpoint(request: Request) -> Response:
            return FileResponse(written(request.state.temp_session, LARGE))

        with uvicorn_serving(app(manager, endpoint)) as client:
            with download(client, "/endpoint"):
                assert len(made(manager)) == 1
            until(lambda: not made(manager))

    def test_ends_off_the_event_loop(self, tmp_path: Path) -> None:
        loops, sweeps = [], []

        def note(event: Event) -> None:
            if isinstance(event, SweepFinished):
                sweeps.append(threading.get_ident())

        async def endpoint(request: Request) -> Response:
            loops.append(threading.get_ident())
            written(request.state.temp_session)
            return PlainTextResponse("")

        manager = TempFileManager(tmp_path, hooks=[note])
        with closing(manager), uvicorn_serving(app(manager, endpoint)) as client:
            client.get("/endpoint")
        assert sweeps
        assert set(sweeps).isdisjoint(loops)

    def test_keeps_what_is_to_be_kept(self, manager: TempFileManager) -> None:
        kept = []

        def endpoint(request: Request) -> Response:
            session = request.state.temp_session
            written(session)
            kept.append(written(session))
            session.keep(kept[0])
            return PlainTextResponse("")

        with uvicorn_serving(app(manager, endpoint)) as client:
            client.get("/endpoint")
            until(lambda: len(made(manager)) == 1)
        assert manager.is_temp_file(kept[0])

    @pytest.mark.parametrize("begun", [True, False])
    def test_cannot_be_used_or_begun_afterwards(self, manager: TempFileManager, begun: bool) -> None:
        sessions: list[ManagedSession] = []

        def endpoint(request: Request) -> Response:
            sessions.append(request.state.temp_session)
            if begun:
                written(sessions[0])
            return PlainTextResponse("")

        with uvicorn_serving(app(manager, endpoint)) as client:
            client.get("/endpoint")
        with pytest.raises(InvalidArgumentError, match="ended"):
            sessions[0].mkstemp()
        assert made(manager) == []

    def test_of_a_websocket_ends_with_it(self, manager: TempFileManager) -> None:
        seen = []

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            written(websocket.state.temp_session)
            await websocket.receive_text()
            seen.append(len(made(manager)))
            await websocket.receive()

        async def talk() -> None:
            messages: asyncio.Queue[Message] = asyncio.Queue()
            for message in (
                {"type": "websocket.connect"},
                {"type": "websocket.receive", "text": "still there?"},
                {"type": "websocket.disconnect", "code": 1006},
            ):
                messages.put_nowait(message)
            routed = Starlette(routes=[WebSocketRoute("/", endpoint)])
            await ask(SessionMiddleware(routed, manager), messages, type="websocket", subprotocols=[])

        asyncio.run(talk())
        assert (seen, made(manager)) == ([1], [])

    def test_ends_when_its_request_is_cancelled(self, manager: TempFileManager) -> None:
        async def cancel() -> None:
            begun = asyncio.Event()

            async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
                written(scope["state"]["temp_session"])
                begun.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(ask(SessionMiddleware(endpoint, manager), asyncio.Queue()))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        assert made(manager) == []

    def test_ends_in_a_scope_that_was_cancelled(self, manager: TempFileManager) -> None:
        """As those are cancelled that Starlette makes, time and again until they are left."""

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            written(scope["state"]["temp_session"])
            scope["around"].cancel()
            await anyio.sleep_forever()

        async def cancel() -> None:
            with anyio.CancelScope() as around:
                await ask(SessionMiddleware(endpoint, manager), asyncio.Queue(), around=around)

        asyncio.run(cancel())
        assert made(manager) == []

    def test_tells_no_server_a_path_that_is_about_to_go(self, manager: TempFileManager) -> None:
        """A server that sends files by their paths opens them when the application has returned."""

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            path = await asyncio.to_thread(written, scope["state"]["temp_session"])
            await FileResponse(path)(scope, receive, send)

        extensions: dict[str, Any] = {PATHSEND: {}, "other": {}}
        sent = asyncio.run(ask(SessionMiddleware(endpoint, manager), asyncio.Queue(), extensions=extensions))
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert set(extensions) == {PATHSEND, "other"}, "the server's own words are as they were"

    def test_is_none_of_a_lifespan(self, manager: TempFileManager) -> None:
        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            assert "state" not in scope

        asyncio.run(ask(SessionMiddleware(endpoint, manager), asyncio.Queue(), type="lifespan"))


SERVER = """
import os, socket, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route
from temp_file_manager import TempFileManager
from temp_file_manager.integrations.starlette import SessionMiddleware, TempFileResponse

manager = TempFileManager(sys.argv[2], registry="sqlite:")

def made(maker):
    fd, path = maker.mkstemp()
    os.truncate(fd, 32 << 20)
    os.close(fd)
    return path

app = Starlette(routes=[
    Route("/session", lambda request: FileResponse(made(request.state.temp_session))),
    Route("/response", lambda request: TempFileResponse(made(manager))),
])
config = uvicorn.Config(SessionMiddleware(app, manager), log_config=None, lifespan="off")
uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
"""


@pytest.mark.parametrize("path", ["/session", "/response"])
def test_the_next_sweep_takes_what_a_killed_server_was_sending(tmp_path: Path, path: str) -> None:
    with (
        closing(TempFileManager(tmp_path, registry="sqlite:")) as manager,
        socket.create_server(("127.0.0.1", 0)) as listening,
        subprocess.Popen(
            [sys.executable, "-c", SERVER, str(listening.fileno()), str(tmp_path)], pass_fds=[listening.fileno()]
        ) as server,
    ):
        try:
            with download(Client(listening.getsockname()), path):
                assert manager.cleanup() == 0, "it lives, and so does its session"
                assert len(made(manager)) == 1
                server.kill()
                server.wait(SECONDS)
        finally:
            server.kill()
        assert manager.cleanup() == 1
        assert made(manager) == []


class TestResponse:
    """``TempFileResponse``."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A file outside of the base directory, which is on no record."""
        file = tmp_path / "report.bin"
        file.write_bytes(b"report")
        return file

    @pytest.fixture
    def sending(self, manager: TempFileManager, file: Path) -> Sending:
        """A server that sends the file, of an application without a middleware. When it is left, all is done."""

        def endpoint(request: Request) -> Response:
            return TempFileResponse(file, manager=manager, filename="report.bin")

        return uvicorn_serving(Starlette(routes=[Route("/endpoint", endpoint)]))

    def test_takes_its_file_with_it(self, sending: Sending, manager: TempFileManager, file: Path) -> None:
        with sending as client:
            answer = client.get("/endpoint")
        assert (answer.status, answer.body) == (200, b"report")
        assert answer.headers["content-disposition"] == 'attachment; filename="report.bin"'
        assert not file.exists()
        assert not manager.files

    def test_takes_one_that_was_registered(self, sending: Sending, manager: TempFileManager, file: Path) -> None:
        manager.register_file(file, ttl=1e6)
        with sending as client:
            assert client.get("/endpoint").body == b"report"
        assert not file.exists()

    def test_goes_when_the_client_leaves(self, sending: Sending, file: Path) -> None:
        os.truncate(file, LARGE)
        with sending as client:
            with download(client, "/endpoint"):
                assert file.exists()
            until(lambda: not file.exists())

    def test_sends_the_whole_when_a_part_is_asked_for(self, sending: Sending, file: Path) -> None:
        """Whoever asks for the first part would come for the second in vain."""
        with sending as client:
            answer = client.get("/endpoint", Range="bytes=0-1")
        assert (answer.status, answer.body, answer.headers["accept-ranges"]) == (200, b"report", "none")
        assert not file.exists()

    def test_stays_when_only_its_headers_are_asked_for(
        self, sending: Sending, manager: TempFileManager, file: Path
    ) -> None:
        with sending as client:
            answer = client.ask("HEAD", "/endpoint")
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "6")
        assert file.exists()
        assert manager.status(file).record is not None, "it goes when it is due"

    def test_does_not_register_again_what_is_not_sent(
        self, sending: Sending, manager: TempFileManager, file: Path
    ) -> None:
        manager.register_file(file, ttl=600)
        before = manager.status(file).record
        with sending as client:
            client.ask("HEAD", "/endpoint")
        assert manager.status(file).record == before

    def test_leaves_what_is_pinned(self, sending: Sending, manager: TempFileManager, file: Path) -> None:
        manager.register_file(file)
        manager.pin(file)
        with sending as client:
            assert client.get("/endpoint").body == b"report"
        assert file.exists()

    def test_leaves_what_is_held(self, sending: Sending, manager: TempFileManager, file: Path) -> None:
        manager.register_file(file)
        with manager.hold(file):
            with sending as client:
                assert client.get("/endpoint").body == b"report"
            assert file.exists()

    def test_leaves_what_was_registered_meanwhile(self, sending: Sending, manager: TempFileManager, file: Path) -> None:
        os.truncate(file, LARGE)
        with sending as client, download(client, "/endpoint"):
            manager.register_file(file, ttl=600)
        assert file.exists()

    def test_leaves_what_another_response_sends(self, manager: TempFileManager, file: Path) -> None:
        async def respond(begun: asyncio.Event, goes_on: asyncio.Event) -> None:
            async def send(message: Message) -> None:
                begun.set()
                await goes_on.wait()

            await TempFileResponse(file, manager=manager)(GET, asyncio.Queue[Message]().get, send)

        async def two() -> list[bool]:
            there = []
            begun, goes_on = [asyncio.Event(), asyncio.Event()], [asyncio.Event(), asyncio.Event()]
            tasks = []
            for turn in (0, 1):
                tasks.append(asyncio.create_task(respond(begun[turn], goes_on[turn])))
                await begun[turn].wait()
            for turn in (0, 1):
                goes_on[turn].set()
                await tasks[turn]
                there.append(file.exists())
            return there

        assert asyncio.run(two()) == [True, False]

    def test_fails_as_others_do_where_there_is_no_file(self, sending: Sending, file: Path) -> None:
        file.unlink()
        with sending as client:
            assert client.get("/endpoint").status == 500

    def test_goes_when_it_cannot_be_sent(self, manager: TempFileManager, file: Path) -> None:
        """Servers that follow the later versions of ASGI say so by an error."""

        async def send(message: Message) -> None:
            raise OSError

        async def respond() -> None:
            await TempFileResponse(file, manager=manager)(GET, asyncio.Queue[Message]().get, send)

        with pytest.raises(OSError, match=r"^$"):
            asyncio.run(respond())
        assert not file.exists()

    def test_tells_no_server_its_path(self, manager: TempFileManager, file: Path) -> None:
        response = TempFileResponse(file, manager=manager)
        sent = asyncio.run(ask(response, asyncio.Queue(), extensions={PATHSEND: {}}))
        assert sent[1]["body"] == b"report"

    def test_finds_its_manager_by_the_middleware(self, manager: TempFileManager, file: Path) -> None:
        sent = asyncio.run(ask(SessionMiddleware(TempFileResponse(file), manager), asyncio.Queue()))
        assert (sent[1]["body"], file.exists()) == (b"report", False)

    def test_says_what_it_lacks(self, file: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="add it, or give the response a manager"):
            asyncio.run(ask(TempFileResponse(file), asyncio.Queue()))
        assert file.exists()
