"""The probe: what a bucket makes of a condition, found out with an object of our own and a wrong ETag.

Servers differ, and some delete whatever the condition says and answer that all is well. So no server is believed, and
what one bucket does says nothing about another. The object is an expiring key: killed at whatever point, a probe leaves
what the next one sweeps.
"""

import re
from enum import StrEnum
from html import unescape
from typing import NamedTuple

from temp_file_manager.errors import ObjectStoreError, ObjectStoreUnavailableError
from temp_file_manager.objects import upload
from temp_file_manager.objects.client import Client
from temp_file_manager.objects.deletion import Doomed, Pace, delete_many, delete_one
from temp_file_manager.objects.expiring import ExpiringKeys

PREFIX = ".temp-file-manager/probe"
TTL = 300.0
_WRONG = "00000000000000000000000000000000"
_VERSION = re.compile(rb"<VersionId>([^<]+)</VersionId>")
_NO_VERSION = ("", "null")


class Obeys(StrEnum):
    """Which conditional deletion a bucket obeys."""

    BULK = "bulk"  # an ETag in DeleteObjects
    SINGLE = "single"  # If-Match in DeleteObject
    NEITHER = "neither"  # it deletes all the same, or refuses what has a condition


class Found(NamedTuple):
    """What a probe has found.

    Attributes:
        obeys: Which condition is obeyed.
        versioned: Whether it keeps versions, and deletes the very one that it is told.
        trouble: Why nothing could be found out; empty if something was.
    """

    obeys: Obeys
    versioned: bool
    trouble: str = ""

    @property
    def told(self) -> str:
        """What was found, in words."""
        if self.trouble:
            return f"cannot be probed: {self.trouble}"
        kept = "keeps versions, and deletes the very one; " if self.versioned else ""
        return kept + _TOLD[self.obeys]


_TOLD = {
    Obeys.BULK: "obeys an ETag in DeleteObjects",
    Obeys.SINGLE: "obeys If-Match in DeleteObject alone",
    Obeys.NEITHER: "obeys no condition: it deletes an object that was replaced, too",
}


def probe(client: Client) -> Found:
    """Find out what a bucket obeys; nothing of the probe stays in it.

    Raises:
        ObjectStoreUnavailableError: it does not answer.
    """
    keys = ExpiringKeys(f"s3://{client.bucket}/{PREFIX}", clock=client.clock, client=client)
    probed = _Probe(client, keys.key(TTL))
    try:
        keys.sweep()  # what killed probes have left
        found = Found(Obeys.NEITHER, probed.versioned())
        return found._replace(obeys=probed.obeys())
    except ObjectStoreUnavailableError:
        raise
    except ObjectStoreError as error:
        return Found(Obeys.NEITHER, versioned=False, trouble=str(error))
    finally:
        probed.clear()


class _Probe:
    """The tries with one key."""

    def __init__(self, client: Client, key: str) -> None:
        self._client = client
        self._key = key
        self._made = False

    def _put(self, content: bytes) -> tuple[str, str]:
        """Put an object there; return its ETag and its version."""
        self._made = True
        reply = upload.put(self._client, self._key, content)
        return reply.headers.get("etag", "").strip('"'), reply.headers.get("x-amz-version-id", "")

    def _current(self) -> tuple[str, str] | None:
        """Return the ETag and the version of what is there."""
        reply = self._client.request("HEAD", self._key)
        if reply.good:
            return reply.headers.get("etag", "").strip('"'), reply.headers.get("x-amz-version-id", "")
        if reply.absent:
            return None
        raise ObjectStoreError(f"the server does not say whether its object is there: {reply.code}")

    def versioned(self) -> bool:
        """Say whether it deletes the version that it is told, and no other."""
        _, first = self._put(b"first")
        if first in _NO_VERSION:
            return False
        second = self._put(b"second")
        if second[1] in (*_NO_VERSION, first):
            return False
        delete_many(self._client, [Doomed(self._key, version=first)], Pace())
        gone = self._client.request("HEAD", self._key, {"versionId": first})
        return not gone.good and self._current() == second

    def obeys(self) -> Obeys:
        """Say which condition spares what has another ETag, and deletes what has this one."""
        for way in (Obeys.BULK, Obeys.SINGLE):
            etag, _ = self._put(b"a probe of temp-file-manager, which deletes it at once")
            if not etag:
                return Obeys.NEITHER
            self._try(way, _WRONG)
            if self._current() is not None:
                self._try(way, etag)
                if self._current() is None:
                    return way
        return Obeys.NEITHER

    def _try(self, way: Obeys, etag: str) -> None:
        doomed = Doomed(self._key, etag)
        try:
            if way is Obeys.BULK:
                delete_many(self._client, [doomed], Pace())
            else:
                delete_one(self._client, doomed)
        except ObjectStoreUnavailableError:
            raise
        except ObjectStoreError:
            pass  # a server that does not know such a request has deleted nothing, which the look shows

    def clear(self) -> None:
        """Delete what was made, all versions of it."""
        if not self._made:
            return
        delete_one(self._client, Doomed(self._key))
        reply = self._client.request("GET", query={"versions": "", "prefix": self._key})
        versions = [unescape(found.decode()) for found in _VERSION.findall(reply.body)] if reply.good else []
        for version in versions:
            if version not in _NO_VERSION:
                delete_one(self._client, Doomed(self._key, version=version))
