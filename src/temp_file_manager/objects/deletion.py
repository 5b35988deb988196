"""Deletion: of many objects by one request, each under a condition or none, or of one."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import md5
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from temp_file_manager.errors import ObjectStoreError
from temp_file_manager.objects.bulk import LEAST, MOST
from temp_file_manager.objects.client import PUT_OFF, Client, checked

_ENTITIES = {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_UNSPEAKABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML has no word for these
_SPECIAL = re.compile('[&<>"\t\n\r]')
_BEGIN = '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>'
_SLOW = frozenset({"SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded"})
SLOW = "SlowDown"
TRIES = 5
"""Times an object is tried that the server puts off."""

PRECONDITION = "PreconditionFailed"
ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
UNTOLD = "the server's answer does not say which objects it has deleted"


class Doomed(NamedTuple):
    """An object that is to be deleted, if it is the one that is meant.

    Attributes:
        key: Its key.
        etag: Only with this, without quotation marks; empty: whatever is there.
        version: This very version; empty: the current one.
    """

    key: str
    etag: str = ""
    version: str = ""


class Pace:
    """How many keys go into a request: fewer where the server has put some off, and more again as it obeys."""

    def __init__(self) -> None:
        self.keys = MOST

    def slower(self) -> None:
        """Halve it."""
        self.keys = max(LEAST, self.keys // 2)

    def faster(self) -> None:
        """Let it grow by a tenth."""
        self.keys = min(MOST, self.keys + self.keys // 10 + 1)


def _goes_on() -> bool:
    return False


def delete_many(
    client: Client, doomed: Sequence[Doomed], pace: Pace, over: Callable[[], bool] = _goes_on
) -> dict[int, str]:
    """Delete objects in bulk; return what the server says of those it has not deleted, by position.

    Args:
        client: Of their bucket.
        doomed: Which.
        pace: How many go into a request.
        over: Asked between requests: True ends it there, and the rest has been put off.

    Raises:
        ObjectStoreError: it did nothing, or cannot be asked.
    """
    found: dict[int, str] = {}
    left = list(range(len(doomed)))
    for tried in range(TRIES):
        slow: list[int] = []
        for batch in _batches(doomed, left, pace):
            codes = dict.fromkeys(batch, SLOW) if over() else _delete(client, doomed, batch)
            put_off = [at for at, code in codes.items() if code in _SLOW]
            found.update((at, code) for at, code in codes.items() if code not in _SLOW)
            slow += put_off
            pace.slower() if put_off else pace.faster()
        left = slow
        if not left or over():
            break
        if tried + 1 < TRIES:
            client.pause(tried)
    return found | dict.fromkeys(left, SLOW)


def _batches(doomed: Sequence[Doomed], left: Iterable[int], pace: Pace) -> Iterator[list[int]]:
    """Yield positions that go into one request: no key twice, as the answer tells them apart by that."""
    waiting = list(left)
    keys = {doomed[at].key for at in waiting}
    if len(keys) == len(waiting) and not _UNSPEAKABLE.search("".join(keys)):  # most often, and a third of the time
        first = 0
        while first < len(waiting):
            most = pace.keys
            yield waiting[first : first + most]
            first += most
        return
    yield from _careful_batches(doomed, waiting, pace)


def _careful_batches(doomed: Sequence[Doomed], waiting: list[int], pace: Pace) -> Iterator[list[int]]:
    """Yield the same where some keys are alike, or cannot be said in XML."""
    while waiting:
        most = 1 if _UNSPEAKABLE.search(doomed[waiting[0]].key) else pace.keys
        batch: list[int] = []
        later: list[int] = []
        keys: set[str] = set()
        for place, at in enumerate(waiting):
            if len(batch) == most:
                later += waiting[place:]
                break
            key = doomed[at].key
            if key in keys or (batch and _UNSPEAKABLE.search(key)):
                later.append(at)
            else:
                keys.add(key)
                batch.append(at)
        yield batch
        waiting = later


def _delete(client: Client, doomed: Sequence[Doomed], batch: Sequence[int]) -> dict[int, str]:
    if len(batch) == 1 and _UNSPEAKABLE.search(doomed[batch[0]].key):
        code = delete_one(client, doomed[batch[0]])
        return {batch[0]: code} if code else {}
    body = _request([doomed[at] for at in batch])
    digest = b64encode(md5(body, usedforsecurity=False).digest()).decode()
    headers = {"Content-MD5": digest, "Content-Type": "application/xml"}
    reply = client.request("POST", query={"delete": ""}, body=body, headers=headers, tries=1)
    if reply.status in PUT_OFF:
        return dict.fromkeys(batch, SLOW)
    errors = _errors(checked(reply, client, "to delete in bulk").body)
    if _SLOW.intersection(errors.values()):
        client.throttled += 1
    positions = {doomed[at].key: at for at in batch}
    if not errors.keys() <= positions.keys():
        return dict.fromkeys(batch, UNTOLD)
    return {positions[key]: code for key, code in errors.items()}


def _request(doomed: Sequence[Doomed]) -> bytes:
    if not _SPECIAL.search("\0".join([one.key for one in doomed])) and not any(one.version for one in doomed):
        # Without a look at each letter of each key, which would take half of all the time.
        listed = [
            f"<Object><Key>{key}</Key><ETag>&quot;{etag}&quot;</ETag></Object>"
            if etag and "&" not in etag and "<" not in etag
            else f"<Object><Key>{key}</Key>{_etag(etag)}</Object>"
            for key, etag, _ in doomed
        ]
        return f"{_BEGIN}{''.join(listed)}</Delete>".encode()
    parts = [_BEGIN]
    for key, etag, version in doomed:
        parts.append(f"<Object><Key>{escape(key, _ENTITIES)}</Key>")
        parts.append(_etag(etag))
        if version:
            parts.append(f"<VersionId>{escape(version, _ENTITIES)}</VersionId>")
        parts.append("</Object>")
    parts.append("</Delete>")
    return "".join(parts).encode()


def _etag(etag: str) -> str:
    return f"<ETag>&quot;{escape(etag, _ENTITIES)}&quot;</ETag>" if etag else ""


def _errors(body: bytes) -> dict[str, str]:
    """Return the codes of what was not deleted, by key."""
    if b"<Error>" not in body and b"DeleteResult" in body:  # most often; to parse it all would cost a third
        return {}
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat of today refuses what grows without end
    except (ElementTree.ParseError, ValueError) as error:
        raise ObjectStoreError("the answer to a bulk deletion is no XML") from error
    if not root.tag.endswith("DeleteResult"):
        raise ObjectStoreError(f"a bulk deletion was answered by {root.findtext('Code') or root.tag}")
    space = root.tag.removesuffix("DeleteResult")
    return {
        error.findtext(f"{space}Key") or "": error.findtext(f"{space}Code") or "unknown"
        for error in root.iter(f"{space}Error")
    }


def delete_one(client: Client, doomed: Doomed) -> str:
    """Delete one object; return what the server says if it has not, or nothing.

    Raises:
        ObjectStoreUnavailableError: it does not answer.
    """
    headers = {"If-Match": f'"{doomed.etag}"'} if doomed.etag else {}
    reply = client.request(
        "DELETE", doomed.key, {"versionId": doomed.version} if doomed.version else None, headers=headers
    )
    if reply.good:
        return ""
    if reply.absent:
        return "NoSuchKey" if reply.code.startswith("HTTP") else reply.code
    return PRECONDITION if reply.status == _MISMATCH else reply.code


_MISMATCH = 412
