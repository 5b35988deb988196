"""What was aimed at, against what was measured. Nothing fails on it: machines differ, and so do their moods."""

from typing import Any

from benchmarks import measures
from benchmarks.measures import AIECS
from benchmarks.tables import Table


def goals(tables: dict[str, Table], files: int, records: int) -> Table:
    """Return each goal with its measured value."""
    size = f"{records:,} records"
    names = (
        ("register_file / AIECS's", "register", 1.0, "ours, register_file", AIECS),
        ("clear_all / rm -rf", "clean", 1.0, measures.OURS, measures.RM),
        ("clear_all / AIECS's", "clean", 0.9, measures.OURS, AIECS),
        ("clear_all / the C loop", "clean", 1.3, measures.OURS, measures.C_LOOP),
        (f"idle cleanup / AIECS's, {size}", "idle", 0.01, f"ours, {size}", f"{AIECS}, {size}"),
        (f"memory of a record / AIECS's, {size}", "memory", 1.35, f"ours, {size}", f"{AIECS}, {size}"),
    )
    rows = [_row(goal, limit, _ratio(tables.get(key), ours, theirs)) for goal, key, limit, ours, theirs in names]
    wait = _value(tables.get("waiting"), "ours, register_file", "p99")
    rows.append(_row("p99 of a registration during a cleanup, ms", 1.0, None if wait is None else wait / 1e3))
    rows.append(_row("import, ms more", 60.0, _value(tables.get("import"), "difference")))
    foreign = _value(tables.get("import"), "beyond the standard library", "foreign")
    rows.append(_row("modules beyond the standard library", 0, None if foreign is None else len(foreign.split())))
    columns = {"name": "goal", "limit": "at most", "value": "measured", "verdict": "verdict"}
    return Table("goals", f"Goals (set for 50,000 files and 2 cores; this run had {files:,} files)", columns, rows)


def _value(table: Table | None, name: str, field: str = "median") -> Any:
    return None if table is None else table.value(name, field)


def _ratio(table: Table | None, ours: str, theirs: str) -> float | None:
    above, below = _value(table, ours), _value(table, theirs)
    return above / below if above is not None and below else None


def _row(goal: str, limit: float, value: float | None) -> dict[str, Any]:
    verdict = "not measured" if value is None else "ok" if value <= limit else "missed"
    return {"name": goal, "limit": limit, "value": value, "verdict": verdict}
