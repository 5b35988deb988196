"""From settings to a running server: where it listens, what it serves there, and when it may not."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from starlette.types import ASGIApp

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


@contextmanager
def serving(manager: TempFileManager, settings: Settings, *, token: str | None, asked: bool) -> Iterator[None]:
    """Serve metrics, page and API, each if the settings want it, while the block runs.

    Args:
        manager: What is shown.
        settings: What is wanted, and where.
        token: The API's secret.
        asked: Whether somebody asked for page and API; else a port that is taken turns them off, and the log says so.

    Raises:
        SettingsError: what was asked for cannot be, and why.
    """
    with ExitStack() as stack:
        service = app.build(manager, settings, token=token)
        apps: list[tuple[socket.socket, ASGIApp]] = []
        if settings.metrics:
            listening = stack.enter_context(sockets.listen_everywhere(settings.prometheus_port))
            apps.append((listening, app.build_metrics(manager)))
            logs.serving("Metrics", f"port {settings.prometheus_port} of all interfaces")
        found = _page_and_api(settings, stack, token=token, asked=asked)
        if found is not None:
            apps.append((found, service))
        if apps:
            server = Server(apps, service.stop)
            server.start()
            stack.callback(server.stop)
        yield


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
    if token is None and not is_loopback(settings.http_host):
        raise SettingsError([_open_to_others(settings.http_host)])
    try:
        listening = stack.enter_context(sockets.listen_at_port(settings.http_host, settings.http_port))
    except SettingsError as error:
        if asked:
            raise
        logs.http_off(str(error))
        return None
    logs.serving("Page and API", f"http://{_shown(listening)}/")
    return listening


def _open_to_others(host: str) -> str:
    return (
        f"{variable('http_host')} {host} lets other machines in: give {variable('api_token')} or "
        f"{variable('api_token_file')}, or listen on 127.0.0.1"
    )


def _shown(listening: socket.socket) -> str:
    host, port, *_ = listening.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
