"""Answers about all at once: health, the overview, the outlook, samples."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from temp_file_manager.inspection import makers, overview, unremoved
from temp_file_manager.inspection.health import Grade
from temp_file_manager.service.api.answers.files import Kind, Origin, ShortItem
from temp_file_manager.service.api.answers.limits import Limits
from temp_file_manager.service.api.answers.parts import Count, Number, Part
from temp_file_manager.service.api.answers.sessions import SomeSessions
from temp_file_manager.service.api.answers.sweeps import Sweep
from temp_file_manager.service.api.models import Step


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
    quarantined: Count
    compressed: Count
    failed: Count
    kept_in_use: Count
    kept_unknown: Count
    kept_unproven: Count
    freed_bytes: Count
    compressed_saved_bytes: Count
    evicted: Count
    restored: Count


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
    fleet: Annotated[bool, Meta(description="Whether it reports to a fleet's server.")]
    health: Health
    stats: Counts
    disk: Disk
    scheduler: Schedule
    limits: Limits
    sessions: SomeSessions
    sweeps: Annotated[list[Sweep], Meta(max_length=overview.SWEEPS)]


class Due(Part):
    """How much will be due in a span of time."""

    until: Annotated[float | None, Meta(description="Seconds from asof; 0: due now; null: later.")]
    files: Count
    bytes: Count | None


class Item(ShortItem):
    """A file that stands out."""

    state: Annotated[
        Literal["held", "pinned", "now", ""], Meta(description="What keeps it, or that it is due; empty: due later.")
    ]
    kind: Kind
    origin: Origin


class Unremoved(Item):
    """A due file that the sweep that took it up has left."""

    cause: Annotated[str, Meta(description="Why, as far as it is on record; empty: ask /v1/files/why.")]


class Sum(Part):
    """How much there is of something."""

    files: Count
    bytes: Count | None


class Maker(Sum):
    """Who makes files."""

    name: Annotated[str | None, Meta(description="Empty: no tag, or no session; null: all others.")]


Makers = Annotated[list[Maker], Meta(max_length=makers.MOST + 1, description="Who has the most first.")]


class AllMakers(Part):
    """Who makes the files."""

    looked_at: Annotated[Count, Meta(description="Of how many files all this is: those of the largest groups.")]
    directories: Makers
    tags: Annotated[Makers, Meta(description="A file with two tags counts under both.")]
    sessions: Makers
    quarantined: Sum
    compressed: Sum


class Outlook(Part):
    """What will be due when, and what stands out."""

    asof: float
    took: Annotated[float, Meta(description="Seconds it took to make.")]
    forecast: list[Due]
    oldest: Annotated[list[Item], Meta(max_length=overview.TOP)]
    largest: Annotated[list[Item], Meta(max_length=overview.TOP)]
    unremoved: Annotated[list[Unremoved], Meta(max_length=unremoved.MOST)]
    makers: AllMakers


class Samples(Part):
    """How many files there were."""

    step: Step
    samples: Annotated[
        list[Annotated[list[float | None], Meta(min_length=3, max_length=3)]],
        Meta(description="Time, records, bytes; the oldest first."),
    ]
