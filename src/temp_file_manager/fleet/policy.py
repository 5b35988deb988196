"""Policies: caps, marks and pauses that a server sets for the managers of a team or a scope. Frozen; nothing acts."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.settings.limits import beyond
from temp_file_manager.text import span, timestamp


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for the managers of a team, or of the scopes that a pattern is about.

    Attributes:
        target: ``team:NAME``, or ``scope:PATTERN`` where ``*`` stands for anything.
        max_age: The most seconds that ``max_age`` may be; None: any number.
        max_bytes: With more in registered files, the oldest go before they are due; None: no mark.
        max_files: The same of records.
        paused: Whether nothing is swept.
        set_by: The server's role that set it.
        set_at: When, seconds since the epoch on the server's clock.
    """

    target: str
    max_age: float | None = None
    max_bytes: int | None = None
    max_files: int | None = None
    paused: bool = False
    set_by: str = ""
    set_at: float = 0.0

    def words(self) -> str:
        """Return it in words: ``team:build: max_age at most 1 h, set by anna on …``."""
        says = ["paused"] if self.paused else []
        says += [f"max_age at most {span(self.max_age)}"] if self.max_age is not None else []
        says += [f"at most {Measure.BYTES.words(self.max_bytes)}"] if self.max_bytes is not None else []
        says += [f"at most {Measure.FILES.words(self.max_files)}"] if self.max_files is not None else []
        return f"{self.target}: {', '.join(says)}, set by {self.set_by} on {timestamp(self.set_at)}"

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return asdict(self)


def _strictest(policies: tuple[Policy, ...], value: Callable[[Policy], float | None]) -> Policy | None:
    return min(
        (policy for policy in policies if value(policy) is not None),
        key=lambda policy: value(policy) or 0.0,
        default=None,
    )


class Policies(NamedTuple):
    """All policies that are about one manager. Of each kind the strictest counts.

    Attributes:
        all: By their targets.
    """

    all: tuple[Policy, ...] = ()

    @property
    def capping(self) -> Policy | None:
        """The one that caps ``max_age``; None: none does."""
        return _strictest(self.all, lambda policy: policy.max_age)

    @property
    def cap(self) -> float:
        """The most seconds that ``max_age`` may be; infinity: any number."""
        capping = self.capping
        return math.inf if capping is None or capping.max_age is None else capping.max_age

    @property
    def pausing(self) -> Policy | None:
        """The one that lets nothing be swept; None: none does."""
        return next((policy for policy in self.all if policy.paused), None)

    def limits(self) -> Iterator[Limit]:
        """Yield the marks as limits like any other: the oldest goes first."""
        most, many = (_strictest(self.all, value) for value in (_bytes, _files))
        if most is not None and most.max_bytes is not None:
            yield _limit(f"policy {most.target}, bytes", Measure.BYTES, most.max_bytes)
        if many is not None and many.max_files is not None:
            yield _limit(f"policy {many.target}, files", Measure.FILES, many.max_files)

    def words(self) -> str:
        """Return their targets, for a row."""
        return ", ".join(policy.target for policy in self.all)


NONE = Policies()


def _bytes(policy: Policy) -> float | None:
    return policy.max_bytes


def _files(policy: Policy) -> float | None:
    return policy.max_files


def _limit(name: str, measure: Measure, value: int) -> Limit:
    mark = Mark(value)
    return Limit(name, measure, mark, beyond(measure, mark))


def policies_text(policies: Policies) -> str:
    """Return what is to be written down of policies."""
    from json import dumps  # noqa: PLC0415 - slow to import, and few have a fleet

    return dumps([policy.described() for policy in policies.all])


def read_policies(text: str) -> Policies | None:
    """Return the policies that were written down; None where that cannot be read, as a newer version's."""
    from json import loads  # noqa: PLC0415 - as above

    try:
        return Policies(tuple(Policy(**one) for one in loads(text)))
    except (ValueError, TypeError):
        return None
