"""Lines of ``export``, read back: each is a record, or says why it is none."""

import json
import math
import os
from typing import Any, NamedTuple

from temp_file_manager.records import PLAIN, Identity, Kind, Nature, is_object
from temp_file_manager.storage.paths import absolute

KINDS = {"": Kind.FILE, "file": Kind.FILE, **{str(kind): kind for kind in (Kind.QUARANTINED, Kind.COMPRESSED)}}
"""What can be imported. A directory that goes as one is registered again: what is in it may have changed."""


class NotImportedError(Exception):
    """A line cannot be put on record; the message says why.

    Args:
        reason: Why.
        path: Which file it is about, where that is known.
    """

    def __init__(self, reason: str, path: str | None = None) -> None:
        super().__init__(reason)
        self.path = path


class Exported(NamedTuple):
    """What a line says that can be put on record again: failures begin anew, the size is looked at again."""

    path: str
    registered_at: float
    due_at: float | None
    tags: tuple[str, ...]
    identity: Identity
    pinned_until: float | None
    nature: Nature = PLAIN


def read(line: bytes) -> Exported:
    """Return what a line says.

    Raises:
        NotImportedError: it is no exported record.
    """
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:  # also bytes that are no UTF-8
        raise NotImportedError(f"no JSON: {error}") from error
    if not isinstance(said, dict):
        raise NotImportedError("no record: not a JSON object")
    path = _path(said.get("path"))
    due_at = _time_or_none("due_at", said.get("due_at"), path)
    return Exported(
        path,
        _time("registered_at", said.get("registered_at"), path),
        due_at,
        _tags(said.get("tags", []), path),
        _identity(said.get("identity"), path),
        _time_or_none("pinned_until", said.get("pinned_until"), path),
        _nature(said, path, ends=due_at is not None),
    )


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise NotImportedError("no record: it has no path")
    try:
        os.fsencode(value)
    except UnicodeEncodeError as error:
        raise NotImportedError("no file can have this name", value) from error
    if is_object(value):
        raise NotImportedError("an object in a bucket: register it again", value)
    if not os.path.isabs(value) or absolute(value) != value:
        raise NotImportedError("not an absolute, normalised path", value)
    return value


def _time(name: str, value: Any, path: str) -> float:
    # Infinity is a string, see ``facts.number``; a switch is a number to Python, and no time.
    if (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("inf", "-inf"):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.nan
        if not math.isnan(seconds):
            return seconds
    raise NotImportedError(f"{name} is no time", path)


def _time_or_none(name: str, value: Any, path: str) -> float | None:
    return None if value is None else _time(name, value, path)


def _tags(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise NotImportedError("tags are no list of strings", path)
    return tuple(value)


def _nature(said: dict[str, Any], path: str, *, ends: bool) -> Nature:
    """Return what sets a record apart; earlier versions said nothing of that. A rule without an end is none."""
    rule, kind, origin = (said.get(name) or "" for name in ("rule", "kind", "origin"))
    if not isinstance(rule, str):
        raise NotImportedError("rule is no name", path)
    if not isinstance(kind, str) or kind not in KINDS:
        raise NotImportedError(f"no kind of record that can be imported: {kind}", path)
    if (KINDS[kind] is Kind.FILE) is not (origin == ""):
        wrong = "a file in its place has no origin" if origin else "it does not say where it was"
        raise NotImportedError(wrong, path)
    return Nature(rule if ends else "", KINDS[kind], _path(origin) if origin else "")


def _identity(value: Any, path: str) -> Identity:
    if value is None:
        raise NotImportedError("its identity is unknown, so it may be another file: register it instead", path)
    fields = Identity._fields
    if isinstance(value, dict):  # earlier versions did not say what was mounted where it lay
        value = {"volume": 0} | value
    if not isinstance(value, dict) or not all(type(value.get(field)) is int for field in fields):
        raise NotImportedError(f"its identity lacks one of {', '.join(fields)}", path)
    return Identity(*(value[field] for field in fields))
