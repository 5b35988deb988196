"""Listings of a bucket, page by page.

The library in Rust was to list; it takes longer a key than one regular expression over a page does (see
``benchmarks/objects.py``), ends at the first key that it finds odd, and hangs in forked children.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote_plus

from temp_file_manager.errors import ObjectStoreError
from temp_file_manager.objects.client import Client, checked

_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_PREFIX = re.compile(rb"<CommonPrefixes>\s*<Prefix>([^<]*)</Prefix>")
_TOKEN = re.compile(rb"<NextContinuationToken>([^<]*)</NextContinuationToken>")
_MORE = re.compile(rb"<IsTruncated>\s*true\s*</IsTruncated>", re.IGNORECASE)
_ENCODED = re.compile(rb"<EncodingType>\s*url\s*</EncodingType>")


class Page(NamedTuple):
    """Part of a listing.

    Attributes:
        keys: In the server's order.
        prefixes: What keys begin with that have a delimiter further on.
        moment: The server's time, seconds since the epoch; None if it tells none.
    """

    keys: list[str]
    prefixes: list[str]
    moment: float | None


def pages(client: Client, prefix: str, *, delimiter: str = "") -> Iterator[Page]:
    """Yield what there is below a prefix.

    Raises:
        ObjectStoreError: the server refuses, cannot be asked, or answers what is no listing.
    """
    query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
    if delimiter:
        query["delimiter"] = delimiter
    while True:
        reply = checked(client.request("GET", query=query), client, "to list")
        body = reply.body
        if b"ListBucketResult" not in body:
            raise ObjectStoreError(f"bucket {client.bucket} answers what is no listing")
        encoded = _ENCODED.search(body) is not None
        keys, prefixes = (_texts(pattern.findall(body), encoded=encoded) for pattern in (_KEY, _PREFIX))
        if len(keys) != body.count(b"<Contents>"):
            raise ObjectStoreError(f"bucket {client.bucket} answers a listing that cannot be read")
        yield Page(keys, prefixes, reply.moment)
        token = _TOKEN.search(body)
        if _MORE.search(body) is None or token is None:
            return
        query["continuation-token"] = unescape(token[1].decode())


def _texts(found: list[bytes], *, encoded: bool) -> list[str]:
    texts = b"\0".join(found).decode() if found else ""
    if "&" in texts or "%00" in texts:
        return [_text(text, encoded=encoded) for text in texts.split("\0")]
    if encoded and ("%" in texts or "+" in texts):
        texts = unquote_plus(texts)
    return texts.split("\0") if found else []


def _text(text: str, *, encoded: bool) -> str:
    plain = unescape(text)
    return unquote_plus(plain) if encoded else plain
