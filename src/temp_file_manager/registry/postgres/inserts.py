"""Files to be put on record, in columns: the parameters of the function that writes them."""

from collections.abc import Iterable, Mapping, Sequence
from json import dumps
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from temp_file_manager.records import PENDING, PLAIN, Nature, NewFile
from temp_file_manager.registry.files import Timed
from temp_file_manager.registry.natures import nature_of
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.rows import stored_identity
from temp_file_manager.registry.postgres.server import Row


class Whose(NamedTuple):
    """What a record belongs to, and keeps whatever time it is given.

    Attributes:
        owner: Which registry object added it.
        session: Which session it is in; 0: none.
        due_at: When that session ends.
        nature: What sets it apart.
    """

    owner: int
    session: int
    due_at: float | None
    nature: Nature

    @classmethod
    def unruled(cls, row: Row, paths: Paths) -> Self:
        """Return whose a record was, under no rule: owner, session, due_at, kind and origin of its row."""
        owner, session, due_at, kind, origin = row
        nature = nature_of(None, kind, None if origin is None else paths.here(origin))
        return cls(owner, session, due_at if session else None, nature)


def columns(
    files: Sequence[Timed],
    paths: Paths,
    *,
    only_new: bool = False,
    natures: Mapping[str, Nature] = MappingProxyType({}),
    known: Mapping[str, Whose] | None = None,
) -> dict[str, Any]:
    """Return files as parameters; of two alike the last wins, and where only what is new is written the first.

    Args:
        files: Which.
        paths: How paths are stored.
        only_new: Leave known paths as they are.
        natures: Those that are not plain.
        known: Whose they are all the same, where all are written anew; what is unknown is a registration.

    Raises:
        InvalidArgumentError: one lies outside the volume.
    """
    unique = {file[0]: (file, at) for file, at in (reversed(files) if only_new else files)}
    rows = list(unique.values())
    if only_new:
        rows.reverse()
        registrations = None
    elif known is None:
        registrations = sum(counts_as_new(file, natures.get(file[0], PLAIN)) for file, _ in files)
    else:
        registrations = len(unique.keys() - known.keys())
    bound = {
        "paths": arrays.names([paths.stored(file[0]) for file, _ in rows]),
        "times": arrays.moments([float(at) for _, at in rows]),
        "sizes": _numbers(file[2] for file, _ in rows),
        "tags": _texts(dumps(file[3]) if file[3] else None for file, _ in rows),
        "identities": _names(stored_identity(file[4]) for file, _ in rows),
        "disks": _numbers(file[5] for file, _ in rows),
        "only_new": only_new,
        "registrations": registrations,
        "pending": stored_identity(PENDING),
    }
    apart = natures if known is None else {path: one.nature for path, one in known.items()}
    whose = [known.get(file[0]) for file, _ in rows] if known else []
    ends = [file[1] for file, _ in rows]
    if whose:
        ends = [one.due_at if one and one.session else end for one, end in zip(whose, ends, strict=True)]
    return (
        bound
        | _apart(rows, apart, paths)
        | {
            "ends": None if not any(end is not None for end in ends) else arrays.moments(ends),
            "owners": _numbers(one and one.owner for one in whose),
            "sessions": _numbers(one and one.session for one in whose),
        }
    )


def counts_as_new(file: NewFile, nature: Nature) -> bool:
    """Say whether it is a registration that somebody has asked for, of a file that is there."""
    return file[4] is not PENDING and not nature.origin


def _apart(rows: Iterable[Timed], natures: Mapping[str, Nature], paths: Paths) -> dict[str, Any]:
    """Return what sets files apart; nothing where all are plain."""
    found = [natures.get(file[0], PLAIN) for file, _ in rows] if natures else []
    return {
        "rules": _texts(nature.rule or None for nature in found),
        "kinds": _texts(str(nature.kind) or None for nature in found),
        "origins": _names(paths.origin(nature.origin) if nature.origin else None for nature in found),
    }


# A column without any value is none: it costs nothing to be sent, and nothing to be read.


def _numbers(values: Iterable[int | None]) -> arrays.Array | None:
    found = list(values)
    return None if found.count(None) == len(found) else arrays.numbers(found)


def _texts(values: Iterable[str | None]) -> arrays.Array | None:
    found = list(values)
    return None if found.count(None) == len(found) else arrays.texts(found)


def _names(values: Iterable[bytes | None]) -> arrays.Array | None:
    found = list(values)
    return None if found.count(None) == len(found) else arrays.names(found)
