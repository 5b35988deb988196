"""``python -m benchmarks``: measure everything in one run, and show and keep the figures."""

import argparse
import os
import sys
from collections.abc import Callable
from time import perf_counter

from benchmarks import (
    claimed,
    compression,
    concurrency,
    footprint,
    goals,
    lives,
    measures,
    peers,
    postgres,
    report,
    secure,
    server,
    service,
    steps,
    waiting,
)
from benchmarks.measures import Plan
from benchmarks.tables import Table
from benchmarks.trees import forest

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")

# What removes many files comes last: nothing else shall run in the wake of a mass removal.
MEASURES: dict[str, Callable[[Plan], Table]] = {
    "import": footprint.importing,
    "memory": footprint.memory,
    "idle": measures.idle,
    "register": measures.register,
    "concurrency": concurrency.concurrency,
    "service": service.service,
    "secure": secure.secure,
    "looking": lives.looking,
    "changing": lives.changing,
    "sessions": lives.sessions,
    "compressing": compression.compressing,
    "postgres": postgres.postgres,
    "server": server.server,
    "clean": measures.clean,
    "evicting": lives.evicting,
    "quarantining": lives.quarantining,
    "units": lives.units,
    "waiting": waiting.waiting,
    "claimed": claimed.claimed,
}


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--files", type=_positive, help="files to clean and register (50,000)")
    parser.add_argument("--rounds", type=_positive, help="rounds of each measurement (3)")
    parser.add_argument("--only", action="append", choices=MEASURES, help="measure this; may be given again")
    parser.add_argument("--dir", help="where the files are made (the system's temporary directory)")
    parser.add_argument("--results", default=RESULTS, help="where figures go, and the published wheel's cache")
    parser.add_argument("--steps", action="store_true", help="where a microsecond goes, instead of all of this")
    parser.add_argument("--quick", action="store_true", help="a trial run: 1,000 files, 1 round, few records")
    return parser.parse_args()


def _wanted_trees(plan: Plan, chosen: list[str]) -> list[tuple[str, int, int]]:
    trees = []
    if "clean" in chosen:
        able, _ = measures.cleaners(plan)
        trees += [(name, turn, plan.files) for turn in range(plan.rounds) for name in able]
    for name, module in (
        ("memory", footprint),
        ("concurrency", concurrency),
        ("waiting", waiting),
        ("claimed", claimed),
        ("evicting", lives),
        ("quarantining", lives),
        ("sessions", lives),
        ("server", server),
    ):
        if name in chosen:
            trees += [tree for tree in module.trees(plan) if tree not in trees]
    trees += lives.unit_trees(plan) if "units" in chosen else []
    if "register" in chosen or "concurrency" in chosen:
        trees.append(("register", 0, plan.files))
    return trees


def _measured(plan: Plan, chosen: list[str]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for name in chosen:
        print(f"measuring: {name}", end="", file=sys.stderr, flush=True)
        began = perf_counter()
        tables[name] = MEASURES[name](plan)
        print(f", {perf_counter() - began:.1f} s", file=sys.stderr)
    return tables | {"goals": goals.goals(tables, plan)}


def main() -> None:
    """Run what the arguments ask for."""
    arguments = _arguments()
    files, rounds = (1000, 1) if arguments.quick else (50_000, 3)
    files, rounds = arguments.files or files, arguments.rounds or rounds
    records = (10**4,) if arguments.quick else (10**4, 10**5, 10**6)
    stored, served, patience = (20_000, 20_000, 0.2) if arguments.quick else (5 * 10**6, 2 * 10**6, 5.0)
    chosen = [name for name in MEASURES if not arguments.only or name in arguments.only]
    with forest(arguments.dir) as woods:
        scratch = os.path.join(woods.root, "scratch")
        os.mkdir(scratch)
        aiecs = peers.published(os.path.join(arguments.results, "cache"), scratch)
        plan = Plan(files, rounds, records, stored, served, patience, woods, aiecs, scratch)
        facts = report.machine(woods.root) | {"files": files, "rounds": rounds}
        if arguments.steps:
            woods.plant(steps.trees(plan))
            tables = steps.steps(plan)
        else:
            woods.plant(_wanted_trees(plan, chosen))
            tables = _measured(plan, chosen)
    print(report.text(tables.values(), facts))
    for path in report.write(arguments.results, list(tables.values()), facts):
        print(f"written: {os.path.relpath(path)}", file=sys.stderr)


if __name__ == "__main__":
    main()
