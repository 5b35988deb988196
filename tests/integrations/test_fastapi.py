"""FastAPI: the same session as a dependency, and one of a dependency's own."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import FileResponse, StreamingResponse

from serving import SECONDS, until
from temp_file_manager import ManagedSession, TempFileManager
from temp_file_manager.integrations.starlette import SessionMiddleware, TempFileResponse, temp_session
from uvicorn_server import download, uvicorn_serving

LARGE = 32 << 20


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", registry="sqlite:")) as manager:
        yield manager
        assert manager.registry.sessions() == (), "each has ended"


@pytest.fixture
def app(manager: TempFileManager) -> FastAPI:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, manager=manager)
    return app


def made(manager: TempFileManager) -> list[str]:
    return [name for name in os.listdir(manager.base_dir) if not name.startswith(".")]


def written(session: ManagedSession, size: int) -> str:
    fd, path = session.mkstemp()
    os.truncate(fd, size)
    os.close(fd)
    return path


def test_a_dependency_is_the_requests_session(app: FastAPI, manager: TempFileManager) -> None:
    sent = threading.Event()

    def upload(session: Annotated[ManagedSession, Depends(temp_session)], later: BackgroundTasks) -> int:
        path = written(session, 7)
        later.add_task(sent.wait, SECONDS)
        return os.path.getsize(path)

    app.post("/upload")(upload)
    with uvicorn_serving(app) as client:
        assert client.ask("POST", "/upload").json == 7
        assert len(made(manager)) == 1
        sent.set()
        until(lambda: not made(manager))


def test_a_dependency_may_yield_a_session(manager: TempFileManager) -> None:
    app = FastAPI()

    def of_this_call() -> Iterator[ManagedSession]:
        with manager.session("call") as session:
            yield session

    async def endpoint(session: Annotated[ManagedSession, Depends(of_this_call)]) -> FileResponse:
        return FileResponse(written(session, LARGE))

    app.get("/endpoint", response_model=None)(endpoint)
    with uvicorn_serving(app) as client:
        with download(client, "/endpoint"):
            assert len(made(manager)) == 1
        until(lambda: not made(manager))
        assert len(client.get("/endpoint").body) == LARGE


def test_a_response_class_takes_the_path_that_is_returned(app: FastAPI, manager: TempFileManager) -> None:
    def endpoint() -> str:
        with manager.open("w") as file:
            file.write("content")
        return str(file.name)

    app.get("/endpoint", response_class=TempFileResponse)(endpoint)
    with uvicorn_serving(app) as client:
        assert client.get("/endpoint").body == b"content"
    assert made(manager) == []


def test_a_stream_uses_the_session_until_the_client_leaves(app: FastAPI, manager: TempFileManager) -> None:
    def endpoint(request: Request) -> StreamingResponse:
        path = written(request.state.temp_session, 1 << 20)

        def parts() -> Iterator[bytes]:
            while True:
                with open(path, "rb") as file:
                    yield file.read()

        return StreamingResponse(parts())

    app.get("/endpoint", response_model=None)(endpoint)
    with uvicorn_serving(app) as client:
        with download(client, "/endpoint"):
            assert len(made(manager)) == 1
        until(lambda: not made(manager))
