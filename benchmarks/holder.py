"""A process that holds records and prints what each costs in resident bytes: run alone.

Usage: ``holder.py ours COUNT`` or ``holder.py aiecs COUNT MODULE_FILE``. With records in SQLite, what filling the
registry took does not count: ``holder.py sqlite BASE SWEPT`` opens one that is there, sweeps so many of its records,
lists a page, and prints the resident bytes of the whole process.
"""

import gc
import importlib.util
import os
import sys
import tempfile
import time

BATCH = 1000  # what a bulk call builds on the way must not count as memory of the records
PAGE = 1000


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
        manager.registry.add([(_path(number), None, None, (), None, None) for number in numbers], time.time())
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


def _sqlite(base: str, count: int) -> int:
    from temp_file_manager import TempFileManager  # noqa: PLC0415 - the other contestant is to run without it
    from temp_file_manager.records import Selection  # noqa: PLC0415 - the other contestant is to run without it

    manager = TempFileManager(base, registry="sqlite:")
    report = manager.sweep(force=True, limit=count)
    page = manager.registry.page(Selection(time.time(), 0, force=True), now=time.monotonic(), limit=PAGE)
    if report.removed != count or not page.records:
        sys.exit(f"{report.removed} files were removed instead of {count}, and {len(page.records)} records listed")
    resident = _resident()  # with the report and the page: whoever asks holds them, too
    manager.close()
    return resident


def main(who: str, *arguments: str) -> None:
    if who == "sqlite":
        base, count = arguments
        print(_sqlite(base, int(count)))
        return
    count, *source = arguments
    with tempfile.TemporaryDirectory() as base:
        print((_ours if who == "ours" else _aiecs)(base, int(count), *source))


if __name__ == "__main__":
    main(*sys.argv[1:])
