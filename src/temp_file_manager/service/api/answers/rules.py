"""Answers about rules: what each is about, what becomes of that, and how many files it decides about."""

from typing import Annotated

from msgspec import Meta

from temp_file_manager.rules.life import Action
from temp_file_manager.rules.rule import By
from temp_file_manager.service.api.answers.parts import Count, Number, Part
from temp_file_manager.storage.kernel.mounts import Reading


class RuleStatus(Part):
    """A rule, and how many files it decides about; times in seconds, sizes in bytes."""

    name: str
    place: Annotated[Count, Meta(description="In the order; the first has 1, and the first that matches decides.")]
    match: Annotated[list[str], Meta(description="One of these patterns matches; empty: any path.")]
    tags: Annotated[list[str], Meta(description="And a file has one of these tags; empty: any, or none.")]
    larger: Annotated[Count | None, Meta(description="And it takes as much on the disk; null: any size.")]
    age: Annotated[Number | None, Meta(description="A file is due when it is so old; null: max_age.")]
    by: Annotated[By, Meta(description="What the age counts from.")]
    keep: Annotated[bool, Meta(description="Whether age never makes a file due.")]
    keep_last: Annotated[Count | None, Meta(description="Age makes none of so many newest due.")]
    compress: Annotated[Number | None, Meta(description="A file is compressed when it was not used for so long.")]
    quarantine: Annotated[Number | None, Meta(description="A file can be had back for so long.")]
    about: Annotated[str, Meta(description="What it is about, in words.")]
    does: Annotated[str, Meta(description="What becomes of that, in words.")]
    records: Annotated[Count, Meta(description="How many files on record it decides about.")]
    warnings: Annotated[list[str], Meta(description="What may not be as it was meant.")]


class Rules(Part):
    """The rules, in their order."""

    asof: Annotated[float, Meta(description="When they were looked at; files that come and go are counted later.")]
    held: Annotated[str, Meta(description="Why a change of them is not in force; empty when it is.")]
    rules: list[RuleStatus]


class Ruling(Part):
    """The rule about a file."""

    name: str
    place: Count
    of: Annotated[Count, Meta(description="How many rules there are.")]
    does: Annotated[str, Meta(description="What becomes of the file, in words.")]
    instead: Annotated[str | None, Meta(description="What decides in its stead; null: nothing does.")]
    action: Annotated[Action | None, Meta(description="What a sweep that came to the file now would do by it.")]
    end: Annotated[Number | None, Meta(description="When age makes the file due, by its times now.")]
    written_at: Number | None
    used_at: Annotated[Number | None, Meta(description="When it was read or written; null: the rule does not ask.")]
    reading: Annotated[Reading | None, Meta(description="How its mount notes that it is read; null: as above.")]
