"""Rules that users write: which files live how long, by which clock, and what happens on the way."""

from dataclasses import dataclass
from enum import StrEnum


class By(StrEnum):
    """What an age counts from, if it is later than the registration."""

    REGISTRATION = "registration"
    WRITE = "write"  # the last change of its content
    USE = "use"  # the last reading or writing


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what it is about, and what becomes of that.

    A file has to have everything that is asked for; what asks for nothing is about every file.

    Attributes:
        name: What ``why``, the log and the metrics call it.
        match: One of these patterns, in the base directory or absolute; ``**`` crosses slashes. Empty: any path.
        tags: One of these tags. Empty: any, or none.
        larger: So many bytes on the disk, or more. None: any size.
        age: Seconds until it is due; None: ``max_age``.
        by: What the age counts from.
        keep: Whether age never makes it due.
        keep_last: Age makes none of the newest so many due; without an ``age`` the others are due at once.
        compress: Seconds without a use after which it is compressed; None: never.
        quarantine: Seconds for which it can be had back once it is due; None: not at all.
    """

    name: str
    match: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    larger: int | None = None
    age: float | None = None
    by: By = By.REGISTRATION
    keep: bool = False
    keep_last: int | None = None
    compress: float | None = None
    quarantine: float | None = None
