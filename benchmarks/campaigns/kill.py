"""A kill campaign: rounds in which processes that register, pin and sweep are killed, and what they said is checked.

All work on one SQLite registry, with real files, and each is killed by SIGKILL at a moment of its own. Then their
diaries are held against what is there and what is on record. What is asked is in ``judge``.
"""

import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from benchmarks.campaigns import actors, diary, judge
from benchmarks.campaigns.actors import Place
from benchmarks.campaigns.campaign import Campaign
from benchmarks.campaigns.diary import Line
from temp_file_manager import TempFileManager
from temp_file_manager.inspection.check import check

OWNERS: tuple[Callable[[Place], None], ...] = (actors.register, actors.register, actors.pin)
SWEEPERS: tuple[Callable[[Place], None], ...] = (actors.sweep, actors.hear)
LONGEST = 0.25
"""Seconds after which the last process of a round is killed."""
FORCED = 4
"""Every so many rounds sweeps take everything."""
LEFT_BY_THE_DEAD = {"leftover lock file"}


@dataclass(frozen=True)
class Round:
    """One round: its directory, and the diaries of its processes."""

    number: int
    root: str
    forced: bool
    owners: list[str]
    sweepers: list[str]


def _fork(role: Callable[[Place], None], place: Place) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        actors.play(role, place)
    except BaseException as error:  # none of them ends by itself
        diary.Diary(f"{place.diary}.failed").write("failed", [repr(error)])
    finally:
        os._exit(1)


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
        directory, book = f"{root}/{number}-{at}", f"{root}/{number}-{at}.diary"
        os.mkdir(directory)
        ready = partial(os.write, writer, b".")
        pids.append(_fork(role, Place(base, directory, book, random.randrange(2**32), forced, ready)))
        diaries.append(book)
    os.close(writer)
    told = 0
    while number % 5 and told < len(pids) and (more := os.read(reader, len(pids))):
        told += len(more)
    os.close(reader)
    _killed(pids, random)
    return Round(number, root, forced, diaries[: len(OWNERS)], diaries[len(OWNERS) :])


def _lines(paths: list[str]) -> list[list[Line]]:
    return [diary.read(path) for path in paths if os.path.exists(path)]


def _judged(base: str, played: Round, campaign: Campaign) -> list[str]:
    """Return what is wrong, and count what was met."""
    problems = [f"a process failed: {name}" for name in sorted(os.listdir(played.root)) if name.endswith(".failed")]
    owners, sweepers = _lines(played.owners), _lines(played.sweepers)
    told = judge.stories(owners)
    places = {name: f"{played.root}/{name.rpartition('-')[0]}/{name}" for name in told}
    manager = TempFileManager(base, registry="sqlite:")
    there, recorded = _found(manager, places)
    problems += judge.of_files(told, there, recorded, forced=played.forced)
    problems += judge.of_removals(told, sweepers, forced=played.forced)
    _count(campaign.counts, owners, sweepers, len(recorded - there))
    time.sleep(actors.SOON)
    manager.cleanup()
    there, recorded = _found(manager, places)
    problems += judge.of_files(told, there, recorded, forced=played.forced)
    problems += judge.of_a_sweep(told, {judge.DUE}, there, recorded)
    manager.registry.release(places.values())
    manager.clear_all()
    problems += judge.of_a_sweep(told, judge.RECORDED, *_found(manager, places))
    problems += _not_settled(manager)
    manager.close()
    return list(dict.fromkeys(problems))


def _found(manager: TempFileManager, places: dict[str, str]) -> tuple[set[str], set[str]]:
    """Return the names of the files that are there, and of those on record."""
    there = {name for name, path in places.items() if os.path.lexists(path)}
    return there, {os.path.basename(path) for path in manager.registry.get(places.values())}


def _not_settled(manager: TempFileManager) -> list[str]:
    """Return what the registry has left of a round, now that everything has gone."""
    left = manager.registry.stats().records
    problems = [f"{left} records are left when everything has been swept"] if left else []
    findings = check(manager.context, fix=True)
    return problems + [f"check: {one.kind}: {one.subject}" for one in findings if one.kind not in LEFT_BY_THE_DEAD]


def _count(counts: Counter[str], owners: list[list[Line]], sweepers: list[list[Line]], cut: int) -> None:
    words = Counter(line.word for lines in owners + sweepers for line in lines)
    for word in (diary.REGISTERED, diary.REFUSED, diary.PINNED, diary.UNPINNED, diary.FORGOT, diary.UNLINKED):
        counts[word] += words[word]
    counts["killed between a file's removal and its record's"] += cut
    counts["killed with a call unanswered"] += sum(
        bool(lines) and lines[-1].word in (diary.REGISTERING, diary.PINNING, diary.UNPINNING, diary.FORGETTING)
        for lines in owners
    )


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
    TempFileManager(base, registry="sqlite:").close()  # warmed: what children need is imported
    for number in range(rounds):
        place = f"{root}/{number}"
        os.mkdir(place)
        played = _played(base, number, place, random)
        campaign.counts["rounds"] += 1
        campaign.counts["processes killed"] += len(OWNERS + SWEEPERS)
        campaign.problems += _judged(base, played, campaign)
        if campaign.problems:
            campaign.problems.append(f"round {number} is kept in {place}")
            return campaign
        shutil.rmtree(place)
        told(f"round {number + 1} of {rounds}")
    shutil.rmtree(root)
    return campaign
