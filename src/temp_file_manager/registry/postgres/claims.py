"""Claims in the PostgreSQL registry: taking records for a sweep, and settling what became of them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from json import loads
from threading import RLock
from typing import Any

from temp_file_manager.records import NewFile, Selection
from temp_file_manager.registry.answers import Page
from temp_file_manager.registry.claim import Claim, Settlement
from temp_file_manager.registry.position import Position, Way
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.claimed import Claimed
from temp_file_manager.registry.postgres.paths import Paths
from temp_file_manager.registry.postgres.rows import COLUMNS, FAILURES, ID, SIZE, Row, Taken, record_of
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.settling import ending
from temp_file_manager.reports import Finding
from temp_file_manager.rules import LAST_RETRY

_TAGS, _DISK, _SESSION = 7, 10, 11


class PostgresClaims:
    """Claims of one scope, and pages of what is due.

    Attributes:
        settlements: How many claims had ended when this object last asked; see ``Records.settlements``.
    """

    def __init__(self, scope: Scope, paths: Paths, claimed: Claimed) -> None:
        self._scope = scope
        self._paths = paths
        self._claimed = claimed
        self.settlements = 0
        self.after_fork()

    def after_fork(self) -> None:
        """Claim nothing: what there is here is the parent's."""
        self._lock = RLock()  # a claim is settled by one thread at a time
        self._epoch = 0
        self._latest = -math.inf

    @property
    def at_work(self) -> bool:
        """Whether anything is claimed by this registry object."""
        return self._claimed.has_any

    def counted(self, settlements: int) -> None:
        """Note how many claims have ended."""
        self.settlements = max(self.settlements, settlements)

    def rewind(self) -> None:
        """Let running sweeps look from the start again."""
        self._epoch += 1

    def added(self, now: float, files: Iterable[NewFile]) -> None:
        """Rewind if files that were put on record at ``now`` may be due behind a sweep."""
        latest = self._latest
        if now <= latest or any(file[1] is not None and file[1] <= latest for file in files):
            self.rewind()

    # -- pages

    def page(self, selection: Selection | None, now: float, limit: int, after: object | None) -> Page:
        """Return a page of what is due and free, or without a selection of everything; see ``Records.page``."""
        position = after if isinstance(after, Position) else Position(COLUMNS)
        if selection is None:
            rows = self._every(position, limit)
            end = position.past(rows)
        else:
            if position.began is None:
                ((began,),) = self._scope.look("number")
                position = replace(position, began=began)
            bound = _selection(selection) | position.bound | {"limit": limit, "now": now}
            rows = self._scope.look("due", **bound, over=arrays.numbers(self.ended(now)))
            end = position.after(rows)
        return Page(tuple(record_of(row, self._paths) for row in rows), end if rows and len(rows) >= limit else None)

    def _every(self, position: Position, limit: int) -> list[Row]:
        """Return rows whatever keeps them: those without a ttl by age, and then those with one by its end."""
        after, number = position.aged
        rows = self._scope.look("every_by_age", after=after, after_id=number, limit=limit)
        if len(rows) < limit:
            after, number = position.timed
            rows += self._scope.look("every_by_due", after=after, after_id=number, limit=limit - len(rows))
        return rows

    def ended(self, now: float) -> list[int]:
        """Return the claims that have lapsed, or that nobody has any more."""
        rows = self._scope.look("claims", now=now)
        return [number for number, claimer, over in rows if over or self._claimed.is_nobodys(number, claimer)]

    # -- taking

    def claim(
        self,
        due: Selection,
        now: float,
        lease: float,
        limit: int,
        after: object | None,
        settling: Settlement | None,
        into: list[Claim],
    ) -> Claim:
        """See ``Claims.claim``: one round trip, also with a settlement."""
        way = after if isinstance(after, Way) else None
        with self._lock:
            told = self._taken(due, now, lease, limit, way, settling, into)
        over = [] if way else [number for number in loads(told[_TAGS] or "[]") if not self._claimed.knows(number)]
        if over:  # nobody's: what they were on is free
            self._claimed.end(over)
            settling = Settlement(into[0], 0, {}, due.asof)
            return self.claim(due, now, lease, limit, None, settling, into)
        return into[0]

    def _taken(
        self,
        due: Selection,
        now: float,
        lease: float,
        limit: int,
        way: Way | None,
        settling: Settlement | None,
        into: list[Claim],
    ) -> Row:
        """Make a claim; return what the server says of it beside."""
        self._latest = max(self._latest, due.asof)
        if settling is not None:
            _go_back(settling)
        end = None if settling is None else ending(settling, self._claimed, self._paths)
        if end is not None and end.frees:
            self.rewind()
        start = way.position if way else Position(COLUMNS, epoch=self._epoch)
        if start.epoch != self._epoch:
            start = start.rewound(self._epoch)
        number = self._claimed.begin()
        try:
            bound = _selection(due) | start.bound | {"number": number, "now": now, "lapses_at": now + lease}
            bound |= {"looks_back": not start.at_start, "limit": limit, "process": self._scope.process}
            if end is None:
                *rows, told = self._claimed.change("claim", **bound)
            else:
                *rows, told = self._claimed.change("settle_and_claim", **bound, **end.bound)
                self._claimed.reduce(end.number, end.left, told[_DISK])
            self.counted(told[ID])
            if told[FAILURES]:
                self.rewind()
                start = start.rewound(self._epoch)
            self._claimed.made(number, rows)
            start = replace(start, began=told[_SESSION])
            way = way or Way(start)
            way.go(start, start.after(rows[: told[SIZE]]))
            into[:] = [Claim(Taken(rows, self._paths), way, number if rows else 0)]
        except BaseException:  # also an interrupt when it is written already: then it is nobody's
            self._claimed.forget(number)
            raise
        if not rows:
            self._claimed.forget(number)
        return told

    # -- settling

    def settle(self, settlement: Settlement) -> None:
        """See ``Claims.settle``."""
        _go_back(settlement)
        with self._lock:
            end = ending(settlement, self._claimed, self._paths)
            if end is None:
                return
            if end.frees:
                self.rewind()
            ((settlements, _),) = self._claimed.change("settle", **end.bound)
            self._claimed.reduce(end.number, end.left, settlements)
        self.counted(settlements or 0)

    def faults(self, now: float, *, fix: bool) -> Iterator[Finding]:
        """Yield claims that nobody has any more; with ``fix``, end them."""
        over = self.ended(now)
        if over and fix:
            self._claimed.end(over)
            self.rewind()
        for number in over:
            why = "its sweep was killed or has stalled; the next sweep takes its records over"
            yield Finding("lapsed claim", f"claim {number}", why, fix)


def _selection(due: Selection) -> dict[str, Any]:
    """Return the parameters that say which records are wanted."""
    # The index finds by a bound that is a little too wide; the rule itself, subtracted as it says, decides.
    oldest = due.asof - due.max_age
    latest = math.inf if due.force else oldest + max(0.001, abs(oldest) * 1e-12) if math.isfinite(oldest) else oldest
    only = None if due.only is None else arrays.numbers({record.generation: None for record in due.only})
    return {
        "asof": float(due.asof),
        "max_age": float(due.max_age),
        "force": due.force,
        "patient": due.patient and not due.force,
        "last_retry": LAST_RETRY,
        "mine": due.mine,
        "session": due.session,
        "only": only,
        "latest": latest,
    }


def _go_back(settlement: Settlement) -> None:
    """Let a sweep go on behind what it has worked on: the rest of its claim is free."""
    rows, way = settlement.claim.records.rows, settlement.claim.cursor
    if settlement.done < len(rows) and isinstance(way, Way):
        way.back(rows[: settlement.done])
