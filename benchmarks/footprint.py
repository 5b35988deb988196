"""The weight of records and the cost of importing: each figure from processes of their own."""

import os
import subprocess
import sys
from time import perf_counter
from typing import Any

from benchmarks import durable
from benchmarks.measures import AIECS, Plan
from benchmarks.tables import Table, compared, figures, interleaved, median, spread, unmeasured

HOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "holder.py")
SWEPT = 1000
MODULES = "logging, threading, os"
REMARKS = (
    "Resident memory, with the path's string (47 characters: 96 bytes); of shorter paths our share weighs more.",
    "Records in SQLite are on the disk: there the whole process is weighed, Python and all.",
)
FOREIGN = """
import sys
before = set(sys.modules)
import temp_file_manager
new = {name.partition('.')[0] for name in set(sys.modules) - before}
print(*sorted(new - sys.stdlib_module_names - {'temp_file_manager'}))
"""


def _python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def memory(plan: Plan) -> Table:
    """Weigh records in fresh processes; the path's own string counts, as nobody else holds it."""
    rows = []
    columns: dict[str, str] = {}
    for count in plan.records[-2:]:
        arguments = {"ours": ["ours", str(count)]}
        if plan.aiecs.module:
            arguments[AIECS] = ["aiecs", str(count), plan.aiecs.source]
        samples = unmeasured(("ours", AIECS), plan.rounds)
        notes = {AIECS: plan.aiecs.why_not}
        for turn, name in interleaved(list(arguments), plan.rounds):
            try:
                samples[name][turn] = float(_python("-P", HOLDER, *arguments[name]))
            except subprocess.CalledProcessError as error:  # without /proc, for one
                notes[name] = f"failed: {error.stderr.strip().splitlines()[-1]}"
        table = compared("memory", "", "bytes a record", samples, notes, ours="ours")
        columns = table.columns
        rows += [{**row, "name": f"{row['name']}, {count:,} records"} for row in table.rows]
    rows.append(_stored(plan))
    note = columns.pop("note")
    columns |= {"resident": "whole process, MiB", "note": note}
    return Table("memory", "Memory of a record", columns, rows, REMARKS)


def stored_name(plan: Plan) -> str:
    """Return the name of the row for records in SQLite."""
    return f"{durable.IDLE}, {plan.stored:,} records"


def trees(plan: Plan) -> list[tuple[str, int, int]]:
    """Return the trees that are swept while the memory of records in SQLite is weighed."""
    return [("memory", turn, _swept(plan)) for turn in range(plan.rounds)]


def _swept(plan: Plan) -> int:
    return min(SWEPT, plan.files)


def _stored(plan: Plan) -> dict[str, Any]:
    """Weigh processes that find records in SQLite, sweep the oldest of them, each a tree, and list a page."""
    with durable.opened(plan.scratch) as manager:
        for name, turn, _ in trees(plan):
            manager.register_files(plan.forest.tree(name, turn).paths())
        durable.fill(manager, plan.stored)
        base = manager.base_dir
    os.sync()
    samples = []
    note = f"after sweeping {_swept(plan):,} and listing a page"
    for _ in range(plan.rounds):
        try:
            samples.append(int(_python("-P", HOLDER, "sqlite", base, str(_swept(plan)))) / 2**20)
        except subprocess.CalledProcessError as error:  # without /proc, for one
            note = f"failed: {error.stderr.strip().splitlines()[-1]}"
    return {"name": stored_name(plan), "resident": median(samples), "samples": samples, "note": note}


def importing(plan: Plan) -> Table:
    """Time fresh interpreters that import the package, and ones that import what it stands on."""
    names = {"import temp_file_manager": "import temp_file_manager", f"import {MODULES}": f"import {MODULES}"}
    rounds = 3 + 6 * plan.rounds
    samples = unmeasured(names, rounds)
    for code in names.values():
        _python("-c", code)  # the first one may still have to compile
    for turn, name in interleaved(list(names), rounds):
        began = perf_counter()
        _python("-c", names[name])
        samples[name][turn] = (perf_counter() - began) * 1e3
    table = compared("import", "Importing", "ms a process", samples, {}, ours="import temp_file_manager")
    more = [one - other for one, other in zip(*map(figures, samples.values()), strict=True)]
    difference = {"median": median(more), "spread": spread(more), "samples": more, "note": ""}
    table.rows.append({"name": "difference", **difference})
    foreign = _python("-c", FOREIGN)
    table.rows.append({"name": "beyond the standard library", "foreign": foreign, "note": foreign or "nothing"})
    return table
