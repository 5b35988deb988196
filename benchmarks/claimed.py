"""The wait of a registration for a path that a sweep has claimed: until the claim's end, and never for long.

While a sweep is at work, one that registers *follows* it: again and again it registers a file that is about to be
removed. And three sweeps that do not get on have a claim: the wait for it ends by the registry's patience.
"""

import gc
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from benchmarks import durable
from benchmarks.measures import Plan
from benchmarks.neighbour import Neighbour, neighbour
from benchmarks.tables import Table, interleaved
from benchmarks.trees import Tree
from benchmarks.waits import Wait, row
from benchmarks.worker import follow
from temp_file_manager import TempFileManager
from temp_file_manager.errors import TempFileError

MEMORY, SQLITE, PROCESS = "memory, another thread", "SQLite, another thread", "SQLite, another process"
FOLLOWED = (MEMORY, SQLITE, PROCESS)
HUNG_MEMORY, HUNG_SQLITE = "memory, a removal hangs", "SQLite, a removal hangs"
STOPPED = "SQLite, the sweeper is stopped"
BOUNDED = (HUNG_MEMORY, HUNG_SQLITE, STOPPED)
KILLED = "SQLite, the stopped sweeper has been killed"
OTHER_PATH = "another path meanwhile"
FEW = 600
"""Files of a sweep that does not get on: more than one claim takes."""
AT, CLAIMED = 5, 10
"""Which file the sweep does not get beyond, and one that it has claimed, too."""
PATIENCE = 240.0
REMARKS = (
    "Waits of register_files([path]) whose file was there before the call and is not after it, as it was claimed; "
    "'registered' counts the calls that found their path not claimed.",
    "Where the sweep does not get on: the wait for one path of its claim, which ends by the registry's patience.",
)


@contextmanager
def _manager(name: str, plan: Plan) -> Iterator[TempFileManager]:
    if name.startswith("SQLite"):
        with durable.opened(plan.scratch) as manager:
            yield manager
    else:
        yield TempFileManager(plan.scratch)


def _followed(plan: Plan, name: str, tree: Tree) -> dict[str, Wait]:
    """Sweep here, and follow the sweep there."""
    paths = tree.paths()
    with _manager(name, plan) as manager:
        manager.register_files(paths)
        following = _by_process if name == PROCESS else _by_thread
        waits, registered = following(manager, paths, tree.directory)
    return {name: Wait(waits, None, registered)}


def _by_thread(manager: TempFileManager, paths: list[str], _: str) -> tuple[list[float], int]:
    found: list[tuple[list[float], int]] = []
    done = threading.Event()
    gc.collect()
    thread = threading.Thread(target=lambda: found.append(follow(manager, paths, done.is_set)))
    thread.start()
    try:
        manager.clear_all()
    finally:
        done.set()
        thread.join()
    return found[0]


def _by_process(manager: TempFileManager, _: list[str], directory: str) -> tuple[list[float], int]:
    with neighbour("follow", manager.base_dir, directory) as other:
        manager.clear_all()
        answer = other.answer()
    return answer["waits"], answer["registered"]


@contextmanager
def _hanging(path: str) -> Iterator[threading.Event]:
    """Have the removal of a file hang until the block is left; give what is set when it does."""
    hung, released = threading.Event(), threading.Event()
    remove, unlink = os.remove, os.unlink

    def hanging(removal: Callable[..., None]) -> Callable[..., None]:
        def removed(name: Any, **others: Any) -> None:
            if os.path.basename(os.fsdecode(name)) == os.path.basename(path):
                hung.set()
                released.wait(PATIENCE)
            removal(name, **others)

        return removed

    os.remove, os.unlink = hanging(remove), hanging(unlink)
    try:
        yield hung
    finally:
        os.remove, os.unlink = remove, unlink
        released.set()


def _hung(plan: Plan, name: str, tree: Tree) -> dict[str, Wait]:
    paths, other = tree.paths(), plan.forest.tree("unclaimed").paths()[0]
    with _manager(name, plan) as manager:
        manager.registry.patience = plan.patience
        manager.register_files(paths)
        thread = threading.Thread(target=manager.clear_all)
        with _hanging(paths[AT]) as hung:
            thread.start()
            if not hung.wait(PATIENCE):
                raise RuntimeError("the removal did not hang")
            found = {name: _asked(manager, paths[CLAIMED]), f"{name}, {OTHER_PATH}": _asked(manager, other)}
        thread.join()
    return found


def _stopped(plan: Plan, name: str, tree: Tree) -> dict[str, Wait]:
    paths, other = tree.paths(), plan.forest.tree("unclaimed").paths()[0]
    with _manager(name, plan) as manager:
        manager.registry.patience = plan.patience
        manager.register_files(paths)
        with neighbour("stop", manager.base_dir, str(AT)) as sweeping:
            sweeping.begin()
            _wait_until_stopped(sweeping)
            found = {name: _asked(manager, paths[CLAIMED]), f"{name}, {OTHER_PATH}": _asked(manager, other)}
        found[KILLED] = _asked(manager, paths[CLAIMED])
    return found


def _wait_until_stopped(sweeping: Neighbour) -> None:
    state = os.waitid(os.P_PID, sweeping.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if state.si_code != os.CLD_STOPPED or state.si_status != signal.SIGSTOP:
        raise RuntimeError("the sweeper ended, and did not stop")


def _asked(manager: TempFileManager, path: str) -> Wait:
    began = perf_counter()
    report = manager.register_files([path])
    return Wait([perf_counter() - began], None, report.registered)


MEASURED: dict[str, Callable[[Plan, str, Tree], dict[str, Wait]]] = {
    **dict.fromkeys(FOLLOWED, _followed),
    HUNG_MEMORY: _hung,
    HUNG_SQLITE: _hung,
    STOPPED: _stopped,
}


def trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return the trees this measure wants."""
    counts = dict.fromkeys(FOLLOWED, plan.files) | dict.fromkeys(BOUNDED, min(FEW, plan.files))
    wanted = [(f"claimed {name}", turn, count) for name, count in counts.items() for turn in range(plan.rounds)]
    return [*wanted, ("unclaimed", 0, 1)]


def claimed(plan: Plan) -> Table:
    """Measure the waits for claimed paths."""
    logging.disable()  # of each refusal
    try:
        found, failed = _measured(plan)
    finally:
        logging.disable(logging.NOTSET)
    order = [*FOLLOWED, *(what for name in BOUNDED for what in (name, f"{name}, {OTHER_PATH}")), KILLED]
    rows = [row(what, found.get(what, []), plan.files, failed.get(what, "no call had to wait")) for what in order]
    for one in rows:
        one["patience"] = plan.patience if one["name"] in BOUNDED else None
    columns = {"name": "who waits", "p50": "p50 µs", "p99": "p99 µs", "most": "longest µs", "waits": "waits a round"}
    columns |= {"others": "registered", "patience": "patience, s", "note": "note"}
    return Table("claimed", "The wait for a path that a sweep has claimed", columns, rows, REMARKS)


def _measured(plan: Plan) -> tuple[dict[str, list[Wait]], dict[str, str]]:
    found: dict[str, list[Wait]] = {}
    failed: dict[str, str] = {}
    for turn, name in interleaved(list(MEASURED), plan.rounds):
        try:
            waits = MEASURED[name](plan, name, plan.forest.tree(f"claimed {name}", turn))
        except (OSError, RuntimeError, TempFileError, subprocess.SubprocessError) as error:
            failed[name] = f"failed in round {turn + 1}: {error}"
            continue
        for what, wait in waits.items():
            found.setdefault(what, []).append(wait)
    return found, failed
