"""Holds records and prints what each costs in resident bytes: run alone, in a process of its own.

Usage: ``holder.py ours COUNT`` or ``holder.py aiecs COUNT MODULE_FILE``.
"""

import gc
import importlib.util
import os
import sys
import tempfile
import time

BATCH = 1000  # what a bulk call builds on the way must not count as memory of the records


def _path(number: int) -> str:
    return f"/var/tmp/service/uploads/tmp{number:010d}.part"


def _resident() -> int:
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ours(base: str, count: int) -> float:
    from temp_file_manager import TempFileManager  # noqa: PLC0415 - the other contestant is to run without it

    manager = TempFileManager(base)
    before = _resident()
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        manager.registry.add([(_path(number), None, None, (), None) for number in numbers], time.time())
    return (_resident() - before) / count


def _aiecs(base: str, count: int, source: str) -> float:
    spec = importlib.util.spec_from_file_location("published_aiecs", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    manager = module.TempFileManager(base)
    before = _resident()
    files = manager.files
    for number in range(count):
        files[_path(number)] = time.time()
    return (_resident() - before) / count


def main(who: str, count: str, *source: str) -> None:
    with tempfile.TemporaryDirectory() as base:
        print((_ours if who == "ours" else _aiecs)(base, int(count), *source))


if __name__ == "__main__":
    main(*sys.argv[1:])
