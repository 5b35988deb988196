"""Plans of files that are to be compressed, and the reasons for which some are left as they are."""

import errno
from collections.abc import Callable
from typing import NamedTuple

from temp_file_manager.causes import Cause, sentence
from temp_file_manager.chunks import Other, failed
from temp_file_manager.errors import RecordClaimedError, RegistryFullError
from temp_file_manager.records import Status, TempFile
from temp_file_manager.rules.life import Action
from temp_file_manager.rules.ruling import Ruling
from temp_file_manager.storage.choice import decide
from temp_file_manager.storage.compressed_copy import SUFFIX
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.zstd import PointlessError, ShorterError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_USE = (Cause.IN_USE, Cause.CHANGING, Cause.USE_UNKNOWN)

TAKEN = f"its name with {SUFFIX} is taken"
TOO_LARGE = "it is too large to be compressed in half of the time that a claim lasts"
WRITTEN_TO = "somebody is writing to it"


class LeftError(Exception):
    """A file is better left as it is, until it is due or, where that may change, for now."""

    def __init__(self, why: str, *, for_now: bool = False) -> None:
        super().__init__(why)
        self.for_now = for_now


class Plan(NamedTuple):
    """What is next for a file that is to be compressed.

    Attributes:
        rule: The name of the rule that says so.
        due_at: When to look at it next, compressed or left as it is; seconds since the epoch.
        again_at: When to look again at what was disturbed.
    """

    rule: str
    due_at: float
    again_at: float

    def became(self, error: Exception) -> Other:
        """Return what became of a file whose compression raised."""
        left = _why_left(error)
        if left is not None:
            due_at = min(self.due_at, self.again_at) if left.for_now else self.due_at
            words = f"not compressed: {left}"
            return Other(Status.KEPT, Cause.NOT_COMPRESSED, words, due_at=due_at, rule=self.rule)
        if isinstance(error, NotThatFile):
            return error.other
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return Other(Status.GONE, Cause.GONE)
        return failed(error)


Planned = Callable[[TempFile], Plan]
"""Says what is next for the file of a record."""


def plans(ruling: Ruling | None, asof: Callable[[], float]) -> Planned:
    """Return what says what is next for files, by the rules as they are then."""

    def planned(record: TempFile) -> Plan:
        now = asof()
        decided = None if ruling is None else decide(ruling, record, now, ruling.max_age())
        if decided is None or decided[1].action is not Action.COMPRESS:  # that has changed just now
            return Plan(record.rule, now, now)
        rule, step = decided
        return Plan(rule.name, step.due_at, now + (rule.compress or 0.0))

    return planned


def _why_left(error: Exception) -> LeftError | None:
    """Return why a file is left as it is; None where it is no reason for that."""
    why, for_now = "", True
    if isinstance(error, LeftError):
        return error
    if isinstance(error, PointlessError):
        why, for_now = "it would become smaller by less than a tenth", False
    elif isinstance(error, ShorterError):
        why = WRITTEN_TO
    elif isinstance(error, RegistryFullError) or (isinstance(error, OSError) and error.errno in _FULL):
        why = "there is no room for the compressed file beside it"
    elif isinstance(error, RecordClaimedError):
        why = f"a sweep is at work on its name with {SUFFIX}"
    elif isinstance(error, NotThatFile) and error.other.cause in _USE:
        why, for_now = sentence(error.other.cause), error.other.cause is not Cause.USE_UNKNOWN
    return LeftError(why, for_now=for_now) if why else None
