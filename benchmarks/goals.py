"""Goals, against what was measured. Nothing fails on it: machines differ, and so do their moods."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import (
    claimed,
    compression,
    concurrency,
    durable,
    footprint,
    lives,
    measures,
    postgres,
    secure,
    server,
    service,
    waiting,
)
from benchmarks.measures import AIECS, Plan
from benchmarks.tables import Samples, Table, figures, median, ratios, spread

CHUNK_MS = 60.0
"""What a claim may hand out work for, 50 ms, and its end."""
REMARKS = (
    "Measured is the median over the rounds, of a ratio that of their quotients; beside it the least and the most.",
)

_RATIOS = (
    ("clean, memory / C loop", "clean", 1.2, measures.OURS, measures.C_LOOP),
    ("clean, memory / rm -rf", "clean", 1.0, measures.OURS, measures.RM),
    ("clean, memory / published class", "clean", 0.85, measures.OURS, AIECS),
    ("register one by one, memory / published class", "register", 0.9, measures.SINGLE, AIECS),
    ("clean, SQLite / rm -rf", "clean", 1.8, durable.CLEAR, measures.RM),
    ("clean, SQLite / systemd-tmpfiles", "clean", 1.4, durable.CLEAR, measures.TMPFILES),
    ("register in bulk, SQLite / published class", "register", 2.0, durable.BULK, AIECS),
    ("register one by one, SQLite / published class", "register", 8.0, durable.SINGLE, AIECS),
    (f"the same, {durable.THREADS} threads / published class", "register", 4.0, durable.SHARED, AIECS),
    ("clean, asking who has it open, memory / systemd-tmpfiles", "clean", 1.6, measures.PROTECTED, measures.TMPFILES),
    ("clean, asking who has it open, SQLite / systemd-tmpfiles", "clean", 2.2, durable.PROTECTED, measures.TMPFILES),
    ("secure delete / shred", "secure", 0.25, secure.OURS, secure.SHRED),
    ("evicting the oldest, SQLite / cleaning as many", "evicting", 1.1, lives.OLDEST, lives.CLEAN),
    ("evicting the least used, SQLite / cleaning as many", "evicting", 1.3, lives.LEAST_USED, lives.CLEAN),
    ("evicting the largest, SQLite / cleaning as many", "evicting", 2.7, lives.LARGEST, lives.CLEAN),
    ("quarantining, SQLite / removing", "quarantining", 1.8, lives.QUARANTINED, lives.REMOVED),
    ("compressing idle files, SQLite / the bare library", "compressing", 1.25, compression.OURS, compression.BARE),
    ("a unit, time / rm -rf", "units", 2.0, lives.UNIT, lives.RM),
    ("a unit, processor time / rm -rf", "units", 3.5, lives.UNIT_CPU, lives.RM_CPU),
    ("register in bulk, PostgreSQL / binary COPY", "postgres", 2.8, postgres.ADD, postgres.COPY),
    ("claim and settle, PostgreSQL / DELETE by key", "postgres", 1.3, postgres.SWEEP, postgres.BY_KEY),
    ("claim and settle, PostgreSQL / SKIP LOCKED", "postgres", 0.5, postgres.SWEEP, postgres.MARKS),
    ("registering one by one, PostgreSQL / a pool of 8", "server", 0.35, server.SINGLES, server.SINGLES_BY_POOL),
    ("claim and settle beside an open transaction / without", "server", 1.3, server.HELD, server.FREE),
    ("a whole sweep, PostgreSQL / rm -rf", "server", 2.5, server.WHOLE, server.WHOLE_RM),
    ("noting a session's end, SQLite / registering in bulk", "sessions", 1.1, lives.NOTED, lives.BULK),
)
_RATES = (
    ("registering, speed of 8 processes / one", 1.0, concurrency.register_name(1), concurrency.register_name(8)),
    ("sweeping, speed of 4 processes / one", 0.9, concurrency.sweep_name(1), concurrency.sweep_name(4)),
)


def goals(tables: dict[str, Table], plan: Plan) -> Table:
    """Return each goal with its measured value."""
    rows = [_row(goal, limit, _ratios(tables, key, ours, theirs)) for goal, key, limit, ours, theirs in _RATIOS]
    rows += [
        _row(goal, limit, _ratios(tables, "concurrency", one, many), at_least=True) for goal, limit, one, many in _RATES
    ]
    rows += [*_of_waiting(tables), *_of_size(tables, plan), *_of_a_server(tables, plan)]
    rows.append(_row("import, ms more", 60.0, _samples(tables, "import", "difference")))
    foreign = _value(tables, "import", "beyond the standard library", "foreign")
    rows.append(_row("modules beyond the standard library", 0, [] if foreign is None else [len(foreign.split())]))
    rows += _of_service(tables)
    columns = {"name": "goal", "aim": "aim", "value": "measured", "spread": "least - most", "verdict": "verdict"}
    title = f"Goals (set for 50,000 files and 2 cores; this run had {plan.files:,} files)"
    return Table("goals", title, columns, rows, REMARKS)


def _of_waiting(tables: dict[str, Table]) -> Iterator[dict[str, Any]]:
    for name, limit, key, row in (
        ("p99 of register_file during a cleanup, memory, ms", 0.2, "waiting", waiting.OURS),
        ("p99 of register_file during a cleanup, SQLite, another process, ms", 5.0, "waiting", waiting.BESIDE),
        *((f"p99 of the wait for a claimed path, {who}, ms", CHUNK_MS, "claimed", who) for who in claimed.FOLLOWED),
    ):
        yield _row(name, limit, [wait / 1e3 for wait in figures(_samples(tables, key, row))])
    for who in claimed.BOUNDED:
        waits = [wait / 1e6 for wait in figures(_samples(tables, "claimed", who))]
        patience = _value(tables, "claimed", who, "patience")
        yield _row(f"the wait, {who}, s", (patience or 0) + 1.0, waits)


def _of_size(tables: dict[str, Table], plan: Plan) -> Iterator[dict[str, Any]]:
    few, many = f"{plan.records[0]:,} records", f"{plan.records[-1]:,} records"
    looks = figures(_samples(tables, "looking", lives.look_name(plan.records[-1])))
    yield _row(f"a look at ten limits, none passed, {many}, ms", 1.0, [took / 1e3 for took in looks])
    slowest = [max(sweeps)] if (sweeps := figures(_samples(tables, "changing", lives.BESIDE))) else []
    yield _row(f"the longest sweep while a changed rule comes in force, {many}, ms", 100.0, slowest)
    ours = f"ours, {many}"
    yield _row(f"idle, memory, {many} / published class", 0.001, _ratios(tables, "idle", ours, f"{AIECS}, {many}"))
    flat = _ratios(tables, "idle", f"{durable.IDLE}, {many}", f"{durable.IDLE}, {few}")
    yield _row(f"idle, SQLite, {many} / {few}", 1.5, flat)
    weight = _ratios(tables, "memory", ours, f"{AIECS}, {many}")
    yield _row(f"memory of a record, {many} / published class", 1.2, weight)
    resident = _samples(tables, "memory", footprint.stored_name(plan))
    yield _row(f"resident memory, {plan.stored:,} records on SQLite, MiB", 64.0, resident)


def _of_a_server(tables: dict[str, Table], plan: Plan) -> Iterator[dict[str, Any]]:
    few, many = server.scales(plan)
    for what in ("add", "claim and settle"):
        grown = _ratios(tables, "server", server.at_name(what, many), server.at_name(what, few))
        yield _row(f"{what}, PostgreSQL, {many:,} records / {few:,}", 1.5, grown)
    faster = _ratios(tables, "server", server.ONE, server.FOUR)
    yield _row("speed of 4 sweepers / one, PostgreSQL, 100 µs a removal", 2.2, faster, at_least=True)
    for what, limit in ((server.SPOOLED, 5.0), (server.DISK, 400.0), (server.WAL, 800.0)):
        yield _row(f"PostgreSQL: {what}", limit, figures(_samples(tables, "server", what)))


def _of_service(tables: dict[str, Table]) -> Iterator[dict[str, Any]]:
    limits = {
        service.RESIDENT: 128.0,
        service.answer_name("/health"): 10.0,
        service.answer_name("/metrics"): 10.0,
        service.answer_name("/"): 50.0,
        service.CPU: 0.5,
    }
    for name, limit in limits.items():
        value = _value(tables, "service", name)
        yield _row(f"service: {name}", limit, [] if value is None else [value])
    rates = figures(_samples(tables, "service", service.REGISTERING))
    yield _row("service: registering over the Unix socket, µs a file", 200.0, [1e6 / rate for rate in rates])


def _value(tables: dict[str, Table], key: str, name: str, field: str = "median") -> Any:
    return tables[key].value(name, field) if key in tables else None


def _samples(tables: dict[str, Table], key: str, name: str) -> Samples:
    return tables[key].samples(name) if key in tables else ()


def _ratios(tables: dict[str, Table], key: str, ours: str, theirs: str) -> list[float]:
    return ratios(_samples(tables, key, ours), _samples(tables, key, theirs))


def _row(goal: str, limit: float, values: Samples, *, at_least: bool = False) -> dict[str, Any]:
    measured: Sequence[float] = figures(values)
    value = median(measured)
    if value is None:
        verdict = "not measured"
    else:
        verdict = "ok" if (value >= limit if at_least else value <= limit) else "missed"
    aim = f"{'at least' if at_least else 'at most'} {limit:g}"
    shown = {"aim": aim, "value": value, "spread": spread(measured), "verdict": verdict}
    return {"name": goal, "limit": limit, "samples": list(measured), **shown}
