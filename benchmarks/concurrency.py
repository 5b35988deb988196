"""Several processes at work on one SQLite registry: registering one by one, and sweeping together.

All have started and opened the registry when one signal lets them go: the end of a pipe that is everybody's
input. The time is that from the signal to the end of the last.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from benchmarks import durable
from benchmarks.measures import Plan
from benchmarks.tables import Table, figures, interleaved, median, quantile, ratios, spread
from temp_file_manager import TempFileManager
from temp_file_manager.errors import TempFileError

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
REGISTERING, SWEEPING = (1, 2, 4, 8), (1, 2, 4)
EACH = 2000
LIMIT = 600
REMARKS = (
    "Wall time from a common signal, all processes having opened the registry, to the end of the last of them.",
    "A figure stands only if no process said a word (of locks, for one), each file was on record after registering, "
    "and sweeping removed each exactly once: the removals add up, nothing was found gone, no file or record is left.",
)


@dataclass(frozen=True)
class Together:
    """What one round took: the seconds, and those of each call where calls were timed."""

    seconds: float
    waits: list[float]


def _each(plan: Plan) -> int:
    return max(1, min(EACH, plan.files // max(REGISTERING)))


def trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return the trees that are swept; registering, which leaves its files alone, uses those of ``register``."""
    return [(sweep_name(count), turn, plan.files) for turn in range(plan.rounds) for count in SWEEPING]


def register_name(processes: int) -> str:
    return f"register_file, {processes} {'process' if processes == 1 else 'processes'}"


def sweep_name(processes: int) -> str:
    return f"clear_all(), {processes} {'process' if processes == 1 else 'processes'}"


def together(commands: list[list[str]]) -> tuple[float, list[dict[str, Any]]]:
    """Run a worker for each command; return the seconds until the last had done its work, and their answers."""
    workers: list[subprocess.Popen[str]] = []
    signal, start = os.pipe()
    try:
        for command in commands:
            line = [sys.executable, "-P", WORKER, *command]
            pipe = subprocess.PIPE
            workers.append(subprocess.Popen(line, stdin=signal, stdout=pipe, stderr=pipe, text=True))
        for worker in workers:
            worker.stdout.readline()  # "ready", or nothing from one that has failed, as its answer will tell
        began = perf_counter()
        os.close(start)
        start = -1
        answers = [_answer(worker) for worker in workers]
    finally:
        for descriptor in {signal, start} - {-1}:
            os.close(descriptor)
        for worker in workers:
            worker.kill()
            worker.communicate()
    return max(answer["ended"] for answer in answers) - began, answers


def _answer(worker: subprocess.Popen[str]) -> dict[str, Any]:
    shown, said = worker.communicate(timeout=LIMIT)
    if worker.returncode or said:
        lines = said.strip().splitlines() or [f"exit code {worker.returncode}"]
        raise RuntimeError(next((line for line in lines if "locked" in line), lines[-1]))
    return json.loads(shown)


def _register(plan: Plan, processes: int, _: int) -> Together:
    with durable.opened(plan.scratch) as manager:
        base = manager.base_dir
    directory, each = plan.forest.tree("register").directory, _each(plan)
    seconds, answers = together(
        [["register", base, directory, str(number * each), str(each)] for number in range(processes)]
    )
    _expect("records", _records(base), processes * each)
    return Together(seconds, [wait for answer in answers for wait in answer["waits"]])


def _sweep(plan: Plan, processes: int, turn: int) -> Together:
    tree = plan.forest.tree(sweep_name(processes), turn)
    with durable.opened(plan.scratch) as manager:
        manager.register_files(tree.paths())
        base = manager.base_dir
    seconds, answers = together([["sweep", base]] * processes)
    _expect("files left", tree.left(), 0)
    _expect("removed", sum(answer.pop("removed") for answer in answers), tree.count)
    for answer in answers:
        del answer["ended"]
        _expect("other outcomes", sum(answer.values()), 0)
    _expect("records", _records(base), 0)
    return Together(seconds, [])


def _records(base: str) -> int:
    manager = TempFileManager(base, registry=durable.URL)
    try:
        return manager.registry.stats().records
    finally:
        manager.close()


def _expect(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{what}: {found:,} instead of {wanted:,}")


def concurrency(plan: Plan) -> Table:
    """Register and sweep with more and more processes; sweeping comes last, as it removes."""
    registering = tuple(count for count in REGISTERING if count <= plan.files)
    rows = _rows(plan, _register, register_name, registering, lambda processes: processes * _each(plan))
    rows += _rows(plan, _sweep, sweep_name, SWEEPING, lambda _: plan.files)
    columns = {"name": "what", "rate": "files/s in total", "median": "µs a file", "p99": "p99 of a call, ms"}
    columns |= {"ratio": "times the speed of one", "ratios": "of the rounds", "note": "note"}
    title = f"Processes that share a SQLite registry: registering {_each(plan):,} files each, sweeping {plan.files:,}"
    return Table("concurrency", title, columns, rows, REMARKS)


def _rows(
    plan: Plan,
    run: Callable[[Plan, int, int], Together],
    named: Callable[[int], str],
    counts: tuple[int, ...],
    files: Callable[[int], int],
) -> list[dict[str, Any]]:
    found: dict[int, list[Together | None]] = {count: [None] * plan.rounds for count in counts}
    notes = dict.fromkeys(counts, "")
    for turn, count in interleaved(counts, plan.rounds):
        try:
            found[count][turn] = run(plan, count, turn)
        except (OSError, ValueError, RuntimeError, TempFileError, subprocess.SubprocessError) as error:
            notes[count] = f"failed in round {turn + 1}: {error}"
    rows = [{"name": named(count), **_figures(found[count], files(count)), "note": notes[count]} for count in counts]
    for row in rows:
        quotients = ratios(rows[0]["samples"], row["samples"])
        row |= {"ratio": median(quotients), "ratios": spread(quotients)}
    return rows


def _figures(rounds: list[Together | None], files: int) -> dict[str, Any]:
    samples = [None if one is None else one.seconds / files * 1e6 for one in rounds]
    tails = [quantile(sorted(one.waits), 0.99) * 1e3 for one in rounds if one is not None and one.waits]
    middle = median(figures(samples))
    rate = None if middle is None else 1e6 / middle
    return {"rate": rate, "median": middle, "p99": median(tails), "samples": samples}
