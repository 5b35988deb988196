"""The whole story of a file, as a model: what the API answers where somebody asks why it is there."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from temp_file_manager.inspection.prospects import Rule
from temp_file_manager.inspection.why import Silent
from temp_file_manager.records import Status
from temp_file_manager.service.api.answers.files import Identity, Nature
from temp_file_manager.service.api.answers.parts import Count, Number, Part
from temp_file_manager.service.api.answers.rules import Ruling
from temp_file_manager.service.api.models import Path


class Forecast(Part):
    """What a sweep would do with a file, when, and why."""

    outcome: Status | None
    rule: Rule
    reason: str
    at: Number | None


class Process(Part):
    """A process that has a file open."""

    pid: Count
    command: str
    ways: list[str]


class Processes(Part):
    """How many processes could be asked."""

    read: Count
    unread: Count
    all: bool


class LimitPlace(Part):
    """A file's place in the order of a limit."""

    limit: str
    place: Annotated[Count | None, Meta(description="Its number among those that may go, from 1.")]
    of: Annotated[Count, Meta(description="How many of those were counted.")]
    complete: Annotated[bool, Meta(description="Whether that is all.")]
    more: Annotated[Number | None, Meta(description="How much more is to come until it goes: bytes or files.")]
    kept: Annotated[str | None, Meta(description="What keeps it from going.")]


class Successor(Part):
    """What was at a path, and is in quarantine now, or compressed."""

    path: Path
    kind: Literal["quarantined", "compressed"]
    due_at: Annotated[Number | None, Meta(description="Until when it can be had back, or its rule looks at it.")]


class Story(Part):
    """What is on record of a file, if anything, and what is there."""

    path: Path
    registered: bool
    rule: Rule
    asof: Number
    nature: Nature | None
    ruling: Annotated[Ruling | None, Meta(description="The rule about it; null: none is, or it is not registered.")]
    successors: Annotated[list[Successor], Meta(description="What was here before; the last first.")]
    session: Annotated[Count | None, Meta(description="The number of the session that it was registered in.")]
    max_age: Number
    capped_by: Annotated[str | None, Meta(description="The target of the fleet policy that caps max_age.")]
    becomes_due_at: Number | None
    becomes_due_in: Number | None
    cleanup: Forecast
    sweep: Forecast
    run: Forecast
    kind: Literal["a regular file", "a link", "a directory", "a pipe", "a socket", "a device", "nothing", "unknown"]
    size_now: Count | None
    identity_now: Identity | None
    same_file: bool | None
    same_directory: bool | None
    open_in: list[Process]
    processes: Processes
    limits: Annotated[list[LimitPlace], Meta(description="Where limits have it, if it is not due.")]
    last: str
    unanswered: Annotated[list[Silent], Meta(description="What did not answer in time, and so is not known.")]
    registered_at: Number | UnsetType = UNSET
    due_at: Number | UnsetType | None = UNSET
    size: Count | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    failures: Count | UnsetType = UNSET
    retry_at: Number | UnsetType | None = UNSET
    pinned_until: Number | UnsetType | None = UNSET
    identity: Identity | UnsetType | None = UNSET
    held: bool | UnsetType = UNSET
