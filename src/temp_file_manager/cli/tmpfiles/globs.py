"""Globs of ``tmpfiles.d`` as patterns of rules.

To a glob a point at the beginning of a name is not among what a wildcard stands for; to a pattern it is like any other
character. And a backslash takes a character's meaning away in a glob, while to a pattern ``[*]`` is an asterisk.
"""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import product

from temp_file_manager.rules.patterns import literal

_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<star>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^\]]*\])|(?P<plain>.)", re.DOTALL)
_MOST = 64
"""So many patterns at most for one glob."""


def wide(glob: str) -> str:
    """Return a pattern that matches what a glob does, and names that begin with a point besides.

    Raises:
        ValueError: it has what patterns have nothing for.
    """
    return "/".join("".join(_tokens(part)) for part in glob.split("/"))


def narrow(glob: str) -> list[str]:
    """Return patterns that match what a glob does, and nothing else.

    Raises:
        ValueError: it has what patterns have nothing for.
    """
    parts = [list(_without_point(list(_tokens(part)))) for part in glob.split("/")]
    found = ["/".join(chosen) for chosen in product(*parts)]
    if len(found) > _MOST:
        raise ValueError("it would take too many patterns")
    return found


def _tokens(part: str) -> Iterator[str]:
    """Yield a name, piece by piece: a wildcard, a set, or what stands for itself."""
    for token in _TOKEN.finditer(part):
        if token["set"] is None:
            plain = token["escaped"] or token["plain"]
            yield literal(plain) if plain else token[0][0]  # two asterisks are one to a glob
            continue
        inner = token["set"][1:-1]
        if any(other in inner for other in ("\\", "[:", "[=", "[.")):
            raise ValueError(f"{token['set']} is a set of characters as patterns have none")
        yield f"[!{inner[1:]}]" if inner.startswith("^") else token["set"]


def _without_point(tokens: Sequence[str]) -> Iterator[str]:
    """Yield patterns of a name that begins with a point only where the glob does."""
    first, rest = tokens[0] if tokens else "", "".join(tokens[1:])
    if first == "*":
        yield "[!.]*" + rest
        if rest:
            yield from (other for other in _without_point(tokens[1:]) if not other.startswith("."))
    elif first == "?":
        yield "[!.]" + rest
    elif first.startswith("[!") and not first.endswith("-]"):
        yield f"{first[:-1]}.]{rest}"
    elif len(first) > 1 and fnmatchcase(".", first):
        raise ValueError(f"{first} may stand for a point, and at the beginning of a name does not")
    else:
        yield first + rest
