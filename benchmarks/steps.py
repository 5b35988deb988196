"""Steps of a sweep and of a registration, and how many microseconds go there: ``python -m benchmarks --steps``.

Each step is timed by wrapping what is public. What is called once a file costs as much as its wrapper, nearly: so it
is timed in a run of its own, with files of its own, and so is each statement of SQLite. What is left of a step without
another is told by one run that had both, as the machine's mood differs from run to run.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from benchmarks import durable
from benchmarks.measures import Plan, timed
from benchmarks.stopwatch import Statements, Stopwatch, statements
from benchmarks.tables import Table, interleaved, median
from temp_file_manager import TempFileManager
from temp_file_manager.storage.identity import Examiner

WHOLE, PARTS, CALLS, SQL = "the whole, nothing timed inside", "parts", "calls", "SQL in all of it"
CLAIM, SETTLE, REMOVE = "claim, with the settling of the chunk before", "settle, on its own", "remove"
UNLINK, LOOK, REST = "remove: the system call itself", "remove: looking, comparing, asking", "the rest"
WITHOUT = "claim and settle without SQL"
TRANSACTIONS = "SQL: BEGIN and COMMIT"
CLAIMS = "files a claim"
RECORD, LOOKED, BARE = "record", "looking at the files", "record without SQL"
SWEEPS = {
    "memory": (False, False),
    "SQLite": (True, False),
    "memory, asking who has it open": (False, True),
    "SQLite, asking": (True, True),
}
ONE, BULK = "one by one", "in bulk"
REGISTRATIONS = {
    f"memory, {ONE}": (False, ONE),
    f"memory, {BULK}": (False, BULK),
    f"SQLite, {ONE}": (True, ONE),
    f"SQLite, {BULK}": (True, BULK),
}
REMARKS = (
    "µs a file, medians over the rounds. The rest of a sweep is its report, log and history; of a registration its "
    "arguments, log and report. What is called once a file is timed in a run of its own; in 'remove: looking …' and "
    "in the rest of a registration is what timing it costs, some tenths of a µs.",
    "SQL is what SQLite's own functions took, fetching rows and, in bulk, making them included; timing it costs some "
    "tenths of a µs a call.",
)


@dataclass
class Found:
    """Figures by column and step, one a round; and what SQLite was asked, by column and statement."""

    steps: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    asked: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    runs: dict[str, dict[str, int]] = field(default_factory=dict)

    def note(self, column: str, figures: dict[str, float]) -> None:
        """Note the figures of one round."""
        for step, figure in figures.items():
            self.steps.setdefault(column, {}).setdefault(step, []).append(figure)

    def note_statements(self, column: str, found: Statements, files: int) -> None:
        """Note what SQLite was asked in one round."""
        by_words = found.by_words()
        ends = sum(watch.seconds for words, watch in by_words.items() if words.startswith(("BEGIN", "COMMIT")))
        self.note(column, {SQL: found.seconds / files * 1e6, TRANSACTIONS: ends / files * 1e6})
        for words, watch in by_words.items():
            self.asked.setdefault(column, {}).setdefault(words, []).append(watch.seconds / files * 1e6)
            self.runs.setdefault(column, {})[words] = watch.calls

    def median(self, column: str, step: str) -> float | None:
        """Return the median of a step; None where there is no such step."""
        return median(self.steps.get(column, {}).get(step, ()))


@contextmanager
def _manager(plan: Plan, *, stored: bool) -> Iterator[TempFileManager]:
    if stored:
        with durable.opened(plan.scratch) as manager:
            yield manager
    else:
        yield TempFileManager(plan.scratch)


def _measured(plan: Plan, how: str, stored: bool, run: Callable[..., Any]) -> tuple[Any, Statements | None]:
    """Run with a manager of its own; return what that says, and with ``SQL`` what SQLite was asked."""
    with statements() if how == SQL else nullcontext() as asked, _manager(plan, stored=stored) as manager:
        return run(manager, how, asked), asked


def _watched(stack: ExitStack, *places: tuple[Any, str]) -> Stopwatch:
    watch = Stopwatch()
    stack.enter_context(watch.on(*places))
    return watch


def _sweep(manager: TempFileManager, how: str, asked: Statements | None, paths: list[str], asking: bool) -> Any:
    manager.register_files(paths)
    if asked:
        asked.reset()
    registry, storage = manager.registry, manager.context.storage_for(protect_open=asking)
    watches = {}
    with ExitStack() as stack:
        if how in (PARTS, CALLS):
            watches = {REMOVE: _watched(stack, (storage, "remove"))}
        if how == PARTS:
            watches |= {
                step: _watched(stack, (registry, name)) for step, name in ((CLAIM, "claim"), (SETTLE, "settle"))
            }
        elif how == CALLS:
            watches[UNLINK] = _watched(stack, (os, "remove"), (os, "unlink"))
        took = timed(lambda: manager.sweep(force=True, protect_open=asking)) / len(paths) * 1e6
    figures = {step: watch.seconds / len(paths) * 1e6 for step, watch in watches.items()}
    if how == PARTS:
        return figures | {REST: took - sum(figures.values()), CLAIMS: len(paths) / max(1, watches[REMOVE].calls)}
    if how == CALLS:
        return {UNLINK: figures[UNLINK], LOOK: figures[REMOVE] - figures[UNLINK]}
    return {WHOLE: took} if how == WHOLE else {}


def _register(manager: TempFileManager, how: str, asked: Statements | None, paths: list[str], call: str) -> Any:
    work = (lambda: manager.register_files(paths)) if call == BULK else lambda: _one_by_one(manager, paths)
    registry, watches = manager.registry, {}
    if asked:
        asked.reset()
    with ExitStack() as stack:
        if how in (PARTS, CALLS):
            watches[RECORD] = _watched(stack, (registry, "add"), (registry, "add_one"))
        if how == CALLS:
            watches[LOOKED] = _watched(stack, (os.path, "isfile"), (Examiner, "examine"))
        took = timed(work) / len(paths) * 1e6
    figures = {step: watch.seconds / len(paths) * 1e6 for step, watch in watches.items()}
    if how == CALLS:
        return {LOOKED: figures[LOOKED], REST: took - sum(figures.values())}
    return {WHOLE: took} if how == WHOLE else figures


def _one_by_one(manager: TempFileManager, paths: list[str]) -> None:
    for path in paths:
        manager.register_file(path)


def _runs(columns: dict[str, tuple[bool, Any]]) -> list[tuple[str, str]]:
    return [
        (column, how) for column in columns for how in (WHOLE, PARTS, CALLS, SQL) if how != SQL or columns[column][0]
    ]


def trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return the trees that are swept, and the one that is registered."""
    runs = [(f"steps {column} {how}", turn, plan.files) for turn in range(plan.rounds) for column, how in _runs(SWEEPS)]
    return [*runs, ("register", 0, plan.files)]


def steps(plan: Plan) -> dict[str, Table]:
    """Measure the steps of registering, and then, as it removes, those of sweeping."""
    registering, sweeping = Found(), Found()
    paths = plan.forest.tree("register").paths()
    for _, (column, how) in interleaved(_runs(REGISTRATIONS), plan.rounds):
        stored, call = REGISTRATIONS[column]
        some = paths[: durable.SINGLES] if stored and call == ONE else paths
        figures, asked = _measured(
            plan, how, stored, lambda *given, some=some, call=call: _register(*given, some, call)
        )
        _note(registering, column, figures, asked, len(some))
    for turn, (column, how) in interleaved(_runs(SWEEPS), plan.rounds):
        stored, asking = SWEEPS[column]
        tree = plan.forest.tree(f"steps {column} {how}", turn)
        swept = tree.paths()
        figures, asked = _measured(plan, how, stored, lambda *given, p=swept, a=asking: _sweep(*given, p, a))
        _note(sweeping, column, figures, asked, len(swept))
    tables = [_of_registering(registering, plan), _sql(registering, "SQL of a registration", "sql of registering")]
    tables += [_of_sweeping(sweeping, plan), _sql(sweeping, "SQL of a sweep", "sql of sweeping")]
    return {table.key: table for table in tables}


def _note(found: Found, column: str, figures: dict[str, float], asked: Statements | None, files: int) -> None:
    found.note(column, figures)
    if asked:
        found.note_statements(column, asked, files)


def _of_sweeping(found: Found, plan: Plan) -> Table:
    order = (WHOLE, CLAIM, SETTLE, REMOVE, UNLINK, LOOK, REST, SQL, TRANSACTIONS, WITHOUT, CLAIMS)
    rows = {step: {column: found.median(column, step) for column in SWEEPS} for step in order}
    rows[WITHOUT] = {column: _without_sql(found, column, CLAIM, SETTLE) for column in SWEEPS}
    return _table("steps of sweeping", f"Steps of a sweep of {plan.files:,} files", SWEEPS, rows, order)


def _of_registering(found: Found, plan: Plan) -> Table:
    order = (WHOLE, LOOKED, RECORD, REST, SQL, TRANSACTIONS, BARE)
    rows = {step: {column: found.median(column, step) for column in REGISTRATIONS} for step in order}
    rows[BARE] = {column: _without_sql(found, column, RECORD) for column in REGISTRATIONS}
    return _table("steps of registering", f"Steps of registering {plan.files:,} files", REGISTRATIONS, rows, order)


def _without_sql(found: Found, column: str, *parts: str) -> float | None:
    asked = found.median(column, SQL)
    return None if asked is None else sum(found.median(column, part) or 0.0 for part in parts) - asked


def _table(key: str, title: str, columns: dict[str, Any], rows: dict[str, dict[str, Any]], order: Any) -> Table:
    shown = {"name": "step"} | {column: column for column in columns}
    return Table(key, title, shown, [{"name": step, **rows[step]} for step in order], REMARKS)


def _sql(found: Found, title: str, key: str) -> Table:
    """Return the statements that took most, with the µs a file and how often each ran in the last round."""
    medians = {
        column: {words: median(each) or 0.0 for words, each in asked.items()} for column, asked in found.asked.items()
    }
    everything = {words for asked in medians.values() for words in asked}
    order = sorted(everything, key=lambda words: -sum(asked.get(words, 0.0) for asked in medians.values()))
    columns = {"name": "statement"}
    for column in medians:
        columns |= {column: f"{column}, µs a file", f"{column} runs": "runs"}
    rows = [
        {"name": f"`{words}`"}
        | {column: asked.get(words) for column, asked in medians.items()}
        | {f"{column} runs": runs.get(words) for column, runs in found.runs.items()}
        for words in order
    ]
    return Table(key, title, columns, rows)
