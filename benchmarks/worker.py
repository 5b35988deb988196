"""One of several processes at work on one SQLite registry: run alone.

Usage: ``worker.py WHAT BASE …``. These begin when their input ends:

- ``register BASE DIRECTORY FIRST COUNT``: register some of the files there, one by one.
- ``sweep BASE``: sweep everything.
- ``stop BASE NUMBER``: sweep everything, and stop, as SIGSTOP does, about to remove the file of that number.

These begin at once, and end when their input does:

- ``probe BASE DIRECTORY``: register the files there one by one, over and over.
- ``follow BASE DIRECTORY``: register files there that a sweep is about to remove; see ``follow``.
"""

import gc
import itertools
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from time import perf_counter
from typing import Any

from temp_file_manager import TempFileManager

AHEAD = 20
"""So many files before the one that is being removed: most often of the same claim, and still there."""
PAUSE = 0.0005

Answer = dict[str, Any]
Span = tuple[float, float]


def paths_in(directory: str) -> list[str]:
    """Return the paths of the files in a directory, in the order of their names."""
    return [f"{directory}/{name}" for name in sorted(os.listdir(directory))]


def _registering(manager: TempFileManager, directory: str, first: str, count: str) -> Callable[[], Answer]:
    paths = paths_in(directory)[int(first) :][: int(count)]

    def register() -> Answer:
        waits = []
        for path in paths:
            began = perf_counter()
            manager.register_file(path)
            waits.append(perf_counter() - began)
        return {"waits": waits}

    return register


def _sweeping(manager: TempFileManager) -> Callable[[], Answer]:
    def sweep() -> Answer:
        report = manager.sweep(force=True)
        return {name: getattr(report, name) for name in ("removed", "gone", "replaced", "kept", "failed", "skipped")}

    return sweep


def _stopping(manager: TempFileManager, number: str) -> Callable[[], Answer]:
    unlink, numbers = os.unlink, itertools.count()

    def stop_and_unlink(path: Any, *, dir_fd: int | None = None) -> None:
        if next(numbers) == int(number):
            os.kill(os.getpid(), signal.SIGSTOP)
        unlink(path, dir_fd=dir_fd)

    def sweep() -> Answer:
        os.unlink = stop_and_unlink
        return {"retired": manager.clear_all()}

    return sweep


def _probing(manager: TempFileManager, directory: str) -> Callable[[], Answer]:
    paths = paths_in(directory)
    told = _told()

    def probe() -> Answer:
        spans = []
        for path in itertools.cycle(paths):
            if told():
                return {"spans": spans}
            began = perf_counter()
            manager.register_file(path)
            spans.append((began, perf_counter()))
        return {"spans": spans}

    return probe


def _following(manager: TempFileManager, directory: str) -> Callable[[], Answer]:
    paths = paths_in(directory)
    told = _told()

    def work() -> Answer:
        logging.disable()  # each refusal is logged, and nobody reads that while this goes on
        waits, registered = follow(manager, paths, told)
        return {"waits": waits, "registered": registered}

    return work


def follow(manager: TempFileManager, paths: list[str], ended: Callable[[], bool]) -> tuple[list[float], int]:
    """Register, again and again, a file that the sweep under way is about to remove.

    Args:
        manager: Whose records are being swept.
        paths: What is swept, in its order.
        ended: Says when to end.

    Returns:
        The seconds that each call took whose file was there before it and gone after it: it waited for a claim. And
        how many calls registered their file after all, as it was not claimed.
    """
    waits: list[float] = []
    registered: set[int] = set()  # these stay, for this sweep
    gone, last = 0, 0
    while not ended():
        while gone < len(paths) and (gone in registered or not os.path.lexists(paths[gone])):
            gone += 1
        at = gone + AHEAD
        if not gone or at <= last or at >= len(paths) or not os.path.lexists(paths[at]):
            time.sleep(PAUSE)
            continue
        last = at
        began = perf_counter()
        report = manager.register_files([paths[at]])
        took = perf_counter() - began
        if report.registered:
            registered.add(at)
        else:
            waits.append(took)
    return waits, len(registered)


def _told() -> Callable[[], bool]:
    """Return what says whether standard input has ended."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended.is_set


AT_A_SIGNAL = {"register": _registering, "sweep": _sweeping, "stop": _stopping}
UNTIL_TOLD = {"probe": _probing, "follow": _following}


def main(what: str, base: str, *arguments: str) -> None:
    manager = TempFileManager(base, registry="sqlite:")
    work = (AT_A_SIGNAL | UNTIL_TOLD)[what](manager, *arguments)
    gc.collect()
    print("ready", flush=True)
    if what in AT_A_SIGNAL:
        sys.stdin.read()
    answer = work()
    ended = perf_counter()  # system-wide: the one that started us reads the same clock
    manager.close()
    print(json.dumps(answer | {"ended": ended}))


if __name__ == "__main__":
    main(*sys.argv[1:])
