"""Records by whatever path leads to them: a directory that is reached by a link or a mount is one directory."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from temp_file_manager.records import Selection, TempFile, is_object
from temp_file_manager.registry import Registry
from temp_file_manager.reports import StatusReport
from temp_file_manager.rules import status
from temp_file_manager.storage.kernel.statx import HERE, looker
from temp_file_manager.sweeping.sessions import as_swept


class Reached(NamedTuple):
    """A directory that a path leads to: its number, its birth, and its path without links."""

    inode: int
    born: int
    real: str


def reached(directory: str) -> Reached | None:
    """Look at a directory; return None if it is not there, or that is no name at all."""
    try:
        seen = looker()(HERE, os.fsencode(directory) + b"/.")
        return Reached(seen.inode, seen.born, os.path.realpath(directory))
    except (OSError, ValueError):
        return None


def on_record(
    registry: Registry, paths: Iterable[str], look: Callable[[str], Reached | None] = reached
) -> dict[str, TempFile]:
    """Return the records of absolute paths that have one, by the paths that were asked for.

    A record's own path is another one where a file was registered by another path of its directory. Of what is on
    record by its path nothing is looked at.

    Args:
        registry: Whose records they are.
        paths: Absolute.
        look: Looks at the directories of the others.
    """
    asked = list(paths)
    found = registry.get(asked)
    names: dict[str, list[str]] = {}
    for path in asked:
        if path not in found and not is_object(path):
            directory, _, name = path.rpartition("/")
            names.setdefault(directory, []).append(name)
    for directory, wanted in names.items():
        for spelling in _spellings(registry, directory, look(directory)):
            others = registry.get(f"{spelling}/{name}" for name in wanted)
            for path, record in others.items():
                found.setdefault(f"{directory}/{path.rpartition('/')[2]}", record)
    return found


def statuses(registry: Registry, paths: Iterable[str], due: Selection) -> StatusReport:
    """Return what is known about absolute paths, and the counts."""
    asked = list(paths)
    records = as_swept(registry, on_record(registry, asked), due.asof)
    files = tuple(status(path, records.get(path), due) for path in asked)
    known = sum(file.record is not None for file in files)
    return StatusReport(known, len(files) - known, sum(file.due for file in files), files)


def recorded_paths(registry: Registry, paths: Iterable[str]) -> list[str]:
    """Return by which paths files are on record, each once; one that is not is returned as it is."""
    asked = list(paths)
    found = on_record(registry, asked)
    return list(dict.fromkeys(found[path].path if path in found else path for path in asked))


def recorded_path(registry: Registry, path: str) -> str:
    """Return by which path a file is on record; one that is not is returned as it is."""
    return recorded_paths(registry, (path,))[0]


def _spellings(registry: Registry, directory: str, there: Reached | None) -> Iterator[str]:
    """Yield other paths that lead to a directory, as far as anybody knows."""
    if there is None:
        return
    known = {directory}
    for other in (there.real.rstrip("/"), *registry.spellings(there.inode, there.born)):
        if other not in known:
            known.add(other)
            yield other
