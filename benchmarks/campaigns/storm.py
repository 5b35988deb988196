"""A storm: processes that do everything at random to one registry, and are stopped, interrupted and killed meanwhile.

Each of the eight does whatever an application may do to its own files, and sweeps everybody's. At random moments one
is interrupted by an exception out of a signal's handler, or stopped and continued, or killed and another one put in its
place. When a round's operations are done all are killed, and their diaries are held against what is there and what is
on record. What is asked is in ``judge``.
"""

import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from benchmarks.campaigns import actors, diary, roamer
from benchmarks.campaigns.actors import Place
from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.diary import Line
from benchmarks.campaigns.rounds import Round, fork, judged, lines, prepared
from benchmarks.campaigns.world import SQLITE, World

PROCESSES: tuple[Callable[[Place], None], ...] = (*[roamer.roam] * 6, actors.sweep, actors.hear)
A_ROUND = 5000
"""Operations, after which what was done is judged."""
SWEEPERS = (actors.sweep, actors.hear)
PAUSE = 0.015
"""Seconds between two disturbances, on an average."""
HUNG = 240.0
"""Seconds after which a process that does nothing, and is not stopped, counts as hung: far more than any may wait."""
WORLDLY = 0.15
"""The share of disturbances that happen to the world, and not to one process."""
SIGNS = 256
"""Processes that are told apart by the byte that they write when they get on."""
FORCED = 4
"""Every so many rounds sweeps take everything."""


@dataclass
class _Running:
    """A process, when it last got on, and until when it is stopped (0: it is not)."""

    role: Callable[[Place], None]
    pid: int
    diary: str
    seen: float
    begun: bool = False
    stopped: float = 0.0


@dataclass
class _Weather:
    """One round as it is played."""

    base: str
    root: str
    number: int
    random: Random
    campaign: Campaign
    roles: tuple[Callable[[Place], None], ...]
    world: World
    running: list[_Running] = field(default_factory=list)
    by_sign: dict[int, _Running] = field(default_factory=dict)
    told: list[list[Line]] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.running += [self._started(at) for at in range(len(self.roles))]

    @property
    def forced(self) -> bool:
        return self.number % FORCED == FORCED - 1

    def _started(self, at: int) -> _Running:
        name, sign = f"{self.number}-{self.made}", self.made % SIGNS
        self.made += 1
        seed = self.random.randrange(2**32)
        sign_here = (self._writer, sign)
        place = prepared(self.base, self.root, name, seed, sign_here, forced=self.forced, world=self.world)
        started = _Running(self.roles[at], fork(self.roles[at], place), place.diary, time.monotonic())
        self.by_sign[sign] = started  # its own: of a process that was killed signs may be left in the pipe
        return started

    def play(self, operations: int) -> str:
        """Let so many operations be done; return what is wrong with how they get on."""
        done, next_at = 0, time.monotonic()
        while done < operations:
            now = time.monotonic()
            if now >= next_at:
                self._disturb()
                next_at = now + self.random.expovariate(1 / PAUSE)
            self._continue(now)
            if select.select([self._reader], [], [], max(0.0, min(next_at - now, PAUSE)))[0]:
                done += self._hear(os.read(self._reader, 65536), now)
            if hung := [one for one in self.running if not one.stopped and now - one.seen > HUNG]:
                return f"a process has done nothing for {HUNG:.0f} s: {', '.join(one.diary for one in hung)}"
        return ""

    def _hear(self, signs: bytes, now: float) -> int:
        for sign in set(signs):
            self.by_sign[sign].seen, self.by_sign[sign].begun = now, True
        counted = sum(self.by_sign[sign].role not in SWEEPERS for sign in signs)
        self.campaign.counts["operations"] += counted
        return counted

    def _disturb(self) -> None:
        if self.world.disturb and self.random.random() < WORLDLY:
            self.campaign.counts[self.world.disturb(self.random)] += 1
            return
        at = self.random.randrange(len(self.running))
        one, kind = self.running[at], self.random.random()
        if one.stopped or not one.begun:
            return
        if kind < 0.6 and one.role is roamer.roam:
            os.kill(one.pid, signal.SIGINT)
            self.campaign.counts["interrupts"] += 1
        elif kind < 0.85:
            os.kill(one.pid, signal.SIGSTOP)
            one.stopped = time.monotonic() + self.random.random() * self.world.stopped
            self.campaign.counts["processes stopped and continued"] += 1
        else:
            self._kill(one)
            self.running[at] = self._started(at)

    def _continue(self, now: float) -> None:
        for one in self.running:
            if one.stopped and now >= one.stopped:
                os.kill(one.pid, signal.SIGCONT)
                one.stopped, one.seen = 0.0, now

    def _kill(self, one: _Running) -> None:
        """Kill a process, and note when it may have ended, and when it had."""
        dying = Line(time.monotonic_ns(), diary.DYING, "", "")
        os.kill(one.pid, signal.SIGKILL)
        os.waitpid(one.pid, 0)
        self.told.append([*lines(one.diary), dying, Line(time.monotonic_ns(), diary.DEAD, "", "")])
        self.campaign.counts["processes killed"] += 1

    def end(self) -> Round:
        """Kill all, and return what they have told."""
        for one in self.running:
            self._kill(one)
        os.close(self._reader)
        os.close(self._writer)
        return Round(self.number, self.root, self.forced, self.told, self.told)


def storm(
    operations: int,
    directory: str | None,
    seed: int,
    told: Callable[[str], None],
    roles: tuple[Callable[[Place], None], ...] = PROCESSES,
    world: World = SQLITE,
) -> Campaign:
    """Play rounds; keep the directory of one in which something was wrong, and end there.

    Args:
        operations: How many, in all rounds together.
        directory: Where; None: the system's temporary directory.
        seed: Of what processes do, and of what is done to them. The rest is the machine's scheduling.
        told: Hears how far it has come.
        roles: What each of the processes does.
        world: What they live in.
    """
    root = os.path.realpath(tempfile.mkdtemp(prefix="tfm-storm-", dir=directory))
    base, random, campaign = f"{root}/base", Random(seed), Campaign()
    world.manager(base).close()  # warmed: what children need is imported
    while campaign.counts["operations"] < operations:
        number = campaign.counts["rounds"]
        os.mkdir(f"{root}/{number}")
        weather = _Weather(base, f"{root}/{number}", number, random, campaign, roles, world)
        try:
            hung = weather.play(min(A_ROUND, operations - campaign.counts["operations"]))
        finally:
            played = weather.end()
        campaign.counts["rounds"] += 1
        campaign.problems += [hung] if hung else []
        campaign.problems += judged(base, played, campaign, world)
        if campaign.problems:
            campaign.problems.append(f"round {number} is kept in {root}")
            return campaign
        shutil.rmtree(f"{root}/{number}")
        told(f"{campaign.counts['operations']:,} of {operations:,} operations")
    shutil.rmtree(root)
    return campaign
