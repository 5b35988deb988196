"""A kill campaign: rounds in which processes that register, pin and sweep are killed, and what they said is checked.

All work on one SQLite registry, with real files, and each is killed by SIGKILL at a moment of its own. Then their
diaries are held against what is there and what is on record. What is asked is in ``judge``.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from random import Random

from benchmarks.campaigns import actors
from benchmarks.campaigns.actors import Place
from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.rounds import Round, fork, judged, lines, prepared
from benchmarks.campaigns.world import SQLITE

OWNERS: tuple[Callable[[Place], None], ...] = (actors.register, actors.register, actors.pin)
SWEEPERS: tuple[Callable[[Place], None], ...] = (actors.sweep, actors.hear)
LONGEST = 0.25
"""Seconds after which the last process of a round is killed."""
FORCED = 4
"""Every so many rounds sweeps take everything."""


def _killed(pids: list[int], random: Random) -> None:
    """Kill each at a moment of its own."""
    began = time.monotonic()
    moments = sorted((began + random.random() * LONGEST, pid) for pid in pids)
    for moment, pid in moments:
        time.sleep(max(0.0, moment - time.monotonic()))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _played(base: str, number: int, root: str, random: Random) -> Round:
    """Start the processes of a round, and kill them: most often when all are at work, else earlier, too."""
    forced = number % FORCED == FORCED - 1
    reader, writer = os.pipe()
    pids, diaries = [], []
    for at, role in enumerate(OWNERS + SWEEPERS):
        place = prepared(
            base, root, f"{number}-{at}", random.randrange(2**32), (writer, at), forced=forced, world=SQLITE
        )
        pids.append(fork(role, place))
        diaries.append(place.diary)
    os.close(writer)
    told: set[int] = set()
    while number % 5 and len(told) < len(pids) and (more := os.read(reader, 4096)):
        told |= set(more)
    os.close(reader)
    _killed(pids, random)
    told_by = [lines(path) for path in diaries]
    return Round(number, root, forced, told_by[: len(OWNERS)], told_by[len(OWNERS) :])


def kill(rounds: int, directory: str | None, seed: int, told: Callable[[str], None]) -> Campaign:
    """Play rounds; keep the directory of one in which something was wrong, and end there.

    Args:
        rounds: How many.
        directory: Where; None: the system's temporary directory.
        seed: Of what processes do and when they are killed. The rest is the machine's scheduling.
        told: Hears how far it has come.
    """
    root = os.path.realpath(tempfile.mkdtemp(prefix="tfm-kill-", dir=directory))
    base, random, campaign = f"{root}/base", Random(seed), Campaign()
    SQLITE.manager(base).close()  # warmed: what children need is imported
    for number in range(rounds):
        place = f"{root}/{number}"
        os.mkdir(place)
        played = _played(base, number, place, random)
        campaign.counts["rounds"] += 1
        campaign.counts["processes killed"] += len(OWNERS + SWEEPERS)
        campaign.problems += judged(base, played, campaign, SQLITE)
        if campaign.problems:
            campaign.problems.append(f"round {number} is kept in {place}")
            return campaign
        shutil.rmtree(place)
        told(f"round {number + 1} of {rounds}")
    shutil.rmtree(root)
    return campaign
