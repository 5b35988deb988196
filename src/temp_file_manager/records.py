"""Records of files, and outcomes of removals with their causes: frozen, and nothing that acts.

The two that are made once per file are named tuples (cheaper to make than a frozen
dataclass); those made once per call are frozen dataclasses.
"""

import errno
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Identity(NamedTuple):
    """Which file is meant by a path, so that another one under the same path is not taken for it.

    Times are nanoseconds since the epoch.

    Attributes:
        inode: Its number.
        born: When it was made; where the file system keeps no such times, a negative number that it gives to this file
            alone, or 0 where it has none.
        changed: When it was last changed.
        parent_inode: Its directory's number.
        parent_born: As ``born``, of its directory.
        volume: What is mounted where it lies, see ``storage.kernel.volumes``; 0 if unknown.
    """

    inode: int
    born: int
    changed: int
    parent_inode: int
    parent_born: int
    volume: int = 0


PENDING = Identity(-1, 0, 0, 0, 0)
"""The identity of a file that is about to be created: no file is taken for it, and its record is kept."""

NewFile = tuple[str, float | None, int | None, tuple[str, ...], Identity | None, int | None]
"""A file to be recorded: path, due_at, size, tags, identity, disk, as in ``TempFile``; the registry adds the time.

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
        size: Its length in bytes when it was registered, where the registry keeps it: a part of what tells it from
            another file, and so never renewed.
        tags: The caller's own words.
        generation: The record's number, where the registry keeps identities: a path that is registered again gets
            another; else 0.
        identity: Which file was registered, where the registry keeps it; None: the path is all that is known.
        pinned_until: Until when no sweep removes it, seconds since the epoch; infinity without an end.
        held: Whether somebody holds it, and no sweep removes it for as long.
        kept_for: The ``Cause`` for which the last sweep kept it, if no later one will remove it before something is
            done about that; else empty.
        disk: Bytes that it takes on the disk, divided by its hard links, when it was last looked at, where the registry
            keeps it; None: nobody has looked.
        used_at: When it was last found to have been read or written, seconds since the epoch, if that is later than its
            registration and the registry keeps it. Pages in an order of their own, and what is looked up by its path,
            know it.
        session: The number of the session that it was registered in; 0: none.
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
    pinned_until: float | None = None
    held: bool = False
    kept_for: str = ""
    disk: int | None = None
    used_at: float | None = None
    session: int = 0

    @property
    def room(self) -> int | None:
        """What it takes on the disk in bytes, if anybody has looked, else its length; None if neither is known."""
        return self.size if self.disk is None else self.disk


class Measured(NamedTuple):
    """What a look at a registered file found.

    Attributes:
        record: The record, as it was before.
        disk: As in ``TempFile``.
        used_at: The later of its times of reading and of writing, seconds since the epoch; None if that is not later
            than its registration.
    """

    record: TempFile
    disk: int
    used_at: float | None = None


class Order(StrEnum):
    """Orders in which pages give records. All but ``OVERDUE`` give every record of theirs, whatever keeps it."""

    OVERDUE = "overdue"  # what is due and free, what waits the longest first: as sweeps take it
    OLDEST = "oldest"  # the longest registered first, with a ttl or without
    LARGEST = "largest"  # what takes the most of the disk first; those of known size
    LEAST_USED = "least used"  # what has not been used for the longest time first, as far as that is known
    FAILING = "failing"  # what could not be removed, the farthest next try, and so the most failures, first
    ADDED = "added"  # the first to be put on record first, as a dict has it


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records a sweep or a page wants.

    Attributes:
        asof: The moment ages are read at, seconds since the epoch. It stays the same for a whole sweep, so
            that a sweep never chases what is registered meanwhile.
        max_age: Seconds a record without its own ttl may live.
        force: Every record, whatever its age.
        patient: Leave alone what failed or was in use, until its ``retry_at``. Scheduled sweeps are patient;
            a person who asks for a cleanup means now.
        mine: Only what was added through this very registry object.
        order: In which order a page gives them. In each but ``OVERDUE`` only ``tags`` counts beside it; sweeps know no
            other order.
        only: Of these records alone, as a page or ``get`` gave them. What has been registered again since is another.
        session: Only what belongs to the session of this number, in an order of the registry's own; 0: of whatever one.
        tags: Of what has one of these tags alone; for pages in an order of their own.
    """

    asof: float
    max_age: float
    force: bool = False
    patient: bool = False
    mine: bool = False
    order: Order = Order.OVERDUE
    only: tuple[TempFile, ...] | None = None
    session: int = 0
    tags: tuple[str, ...] = ()


class Status(StrEnum):
    """What became of a record in a sweep."""

    REMOVED = "removed"  # the file was removed, the record forgotten
    GONE = "gone"  # the file was no longer there, the record forgotten
    REPLACED = "replaced"  # another file is there now: it stays, the record is forgotten
    KEPT = "kept"  # not to be removed now, for the reason given: kept with its age, and looked at again later
    FAILED = "failed"  # the removal failed: the record and its age are kept, and it is tried again
    SKIPPED = "skipped"  # not tried: registered again meanwhile, or this sweep's time was up


class Cause(StrEnum):
    """What decided that a record was not simply removed; programs compare it, ``sentence`` makes text of it."""

    NONE = ""
    GONE = "gone"  # somebody else removed it
    # Why the file there is not taken for the registered one.
    REPLACED = "replaced"
    IDENTITY_UNKNOWN = "identity unknown"
    PENDING = "pending"  # it was on record before it was made, and its process died in between
    OTHER_DIRECTORY = "other directory"
    ABSENT_DIRECTORY = "absent directory"
    OTHER_FILE_SYSTEM = "other file system"
    REWRITTEN = "rewritten"  # by its own application, in the manager's base: it stays on record as it is now
    CHANGING = "changing"  # it was replaced between two looks at it
    # Why it is left alone although it is the registered one.
    IN_USE = "in use"
    USE_UNKNOWN = "use unknown"
    FOREIGN = "foreign"  # another user's
    OWN = "own"  # this package's
    # Why its removal did not come about.
    NOT_REGULAR = "not regular"
    DIRECTORY = "directory"
    REFUSED = "refused"  # the system said no; the detail is the name of its error, as EACCES
    OBSTACLE = "obstacle"
    HUNG = "hung"
    ERROR = "error"  # anything else; the detail is what it said
    # Why nothing was tried.
    CLAIM_ENDED = "claim ended"
    LEASE_ENDED = "lease ended"
    SWEEP_OVER = "sweep over"
    ABANDONED = "abandoned"
    NOT_AS_PLANNED = "not as planned"  # it is another record or file by now, or something else would be done
    # Why somebody should know that it was removed.
    NOT_GUARANTEED = "not guaranteed"  # its content may not be destroyed


_SENTENCES = {
    Cause.GONE: "already gone",
    Cause.REPLACED: "another file has been put in its place since it was registered",
    Cause.IDENTITY_UNKNOWN: "nothing can tell whether it is the file that was registered",
    Cause.PENDING: "its process died while it was being created: it may be anybody's",
    Cause.OTHER_DIRECTORY: "its directory is another one than when it was registered",
    Cause.ABSENT_DIRECTORY: "what its directory lies on is not mounted here now",
    Cause.REWRITTEN: "it was rewritten since it was registered, and counts from then",
    Cause.CHANGING: "it was replaced while it was looked at",
    Cause.IN_USE: "in use: somebody has it open",
    Cause.USE_UNKNOWN: "nothing can tell whether it is in use",
    Cause.OWN: "it is one of this package's own files",
    Cause.NOT_REGULAR: "it is no regular file",
    Cause.DIRECTORY: "it is a directory",
    Cause.CLAIM_ENDED: "registered again, forgotten or touched meanwhile",
    Cause.LEASE_ENDED: "half of its claim's time is up",
    Cause.SWEEP_OVER: "its sweep is over",
    Cause.ABANDONED: "its removal was abandoned",
    Cause.NOT_AS_PLANNED: "it is not as the plan says any more",
}


def sentence(cause: Cause, detail: str = "") -> str:
    """Return a cause in words, without the path it is about. A detail of ours says it better than the usual words."""
    if cause is Cause.REFUSED:
        return os.strerror(getattr(errno, detail))
    if cause is Cause.NOT_GUARANTEED:
        return f"not_guaranteed: {detail}"
    return detail or _SENTENCES.get(cause, "")


class Rewritten(NamedTuple):
    """What an application has put in a registered file's place, and what is on record in its stead from then on.

    Attributes:
        identity: Which file it is.
        since: The newest of its times, seconds since the epoch.
        size: Its bytes.
        disk: As in ``TempFile``.
    """

    identity: Identity
    since: float
    size: int
    disk: int | None = None


class Outcome(NamedTuple):
    """What became of one claimed record, and why, if it was not simply removed.

    Attributes:
        record: The record as it was claimed.
        status: What became of it.
        cause: Why.
        detail: What more there is to say of the cause; see ``Cause``.
        found: What is there instead, where the record is to stand for that from now on; then it is ``SKIPPED``.
    """

    record: TempFile
    status: Status
    cause: Cause = Cause.NONE
    detail: str = ""
    found: Rewritten | None = None

    @property
    def retired(self) -> bool:
        """Whether the record is to be forgotten: its file was removed, was already gone, or is another one now."""
        return self.status in RETIRED

    @property
    def reason(self) -> str:
        """The cause in words; what the system refused reads as its own errors do, number and path included."""
        if self.cause is Cause.REFUSED:
            return f"[Errno {getattr(errno, self.detail)}] {sentence(self.cause, self.detail)}: {self.record.path!r}"
        return sentence(self.cause, self.detail)


LASTING = frozenset({
    *(Cause.IDENTITY_UNKNOWN, Cause.PENDING, Cause.OTHER_DIRECTORY, Cause.ABSENT_DIRECTORY, Cause.OTHER_FILE_SYSTEM),
    *(Cause.USE_UNKNOWN, Cause.FOREIGN, Cause.OWN),
})  # fmt: skip
"""Causes for which every sweep keeps a file until somebody does something about it: health and the log tell of them."""

CLEANED = (Status.REMOVED, Status.GONE)
"""What counts as cleaned up: the file is there no more."""

RETIRED = (*CLEANED, Status.REPLACED)
"""What is forgotten."""


NOTHING = Identity(0, 0, 0, 0, 0)
"""The identity of what was not there when it was put on record: no file is taken for it."""
