"""The guard of the service: admission, which reads facts, and what asks it before anything else sees a request.

A browser is taken for what it is: any page that its user visits can make it send requests to this machine, and by DNS
rebinding read the answers. So a request must name a host that is meant, and come from no other page.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from temp_file_manager.service.http.login import CHALLENGE, NO_TOKEN, Credentials
from temp_file_manager.service.http.problems import Problem
from temp_file_manager.service.http.refusals import Refusals
from temp_file_manager.settings import Settings

PROBES = frozenset({"/health", "/livez", "/metrics", "/readyz"})
OPEN = PROBES | {"/", "/openapi.json", "/login"}
STATIC = "/static/"

NOT_MEANT = "this service does not go by that name: ask for localhost, or add it to TEMP_FILE_HTTP_ALLOWED_HOSTS"

FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})
"""What proxies add to a request: whoever it is from, it is not from this machine."""

TWO_ENDS = {b"content-length", b"transfer-encoding"}
"""Headers of which a request has one: a proxy may go by the other than we, and take the rest for another request."""
CLOSE = {"Connection": "close"}

READS = "temp_file_manager.reads"
"""The key of a request's scope that says whether it may read everything."""

SECURITY = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@?#\\\s]+)(?::[0-9]{1,5})?", re.ASCII)
_BUILT_IN = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request is judged.

    Attributes:
        method: In capitals.
        path: Without the query.
        hosts: The values of its Host headers.
        origins: Those of its Origin headers.
        token: Whether it brings the token.
        wrong: Whether it brings what is not the token in its place.
        cookie: Whether it brings the cookie.
        forwarded: Whether a proxy has passed it on, by its own account.
    """

    method: str
    path: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    token: bool
    wrong: bool
    cookie: bool
    forwarded: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """What is allowed.

    Attributes:
        hosts: Host names that are meant; None: any.
        addresses: Whether each address is meant: it listens at all that this machine has, and cannot know how others
            reach them. No page can make a browser send another's address, as it can a name by rebinding it.
        all_read: Whether whoever gets here without a proxy may read.
        has_token: Whether there is one at all.
    """

    hosts: frozenset[str] | None
    all_read: bool
    has_token: bool
    addresses: bool = False

    @classmethod
    def of(cls, settings: Settings, *, has_token: bool) -> "Admission":
        """Return what is for where the settings say that the service listens."""
        if settings.http_socket is not None:  # who may connect, the file system says
            return cls(None, True, has_token)
        names = [_bracketed(name.lower()) for name in (settings.http_host, *settings.http_allowed_hosts)]
        # Other names than this machine's own are for a proxy, which passes on what strangers ask.
        alone = is_loopback(settings.http_host) and not settings.http_allowed_hosts
        return cls(frozenset((*_BUILT_IN, *names)), alone, has_token, _is_everywhere(settings.http_host))

    def may_read(self, asked: Asked) -> bool:
        """Say whether a request may read everything."""
        return (self.all_read and not asked.forwarded) or asked.token or asked.cookie

    def judge(self, asked: Asked) -> Problem | None:
        """Return why a request is refused, or None."""
        return self._by_origin(asked) or self._by_credentials(asked)

    def _by_origin(self, asked: Asked) -> Problem | None:
        host = asked.hosts[0].lower() if len(asked.hosts) == 1 else ""
        if self.hosts is not None and not self._is_meant(host, asked.path):
            return Problem(421, NOT_MEANT)
        own = (f"http://{host}", f"https://{host}")
        if any(origin.lower() not in own for origin in asked.origins):
            return Problem(403, "the request comes from a page of another site, for which nothing is done here")
        return None

    def _is_meant(self, host: str, path: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None or self.hosts is None:
            return False
        # Probes ask by the address of the pod. A page that rebinds a name cannot.
        by_address = self.addresses or path in PROBES
        return found[1] in self.hosts or (by_address and _is_address(found[1].strip("[]")))

    def _by_credentials(self, asked: Asked) -> Problem | None:
        if asked.path in OPEN or asked.path.startswith(STATIC):
            return None
        reading = asked.method in ("GET", "HEAD")
        if self.may_read(asked) if reading else asked.token:
            return None
        if not self.has_token:
            return Problem(403, NO_TOKEN)
        if asked.wrong:
            return Problem(401, "this is not the token: send Authorization: Bearer TOKEN", CHALLENGE)
        what = "reading" if reading else "changing anything"
        return Problem(401, f"{what} needs the token: send Authorization: Bearer TOKEN", CHALLENGE)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a host's address; of names only localhost is believed."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_everywhere(host: str) -> bool:
    """Say whether listening there means all of this machine's addresses."""
    return _is_address(host) and ip_address(host).is_unspecified


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class Guard:
    """Lets through what is admitted.

    Args:
        app: The application.
        admission: Who is let through.
        credentials: Whose token and cookie count.
        refusals: Who hears of wrong tokens.
    """

    def __init__(self, app: ASGIApp, admission: Admission, credentials: Credentials, refusals: Refusals) -> None:
        self._app = app
        self._admission = admission
        self._credentials = credentials
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            if {name for name, _ in scope["headers"]} >= TWO_ENDS:
                raise Problem(400, "the body has two ends: send Content-Length or Transfer-Encoding", CLOSE)
            asked = self._asked(scope)
            if asked.wrong and self._credentials.given:
                await asyncio.sleep(self._refusals.note(scope))
            problem = self._admission.judge(asked)
            if problem is not None:
                raise problem
            scope[READS] = self._admission.may_read(asked)
        await self._app(scope, receive, send)

    def _asked(self, scope: Scope) -> Asked:
        headers = scope["headers"]
        token = self._credentials.has_token(headers)
        return Asked(
            scope["method"],
            scope["path"],
            tuple(_values(headers, b"host")),
            tuple(_values(headers, b"origin")),
            token,
            not token and any(name == b"authorization" for name, _ in headers),
            self._credentials.has_cookie(headers),
            any(name in FORWARDED for name, _ in headers),
        )


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> Iterable[str]:
    return (value.decode("latin-1") for key, value in headers if key == name)


class Careful:
    """Puts the headers of ``SECURITY`` on every answer that has not its own.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                own = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in SECURITY.items() if name not in own]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, sending)
