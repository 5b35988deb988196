"""What is known, decided and reported: frozen records, and nothing that acts.

The two that are made once per file are named tuples (cheaper to make than a frozen
dataclass); those made once per call are frozen dataclasses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from temp_file_manager.errors import InvalidArgumentError

OUTCOMES_IN_A_REPORT = 1000
"""A report lists this many outcomes; hooks hear about every one, so that a sweep's memory stays flat."""


REASONS_IN_A_REPORT = 20


class Identity(NamedTuple):
    """Which file is meant by a path, so that another one under the same path is not taken for it.

    Times are nanoseconds since the epoch. ``born`` and ``parent_born`` are 0 where the file system does not tell.
    """

    inode: int
    born: int
    changed: int
    parent_inode: int
    parent_born: int


PENDING = Identity(-1, 0, 0, 0, 0)
"""The identity of a file that is about to be created: no file is taken for it, and its record is kept."""

NewFile = tuple[str, float | None, int | None, tuple[str, ...], Identity | None]
"""A file to be recorded: path, due_at, size, tags, identity, as in ``TempFile``; the registry adds the time.

A bare tuple: naming its fields would cost a tenth of a registration, and it is unpacked at once.
"""


class TempFile(NamedTuple):
    """A record: one registered file.

    Attributes:
        path: Absolute, normalised, links not followed.
        registered_at: Seconds since the epoch.
        due_at: When its own ttl ends, seconds since the epoch; None when the manager's ``max_age`` decides.
        retry_at: Scheduled sweeps leave it alone until then (a removal failed, or it was in use).
        failures: How many removals have failed since it was registered.
        size: Bytes when it was registered, where the registry keeps it.
        tags: The caller's own words.
        generation: Changes whenever the path is registered again. Compare it, and nothing else; a registry
            that numbers records only when they are claimed says 0 before.
        identity: Which file was registered, where the registry keeps it; None: the path is all that is known.
        claim: The claim that holds it, for registries that number claims apart; else 0.
        pinned_until: Until when no sweep removes it, seconds since the epoch; infinity without an end.
        held: Whether somebody holds it, and no sweep removes it for as long.
    """

    path: str
    registered_at: float
    due_at: float | None = None
    retry_at: float | None = None
    failures: int = 0
    size: int | None = None
    tags: tuple[str, ...] = ()
    generation: int = 0
    identity: Identity | None = None
    claim: int = 0
    pinned_until: float | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """Which records a sweep wants.

    Attributes:
        asof: The moment ages are read at, seconds since the epoch. It stays the same for a whole sweep, so
            that a sweep never chases what is registered meanwhile.
        max_age: Seconds a record without its own ttl may live.
        force: Every record, whatever its age.
        patient: Leave alone what failed or was in use, until its ``retry_at``. Scheduled sweeps are patient;
            a person who asks for a cleanup means now.
        mine: Only what was added through this very registry object.
    """

    asof: float
    max_age: float
    force: bool = False
    patient: bool = False
    mine: bool = False


class Status(StrEnum):
    """What became of a record in a sweep."""

    REMOVED = "removed"  # the file was removed, the record forgotten
    GONE = "gone"  # the file was no longer there, the record forgotten
    REPLACED = "replaced"  # another file is there now: it stays, the record is forgotten
    KEPT = "kept"  # not to be removed now, for the reason given: kept with its age, and looked at again later
    FAILED = "failed"  # the removal failed: the record and its age are kept, and it is tried again
    SKIPPED = "skipped"  # not tried: registered again meanwhile, or this sweep's time was up


class Outcome(NamedTuple):
    """What became of one claimed record."""

    record: TempFile
    status: Status
    reason: str = ""

    @property
    def retired(self) -> bool:
        """Whether the record is to be forgotten: its file was removed, was already gone, or is another one now."""
        return self.status in RETIRED


class Reason(NamedTuple):
    """Why some of a sweep's files were not simply removed.

    Attributes:
        status: What became of them.
        reason: In words, without the path.
        files: How many.
        example: The path of the first.
    """

    status: str
    reason: str
    files: int
    example: str


RETIRED = (Status.REMOVED, Status.GONE, Status.REPLACED)


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did, or with ``dry_run`` would do.

    Attributes:
        outcomes: The first ``OUTCOMES_IN_A_REPORT`` outcomes, in order; the counts cover all.
        reasons: Why some were replaced, kept or failed; of more than ``REASONS_IN_A_REPORT`` the first.
        stopped: Why it ended before everything due was handled: ``limit``, ``budget``, ``stopped`` (by the
            scheduler's end, or who asked for it), or empty when it did not.
        duration: Seconds.
    """

    removed: int = 0
    gone: int = 0
    replaced: int = 0
    kept: int = 0
    failed: int = 0
    skipped: int = 0
    outcomes: tuple[Outcome, ...] = ()
    reasons: tuple[Reason, ...] = ()
    stopped: str = ""
    dry_run: bool = False
    duration: float = 0.0

    @property
    def retired(self) -> int:
        """Records forgotten because their file was removed, was already gone, or is another one now."""
        return self.removed + self.gone + self.replaced


@dataclass(frozen=True, slots=True)
class RegisterReport:
    """What a batch registration did.

    Attributes:
        registered: Paths now on record.
        oversized: How many of those exceed ``size_limit``.
        refused: ``(path, reason)`` of those not registered.
    """

    registered: int
    oversized: int = 0
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What is known about one path.

    Attributes:
        record: None when the path is not registered.
        age: Seconds since it was registered; None when it is not.
        due: Whether a cleanup now would remove it.
        reason: Why, in words.
    """

    path: str
    record: TempFile | None
    age: float | None
    due: bool
    reason: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What is known about many paths: the counts, and each path's status in the order asked."""

    registered: int
    unregistered: int
    due: int
    files: tuple[FileStatus, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, found by ``recovery.check``.

    Attributes:
        kind: What it is, in a few words.
        subject: The path or the name of what is meant.
        explanation: How it comes about, and what can be done.
        fixed: Whether it has been put right.
    """

    kind: str
    subject: str
    explanation: str
    fixed: bool = False


def seconds(name: str, value: float) -> float:
    """Return ``value`` if it can be a length of time.

    Raises:
        InvalidArgumentError: it is negative or not a number.
        TypeError: it is no number at all.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {type(value).__name__}")
    try:
        meaningful = float(value) >= 0
    except OverflowError:  # an int of hundreds of digits
        meaningful = False
    if not meaningful:
        raise InvalidArgumentError(f"{name} is {value!r}: give a number of seconds, 0 or more")
    return value


def labels(tags: Iterable[str]) -> tuple[str, ...]:
    """Return ``tags`` as a tuple of strings.

    Raises:
        TypeError: it is one string (whose letters would become the tags), or holds something else.
    """
    if isinstance(tags, str):
        raise TypeError(f"tags is a collection of strings: write ({tags!r},) for a single one")
    result = tuple(tags)
    if not all(isinstance(tag, str) for tag in result):
        raise TypeError("tags are strings")
    return result
