"""Rounds: processes that are forked into roles and end by being killed, and the judgement on what they left."""

import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.campaigns import actors, diary, judge
from benchmarks.campaigns.actors import Place
from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.diary import Line
from benchmarks.campaigns.world import World
from temp_file_manager import TempFileManager
from temp_file_manager.inspection.check import check

_PR_SET_PDEATHSIG = 1
UNANSWERED = (diary.REGISTERING, diary.PINNING, diary.UNPINNING, diary.HOLDING, diary.RELEASING, diary.FORGETTING)


@dataclass(frozen=True)
class Round:
    """One round: its directory, and the diaries of its processes, of owners and of sweepers (one can be both)."""

    number: int
    root: str
    forced: bool
    owners: list[list[Line]]
    sweepers: list[list[Line]]


def fork(role: Callable[[Place], None], place: Place) -> int:
    """Return the process that plays a role from now on."""
    pid = os.fork()
    if pid:
        return pid
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # whoever forks it may be killed, too
        actors.play(role, place)
    except BaseException as error:  # none of them ends by itself
        diary.Diary(f"{place.diary}.failed").write("failed", [repr(error)])
    finally:
        os._exit(1)


def prepared(base: str, root: str, name: str, seed: int, sign: tuple[int, int], *, forced: bool, world: World) -> Place:
    """Make a process its directory, and return its place.

    Args:
        base: The base directory that all share.
        root: The round's directory.
        name: The process's own in it.
        seed: Of what it does.
        sign: The pipe, and the byte, by which it says that it gets on.
        forced: Whether sweeps take everything.
        world: What all live in.
    """
    os.mkdir(f"{root}/{name}")
    return Place(
        base,
        f"{root}/{name}",
        f"{root}/{name}.diary",
        seed,
        forced,
        partial(os.write, sign[0], bytes([sign[1]])),
        world,
    )


def lines(path: str) -> list[Line]:
    """Return a diary, of a process that may not have come to write one."""
    return diary.read(path) if os.path.exists(path) else []


def judged(base: str, played: Round, campaign: Campaign, world: World) -> list[str]:
    """Return what is wrong with a round whose processes are dead, and count what was met."""
    problems = [f"a process failed: {_failure(played.root, name)}" for name in sorted(os.listdir(played.root))
                if name.endswith(".failed")]  # fmt: skip
    told = judge.stories(played.owners)
    places = {name: f"{played.root}/{name.rpartition('-')[0]}/{name}" for name in told}
    world.rest(base)
    manager = world.manager(base)
    there, recorded = _found(manager, places)
    problems += judge.of_files(told, there, recorded, forced=played.forced)
    problems += judge.of_removals(told, played.sweepers, forced=played.forced)
    _count(campaign.counts, played, len(recorded - there))
    time.sleep(actors.SOON)
    manager.cleanup()
    there, recorded = _found(manager, places)
    problems += judge.of_files(told, there, recorded, forced=played.forced)
    problems += judge.of_a_sweep(told, {judge.DUE}, there, recorded)
    manager.registry.release(places.values())
    manager.clear_all()
    there, recorded = _found(manager, places)
    problems += judge.of_a_sweep(told, judge.RECORDED, there, recorded)
    problems += judge.of_others(told, there)
    problems += _not_settled(manager, world)
    manager.close()
    return list(dict.fromkeys(problems))


def _failure(root: str, name: str) -> str:
    with open(f"{root}/{name}", encoding="utf-8") as file:
        return f"{name}: {file.read().split(chr(9), 2)[-1].strip()}"


def _found(manager: TempFileManager, places: dict[str, str]) -> tuple[set[str], set[str]]:
    """Return the names of the files that are there, and of those on record."""
    there = {name for name, path in places.items() if os.path.lexists(path)}
    return there, {os.path.basename(path) for path in manager.registry.get(places.values())}


def _not_settled(manager: TempFileManager, world: World) -> list[str]:
    """Return what the registry has left of a round, now that everything has gone."""
    left = manager.registry.stats().records
    problems = [f"{left} records are left when everything has been swept"] if left else []
    findings = check(manager.context, fix=True)
    return problems + [f"check: {one.kind}: {one.subject}" for one in findings if one.kind not in world.left]


def _count(counts: Counter[str], played: Round, cut: int) -> None:
    diaries = {id(lines): lines for lines in played.owners + played.sweepers}.values()
    counts.update(line.word for lines in diaries for line in lines if line.word in diary.COUNTED)
    counts["killed between a file's removal and its record's"] += cut
    counts["killed with a call unanswered"] += sum(
        bool(spoken) and spoken[-1].word in UNANSWERED
        for spoken in ([line for line in lines if line.name] for lines in played.owners)
    )
