"""Ends of claims in memory: what becomes of records that were out."""

import math

from temp_file_manager.chunks import Other
from temp_file_manager.records import CLEANED, RETIRED, Status
from temp_file_manager.registry.claim import Settlement
from temp_file_manager.registry.counters import of_settled
from temp_file_manager.registry.memory.files import Details, Stamp, make_stamp
from temp_file_manager.registry.memory.out import Out
from temp_file_manager.registry.memory.queue import DueQueue
from temp_file_manager.rules import retry_at


def settle(queue: DueQueue, settlement: Settlement) -> dict[str, float] | None:
    """End a claim, under the registry's lock; see ``Claims.settle``.

    Returns:
        What it adds to the counters; None when there is no such claim any more.
    """
    out, now = settlement.claim.number, settlement.at
    if out not in queue.claims:
        return None
    done, others, stamps = settlement.done, settlement.others, list[Stamp](settlement.claim.records.rows)
    if not others and done == len(stamps) == len(out.paths) and not out.hung:
        told, removed = [], _retire_all(queue, out, stamps)  # most often, and ten times as fast
    else:
        told = [(stamps[at], other) for at, other in others.items() if at < done and stamps[at].path in out.paths]
        simply = [stamp for at, stamp in enumerate(stamps[:done]) if at not in others and stamp.path in out.paths]
        removed = [stamp for stamp in simply if _retire(queue, out, stamp)]
        told = [(stamp, other) for stamp, other in told if _end(queue, out, stamp, other, now)]
        for stamp in stamps[done:]:
            _free(queue, out, stamp)
    ages = [now - stamp for stamp in removed] + [now - stamp for stamp, other in told if other.status in CLEANED]
    removed += [stamp for stamp, other in told if other.status is Status.REMOVED]
    freed = sum([stamp.details.size or 0 for stamp in removed if stamp.details is not None])
    if not out.paths:
        queue.claims.remove(out)
    return of_settled(ages, freed, [other for _, other in told])


def end_lapsed(queue: DueQueue, now: float) -> bool:
    """Give back what claims hold whose time is up; say whether there were any."""
    lapsed = [out for out in queue.claims if out.lapses_at <= now]
    for out in lapsed:
        queue.claims.remove(out)
        for path in out.paths:
            stamp = queue.files.get(path)
            if isinstance(stamp, Stamp):
                queue.push(stamp)
        out.lose()
    return bool(lapsed)


def _retire_all(queue: DueQueue, out: Out, stamps: list[Stamp]) -> list[Stamp]:
    """Forget all that is out on a claim; return those that were still what was claimed."""
    out.paths.clear()
    pop = queue.files.pop
    found = [pop(stamp.path, None) for stamp in stamps]
    return [stamp for stamp, other in zip(stamps, found, strict=True) if _was(queue, stamp, other)]


def _retire(queue: DueQueue, out: Out, stamp: Stamp) -> bool:
    """Forget a record; say whether it was still the one that was claimed."""
    path = stamp.path
    out.paths.discard(path)
    return _was(queue, out.hung.pop(path, stamp), queue.files.pop(path, None))


def _was(queue: DueQueue, stamp: Stamp, found: float | None) -> bool:
    """Say whether what was taken out of the dict is the record that was claimed; else it is put back.

    A caller who writes without the lock may come between a look and a deletion: so that follows no look.
    """
    if found is stamp:
        queue.pins.pop(stamp.path, None)
        return True
    if found is not None:
        queue.files.put(found)  # type: ignore[arg-type]  # every insertion makes a Stamp
    return False


def _free(queue: DueQueue, out: Out, stamp: Stamp) -> bool:
    """Give a record back; say whether it is still the one that was claimed."""
    out.paths.discard(stamp.path)
    stamp = out.hung.pop(stamp.path, stamp)
    found = queue.files.get(stamp.path)
    if found is not None:  # also what callers have written over it, which sweeps have passed as long as it was out
        queue.push(found)  # type: ignore[arg-type]  # every insertion makes a Stamp
    return found is stamp


def _end(queue: DueQueue, out: Out, stamp: Stamp, other: Other, now: float) -> bool:
    """Settle a record that was not simply removed; say whether that counts."""
    if other.status in RETIRED:
        return _retire(queue, out, stamp)
    current = queue.files.get(stamp.path) is stamp
    if other.under_way:
        out.lapses_at = math.inf  # also of what callers wrote over: it may yet be removed
        if current:
            out.hung[stamp.path] = _put_off(queue, stamp, other, now)
        return current
    if other.status is Status.SKIPPED or not current:
        return _free(queue, out, stamp)
    out.paths.discard(stamp.path)
    queue.set_aside(_put_off(queue, stamp, other, now))
    return True


def _put_off(queue: DueQueue, stamp: Stamp, other: Other, now: float) -> Stamp:
    # All numbers come from one rising sequence: the sweep that tried has a lower one, as has every sweep that has
    # begun; those still to begin get a higher one.
    before = stamp.details or Details()
    failures, number = before.failures + (other.status is Status.FAILED), next(queue.numbers)
    if other.due_at is not None:
        due_at, nature = other.due_at if other.rule else None, before.nature._replace(rule=other.rule)
        free = before._replace(retry_at=None, failures=0, last_sweep=number, kept_for="")
        details = free._replace(due_at=due_at, nature=nature)
    else:
        later_at = retry_at(failures, now)
        details = before._replace(retry_at=later_at, failures=failures, last_sweep=number, kept_for=other.lasting)
    later = make_stamp(stamp.path, stamp, details)
    dict.__setitem__(queue.files, stamp.path, later)
    return later
