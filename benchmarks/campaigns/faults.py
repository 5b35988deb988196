"""Faults at each system call of a registration and of a sweep, one in each try; then what is left is judged.

A process registers or sweeps, under ``strace``, which at the n-th call of a name gives an error or sends a signal. It
does its work once more, closes, and ends. A registration that was acknowledged is on record, nothing that was to stay
is gone, the next sweep takes all that is due, and neither a descriptor nor a claim, a lock or a file is left.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from random import Random

from benchmarks.campaigns import strace, victim
from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.strace import Fault, Tracing

PATIENCE = 240.0
"""Seconds after which a process counts as hung, on a machine however busy; a try takes a tenth of one."""


class _Tries:
    """Tries of one kind of work, each in a directory of its own."""

    def __init__(self, root: str, work: str) -> None:
        self._root = f"{root}/{work}"
        self._work = work
        self._number = 0
        self._own: set[str] = set()
        # The first says which of the package's own files there are, and is not judged.
        calls, _ = self._tried(None)
        if calls is None:
            raise RuntimeError(f"{work}: a try without a fault has hung")
        self.faults = strace.faults(calls.calls())

    def _tried(self, fault: Fault | None) -> tuple[Tracing | None, list[str]]:
        """Return the trace, or None if it hung, and what was wrong."""
        self._number += 1
        place = f"{self._root}/{self._number}"
        scene = victim.scene(place)
        pid, begin = victim.start(scene, self._work)
        tracing = Tracing(pid, f"{place}/trace", fault)
        os.close(begin)
        in_time = victim.ended(pid, PATIENCE)
        tracing.end()
        kind, call = (fault.kind, fault.call) if fault else ("", "")
        wrong = list(victim.judge(scene, self._work, kind=kind, call=call, own=self._own or scene.own()))
        if fault is None:
            self._own = scene.own()
            if wrong:
                raise RuntimeError(f"{self._work}: a try without a fault is wrong: {wrong}")
        return (tracing if in_time else None), wrong + ([] if in_time else [f"it hung for {PATIENCE:.0f} s"])

    def tried(self, fault: Fault, campaign: Campaign) -> None:
        """Make one fault, and note what is wrong; the place of a try in which nothing is goes."""
        tracing, wrong = self._tried(fault)
        campaign.counts["tries"] += 1
        met = tracing is None or tracing.met()
        campaign.counts[fault.kind if met else "calls that were not made again"] += 1
        place = f"{self._root}/{self._number}"
        campaign.problems += [f"{self._work}: {fault}: {what} ({place})" for what in wrong]
        if not wrong:
            shutil.rmtree(place)


def _chosen(tries: dict[str, _Tries], most: int | None, only: str, random: Random) -> list[tuple[str, Fault]]:
    """Return every fault, or a sample that has all kinds at all names before it has a second one of any."""
    every = [(work, fault) for work, those in tries.items() for fault in those.faults if only in f"{work}: {fault}"]
    if most is None:
        return every
    random.shuffle(every)
    met: Counter[tuple[str, str, str]] = Counter()
    ranked = []
    for work, fault in every:
        met[work, fault.kind, fault.call] += 1
        ranked.append((met[work, fault.kind, fault.call], work, fault))
    return [(work, fault) for _, work, fault in sorted(ranked, key=itemgetter(0))[:most]]


def faults(
    most: int | None, directory: str | None, seed: int, told: Callable[[str], None], *, only: str = ""
) -> Campaign:
    """Make faults, each in a try of its own; the places of those in which something was wrong are kept.

    Args:
        most: How many: a sample; None: one at each call.
        directory: Where; None: the system's temporary directory.
        seed: Of the sample.
        told: Hears how far it has come.
        only: Of the faults whose words hold this: ``register: EIO at openat``.
    """
    campaign = Campaign()
    if why := strace.missing():
        campaign.problems.append(f"nothing was tried: {why}")
        return campaign
    root = os.path.realpath(tempfile.mkdtemp(prefix="tfm-faults-", dir=directory))
    victim.warm(f"{root}/warm")
    tries = {work: _Tries(root, work) for work in victim.WORKS}
    chosen = _chosen(tries, most, only, Random(seed))
    campaign.counts["faults there are"] = sum(len(those.faults) for those in tries.values())
    for work, fault in chosen:
        tries[work].tried(fault, campaign)
        told(f"{campaign.counts['tries']:,} of {len(chosen):,} tries, {len(campaign.problems)} problems")
    if not campaign.problems:
        shutil.rmtree(root)
    return campaign
