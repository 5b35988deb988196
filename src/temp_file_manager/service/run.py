"""From settings to a running server: where it listens, what it serves there, and when it may not."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from temp_file_manager import logs
from temp_file_manager.errors import SettingsError
from temp_file_manager.manager import TempFileManager
from temp_file_manager.service import app
from temp_file_manager.service.http import sockets
from temp_file_manager.service.http.guard import is_loopback
from temp_file_manager.service.http.server import Server
from temp_file_manager.settings import Settings, variable
from temp_file_manager.storage.kernel import unix_socket
from temp_file_manager.text import printable


class Shown:
    """The applications of the manager that runs; those of another one take their place while they are served.

    Args:
        manager: Whose.
        settings: As in ``app.build``.
        token: The API's secret.
    """

    def __init__(self, manager: TempFileManager, settings: Settings, token: str | None) -> None:
        self._service = app.build(manager, settings, token=token)
        self._metrics = app.build_metrics(manager)

    def put(self, manager: TempFileManager, settings: Settings, token: str | None) -> None:
        """Serve another manager from now on; streams of the former one end, and begin anew when they are asked for.

        Raises:
            SettingsError: others could change things without a token; nothing was changed.
        """
        _refuse_open(settings, token)
        former, self._service = self._service, app.build(manager, settings, token=token)
        self._metrics = app.build_metrics(manager)
        former.stop()

    async def page_and_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to page and API."""
        await self._service(scope, receive, send)

    async def metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to the port of the metrics."""
        await self._metrics(scope, receive, send)

    def stop(self) -> None:
        """End what would not end by itself."""
        self._service.stop()


@contextmanager
def serving(manager: TempFileManager, settings: Settings, *, token: str | None, asked: bool) -> Iterator[Shown]:
    """Serve metrics, page and API, each if the settings want it, while the block runs; yield what is served.

    Args:
        manager: What is shown.
        settings: What is wanted, and where.
        token: The API's secret.
        asked: Whether somebody asked for page and API; else a port that is taken turns them off, and the log says so.

    Raises:
        SettingsError: what was asked for cannot be, and why.
    """
    with ExitStack() as stack:
        shown = Shown(manager, settings, token)
        apps: list[tuple[socket.socket, ASGIApp]] = []
        if settings.metrics:
            listening = stack.enter_context(sockets.listen_everywhere(settings.prometheus_port))
            apps.append((listening, shown.metrics))
            logs.serving("Metrics", f"port {settings.prometheus_port} of all interfaces")
        found = _page_and_api(settings, stack, token=token, asked=asked)
        if found is not None:
            apps.append((found, shown.page_and_api))
        if apps:
            server = Server(apps, shown.stop)
            server.start()
            stack.callback(server.stop)
        yield shown


def _page_and_api(settings: Settings, stack: ExitStack, *, token: str | None, asked: bool) -> socket.socket | None:
    if settings.http_socket is not None:
        found = sockets.listen_at_path(settings.http_socket)
        # Open until its name is gone: so long its inode is no other socket's. The server closes what it is given.
        stack.enter_context(found.socket)
        stack.callback(unix_socket.remove, found)
        logs.serving("Page and API", f"the Unix socket {printable(found.path)}")
        return stack.enter_context(found.socket.dup())
    if settings.http_port is None:
        return None
    _refuse_open(settings, token)
    try:
        listening = stack.enter_context(sockets.listen_at_port(settings.http_host, settings.http_port))
    except SettingsError as error:
        if asked:
            raise
        logs.http_off(str(error))
        return None
    logs.serving("Page and API", f"http://{_shown(listening)}/")
    return listening


def _refuse_open(settings: Settings, token: str | None) -> None:
    host, on_a_port = settings.http_host, settings.http_socket is None and settings.http_port is not None
    if token is None and on_a_port and not is_loopback(host):
        message = (
            f"{variable('http_host')} {host} lets other machines in: give {variable('api_token')} or "
            f"{variable('api_token_file')}, or listen on 127.0.0.1"
        )
        raise SettingsError([message])


def _shown(listening: socket.socket) -> str:
    host, port, *_ = listening.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
