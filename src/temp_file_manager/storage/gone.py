"""The storage that removes nothing: it notes which files are gone, with all the care that a removal takes."""

from collections.abc import Iterable, Iterator

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other, place_of
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import NotThatFile, Removal


class GoneFiles:
    """Has a sweep forget the records of files that others have removed, and renew those of files that were rewritten.

    Whatever is there stays, with its record: also a file that came back since somebody missed it, and one of which
    nothing can tell whether it is gone.

    Args:
        base: A directory in which a file that was rewritten stays on record as it is now.
    """

    def __init__(self, base: str) -> None:
        self._base = base

    def remove(self, removal: Removal) -> None:
        """Note of each whether it is gone; see ``Storage``."""
        with Directories(base=self._base) as directories:
            for at, record in removal.each(removal.records):
                became = _became(record, directories)
                if became.status is Status.SKIPPED or removal.may_go(at):
                    removal.others[at] = became

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would note; see ``Storage``."""
        with Directories(base=self._base) as directories:
            for record in records:
                yield Outcome(record, *_became(record, directories))


def _became(record: TempFile, directories: Directories) -> Other:
    if record.identity is None:
        return Other(Status.SKIPPED, Cause.IDENTITY_UNKNOWN)
    try:
        directories.compared(place_of(record))
    except NotThatFile as other:
        return other.other._replace(status=Status.SKIPPED)
    except (FileNotFoundError, NotADirectoryError):
        return Other(Status.GONE, Cause.GONE)
    except (OSError, TypeError, ValueError):  # it cannot be looked at, or its path is none
        return Other(Status.SKIPPED, Cause.IDENTITY_UNKNOWN)
    return Other(Status.SKIPPED, Cause.NONE)
