"""Answers about files: what is on record, and the whole story of one."""

from typing import Annotated, Any, Literal

from msgspec import Meta

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


Kind = Literal["file", "unit", "going", "quarantined", "object", "compressed"]
SetBy = Annotated[str | None, Meta(description="The rule that has set due_at.")]
Origin = Annotated[Path | None, Meta(description="Where it was before it was moved away or compressed.")]


class Nature(Part):
    """What sets a record apart from that of a plain file."""

    rule: SetBy
    kind: Kind
    origin: Origin


class ShortItem(Part):
    """What is on record of a file, in short."""

    path: Path
    registered_at: Number
    due_at: Number | None
    size: Count | None
    tags: list[str]
    failures: Count


class Record(ShortItem):
    """What is on record of a file, and what follows from it."""

    retry_at: Number | None
    pinned_until: Number | None
    identity: Identity | None
    age: Number
    due: bool
    due_in: Number
    reason: str
    held: bool
    rule: SetBy
    kind: Kind
    origin: Origin


class Page(Part):
    """A part of what is on record."""

    files: list[Record]
    looked_at: Annotated[Count, Meta(description="How many records were looked at for this.")]
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
