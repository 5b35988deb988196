"""Names as they may be shown: file names are bytes that strangers chose."""

import re


def printable(text: str) -> str:
    r"""Escape what could forge a log line, move a terminal's cursor or fail to encode.

    Control characters, line breaks, bidirectional marks and undecodable bytes come out as ``\x1b``,
    ``\n``, ``\u202e``, ``\udcff``; every other character, in whatever script, stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def masked(text: str) -> str:
    """Return ``text`` without what may be a user and a password in an address: ``mysql://…@host/db``."""
    return re.sub(r"://[^\s]*@", "://…@", text)
