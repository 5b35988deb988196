"""The application: which path leads where, and through which hands every request passes."""

from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from temp_file_manager.context import Context
from temp_file_manager.manager import TempFileManager
from temp_file_manager.service.api import openapi
from temp_file_manager.service.api.events import Live
from temp_file_manager.service.api.files import Files
from temp_file_manager.service.api.fleet import Fleet
from temp_file_manager.service.api.operations import OPERATIONS, PROBES, Operation
from temp_file_manager.service.api.quarantine import Quarantine
from temp_file_manager.service.api.sessions import Sessions
from temp_file_manager.service.api.status import Looks, Probes
from temp_file_manager.service.http.guard import Admission, Careful, Guard
from temp_file_manager.service.http.login import Credentials, Login
from temp_file_manager.service.http.problems import Problem, Problems
from temp_file_manager.service.http.refusals import Refusals
from temp_file_manager.service.http.resource import Handler, Resource
from temp_file_manager.service.page.assets import Pages
from temp_file_manager.settings import Settings

Handlers = Mapping[str, Handler]
"""By the names of operations."""

Resources = Mapping[str, Resource]
"""What is at each path."""


class Service:
    """The application, and how to end what would not end by itself.

    Args:
        app: What serves.
        resources: What is at each path.
        live: What goes on for as long as somebody listens.
        files: What goes on for as long as there are files.
    """

    def __init__(self, app: ASGIApp, resources: Resources, live: Live, files: Files) -> None:
        self.app = app
        self.resources = resources
        self.live = live
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.app(scope, receive, send)

    def stop(self) -> None:
        """End streams of events, and sweeps between chunks, so that a server can. From any thread; may come again."""
        self.live.stop()
        self._files.stop()


def build(manager: TempFileManager, settings: Settings, *, token: str | None) -> Service:
    """Return the application with everything.

    Args:
        manager: Whose records it shows and changes.
        settings: Where it listens and by which names, which decides who may read; and how it sweeps.
        token: Who brings it may change things; None: nobody may.
    """
    credentials, refusals = Credentials(token), Refusals(manager.context.clock.elapsed)
    live, files = Live(manager.context), Files(manager, settings)
    handlers = {**_probes(manager.context), **_api(manager.context, files, live), **_page(credentials, refusals)}
    resources = _resources(OPERATIONS, handlers)
    admission = Admission.of(settings, has_token=token is not None)
    guard = Guard(_router(resources), admission, credentials, refusals)
    return Service(Careful(Problems(guard)), resources, live, files)


def build_metrics(manager: TempFileManager) -> ASGIApp:
    """Return the application for machines that look after this one: probes and metrics, and nothing to be guarded.

    Args:
        manager: Who is asked.
    """
    probes = [operation for operation in OPERATIONS if operation.tag == PROBES]
    return Careful(Problems(_router(_resources(probes, _probes(manager.context)))))


def _probes(context: Context) -> Handlers:
    probes = Probes(context)
    return {"live": probes.live, "ready": probes.ready, "metrics": probes.metrics}


def _api(context: Context, files: Files, live: Live) -> Handlers:
    looks, sessions, quarantine = Looks(context), Sessions(context), Quarantine(context)
    return {
        "health": looks.health,
        "listFiles": files.page,
        "registerFiles": files.register,
        "statusOfFiles": files.status,
        "forgetFiles": files.forget,
        "whyFile": files.why,
        "sweep": files.sweep,
        "listSweeps": looks.sweeps,
        "listSessions": sessions.living,
        "beginSession": sessions.begin,
        "renewSession": sessions.renew,
        "endSession": sessions.end,
        "listQuarantined": quarantine.listed,
        "restoreFile": quarantine.restore,
        "listLimits": looks.limits,
        "listRules": looks.rules,
        "overview": looks.overview,
        "outlook": looks.outlook,
        "samples": looks.samples,
        "fleet": Fleet(context).answer,
        "events": live.answer,
    }


def _page(credentials: Credentials, refusals: Refusals) -> Handlers:
    pages, login = Pages(), Login(credentials, refusals)
    return {
        "signIn": login.begin,
        "signOut": login.end,
        "page": pages.index,
        "static": pages.static,
        "openapi": _openapi,
    }


async def _openapi(request: Request) -> Response:
    del request
    return Response(openapi.written(), media_type="application/json")


def _resources(operations: Iterable[Operation], handlers: Handlers) -> Resources:
    found: dict[str, dict[str, Handler]] = {}
    for operation in operations:
        found.setdefault(operation.path, {})[operation.method] = handlers[operation.name]
    return {path: Resource(**by_method) for path, by_method in found.items()}


def _router(resources: Resources) -> ASGIApp:
    routes = [Route(path, resource) for path, resource in resources.items()]
    return Router(routes, redirect_slashes=False, default=_nothing)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    raise Problem(404, "there is nothing at this path: see /openapi.json")
