"""Patterns of paths: text with wildcards, as regular expressions that take no longer than they must.

=========  =======================================================
``?``      any one character but ``/``
``*``      any number of characters but ``/``
``[a-z]``  any one of these; ``[!a-z]`` or ``[^a-z]``: any but these, and never ``/``; ``[*]`` is an asterisk
``**``     any number of characters, ``/`` too
``**/``    at the beginning, or after ``/``: any number of directories, or none
=========  =======================================================

All else stands for itself, a leading point and a backslash, too. A pattern that begins with ``/`` is of whole paths,
one with another ``/`` of paths in the base directory, and one without of names, wherever the file lies, as in a
``.gitignore``. It matches the whole of what it is of.
"""

import re
from enum import Enum


class Scope(Enum):
    """What a pattern is of."""

    NAME = "name"
    LOCAL = "local"  # a path in the base directory
    WHOLE = "whole"


def scope(pattern: str) -> Scope:
    """Return what a pattern is of."""
    if pattern.startswith("/"):
        return Scope.WHOLE
    return Scope.LOCAL if "/" in pattern else Scope.NAME


def why_not(pattern: str) -> str:
    """Return why a pattern can match no path; nothing if it can."""
    parts = pattern.removeprefix("/").split("/")
    if not pattern or "\0" in pattern:
        return "no path is like that"
    if pattern.endswith("/"):
        return f"it ends with a slash, and no path does: give {pattern}** for all that is in there"
    if not all(parts):
        return "it has two slashes together, and no path has"
    if not {".", ".."}.isdisjoint(parts):
        return "it has a part that is . or .., and no path on record has"
    return ""


def literal(path: str) -> str:
    """Return the pattern that matches this path alone."""
    return re.sub(r"[*?[]", r"[\g<0>]", path)


_TOKENS = re.compile(
    r"(?P<directories>(?:\A|(?<=/))\*\*/)|(?P<deep>\*\*+)|(?P<star>\*)|(?P<slash>/)|(?P<one>\?)"
    r"|\[(?P<but>[!^]?+)(?P<set>\][^\]/]*|[^\]/]+)\]|(?P<plain>.)",
    re.DOTALL,
)
_LEADS = {"directories": "(?:|.*?/)", "deep": ".*?"}


def is_unclosed(pattern: str) -> bool:
    """Say whether a pattern has a bracket that nothing closes, or that has nothing in it: that stands for itself."""
    return any(token["plain"] == "[" for token in _TOKENS.finditer(pattern))


def expression(pattern: str) -> str:
    """Return a regular expression for a pattern, without an anchor, to be compiled with ``re.DOTALL``.

    What stands between two ``**`` is taken where it first matches, and never sought again: what any later place would
    leave to the second, the first does, too. The same holds of two ``*`` in one name. So there is no path for which all
    ways to share it among the wildcards are tried, one after the other.
    """
    told = chunk = piece = ""  # from right to left: up to the last ``**``, the last of any wildcard and slash
    deep = star = False  # whether there is one to the right, of the same name
    for token in reversed(list(_TOKENS.finditer(pattern))):
        kind = token.lastgroup
        if kind in _LEADS:
            told = _once(_LEADS[kind] + piece + chunk, deep) + told
            chunk, piece, deep, star = "", "", True, False
        elif kind == "star":
            chunk, piece, star = _once("[^/]*?" + piece, star) + chunk, "", True
        elif kind == "slash":
            chunk, piece, star = "/" + piece + chunk, "", False
        else:
            piece = _character(token) + piece
    return _once(piece + chunk, deep) + told


def _once(told: str, sought: bool) -> str:
    return f"(?>{told})" if sought else told


def _character(token: re.Match[str]) -> str:
    """Return the expression for a token that is of one character."""
    if token["plain"] is not None:
        return re.escape(token["plain"])
    if token["one"] is not None:
        return "[^/]"
    among = "|".join(_range(part) for part in re.findall(r".-.|.", token["set"], re.DOTALL)) or "(?!)"
    return f"(?!{among}|/)." if token["but"] else f"(?!/)(?:{among})"


def _range(part: str) -> str:
    """Return the expression for a character, or those from one to another; a range the wrong way round has none."""
    if len(part) == 1:
        return re.escape(part)
    return f"[{re.escape(part[0])}-{re.escape(part[2])}]" if part[0] <= part[2] else "(?!)"
