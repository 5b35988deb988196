"""Records of files, and outcomes of removals: frozen, and nothing that acts.

The two that are made once per file are named tuples (cheaper to make than a frozen
dataclass); those made once per call are frozen dataclasses.
"""

import errno
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from temp_file_manager.causes import Cause, sentence
from temp_file_manager.text import brief


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


class Kind(StrEnum):
    """What a record stands for."""

    FILE = ""
    UNIT = "unit"  # a directory that goes whole or not at all
    GOING = "going"  # a unit that has been moved away, and is being removed
    QUARANTINED = "quarantined"  # what has been moved away, and can be had back until it is due
    OBJECT = "object"  # an object in a bucket; the path is its full name, see ``objects.address``
    COMPRESSED = "compressed"  # a file whose content is another's, compressed


def is_object(path: str) -> bool:
    """Say whether a path on record is the name of an object in a bucket, and leads to no file."""
    return path.startswith("s3://")


class Nature(NamedTuple):
    """What sets a record apart from that of a plain file about which ``max_age`` decides.

    Attributes:
        rule: The name of the rule that has set its ``due_at``; empty: none has.
        kind: What it stands for.
        origin: Where that was before it was moved away or compressed, an absolute path; empty: where it is.
    """

    rule: str = ""
    kind: Kind = Kind.FILE
    origin: str = ""


PLAIN = Nature()


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
        rule: As in ``Nature``. Then ``due_at`` is the rule's, and says when to look at the file again: never later than
            the truth.
        kind: As in ``Nature``.
        origin: As in ``Nature``.
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
    rule: str = ""
    kind: Kind = Kind.FILE
    origin: str = ""

    def __repr__(self) -> str:
        return brief(type(self).__name__, self._asdict(), self._field_defaults)

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


class Ruled(NamedTuple):
    """What a rule decides about a record.

    Attributes:
        record: The record, as it was before.
        rule: The rule's name; empty: none decides any more.
        due_at: When to look at its file, seconds since the epoch; None: ``max_age`` decides.
    """

    record: TempFile
    rule: str
    due_at: float | None


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
        kind: Of this kind alone, which is not ``FILE``; for pages in the order of ``ADDED``. None: of each.
        since: What has a later generation alone; for pages in the order of ``ADDED``, where the registry keeps those.
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
    kind: Kind | None = None
    since: int = 0


class Status(StrEnum):
    """What became of a record in a sweep."""

    REMOVED = "removed"  # the file was removed, the record forgotten
    GONE = "gone"  # the file was no longer there, the record forgotten
    REPLACED = "replaced"  # another file is there now: it stays, the record is forgotten
    QUARANTINED = "quarantined"  # it was moved away; another record, from which it can be had back, stands for it
    COMPRESSED = "compressed"  # another record, of a compressed file beside where it was, stands for it
    KEPT = "kept"  # not to be removed now, for the reason given: kept with its age, and looked at again later
    FAILED = "failed"  # the removal failed: the record and its age are kept, and it is tried again
    SKIPPED = "skipped"  # not tried: registered again meanwhile, or this sweep's time was up


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
        due_at: When to look at it again, where a rule keeps it until then; then it is ``KEPT``.
        rule: The name of that rule. Empty: rules keep it no more, ``max_age`` decides, and ``due_at`` is not noted.
        saved: Bytes of the disk that compressing it has freed.
    """

    record: TempFile
    status: Status
    cause: Cause = Cause.NONE
    detail: str = ""
    found: Rewritten | None = None
    due_at: float | None = None
    rule: str = ""
    saved: int = 0

    def __repr__(self) -> str:
        return brief(type(self).__name__, self._asdict(), self._field_defaults)

    @property
    def path(self) -> str:
        """The path on record."""
        return self.record.path

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


CLEANED = (Status.REMOVED, Status.GONE, Status.QUARANTINED)
"""What counts as cleaned up: the file is there no more."""

RETIRED = (*CLEANED, Status.REPLACED, Status.COMPRESSED)
"""What is forgotten."""


NOTHING = Identity(0, 0, 0, 0, 0)
"""The identity of what was not there when it was put on record: no file is taken for it."""
