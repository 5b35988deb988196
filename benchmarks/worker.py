"""One of several processes at work on one SQLite registry: run alone, begins when its input ends.

Usage: ``worker.py register BASE DIRECTORY FIRST COUNT`` or ``worker.py sweep BASE``.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

from temp_file_manager import TempFileManager


def _registering(manager: TempFileManager, directory: str, first: str, count: str) -> Callable[[], dict[str, Any]]:
    names = sorted(os.listdir(directory))[int(first) :][: int(count)]
    paths = [f"{directory}/{name}" for name in names]

    def register() -> dict[str, Any]:
        waits = []
        for path in paths:
            began = perf_counter()
            manager.register_file(path)
            waits.append(perf_counter() - began)
        return {"waits": waits}

    return register


def _sweeping(manager: TempFileManager) -> Callable[[], dict[str, Any]]:
    def sweep() -> dict[str, Any]:
        report = manager.sweep(force=True)
        return {name: getattr(report, name) for name in ("removed", "gone", "replaced", "kept", "failed", "skipped")}

    return sweep


def main(what: str, base: str, *arguments: str) -> None:
    manager = TempFileManager(base, registry="sqlite:")
    work = (_registering if what == "register" else _sweeping)(manager, *arguments)
    gc.collect()
    print("ready", flush=True)
    sys.stdin.read()
    answer = work()
    ended = perf_counter()  # system-wide: the one that started us reads the same clock
    manager.close()
    print(json.dumps(answer | {"ended": ended}))


if __name__ == "__main__":
    main(*sys.argv[1:])
