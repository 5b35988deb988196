"""The waits of a registration while another thread or process cleans, and what it waits for.

Three things are probed from a second thread: a registration, again and again; the manager's lock alone; and
``os.path.isfile`` alone, which takes no lock of ours and so shows what the interpreter's own lock costs (its
switch interval is 5 ms). The latter two pause between probes: a thread that only takes a free lock never lets
go of the interpreter, and would slow the cleanup a hundredfold. With records in SQLite, another process registers.
"""

import gc
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any

from benchmarks import durable
from benchmarks.measures import AIECS, Plan
from benchmarks.neighbour import neighbour
from benchmarks.tables import Table, interleaved
from benchmarks.trees import Tree
from benchmarks.waits import Wait, row
from temp_file_manager import TempFileManager
from temp_file_manager.errors import TempFileError

REGISTER, LOCK, ISFILE, QUIET = "register_file", "lock alone", "os.path.isfile alone", "register_file, no cleanup"
OURS = f"ours, {REGISTER}"
BESIDE = f"{durable.IDLE}, {REGISTER} by another process"
ALONE = f"{BESIDE}, no cleanup"
QUIET_FOR = 0.5
WHY_NOT = "the cleanup was over before a wait was counted"
PAUSE = 0.0005
DAY = 86400.0
REMARKS = (
    "Counted are the waits that overlap the cleanup. Of those in AIECS there is about one: it lasts until the end.",
    "'register_file' is called without a pause: the figures favour whoever answers fast, and cleaning is slowed.",
    "Medians over the rounds of each round's p50 and p99; the longest wait of all rounds.",
    "'os.path.isfile alone' waits for no lock but the interpreter's: what remains above it is ours to answer for.",
)

Probe = Callable[[int], Any]


def _probed(probes: Sequence[Probe], pause: float, work: Callable[[], Any]) -> tuple[list[list[float]], float]:
    """Call the probes in turn on a second thread while ``work`` runs here; return the waits that overlap it."""
    spans: list[list[tuple[float, float]]] = [[] for _ in probes]
    started, done = threading.Event(), threading.Event()

    def probing() -> None:
        for turn in itertools.count():
            if done.is_set():
                return
            began = perf_counter()
            probes[turn % len(probes)](turn)
            spans[turn % len(probes)].append((began, perf_counter()))
            if turn == len(probes):
                started.set()
            if pause:
                time.sleep(pause)

    gc.collect()
    thread = threading.Thread(target=probing, daemon=True)
    thread.start()
    started.wait()
    began = perf_counter()
    work()
    ended = perf_counter()
    done.set()
    thread.join()
    return [_overlapping(span, began, ended) for span in spans], ended - began


def _overlapping(spans: Iterable[Sequence[float]], began: float, ended: float) -> list[float]:
    return [e - b for b, e in spans if e > began and b < ended]


def _round(kind: Any, plan: Plan, tree: Tree, others: list[str], *, registering: bool) -> dict[str, Wait]:
    manager = kind(plan.scratch)
    manager.files.update(dict.fromkeys(tree.paths(), time.time() - DAY))

    def register(turn: int) -> None:
        manager.register_file(others[turn % len(others)])

    def lock(_: int) -> None:
        with manager.lock:
            pass

    def isfile(turn: int) -> None:
        os.path.isfile(others[turn % len(others)])

    probes: dict[str, Probe] = {REGISTER: register} if registering else {LOCK: lock, ISFILE: isfile}
    waits, took = _probed(list(probes.values()), 0 if registering else PAUSE, manager.cleanup)
    if tree.left():
        raise RuntimeError(f"{tree.left()} files were left")
    return {name: Wait(seconds, took) for name, seconds in zip(probes, waits, strict=True)}


def _quiet(kind: Any, plan: Plan, others: list[str]) -> dict[str, Wait]:
    manager = kind(plan.scratch)
    waits = []
    gc.collect()
    for turn in range(plan.files):
        began = perf_counter()
        manager.register_file(others[turn % len(others)])
        waits.append(perf_counter() - began)
    return {QUIET: Wait(waits, None)}


def _beside(plan: Plan, tree: Tree | None) -> Wait:
    """Register in another process while this one cleans a tree; without one, while it does nothing."""
    with durable.opened(plan.scratch) as manager:
        if tree:
            manager.register_files(tree.paths(), ttl=0)
        others = plan.forest.tree("others").directory
        with neighbour("probe", manager.base_dir, others) as other:
            gc.collect()
            began = perf_counter()
            if tree:
                manager.cleanup()
            else:
                time.sleep(QUIET_FOR)
            ended = perf_counter()
            spans = other.answer()["spans"]
    if tree and tree.left():
        raise RuntimeError(f"{tree.left()} files were left")
    return Wait(_overlapping(spans, began, ended), ended - began if tree else None)


def trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return the trees this measure wants."""
    names = [f"waiting {who} {what}" for who in _kinds(plan) for what in (REGISTER, LOCK)] + [BESIDE]
    wanted = [(name, turn, plan.files) for name in names for turn in range(plan.rounds)]
    return [*wanted, ("others", 0, min(1000, plan.files))]


def _kinds(plan: Plan) -> dict[str, Any]:
    kinds: dict[str, Any] = {"ours": TempFileManager}
    if plan.aiecs.module:
        kinds[AIECS] = plan.aiecs.module.TempFileManager
    return kinds


def waiting(plan: Plan) -> Table:
    """Measure the waits of a second thread or process during a cleanup, and without one."""
    kinds = _kinds(plan)
    others = plan.forest.tree("others").paths()
    order = [f"{who}, {what}" for who in kinds for what in (QUIET, REGISTER, LOCK, ISFILE)] + [ALONE, BESIDE]
    found: dict[str, list[Wait]] = {name: [] for name in order}
    notes = dict.fromkeys(order, WHY_NOT)
    runs = [(who, what) for who in kinds for what in (REGISTER, LOCK, QUIET)] + [("", ALONE), ("", BESIDE)]
    for turn, (who, what) in interleaved(runs, plan.rounds):
        if not who:
            try:
                found[what].append(_beside(plan, plan.forest.tree(what, turn) if what == BESIDE else None))
            except (OSError, RuntimeError, TempFileError, subprocess.SubprocessError) as error:
                notes[what] = f"failed in round {turn + 1}: {error}"
            continue
        if what == QUIET:
            waits = _quiet(kinds[who], plan, others)
        else:
            tree = plan.forest.tree(f"waiting {who} {what}", turn)
            waits = _round(kinds[who], plan, tree, others, registering=what == REGISTER)
        for name, wait in waits.items():
            found[f"{who}, {name}"].append(wait)
    rows = [row(name, found[name], plan.files, notes[name]) for name in order]
    if AIECS not in kinds:
        rows.append({"name": AIECS, "note": plan.aiecs.why_not})
    columns = {"name": "who, what", "p50": "p50 µs", "p99": "p99 µs", "most": "longest µs"}
    columns |= {"waits": "waits a round", "cleanup": "cleanup meanwhile, µs a file", "note": "note"}
    title = f"How long who registers waits while {plan.files:,} files are cleaned"
    return Table("waiting", title, columns, rows, REMARKS)
