"""Uploads: in one request, or in parts, so that a large file is never whole in memory."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import md5
from html import unescape
from typing import BinaryIO
from xml.sax.saxutils import escape

from temp_file_manager.errors import ObjectStoreError
from temp_file_manager.objects.client import Client, Reply, checked

PART = 16 << 20
"""Bytes of a part: so much is in memory. Of more than ``MOST`` parts each is larger."""

MOST = 9_000
"""Parts at most; S3 allows 10,000."""

_UPLOAD = re.compile(rb"<UploadId>([^<]+)</UploadId>")


def put(client: Client, key: str, content: bytes) -> Reply:
    """Store bytes.

    Raises:
        ObjectStoreError: the server refuses, or cannot be asked.
    """
    digest = {"Content-MD5": b64encode(md5(content, usedforsecurity=False).digest()).decode()}
    return checked(client.request("PUT", key, body=content, headers=digest), client, "an object")


def put_file(client: Client, key: str, file: BinaryIO, size: int) -> None:
    """Store what is in a file from where it is on, part by part; what was begun is taken back if it fails.

    Args:
        client: Of the bucket.
        key: Where to.
        file: Open for reading bytes.
        size: Bytes that it may have, by which parts are cut.

    Raises:
        ObjectStoreError: the server refuses, or cannot be asked.
        OSError: the file cannot be read.
    """
    parts = _parts(file, max(PART, -(-size // MOST)))
    first = next(parts)
    second = next(parts, None)
    if second is None:
        put(client, key, first)
        return
    started = checked(client.request("POST", key, {"uploads": ""}), client, "an upload in parts")
    found = _UPLOAD.search(started.body)
    if found is None:
        raise ObjectStoreError(f"bucket {client.bucket} begins an upload in parts, and does not name it")
    upload = {"uploadId": unescape(found[1].decode())}
    try:
        tags = [_put_part(client, key, upload, number, part) for number, part in enumerate((first, second), 1)]
        del first, second
        tags += [_put_part(client, key, upload, number, part) for number, part in enumerate(parts, 3)]
        _complete(client, key, upload, tags)
    except BaseException:
        client.request("DELETE", key, upload)
        raise


def size_of(file: BinaryIO) -> int:
    """Return the bytes in an open file; 0 of a pipe, which nobody knows."""
    if not file.seekable():
        return 0
    end = file.seek(0, 2)
    file.seek(0)
    return end


def _parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield at least one."""
    yield file.read(size)
    while part := file.read(size):
        yield part


def _put_part(client: Client, key: str, upload: Mapping[str, str], number: int, part: bytes) -> str:
    query = {"partNumber": str(number), **upload}
    reply = checked(client.request("PUT", key, query, part), client, f"part {number} of an upload")
    return reply.headers.get("etag", "")


def _complete(client: Client, key: str, upload: Mapping[str, str], tags: list[str]) -> None:
    told = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
        for number, tag in enumerate(tags, 1)
    )
    body = f"<CompleteMultipartUpload>{told}</CompleteMultipartUpload>".encode()
    reply = checked(client.request("POST", key, upload, body), client, "to put the parts together")
    if b"<Error>" in reply.body:  # S3 begins its answer, a 200, before it knows
        raise ObjectStoreError(f"bucket {client.bucket} refuses to put the parts together: {reply.code}")
