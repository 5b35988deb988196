"""A client of one bucket: requests that botocore signs, bounded in time, patient where the server asks for patience.

The whole of a client library was tried and left: boto3 takes 25 to 45 µs a key to delete in bulk, where this takes a
tenth, and the one written in Rust hangs in forked children. So endpoint, credentials and signatures are botocore's,
and the few requests are written here.
"""

import os
import random
import re
import socket
import threading
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.errors import ObjectStoreError, ObjectStoreUnavailableError
from temp_file_manager.forks import at_fork
from temp_file_manager.objects.library import module
from temp_file_manager.text import masked, printable

TIMEOUT = 5.0
"""Seconds that connecting may take, and each wait for the server's answer."""

CONNECTIONS = 32
"""Requests that may be under way at once."""

TRIES = 5
"""Times a request is made that the server puts off."""

PUT_OFF = (429, 503)
_AT_ONCE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
"""Or a body waits 40 ms for the server's word that it has the headers."""
_PAUSE = 0.1
_OK, _MULTIPLE = 200, 300
_ABSENT = 404


class Reply(NamedTuple):
    """An answer of the server.

    Attributes:
        status: Of HTTP.
        headers: With names in small letters.
        body: As it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """Whether the server did what it was asked for."""
        return _OK <= self.status < _MULTIPLE

    @property
    def absent(self) -> bool:
        """Whether the server has no such thing."""
        return self.status == _ABSENT

    @property
    def code(self) -> str:
        """What the server calls what went wrong; the number where it calls it nothing."""
        return found.text or "" if (found := self._element("Code")) is not None else f"HTTP {self.status}"

    @property
    def moment(self) -> float | None:
        """The server's time, seconds since the epoch; None if it tells none."""
        try:
            return parsedate_to_datetime(self.headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return None

    def _element(self, name: str) -> ElementTree.Element | None:
        try:
            root = ElementTree.fromstring(self.body)  # noqa: S314 - expat of today refuses what grows without end
        except (ElementTree.ParseError, ValueError):
            return None
        return root if root.tag == name else next(root.iter(name), None)


class Client:
    """Makes requests to one bucket.

    A forked child makes connections and reads credentials of its own.

    Args:
        bucket: Its name.
        environ: Where endpoint and region are looked up; the credentials are botocore's to find.
        clock: What waits.
        timeout: As ``TIMEOUT``.

    Attributes:
        throttled: How often the server has put a request off.
    """

    def __init__(
        self,
        bucket: str,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.bucket = bucket
        self.throttled = 0
        self.clock = clock or SystemClock()
        self._timeout = timeout
        self._environ = environ
        self.endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
        self._renew()
        at_fork(self, Client._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._parts: tuple[Any, Any, str, str] | None = None

    def request(
        self,
        method: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        tries: int = TRIES,
    ) -> Reply:
        """Make a request and return the answer, whatever it is, but for one that asks for patience: that is had.

        Args:
            method: Of HTTP.
            key: What it is about; empty: the bucket.
            query: What follows the question mark.
            body: What is sent.
            headers: Beside those that signing adds.
            tries: As ``TRIES``.

        Raises:
            ObjectStoreUnavailableError: the store does not answer in time, or cannot be reached.
            ObjectStoreError: no credentials are found, or the extra is missing.
        """
        for tried in range(tries):
            reply = self._once(method, key, query or {}, body, headers or {})
            if reply.status not in PUT_OFF:
                break
            self.throttled += 1
            if tried + 1 < tries:
                self.pause(tried)
        return reply

    def pause(self, tried: int) -> None:
        """Wait as is due after so many requests that were put off."""
        # By chance, or all that were put off together would come back together.
        self.clock.wait(threading.Event(), _PAUSE * 2**tried * (1 + random.random()))  # noqa: S311 - no secret

    def _once(self, method: str, key: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]) -> Reply:
        session, credentials, region, base = self._ready()
        url = f"{base}/{quote(key, safe='/~')}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        request = module("botocore.awsrequest").AWSRequest(method, url, dict(headers), body)
        exceptions = module("botocore.exceptions")
        try:
            auth = module("botocore.auth").S3SigV4Auth(credentials.get_frozen_credentials(), "s3", region)
            auth.add_auth(request)
            answer = session.send(request.prepare())
            content = answer.content
        except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
            raise ObjectStoreUnavailableError(f"{self._where} does not answer: {_first_line(error)}") from error
        except exceptions.BotoCoreError as error:
            raise ObjectStoreError(f"{self._where} cannot be asked: {_first_line(error)}") from error
        return Reply(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, content)

    @property
    def _where(self) -> str:
        at = f" at {self.endpoint.rpartition('@')[2]}" if self.endpoint else ""
        return f"bucket {self.bucket}{printable(at)}"

    def _ready(self) -> tuple[Any, Any, str, str]:
        """Return what sends, the credentials, the region, and the address of the bucket."""
        with self._lock:
            if self._parts is None:
                self._parts = self._made()
            return self._parts

    def _made(self) -> tuple[Any, Any, str, str]:
        library, environ = module("botocore.session").get_session(), self._environ
        exceptions = module("botocore.exceptions")
        try:
            credentials = library.get_credentials()
            told = library.get_config_variable("region")
        except exceptions.BotoCoreError as error:
            raise ObjectStoreError(f"{self._where} cannot be asked: {_first_line(error)}") from error
        if credentials is None:
            advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or whatever else botocore finds"
            raise ObjectStoreError(f"there are no credentials for {self._where}: {advice}")
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or told or "us-east-1"
        base = self._base(region)
        session = module("botocore.httpsession").URLLib3Session(
            verify=environ.get("AWS_CA_BUNDLE") or True,
            proxies=module("botocore.utils").get_environ_proxies(base),
            timeout=(self._timeout, self._timeout),
            max_pool_connections=CONNECTIONS,
            socket_options=_AT_ONCE,
        )
        return session, credentials, region, base

    def _base(self, region: str) -> str:
        if self.endpoint:
            return f"{self.endpoint.rstrip('/')}/{self.bucket}"
        host = f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
        # No certificate is for a name with more points in it, and no host has capitals.
        plain = "." not in self.bucket and "_" not in self.bucket and self.bucket == self.bucket.lower()
        return f"https://{self.bucket}.{host}" if plain else f"https://{host}/{self.bucket}"


def checked(reply: Reply, client: Client, what: str) -> Reply:
    """Return a reply that is good.

    Raises:
        ObjectStoreError: it is not; the message says what was asked for.
    """
    if reply.good:
        return reply
    raise ObjectStoreError(f"bucket {client.bucket} refuses {what}: {printable(reply.code)}")


def _first_line(error: Exception) -> str:
    # botocore's messages have the whole address in them, and that may have a password.
    line = str(error).splitlines()[0] if str(error) else ""
    said = re.sub(r"https?://\S+", "its address", line)
    return printable(f"{type(error).__name__}: {masked(said)}")
