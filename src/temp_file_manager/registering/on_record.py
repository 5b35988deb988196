"""Records by whatever path leads to them: a directory that is reached by a link or a mount is one directory."""

import os
from collections.abc import Iterable, Iterator

from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.reports import StatusReport
from temp_file_manager.rules import status
from temp_file_manager.storage.kernel.statx import HERE, looker
from temp_file_manager.sweeping.sessions import as_swept


def on_record(registry: Registry, paths: Iterable[str]) -> dict[str, TempFile]:
    """Return the records of absolute paths that have one, by the paths that were asked for.

    A record's own path is another one where a file was registered by another path of its directory. Of what is on
    record by its path nothing is looked at.
    """
    asked = list(paths)
    found = registry.get(asked)
    names: dict[str, list[str]] = {}
    for path in asked:
        if path not in found:
            directory, _, name = path.rpartition("/")
            names.setdefault(directory, []).append(name)
    for directory, wanted in names.items():
        for spelling in _spellings(registry, directory):
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


def _spellings(registry: Registry, directory: str) -> Iterator[str]:
    """Yield other paths that lead to a directory, as far as anybody knows."""
    known = {directory}
    try:
        seen = looker()(HERE, os.fsencode(directory) + b"/.")
        real = os.path.realpath(directory)
    except (OSError, ValueError):  # not there, or no name at all
        return
    for other in (real.rstrip("/"), *registry.spellings(seen.inode, seen.born)):
        if other not in known:
            known.add(other)
            yield other
