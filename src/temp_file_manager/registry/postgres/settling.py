"""Settlements in the PostgreSQL registry: what becomes of the records of a claim, as parameters."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from temp_file_manager.chunks import Other
from temp_file_manager.records import Rewritten, Status
from temp_file_manager.registry.claim import Settlement
from temp_file_manager.registry.counters import of_settled
from temp_file_manager.registry.position import Way
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.claimed import Claimed
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.rows import (
    FAILURES,
    ID,
    REGISTERED_AT,
    Row,
    record_of,
    room_of,
    stored_identity,
)
from temp_file_manager.rules import renewed, retry_at


class Ending(NamedTuple):
    """The end of a claim, or of a part of it.

    Attributes:
        number: The claim's.
        bound: The parameters of its settlement.
        left: Ids of what stays under the claim.
        frees: Whether something is free again that lies behind its sweep.
    """

    number: int
    bound: dict[str, Any]
    left: frozenset[int]
    frees: bool


class _Parts(NamedTuple):
    """Rows by what becomes of them: cleaned up, forgotten for another reason, rewritten, and those that stay."""

    removed: list[Row]
    gone: list[Row]
    replaced: list[Row]
    rewritten: list[tuple[Row, Rewritten]]
    left: list[tuple[Row, Other]]
    others: list[Other]

    @property
    def retired(self) -> list[Row]:
        """Those that are forgotten."""
        return self.removed + self.gone + self.replaced


def ending(settlement: Settlement, claimed: Claimed, paths: Paths) -> Ending | None:
    """Return what a settlement does; None: nothing, as what it is about is no longer under the claim."""
    number, rows = settlement.claim.number, settlement.claim.records.rows
    if not rows or not claimed.knows(number):
        return None
    whole = claimed.is_whole(number, rows)
    ids = frozenset(row[ID] for row in rows) if whole else claimed.left_of(number)
    settled = ids if whole else ids & {row[ID] for row in rows}
    if not settled:
        return None
    parts = _parted(settlement, settled)
    hung = [row[ID] for row, other in parts.left if other.under_way]
    counters = of_settled(
        [settlement.at - row[REGISTERED_AT] for row in parts.removed + parts.gone],
        float(sum(map(room_of, parts.removed))),
        parts.others,
    )
    bound: dict[str, Any] = {
        "claim": number,
        "done": settlement.done,
        "stay": None,
        "removed": None,
        "released": None,
        "hung": arrays.numbers(hung) if hung else None,
        "names": arrays.texts(counters) if counters else None,
        "more": arrays.moments(map(float, counters.values())) if counters else None,
    }
    if whole and settlement.others:
        gone = {row[ID] for row in parts.retired}
        stay = [row[ID] for row in rows[: settlement.done] if row[ID] not in gone]
        bound["stay"] = arrays.numbers(stay) if stay else None
    elif not whole:
        bound |= {"removed": arrays.numbers(row[ID] for row in parts.retired), "released": arrays.numbers(settled)}
    bound |= _put_off(parts.left, settlement.at) | _kept(parts.left) | _renewed(parts.rewritten, settlement, paths)
    frees = any(other.status is Status.SKIPPED for other in parts.others)
    return Ending(number, bound, (ids - settled) | frozenset(hung), frees)


def _parted(settlement: Settlement, claimed: frozenset[int]) -> _Parts:
    rows, others = settlement.claim.records.rows[: settlement.done], settlement.others
    told = [(rows[at], other) for at, other in others.items() if at < len(rows) and rows[at][ID] in claimed]
    removed = [row for at, row in enumerate(rows) if at not in others and row[ID] in claimed]
    return _Parts(
        removed + [row for row, other in told if other.status is Status.REMOVED],
        [row for row, other in told if other.status in (Status.GONE, Status.QUARANTINED)],
        [row for row, other in told if other.status in (Status.REPLACED, Status.COMPRESSED)],
        [(row, other.found) for row, other in told if other.found is not None],
        [(row, other) for row, other in told if other.status is Status.FAILED or other.status is Status.KEPT],
        [other for _, other in told],
    )


def _put_off(left: Iterable[tuple[Row, Other]], at: float) -> dict[str, Any]:
    """Return the parameters of records that wait for another try."""
    found = [(row, other) for row, other in left if other.due_at is None]
    if not found:
        return dict.fromkeys(("put_off", "failed", "retries", "causes"))
    failures = [row[FAILURES] + (other.status is Status.FAILED) for row, other in found]
    return {
        "put_off": arrays.numbers(row[ID] for row, _ in found),
        "failed": arrays.counts(failures),
        "retries": arrays.moments(retry_at(count, at) for count in failures),
        "causes": arrays.texts(other.lasting or None for _, other in found),
    }


def _kept(left: Iterable[tuple[Row, Other]]) -> dict[str, Any]:
    """Return the parameters of records that a rule keeps until later, or keeps no more."""
    found = [(row, other) for row, other in left if other.due_at is not None]
    if not found:
        return dict.fromkeys(("ruled", "rules", "ends"))
    return {
        "ruled": arrays.numbers(row[ID] for row, _ in found),
        "rules": arrays.texts(other.rule or None for _, other in found),
        "ends": arrays.moments(other.due_at if other.rule else None for _, other in found),
    }


def _renewed(files: list[tuple[Row, Rewritten]], settlement: Settlement, paths: Paths) -> dict[str, Any]:
    """Return the parameters of records that stand for what their files were rewritten as.

    The same sweep takes them up again if they are due all the same, but each once: somebody may go on rewriting it.
    """
    if not files:
        return dict.fromkeys(("renewed", "since", "renewed_ends", "sizes", "identities", "disks", "again"))
    way = settlement.claim.cursor
    records = [renewed(record_of(row, paths), found, settlement.at) for row, found in files]
    return {
        "renewed": arrays.numbers(record.generation for record in records),
        "since": arrays.moments(record.registered_at for record in records),
        "renewed_ends": arrays.moments(record.due_at for record in records),
        "sizes": arrays.numbers(record.size for record in records),
        "identities": arrays.names(stored_identity(record.identity) for record in records),
        "disks": arrays.numbers(record.disk for record in records),
        "again": arrays.flags(isinstance(way, Way) and way.first_time(record.generation) for record in records),
    }
