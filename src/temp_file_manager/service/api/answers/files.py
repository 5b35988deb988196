"""Answers about files: what is on record, and the whole story of one."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from temp_file_manager.inspection.prospects import Rule
from temp_file_manager.records import Status
from temp_file_manager.service.api.answers.parts import Count, Number, Part
from temp_file_manager.service.api.models import Path, reference


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


# -- the whole story of a file


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


class Story(Part):
    """What is on record of a file, if anything, and what is there."""

    path: Path
    registered: bool
    rule: Rule
    asof: Number
    max_age: Number
    becomes_due_at: Number | None
    becomes_due_in: Number | None
    cleanup: Forecast
    sweep: Forecast
    run: Forecast
    kind: Literal["a regular file", "a link", "a directory", "a pipe", "a socket", "a device", "nothing"]
    size_now: Count | None
    identity_now: Identity | None
    same_file: bool | None
    same_directory: bool | None
    open_in: list[Process]
    processes: Processes
    last: str
    registered_at: Number | UnsetType = UNSET
    due_at: Number | UnsetType | None = UNSET
    size: Count | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    failures: Count | UnsetType = UNSET
    retry_at: Number | UnsetType | None = UNSET
    pinned_until: Number | UnsetType | None = UNSET
    identity: Identity | UnsetType | None = UNSET
    held: bool | UnsetType = UNSET
