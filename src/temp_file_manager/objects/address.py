"""Addresses of buckets, keys and objects: ``s3://BUCKET/KEY``, and with a fragment that names the very object.

The full name of a registered object is ``s3://BUCKET/KEY#etag=…`` or ``…#version=…``: its key is percent-encoded there,
so that whatever is in a key, one object has one name and no name means two. What people give as ``s3://BUCKET/KEY`` is
taken as it stands, as other tools for S3 do.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.text import masked, printable

SCHEME = "s3://"
LONGEST_KEY = 1024
"""Bytes in UTF-8, which S3 allows."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_PLAIN = "/~:+=@,!*()$&';"  # stays readable in a name; a fragment and a percent sign never do
_ETAG = re.compile(r"[!#-~]{1,1024}")


class Location(NamedTuple):
    """A bucket and a key in it, or the beginning of keys; the key is as the server has it."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The location as people write it."""
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"


class ObjectName(NamedTuple):
    """A name of one object.

    Attributes:
        bucket: Where it is.
        key: Its key.
        etag: What the server calls its content, without quotation marks; empty: not known.
        version: Its version; empty: not known.
    """

    bucket: str
    key: str
    etag: str = ""
    version: str = ""

    @property
    def text(self) -> str:
        """The full name, by which it is on record."""
        known = [f"{name}={quote(value, safe='')}" for name, value in (("etag", self.etag), ("version", self.version))]
        fragment = "&".join(part for part in known if not part.endswith("="))
        return f"{SCHEME}{self.bucket}/{quote(self.key, safe=_PLAIN)}{'#' + fragment if fragment else ''}"


def is_address(text: object) -> bool:
    """Say whether it is the address of a bucket or of what is in one."""
    return isinstance(text, str) and text.startswith(SCHEME)


def location(url: str) -> Location:
    """Read ``s3://BUCKET/KEY``; the key may be empty, or a beginning of keys.

    Raises:
        InvalidArgumentError: it is none; what could be a password in it is not shown.
    """
    shown = printable(masked(repr(url)))
    if not is_address(url):
        raise InvalidArgumentError(f"{shown} names no bucket: write s3://BUCKET/KEY")
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not _BUCKET.fullmatch(bucket):
        advice = "write s3://BUCKET/KEY, and give endpoint, region and credentials in the variables AWS_…"
        raise InvalidArgumentError(f"{'it' if '@' in bucket else shown} names no bucket: {advice}")
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"{shown} is no UTF-8, as keys are") from error
    if length > LONGEST_KEY:
        raise InvalidArgumentError(f"a key of {length} bytes: S3 allows {LONGEST_KEY}")
    return Location(bucket, key)


def object_name(url: str, etag: str | None = None, version: str | None = None) -> ObjectName:
    """Return the name of an object, of which the store is asked nothing.

    Args:
        url: ``s3://BUCKET/KEY``.
        etag: As the server has told it, with quotation marks or without.
        version: As the server has told it.

    Raises:
        InvalidArgumentError: there can be no such object.
    """
    where = location(url)
    if not where.key:
        raise InvalidArgumentError(f"{where.url} names a bucket, and no object in it: write s3://BUCKET/KEY")
    tag = "" if etag is None else etag.strip()
    if tag.startswith("W/"):
        raise InvalidArgumentError("a weak ETag (W/…) is that of several contents: give the object's own, or a version")
    tag = tag[1:-1] if len(tag) > 1 and tag[0] == tag[-1] == '"' else tag
    for given, value, what in ((etag, tag, "ETag"), (version, version or "", "version")):
        if given is not None and not _ETAG.fullmatch(value):
            raise InvalidArgumentError(f"{printable(repr(given))} is no {what}: give it as the server has told it")
    return ObjectName(where.bucket, where.key, tag, version or "")


def read(text: str) -> ObjectName:
    """Read a full name.

    Raises:
        InvalidArgumentError: it is none.
    """
    url, _, fragment = text.partition("#")
    where = location(url)
    known = dict(part.partition("=")[::2] for part in fragment.split("&") if part)
    if not where.key or not known.keys() <= {"etag", "version"}:
        raise InvalidArgumentError(f"{printable(repr(text))} is no name of a registered object")
    etag, version = (unquote(known.get(name, "")) for name in ("etag", "version"))
    return ObjectName(where.bucket, unquote(where.key), etag, version)
