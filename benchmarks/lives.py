"""Limits, sessions and units: evicting beside cleaning, looks at limits, ends of sessions, whole directories."""

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import perf_counter

from benchmarks import durable, peers
from benchmarks.measures import Plan, timed
from benchmarks.tables import Table, compared, interleaved
from benchmarks.trees import Tree
from temp_file_manager import TempFileManager
from temp_file_manager.jobs import sweep
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Measured, Order, Selection
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.ruling import REST
from temp_file_manager.sweeping.sweep import Bounds

AS_MANY = 10
"""Records for each file that goes."""
LARGE, SMALL = 1 << 20, 1 << 12
"""Bytes that files are said to take: those that go, and the others. All are empty."""

CLEAN = "sweeping as many expired, asking who has them open"
OLDEST, LEAST_USED, LARGEST = "evicting the oldest", "evicting the least used", "evicting the largest"
ORDERS = {OLDEST: Order.OLDEST, LEAST_USED: Order.LEAST_USED, LARGEST: Order.LARGEST}
BULK = "registering in bulk"
SESSION = "registering in a session, in bulk"
NOTED = "noting in the registry that it has ended"
END = "ending the session"
KINDS = ((Measure.FILES, 1e12), (Measure.BYTES, 1e15))
"""Of the limits that are looked at, and a mark that nothing passes."""


REMOVED = "removing what is due"
QUARANTINED = "quarantining what is due"
RULED: dict[str, tuple[Rule, ...]] = {REMOVED: (), QUARANTINED: (Rule("undo", age=0.0, quarantine=3600.0),)}
UNCHANGED = "a scheduled sweep with nothing due"
BESIDE = "the same while changed rules come in force"
SLICED = "a slice of putting them in force"
UNIT, RM = "a unit, asking who has anything in it open", "rm -rf"
UNIT_CPU, RM_CPU = f"{UNIT}: its processor time", f"{RM}: its processor time"
UNIT_FILES = 20_000


def look_name(records: int) -> str:
    """Return the row of looks with so many records."""
    return f"ten limits, {records:,} records"


def trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return the trees this measure wants."""
    names = dict.fromkeys((CLEAN, *ORDERS, *RULED), plan.files) | {SESSION: min(plan.files, 10_000)}
    return [(name, turn, count) for name, count in names.items() for turn in range(plan.rounds)]


def unit_trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return those that ``units`` wants."""
    return [(name, turn, min(plan.files, UNIT_FILES)) for name in (UNIT, RM) for turn in range(plan.rounds)]


TEN = tuple(
    Limit(f"{measure} {number}", measure, Mark(mark), Mark(mark)) for number in range(5) for measure, mark in KINDS
)


def _limit(order: Order, mark: float, to: float) -> Limit:
    return Limit(f"files by {order}", Measure.FILES, Mark(mark), Mark(to), order=order, spare=0.0)


@contextmanager
def _filled(plan: Plan, tree: Tree, *limits: Limit) -> Iterator[TempFileManager]:
    """Give a manager with a tree's files on record, and many younger and smaller ones that are nowhere."""
    settings = Settings(
        base_dir=tempfile.mkdtemp(prefix="limits-", dir=plan.scratch), registry="sqlite:", limits=limits
    )
    manager = TempFileManager.from_settings(settings)
    try:
        manager.register_files(tree.paths())
        _say_how_large(manager, LARGE)
        durable.fill(manager, tree.count * (AS_MANY - 1), disk=SMALL)
        os.sync()  # its write-back belongs to the filling
        yield manager
    finally:
        manager.close()


def _say_how_large(manager: TempFileManager, disk: int) -> None:
    cursor, everything = None, Selection(0.0, 0.0, order=Order.ADDED)
    while True:
        page = manager.registry.page(everything, now=0.0, limit=durable.BATCH, after=cursor)
        manager.registry.measured([Measured(record, disk) for record in page.records])
        cursor = page.cursor
        if cursor is None:
            return


def _cleaned(plan: Plan, tree: Tree) -> float:
    with _filled(plan, tree) as manager:
        page = manager.registry.page(Selection(0.0, 0.0, order=Order.OLDEST), now=0.0, limit=tree.count)
        last = page.records[-1].registered_at
        manager.max_age = time.time() - last - 1e-6  # those that are there, and no other
        return timed(lambda: manager.sweep(protect_open=True))


def _evicted(plan: Plan, tree: Tree, order: Order) -> float:
    every = tree.count * AS_MANY
    with _filled(plan, tree, _limit(order, every - 1, every - tree.count)) as manager:
        return timed(lambda: manager.sweep(protect_open=True))


def evicting(plan: Plan) -> Table:
    """Remove a tree of files, each contestant its own: as they have expired, or as there are too many."""
    samples: dict[str, list[float | None]] = {name: [None] * plan.rounds for name in (CLEAN, *ORDERS)}
    notes = dict.fromkeys(samples, "")
    for turn, name in interleaved(list(samples), plan.rounds):
        tree = plan.forest.tree(name, turn)
        took = _cleaned(plan, tree) if name == CLEAN else _evicted(plan, tree, ORDERS[name])
        if tree.left():
            notes[name] = f"left {tree.left()} files in round {turn + 1}"
        else:
            samples[name][turn] = took / tree.count * 1e6
    title = f"Evicting {plan.files:,} of {plan.files * AS_MANY:,} files on record in SQLite"
    return compared("evicting", title, "µs a file", samples, notes, ours=CLEAN)


def quarantining(plan: Plan) -> Table:
    """Sweep a tree of files, each contestant its own: for good, or by a rule that lets them be had back."""
    samples: dict[str, list[float | None]] = {name: [None] * plan.rounds for name in RULED}
    for turn, name in interleaved(list(samples), plan.rounds):
        tree = plan.forest.tree(name, turn)
        base = tempfile.mkdtemp(prefix="undo-", dir=plan.scratch)
        settings = Settings(base_dir=base, registry="sqlite:", max_age=0.0, rules=RULED[name])
        with closing(TempFileManager.from_settings(settings)) as manager:
            manager.register_files(tree.paths())
            os.sync()  # its write-back belongs to the registering
            samples[name][turn] = timed(manager.cleanup) / tree.count * 1e6
        assert not tree.left()
    title = f"Sweeping {plan.files:,} files on record in SQLite"
    return compared("quarantining", title, "µs a file", samples, dict.fromkeys(samples, ""), ours=QUARANTINED)


def units(plan: Plan) -> Table:
    """Remove a directory of files that is one record, and one by a program that asks nobody."""
    rows = {UNIT: UNIT_CPU, RM: RM_CPU}
    samples: dict[str, list[float | None]] = {name: [None] * plan.rounds for name in (*rows, *rows.values())}
    for turn, name in interleaved(list(rows), plan.rounds):
        tree = plan.forest.tree(name, turn)
        wall, processor = _unit(plan, tree) if name == UNIT else _both(peers.rm, tree)
        samples[name][turn], samples[rows[name]][turn] = wall / tree.count * 1e6, processor / tree.count * 1e6
    title = f"A directory of {min(plan.files, UNIT_FILES):,} files as one record in SQLite"
    return compared("units", title, "µs a file", samples, {RM: "a process of its own"}, ours=UNIT)


def _unit(plan: Plan, tree: Tree) -> tuple[float, float]:
    """Return the seconds, and those of a processor, that a sweep takes which removes a tree as a unit."""
    with durable.opened(plan.scratch) as manager:
        unit = os.path.join(manager.base_dir, "unit")
        os.rename(tree.directory, unit)
        manager.register_directory(unit)
        return _both(_sweep, manager)


def _sweep(manager: TempFileManager) -> None:
    manager.sweep(force=True, protect_open=True)


def _both(call: Callable[..., object], *arguments: object) -> tuple[float, float]:
    before = os.times()
    wall = timed(call, *arguments)
    return wall, sum(os.times()[:4]) - sum(before[:4])


def sessions(plan: Plan) -> Table:
    """Register files in a session, and end it."""
    samples: dict[str, list[float | None]] = {name: [None] * plan.rounds for name in (BULK, SESSION, NOTED, END)}
    for turn in range(plan.rounds):
        tree = plan.forest.tree(SESSION, turn)
        paths = tree.paths()
        with durable.opened(plan.scratch) as manager:
            samples[BULK][turn] = timed(manager.register_files, paths) / len(paths) * 1e6
        with durable.opened(plan.scratch) as manager:
            session = manager.session("benchmark")
            samples[SESSION][turn] = timed(session.register_files, paths) / len(paths) * 1e6
            samples[END][turn] = timed(session.end) / len(paths) * 1e6
        with durable.opened(plan.scratch) as manager:
            other = manager.session("benchmark")
            durable.fill(manager, len(paths), session=other.number)
            samples[NOTED][turn] = timed(manager.registry.end, (other.number,), time.time()) / len(paths) * 1e6
    notes = {NOTED: "its files are due then", END: "its files are removed by it"}
    return compared("sessions", "A session of 10,000 files in SQLite", "µs a file", samples, notes, ours=BULK)


def looking(plan: Plan) -> Table:
    """Look at limits of which none is passed, with few records and with many."""
    samples: dict[str, list[float | None]] = {}
    for count in plan.records:
        settings = Settings(base_dir=tempfile.mkdtemp(prefix="look-", dir=plan.scratch), registry="sqlite:", limits=TEN)
        manager = TempFileManager.from_settings(settings)
        durable.fill(manager, count, disk=SMALL)
        gc.collect()
        name = look_name(count)
        samples[name] = []
        for _ in range(plan.rounds * 5):
            began = perf_counter()
            manager.context.evictor.states.check()
            samples[name].append((perf_counter() - began) * 1e6)
        manager.close()
    first = next(iter(samples))
    return compared("looking", "A look at limits", "µs a look", samples, {}, ours=first)


def changing(plan: Plan) -> Table:
    """Change a rule over many records, and have scheduled sweeps go on while it comes in force, slice by slice."""
    base, count = tempfile.mkdtemp(prefix="rules-", dir=plan.scratch), max(plan.records)
    samples: dict[str, list[float | None]] = {UNCHANGED: [], BESIDE: [], SLICED: []}
    with closing(_ruled(base, 3600.0)) as manager:
        durable.fill(manager, count)
        manager.context.ruling.put(Selection(time.time(), 3600.0), Bounds())
        for _ in range(20):
            samples[UNCHANGED].append(timed(_scheduled, manager) * 1e3)
    with closing(_ruled(base, 7200.0)) as manager:
        ruling, done = manager.context.ruling, False
        while not done:
            samples[SLICED].append(timed(ruling.slice, bool) * 1e3)
            samples[BESIDE].append(timed(_scheduled, manager) * 1e3)
            done = ruling.rest == REST
    longest = max(one for one in samples[BESIDE] if one is not None)
    notes = {BESIDE: f"the longest took {longest:.1f} ms", SLICED: f"{len(samples[SLICED])} of them"}
    title = f"A changed rule over {count:,} records in SQLite"
    return compared("changing", title, "ms", samples, notes, ours=BESIDE)


def _ruled(base: str, age: float) -> TempFileManager:
    rule = Rule("nowhere", match=("/nowhere/**",), age=age)
    return TempFileManager.from_settings(Settings(base_dir=base, registry="sqlite:", rules=(rule,)))


def _scheduled(manager: TempFileManager) -> None:
    sweep(manager.context, bool)
