"""Watched directories: whether anything tells here of files that come to be there."""

from collections.abc import Iterator, Sequence

from temp_file_manager.inspection.doctor import Check, Level
from temp_file_manager.storage.changes.probe import probe
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.inotify import limits
from temp_file_manager.storage.paths import nearest_existing

_LATE = "new files there wait for a sweep"


def watching(directories: Sequence[str], base: str) -> Iterator[Check]:
    """Yield what there is to say; nothing where no directory is watched.

    Args:
        directories: Those that are watched, absolute.
        base: The base directory, in which a file is made and removed; where it is missing, what is nearest above it.
    """
    if not directories:
        return
    name, told = "watched directories", probe(nearest_existing(base))
    found = f"{len(directories)} ({', '.join(directories)})"
    if not told.source:
        yield Check(name, Level.WARNING, f"{found}; {told.reason}", _LATE, told.advice or "see the log of run")
        return
    most = limits()
    allowed = f" of {most.watches} directories at most, in {most.instances} programs" if most.watches else ""
    follows = "what is new there is on record within a second or so, while run works"
    yield Check(name, Level.OK, f"{found}; {told.source} tells{allowed}", follows)
    for directory in directories:
        kind = mounts.kind(directory)
        if mounts.is_network(kind):
            found = f"{directory} is on {kind}, which tells of this machine's changes alone"
            advice = "none is needed, if that is soon enough; or adopt it where the files are made"
            yield Check("watched network directory", Level.WARNING, found, _LATE, advice)
