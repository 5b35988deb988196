"""Cleaning, registering and idling. Garbage collection stays on, as in real life; each timing starts collected."""

import gc
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from benchmarks import durable, peers
from benchmarks.peers import Published
from benchmarks.tables import Table, compared, interleaved, unmeasured
from benchmarks.trees import Forest, Tree
from temp_file_manager import TempFileManager
from temp_file_manager.errors import TempFileError

OURS = "ours, clear_all()"
EXPIRED = "ours, cleanup() of expired"
SINGLE = "ours, register_file"
PROTECTED = "ours, sweep that asks who has files open"
TMPFILES = "systemd-tmpfiles"
AIECS = "AIECS 2.2.0"
C_LOOP = "C loop of unlinkat"
FIND = "find -type f -delete"
RM = "rm -rf"
COMMANDS = {FIND: "find", RM: "rm", "systemd-tmpfiles": "systemd-tmpfiles", "tmpreaper": "tmpreaper"}
IDLE_CALLS = 5


@dataclass(frozen=True)
class Plan:
    """What this run measures with.

    Attributes:
        files: Files that are cleaned and registered.
        rounds: Rounds of each measurement.
        records: How many records are weighed in memory, and left alone by a cleanup.
        stored: How many records in SQLite are weighed.
        served: How many records the service has.
        patience: Seconds after which a registry gives up the wait for a claim.
        forest: The files.
        aiecs: The published class.
        scratch: A directory on the disk of the files.
    """

    files: int
    rounds: int
    records: tuple[int, ...]
    stored: int
    served: int
    patience: float
    forest: Forest
    aiecs: Published
    scratch: str


def timed(call: Callable[..., Any], *arguments: Any) -> float:
    """Return the seconds one call takes."""
    gc.collect()
    began = perf_counter()
    call(*arguments)
    return perf_counter() - began


def _registered(kind: Any, tree: Tree, scratch: str) -> Any:
    manager = kind(scratch)
    for path in tree.paths():
        manager.register_file(path)
    return manager


def _expired(manager: TempFileManager) -> float:
    manager.max_age = 0
    time.sleep(0.01)  # "older than" max_age: the last one registered, too
    return timed(manager.cleanup)


def _protected(manager: TempFileManager) -> float:
    return timed(lambda: manager.sweep(force=True, protect_open=True))


def _stored(tree: Tree, scratch: str, clean: Callable[[TempFileManager], float]) -> float:
    with durable.opened(scratch) as manager:
        manager.register_files(tree.paths())
        return clean(manager)


def cleaners(plan: Plan) -> tuple[dict[str, Callable[[Tree], float]], dict[str, str]]:
    """Return who can clean here, and for each contestant a note; who cannot has only the note."""
    program = peers.compiled(plan.scratch)
    process = "the whole process, its start included"
    asking = "a write lease a file"
    on_disk = "its records outlive the process, and know which file is meant"
    entries: list[tuple[str, Callable[[Tree], float] | None, str]] = [
        (OURS, lambda tree: timed(_registered(TempFileManager, tree, plan.scratch).clear_all), ""),
        (EXPIRED, lambda tree: _expired(_registered(TempFileManager, tree, plan.scratch)), ""),
        (PROTECTED, lambda tree: _protected(_registered(TempFileManager, tree, plan.scratch)), asking),
        (durable.PROTECTED, lambda tree: _stored(tree, plan.scratch, _protected), asking),
        (durable.CLEAR, lambda tree: _stored(tree, plan.scratch, lambda it: timed(it.clear_all)), on_disk),
        (durable.EXPIRED, lambda tree: _stored(tree, plan.scratch, _expired), on_disk),
        (AIECS, None, plan.aiecs.why_not),
        ("os.remove loop", peers.remove_loop, "keeps no record of anything"),
        (FIND, peers.find, process),
        (RM, peers.rm, f"{process}; removes the directory too"),
        (C_LOOP, None, "no C compiler"),
        (TMPFILES, peers.tmpfiles, process),
        ("tmpreaper", peers.tmpreaper, process),
    ]
    able = {name: remove for name, remove, _ in entries if remove}
    notes = {name: note for name, _, note in entries}
    if plan.aiecs.module:
        kind = plan.aiecs.module.TempFileManager
        able[AIECS] = lambda tree: timed(_registered(kind, tree, plan.scratch).clear_all)
    if program:
        able[C_LOOP] = lambda tree: peers.c_loop(program, tree)
        notes[C_LOOP] = "the loop alone, by its own clock"
    for name, command in COMMANDS.items():
        if not shutil.which(command):
            del able[name]
            notes[name] = "not installed"
    return able, notes


def clean(plan: Plan) -> Table:
    """Remove a tree of files, each contestant its own in each round."""
    able, notes = cleaners(plan)
    samples = unmeasured(notes, plan.rounds)
    for turn, name in interleaved(list(able), plan.rounds):
        tree = plan.forest.tree(name, turn)
        try:
            took = able[name](tree)
        except (OSError, ValueError, TempFileError, subprocess.SubprocessError) as error:
            notes[name] = f"failed: {error}"
            continue
        if tree.left():
            notes[name] = f"left {tree.left()} files in round {turn + 1}"
        else:
            samples[name][turn] = took / tree.count * 1e6
    title = f"Cleaning {plan.files:,} empty files"
    return compared("clean", title, "µs a file", samples, notes, ours=OURS)


def _one_by_one(manager: Any, paths: list[str]) -> float:
    return timed(lambda: [manager.register_file(path) for path in paths] and None)


def _registering(scratch: str, paths: list[str]) -> dict[str, Callable[[], float]]:
    """Return how each registers in memory."""

    def asking() -> float:
        manager = TempFileManager(scratch)
        manager.register_files(paths)
        return timed(manager.statuses, paths)

    return {
        SINGLE: lambda: _one_by_one(TempFileManager(scratch), paths),
        "ours, register_files": lambda: timed(TempFileManager(scratch).register_files, paths),
        "ours, statuses": asking,
        "os.path.isfile alone": lambda: timed(lambda: [os.path.isfile(path) for path in paths] and None),
    }


def _storing(scratch: str, paths: list[str]) -> dict[str, Callable[[], float]]:
    """Return how each registers in SQLite, always an empty one; one by one only the first few."""

    def at_once(*, before: bool) -> float:
        with durable.opened(scratch) as manager:
            if before:
                manager.register_files(paths)
            return timed(manager.register_files, paths)

    def one_by_one() -> float:
        with durable.opened(scratch) as manager:
            return _one_by_one(manager, paths[: durable.SINGLES])

    def by_threads() -> float:
        with durable.opened(scratch) as manager:
            return timed(durable.register_by_threads, manager, paths[: durable.SINGLES])

    return {
        durable.BULK: lambda: at_once(before=False),
        durable.SINGLE: one_by_one,
        durable.SHARED: by_threads,
        durable.AGAIN: lambda: at_once(before=True),
    }


def register(plan: Plan) -> Table:
    """Put existing files on record: everybody the same ones, into a new manager each time."""
    paths = plan.forest.tree("register").paths()
    contestants = _registering(plan.scratch, paths) | _storing(plan.scratch, paths)
    samples = unmeasured([*contestants, AIECS], plan.rounds)
    if plan.aiecs.module:
        kind = plan.aiecs.module.TempFileManager
        contestants[AIECS] = lambda: _one_by_one(kind(plan.scratch), paths)
    few = dict.fromkeys((durable.SINGLE, durable.SHARED), min(durable.SINGLES, len(paths)))
    for turn, name in interleaved(list(contestants), plan.rounds):
        samples[name][turn] = contestants[name]() / few.get(name, len(paths)) * 1e6
    notes = {
        "ours, register_files": "one call for all",
        "ours, statuses": "one call for all; AIECS has no such call",
        "os.path.isfile alone": "what each registration has to ask the kernel",
        durable.BULK: "one call for all",
        durable.SINGLE: f"{few[durable.SINGLE]:,} of them, each a transaction",
        durable.SHARED: f"{few[durable.SHARED]:,} of them, by threads that share one manager",
        durable.AGAIN: "the same call a second time",
        AIECS: plan.aiecs.why_not,
    }
    title = f"Registering {len(paths):,} files"
    return compared("register", title, "µs a file", samples, notes, ours=SINGLE)


def idle(plan: Plan) -> Table:
    """Clean up when nothing is due."""
    tables = [_idle(plan, count) for count in plan.records]
    rows = [
        {**row, "name": f"{row['name']}, {count:,} records"}
        for count, table in zip(plan.records, tables, strict=True)
        for row in table.rows
    ]
    return Table("idle", "Cleaning up when nothing is due", tables[0].columns, rows)


def _idle(plan: Plan, count: int) -> Table:
    now = time.time()
    kinds: dict[str, Any] = {"ours": TempFileManager}
    if plan.aiecs.module:
        kinds[AIECS] = plan.aiecs.module.TempFileManager
    managers = {name: kind(plan.scratch) for name, kind in kinds.items()}
    for manager in managers.values():
        manager.files.update((f"/nowhere/tmp{number:08d}", now) for number in range(count))
    samples = unmeasured(("ours", durable.IDLE, AIECS), plan.rounds * IDLE_CALLS)
    notes = {AIECS: plan.aiecs.why_not}
    with durable.opened(plan.scratch) as stored:
        durable.fill(stored, count)
        os.sync()  # its write-back belongs to the filling
        managers[durable.IDLE] = stored
        for turn, name in interleaved(list(managers), plan.rounds * IDLE_CALLS):
            samples[name][turn] = timed(managers[name].cleanup) * 1e6
    return compared("idle", "", "µs a cleanup", samples, notes, ours="ours")
