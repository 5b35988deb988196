"""The application: which path leads where, and through which hands every request passes."""

from collections.abc import Mapping

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from temp_file_manager.context import Context
from temp_file_manager.manager import TempFileManager
from temp_file_manager.service.api.events import Live
from temp_file_manager.service.api.files import Files
from temp_file_manager.service.api.status import Looks, Probes
from temp_file_manager.service.http.guard import Admission, Careful, Guard
from temp_file_manager.service.http.login import Credentials, Session
from temp_file_manager.service.http.problems import Problem, Problems
from temp_file_manager.service.http.resource import Resource
from temp_file_manager.service.page.assets import Pages
from temp_file_manager.settings import Settings

Table = Mapping[str, Resource | Live]
"""What is at each path."""


class Service:
    """The application, and how to end what would not end by itself.

    Args:
        app: What serves.
        table: What is at each path.
        unending: What goes on for as long as somebody listens, or as there are files.
    """

    def __init__(self, app: ASGIApp, table: Table, unending: tuple[Live | Files, ...]) -> None:
        self.app = app
        self.table = table
        self._unending = unending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.app(scope, receive, send)

    def stop(self) -> None:
        """End streams of events, and sweeps between chunks, so that a server can. From any thread; may come again."""
        for one in self._unending:
            one.stop()


def build(manager: TempFileManager, settings: Settings, *, token: str | None) -> Service:
    """Return the application with everything.

    Args:
        manager: Whose records it shows and changes.
        settings: Where it listens and by which names, which decides who may read; and how it sweeps.
        token: Who brings it may change things; None: nobody may.
    """
    credentials = Credentials(token)
    live, files = Live(manager.context), Files(manager, settings)
    table: Table = {
        **_probes(manager.context),
        **_api(manager.context, files),
        **_page(credentials),
        "/v1/events": live,
    }
    admission = Admission.of(settings, has_token=token is not None)
    return Service(Careful(Problems(Guard(_router(table), admission, credentials))), table, (live, files))


def build_metrics(manager: TempFileManager) -> ASGIApp:
    """Return the application for machines that look after this one: probes and metrics, and nothing to be guarded.

    Args:
        manager: Who is asked.
    """
    return Careful(Problems(_router(_probes(manager.context))))


def _probes(context: Context) -> Table:
    probes = Probes(context)
    return {
        "/livez": Resource(GET=probes.live),
        "/readyz": Resource(GET=probes.ready),
        "/metrics": Resource(GET=probes.metrics),
    }


def _api(context: Context, files: Files) -> Table:
    looks = Looks(context)
    return {
        "/health": Resource(GET=looks.health),
        "/v1/files": Resource(GET=files.page, POST=files.register),
        "/v1/files/status": Resource(POST=files.status),
        "/v1/files/forget": Resource(POST=files.forget),
        "/v1/files/why": Resource(GET=files.why),
        "/v1/sweep": Resource(POST=files.sweep),
        "/v1/overview": Resource(GET=looks.overview),
        "/v1/outlook": Resource(GET=looks.outlook),
        "/v1/samples": Resource(GET=looks.samples),
        "/v1/sweeps": Resource(GET=looks.sweeps),
    }


def _page(credentials: Credentials) -> Table:
    pages, session = Pages(), Session(credentials)
    return {
        "/": Resource(GET=pages.index),
        "/static/{name}": Resource(GET=pages.static),
        "/openapi.json": Resource(GET=pages.openapi),
        "/session": Resource(POST=session.begin, DELETE=session.end),
    }


def _router(table: Table) -> ASGIApp:
    routes = [Route(path, resource) for path, resource in table.items()]
    return Router(routes, redirect_slashes=False, default=_nothing)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    raise Problem(404, "there is nothing at this path: see /openapi.json")
