"""The report of a run: stdout, a markdown file and a JSON file, with the facts of the machine."""

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from benchmarks.tables import Table


def machine(directory: str) -> dict[str, Any]:
    """Return what figures depend on, without anything that names the machine."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "filesystem": _filesystem(directory),
        "switch_interval_ms": sys.getswitchinterval() * 1e3,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        lines = []
    return lines[0] if lines else platform.machine()


def _filesystem(directory: str) -> str:
    """Return the type of the filesystem that holds ``directory``: that of the longest mount point above it."""
    best, kind = "", "unknown"
    path = os.path.realpath(directory)
    try:
        with open("/proc/self/mounts") as file:
            mounts = [line.split()[1:3] for line in file]
    except OSError:
        return kind
    for point, name in mounts:
        if os.path.commonpath([point, path]) == point and len(point) >= len(best):
            best, kind = point, name
    return kind


def text(tables: Iterable[Table], facts: dict[str, Any]) -> str:
    """Return everything as markdown."""
    head = ["# Benchmark", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    return "\n".join([*head, *(line for table in tables for line in table.lines())])


def write(folder: str, tables: list[Table], facts: dict[str, Any]) -> list[str]:
    """Write both files and return their paths."""
    os.makedirs(folder, exist_ok=True)
    stem = os.path.join(folder, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
    content = {"machine": facts, "tables": {table.key: asdict(table) for table in tables}}
    with open(f"{stem}.json", "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
    with open(f"{stem}.md", "w", encoding="utf-8") as file:
        file.write(text(tables, facts))
    return [f"{stem}.md", f"{stem}.json"]
