"""Answers of the API as models, of which its description is made; what handlers answer with is plain data."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from temp_file_manager.inspection import overview
from temp_file_manager.inspection.health import Grade
from temp_file_manager.records import Status
from temp_file_manager.service.api.models import Path, Step, reference

Count = Annotated[int, Meta(ge=0)]
Number = float | Literal["inf", "-inf", "nan"]
"""JSON has no number for infinity."""


class Part(Struct, forbid_unknown_fields=True):
    """An answer or a part of one."""


class Problem(Part):
    """RFC 9457."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="What is wrong and what to do.")]


# -- records


class Identity(Part):
    """By which a file is known again; times in nanoseconds."""

    inode: int
    born: int
    changed: int
    parent_inode: int
    parent_born: int
    volume: int


class Item(Part):
    """What is on record of a file, in short."""

    path: Path
    registered_at: Number
    due_at: Number | None
    size: Count | None
    tags: list[str]
    failures: Count


class Record(Item):
    """What is on record of a file, and what follows from it."""

    retry_at: Number | None
    pinned_until: Number | None
    identity: Identity | None
    age: Number
    due: bool
    due_in: Number
    reason: str
    held: bool


class Page(Part):
    """A part of what is on record."""

    files: list[Record]
    next: Annotated[str | None, Meta(description="What to give as after for the next page; null after the last.")]


class RefusedFile(Part):
    """A file that was not registered."""

    path: Path
    reason: str


class Registered(Part):
    """What became of files that were to be registered."""

    registered: Annotated[Count, Meta(description="How many are on record now.")]
    oversized: Annotated[Count, Meta(description="How many of them exceed size_limit.")]
    refused: list[RefusedFile]


class KnownFile(Record):
    """A file on record."""

    registered: Annotated[bool, Meta(extra_json_schema={"const": True})]


class UnknownFile(Part):
    """A file that is not on record."""

    path: Path
    registered: Annotated[bool, Meta(extra_json_schema={"const": False})]
    age: None
    due: Annotated[bool, Meta(extra_json_schema={"const": False})]
    reason: str


class Statuses(Part):
    """What is known about files."""

    registered: Count
    unregistered: Count
    due: Count
    # Of two kinds that msgspec cannot tell apart, as a boolean does.
    files: Annotated[
        list[Any],
        Meta(
            description="In the order asked.",
            extra_json_schema={"items": {"oneOf": [reference(KnownFile), reference(UnknownFile)]}},
        ),
    ]


class Forgotten(Part):
    """How many records there were."""

    forgotten: Count


# -- sweeps


class Outcome(Part):
    """What a sweep did with a file."""

    outcome: Status
    path: Path
    reason: str


class Counted(Part):
    """How many files a sweep did what with."""

    removed: Count
    gone: Count
    replaced: Count
    kept: Count
    failed: Count
    skipped: Count


class Report(Counted):
    """What a sweep did."""

    evicted: Annotated[Count, Meta(description="How many of them were not due, and went for a limit.")]
    stopped: Literal["", "limit", "budget", "stopped"]
    dry_run: bool
    seconds: float
    outcomes: Annotated[list[Outcome], Meta(description="The first thousand.")]
    unlisted: Annotated[Count, Meta(description="How many more there are.")]


class Reason(Part):
    """Why a sweep did not remove files."""

    status: Status
    reason: str
    files: Count
    example: Path
    cause: str


class Sweep(Counted):
    """What a sweep did, as the history has it."""

    at: float
    scheduled: bool
    duration: float
    stopped: str
    reasons: list[Reason]


class Sweeps(Part):
    """The last sweeps."""

    sweeps: Annotated[list[Sweep], Meta(description="The newest first.")]


# -- looks


class Word(Part):
    """How it is."""

    status: Grade


class Health(Word):
    """How it is, and what to do."""

    reasons: list[str]
    active_files: Count | None
    base_dir: str
    max_age: Number
    timestamp: float
    records: Count | None
    max_files: Count
    overdue: Number
    free_share: Annotated[float, Meta(ge=0, le=1)] | None
    clock_trusted: bool
    scheduler_alive: bool | None
    registry: str
    error: str | UnsetType = UNSET
    warning: str | UnsetType = UNSET


class Counts(Part):
    """What is on record, and the totals."""

    records: Count
    bytes: Count | None
    oldest: Number | None
    registered: Count
    cleaned: Count
    removed: Count
    gone: Count
    replaced: Count
    failed: Count
    kept_in_use: Count
    kept_unknown: Count
    kept_unproven: Count
    freed_bytes: Count


class Disk(Part):
    """Bytes where the base directory is."""

    free: Count | None
    size: Count | None


class Schedule(Part):
    """When sweeps were and will be."""

    interval: float
    last: float | None
    next: float | None


class Overview(Part):
    """Everything at a glance."""

    at: float
    version: str
    health: Health
    stats: Counts
    disk: Disk
    scheduler: Schedule
    sweeps: Annotated[list[Sweep], Meta(max_length=overview.SWEEPS)]


class Due(Part):
    """How much will be due in a span of time."""

    until: Annotated[float | None, Meta(description="Seconds from asof; 0: due now; null: later.")]
    files: Count
    bytes: Count | None


class Outlook(Part):
    """What will be due when."""

    asof: float
    took: Annotated[float, Meta(description="Seconds it took to make.")]
    forecast: list[Due]
    oldest: Annotated[list[Item], Meta(max_length=overview.TOP)]
    largest: Annotated[list[Item], Meta(max_length=overview.TOP)]


class Samples(Part):
    """How many files there were."""

    step: Step
    samples: Annotated[
        list[Annotated[list[float | None], Meta(min_length=3, max_length=3)]],
        Meta(description="Time, records, bytes; the oldest first."),
    ]
