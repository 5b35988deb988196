"""What is to be adopted at every sweep, as the registry remembers it: JSON, which whoever writes there may spoil."""

from collections.abc import Iterable
from typing import Any

from temp_file_manager.survey import Wanted

_KEYS = frozenset({"directory", "exclude", "ttl", "spared"})


def written(marks: Iterable[Wanted]) -> str:
    """Return marks as text, in ASCII whatever bytes the names hold."""
    from json import dumps  # noqa: PLC0415 - slow to import, and few adopt

    return dumps([
        {"directory": one.directory, "exclude": list(one.exclude), "ttl": one.ttl, "spared": list(one.spared)}
        for one in marks
    ])  # fmt: skip


def read(text: str | None) -> tuple[tuple[Wanted, ...], tuple[str, ...]]:
    """Return the marks that a text holds, and what is wrong with the others.

    One with a key that this version does not know is wrong: it may be what keeps files from being adopted.
    """
    from json import loads  # noqa: PLC0415

    try:
        listed = loads(text or "[]")
    except (ValueError, RecursionError) as error:
        return (), (f"what is remembered cannot be read ({error})",)
    if not isinstance(listed, list):
        return (), ("what is remembered is no list",)
    found, problems = [], []
    for one in listed:
        try:
            found.append(_mark(one))
        except (TypeError, KeyError, ValueError):
            problems.append(f"{one!r} is nothing that this version can adopt from")
    return tuple(found), tuple(problems)


def _mark(one: Any) -> Wanted:
    if set(one) != _KEYS:
        raise KeyError(one)
    directory, exclude, ttl, spared = one["directory"], one["exclude"], one["ttl"], one["spared"]
    words = [directory, *exclude, *spared]
    if not all(isinstance(word, str) for word in words) or not directory.startswith("/"):
        raise TypeError(one)
    if not isinstance(exclude, list) or not isinstance(spared, list):
        raise TypeError(one)
    if ttl is not None and not (isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl >= 0):
        raise ValueError(one)
    return Wanted(directory, tuple(exclude), ttl, tuple(spared))
