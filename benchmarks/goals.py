"""What was aimed at, against what was measured. Nothing fails on it: machines differ, and so do their moods."""

from typing import Any

from benchmarks import durable, footprint, measures, secure, service
from benchmarks.measures import AIECS, Plan
from benchmarks.tables import Table


def goals(tables: dict[str, Table], plan: Plan) -> Table:
    """Return each goal with its measured value."""
    size = f"{plan.records[-1]:,} records"
    names = (
        ("register_file / AIECS's", "register", 1.0, "ours, register_file", AIECS),
        ("clear_all / rm -rf", "clean", 1.0, measures.OURS, measures.RM),
        ("clear_all / AIECS's", "clean", 0.9, measures.OURS, AIECS),
        ("clear_all / the C loop", "clean", 1.3, measures.OURS, measures.C_LOOP),
        ("register_files on SQLite / AIECS's register_file", "register", 1.7, durable.BULK, AIECS),
        ("clear_all on SQLite / rm -rf", "clean", 1.6, durable.CLEAR, measures.RM),
        ("sweep that asks, in memory / systemd-tmpfiles", "clean", 1.5, measures.PROTECTED, measures.TMPFILES),
        ("sweep that asks, SQLite / systemd-tmpfiles", "clean", 1.9, durable.PROTECTED, measures.TMPFILES),
        ("secure delete / shred", "secure", secure.GOAL, secure.OURS, secure.SHRED),
        (f"idle cleanup / AIECS's, {size}", "idle", 0.01, f"ours, {size}", f"{AIECS}, {size}"),
        (f"memory of a record / AIECS's, {size}", "memory", 1.35, f"ours, {size}", f"{AIECS}, {size}"),
    )
    rows = [_row(goal, limit, _ratio(tables.get(key), ours, theirs)) for goal, key, limit, ours, theirs in names]
    wait = _value(tables.get("waiting"), "ours, register_file", "p99")
    rows.append(_row("p99 of a registration during a cleanup, ms", 1.0, None if wait is None else wait / 1e3))
    idle = _value(tables.get("idle"), f"{durable.IDLE}, {size}")
    rows.append(_row(f"idle cleanup on SQLite, {size}, ms", 1.0, None if idle is None else idle / 1e3))
    resident = _value(tables.get("memory"), footprint.stored_name(plan), "resident")
    rows.append(_row(f"resident memory, {plan.stored:,} records on SQLite, MiB", 64.0, resident))
    rows.append(_row("import, ms more", 60.0, _value(tables.get("import"), "difference")))
    rows += _of_service(tables.get("service"))
    foreign = _value(tables.get("import"), "beyond the standard library", "foreign")
    rows.append(_row("modules beyond the standard library", 0, None if foreign is None else len(foreign.split())))
    columns = {"name": "goal", "limit": "at most", "value": "measured", "verdict": "verdict"}
    return Table("goals", f"Goals (set for 50,000 files and 2 cores; this run had {plan.files:,} files)", columns, rows)


def _of_service(table: Table | None) -> list[dict[str, Any]]:
    limits = {
        service.RESIDENT: 128.0,
        service.answer_name("/health"): 10.0,
        service.answer_name("/metrics"): 10.0,
        service.answer_name("/"): 50.0,
        service.CPU: 0.5,
    }
    rows = [_row(f"service: {name}", limit, _value(table, name)) for name, limit in limits.items()]
    rate = _value(table, service.REGISTERING)
    return [
        *rows,
        _row("service: registering over the Unix socket, µs a file", 200.0, None if rate is None else 1e6 / rate),
    ]


def _value(table: Table | None, name: str, field: str = "median") -> Any:
    return None if table is None else table.value(name, field)


def _ratio(table: Table | None, ours: str, theirs: str) -> float | None:
    above, below = _value(table, ours), _value(table, theirs)
    return above / below if above is not None and below else None


def _row(goal: str, limit: float, value: float | None) -> dict[str, Any]:
    verdict = "not measured" if value is None else "ok" if value <= limit else "missed"
    return {"name": goal, "limit": limit, "value": value, "verdict": verdict}
