"""Rules that users write: which files live how long, by which clock, and what happens on the way."""

from dataclasses import dataclass
from enum import StrEnum

from temp_file_manager.text import human_size, span


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

    @property
    def takes_max_age(self) -> bool:
        """Whether its age is that of files without a rule."""
        return self.age is None and not self.keep and self.keep_last is None

    def words(self) -> str:
        """Return it in words: ``charts/** or *.svg, 100.0 MiB or more: goes 1 h after its last use``."""
        return f"{self.about}: {self.does}"

    @property
    def about(self) -> str:
        """What it is about, in words."""
        about = [" or ".join(self.match)] if self.match else []
        about += [f"with a tag of {', '.join(self.tags)}"] if self.tags else []
        about += [f"{human_size(self.larger)} or more"] if self.larger is not None else []
        return ", ".join(about) or "every file"

    @property
    def does(self) -> str:
        """What becomes of that, in words."""
        told = [f"compressed {_span(self.compress)} after its last use"] if self.compress is not None else []
        told += [self._end_words()]
        told += [f"can be had back for {_span(self.quarantine)}"] if self.quarantine is not None else []
        return ", ".join(told)

    def _end_words(self) -> str:
        if self.keep:
            return "stays"
        if self.keep_last is not None and self.age is None:
            return f"goes unless it is one of the newest {self.keep_last}"
        age = "max_age" if self.age is None else _span(self.age)
        after = {By.REGISTRATION: "its registration", By.WRITE: "its last change", By.USE: "its last use"}[self.by]
        unless = "" if self.keep_last is None else f" unless it is one of the newest {self.keep_last}"
        return f"goes {age} after {after}{unless}"

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "name": self.name,
            "match": list(self.match),
            "tags": list(self.tags),
            "larger": self.larger,
            "age": self.age,
            "by": str(self.by),
            "keep": self.keep,
            "keep_last": self.keep_last,
            "compress": self.compress,
            "quarantine": self.quarantine,
        }


def _span(seconds: float) -> str:
    return span(seconds, zero=False)
