"""Reports: what a sweep, a registration or a look found, as frozen records."""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from temp_file_manager.records import Outcome, TempFile
from temp_file_manager.text import brief

OUTCOMES_IN_A_REPORT = 1000
"""A report lists this many outcomes; hooks hear about every one, so that a sweep's memory stays flat."""


REASONS_IN_A_REPORT = 20


class Reason(NamedTuple):
    """Why some of a sweep's files were not simply removed.

    Attributes:
        status: What became of them.
        reason: In words, without the path.
        files: How many.
        example: The path of the first.
        cause: The ``Cause``, as text; empty where an older version wrote it down.
    """

    status: str
    reason: str
    files: int
    example: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did, or with ``dry_run`` would do.

    Attributes:
        outcomes: The first ``OUTCOMES_IN_A_REPORT`` outcomes, in order; the counts cover all.
        reasons: Why some were replaced, kept or failed; of more than ``REASONS_IN_A_REPORT`` the first.
        stopped: Why it ended before everything due was handled: ``limit``, ``budget``, ``stopped`` (by the
            scheduler's end, or who asked for it), or empty when it did not.
        duration: Seconds.
        evicted: How many of those removed or gone were not due, and went for a limit.
    """

    removed: int = 0
    gone: int = 0
    replaced: int = 0
    kept: int = 0
    failed: int = 0
    skipped: int = 0
    outcomes: tuple[Outcome, ...] = ()
    reasons: tuple[Reason, ...] = ()
    stopped: str = ""
    dry_run: bool = False
    duration: float = 0.0
    evicted: int = 0
    quarantined: int = 0
    compressed: int = 0

    def __repr__(self) -> str:
        # Without the outcomes, of which there may be a thousand.
        known = [field for field in fields(self) if field.name != "outcomes"]
        values = {field.name: getattr(self, field.name) for field in known}
        return brief(type(self).__name__, values, {field.name: field.default for field in known})

    @property
    def retired(self) -> int:
        """Records forgotten because their file was removed, or was already gone, or is in quarantine.

        What is another file now is there, and counted apart; so is what was compressed.
        """
        return self.removed + self.gone + self.quarantined

    def __add__(self, other: "SweepReport") -> "SweepReport":
        """Return both as one."""
        reasons = {(one.status, one.reason): one for one in self.reasons}
        for one in other.reasons:
            known = reasons.get((one.status, one.reason))
            reasons[one.status, one.reason] = one if known is None else known._replace(files=known.files + one.files)
        names = "removed gone replaced quarantined compressed kept failed skipped evicted duration"
        return replace(
            self,
            **{name: getattr(self, name) + getattr(other, name) for name in names.split()},
            outcomes=(self.outcomes + other.outcomes)[:OUTCOMES_IN_A_REPORT],
            reasons=tuple(reasons.values())[:REASONS_IN_A_REPORT],
            stopped=self.stopped or other.stopped,
        )


@dataclass(frozen=True, slots=True)
class RegisterReport:
    """What a batch registration did.

    Attributes:
        registered: Paths now on record.
        oversized: How many of those exceed ``size_limit``.
        refused: ``(path, reason)`` of those not registered.
    """

    registered: int
    oversized: int = 0
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What is known about one path.

    Attributes:
        record: None when the path is not registered.
        age: Seconds since it was registered; None when it is not.
        due: Whether a cleanup now would remove it.
        reason: Why, in words.
    """

    path: str
    record: TempFile | None
    age: float | None
    due: bool
    reason: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What is known about many paths: the counts, and each path's status in the order asked."""

    registered: int
    unregistered: int
    due: int
    files: tuple[FileStatus, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, found by ``recovery.check``.

    Attributes:
        kind: What it is, in a few words.
        subject: The path or the name of what is meant.
        explanation: How it comes about, and what can be done.
        fixed: Whether it has been put right.
    """

    kind: str
    subject: str
    explanation: str
    fixed: bool = False
