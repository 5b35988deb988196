"""Hosts: a row each that a manager writes about itself, and that others read."""

from dataclasses import asdict, dataclass

from temp_file_manager.text import json_number

SEEN = 120.0
"""Seconds after which a host that has not been seen is missed: it writes its row every 30."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a manager tells of itself.

    Attributes:
        scope: ``local:MACHINE:BASE``, or ``volume:NAME``.
        host: Which machine; in memory, where each process has records of its own, also which process.
        team: Whose it is; empty: nobody's. What the server knows of a volume's team wins.
        records: How many.
        bytes: What they take on the disk; None: its registry keeps no sizes.
        overdue: Seconds for which the longest overdue record should have been gone.
        failures: Removals that failed, in all.
        max_age: Seconds, as it is with policies in force.
        health: A word.
        version: Of this package.
        policy: The targets of the policies in force.
        swept_ago: Seconds since the last sweep; None: none has ended.
    """

    scope: str
    host: str
    team: str
    records: int
    bytes: int | None
    overdue: float
    failures: int
    max_age: float
    health: str
    version: str
    policy: str
    swept_ago: float | None

    def bound(self) -> dict[str, object]:
        """Return what a statement binds."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Host(Report):
    """The row that a manager wrote last.

    Attributes:
        seen_ago: Seconds since then, by the server's clock.
        reported_by: The server's role that wrote it.
    """

    seen_ago: float
    reported_by: str

    @property
    def missing(self) -> bool:
        """Whether it should have been seen since."""
        return self.seen_ago > SEEN

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return asdict(self) | {"max_age": json_number(self.max_age), "missing": self.missing}


@dataclass(frozen=True, slots=True)
class Totals:
    """All hosts in a row.

    Attributes:
        hosts: How many rows.
        missing: How many of them should have been seen since.
        scopes: How many scopes; several hosts may share one.
        records: In all scopes, each counted once.
        bytes: The same; of scopes that know.
        late: How many scopes have an overdue record.
    """

    hosts: int
    missing: int
    scopes: int
    records: int
    bytes: int
    late: int

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return asdict(self)
