"""The makers of files: how much is in which directory, under which tag and of which session, as plain data."""

from collections.abc import Iterable, Sequence

from temp_file_manager.context import Context
from temp_file_manager.records import Kind
from temp_file_manager.registry.groups import Group

LARGEST = 10_000
"""Groups that are looked at: whoever gives each file a directory of its own makes a million of them."""

MOST = 8
"""Makers of a sort that are named; the rest are summed."""

APART = (Kind.QUARANTINED, Kind.COMPRESSED)
"""Kinds that are counted apart."""


def makers(context: Context) -> dict[str, object]:
    """Return who makes the files: by directory below the base directory, by tag, and by session.

    A file with two tags counts under both. ``looked_at`` says of how many files all this is; where they are fewer than
    there are, they are those of the groups that take the most.

    Raises:
        RegistryError: the registry cannot be read.
    """
    registry = context.registry
    sized = registry.stats().bytes is not None
    groups = registry.groups(LARGEST)
    names = {session.number: session.name for session in registry.sessions()}
    in_sight = [group for group in groups if group.kind not in (Kind.QUARANTINED, Kind.GOING)]
    places = _places([group.directory for group in in_sight], context.base_dir)
    tagged = [(tag, group) for group in in_sight for tag in (group.tags or ("",))]
    sessions = [(_session(group.session, names), group) for group in in_sight]
    return {
        "looked_at": sum(group.records for group in groups),
        "directories": _named(zip(places, in_sight, strict=True), sized=sized),
        "tags": _named(tagged, sized=sized),
        "sessions": _named(sessions, sized=sized),
        **{str(kind): _sum((g for g in groups if g.kind is kind), sized=sized) for kind in APART},
    }


def _places(directories: Sequence[str], base: str) -> list[str]:
    """Return for each directory the one below the base directory that it is in, where directories first part."""
    inside = f"{base}/"
    ways = [one.removeprefix(inside).split("/") for one in directories if one.startswith(inside)]
    depth, deepest = 1, 1 if base in directories else min(map(len, ways), default=1)
    while depth < deepest and len({tuple(way[:depth]) for way in ways}) == 1:
        depth += 1

    def place(directory: str) -> str:
        if not directory.startswith(inside):
            return directory
        return inside + "/".join(directory.removeprefix(inside).split("/")[:depth])

    return [place(one) for one in directories]


def _session(number: int, names: dict[int, str]) -> str:
    if not number:
        return ""
    return names.get(number) or f"session {number}"


def _named(groups: Iterable[tuple[str, Group]], *, sized: bool) -> list[dict[str, object]]:
    """Return the makers that have the most, and what all others have, whose name is None."""
    found: dict[str, list[Group]] = {}
    for name, group in groups:
        found.setdefault(name, []).append(group)
    several = sorted(found.items(), key=lambda one: (-_bytes(one[1]), -_records(one[1]), one[0]))
    told: list[dict[str, object]] = [{"name": name} | _sum(those, sized=sized) for name, those in several[:MOST]]
    others = [group for _, those in several[MOST:] for group in those]
    return [*told, {"name": None} | _sum(others, sized=sized)] if others else told


def _sum(groups: Iterable[Group], *, sized: bool) -> dict[str, object]:
    those = list(groups)
    return {"files": _records(those), "bytes": _bytes(those) if sized else None}


def _records(groups: Iterable[Group]) -> int:
    return sum(group.records for group in groups)


def _bytes(groups: Iterable[Group]) -> int:
    return sum(group.bytes for group in groups)
