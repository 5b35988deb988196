"""Answers about sweeps: what one did, and what the last ones did."""

from typing import Annotated, Literal

from msgspec import Meta

from temp_file_manager.records import Status
from temp_file_manager.service.api.answers.parts import Count, Part
from temp_file_manager.service.api.models import Path


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
    quarantined: Count
    compressed: Count
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
