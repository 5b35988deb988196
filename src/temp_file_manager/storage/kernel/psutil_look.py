"""A look at processes and memory by the library psutil, where there is no ``/proc``: on macOS and the BSDs.

It proves that somebody has a file open. That nobody has it proves nothing here: not every system tells of mappings, nor
of every process, and psutil leaves out what it has no path of.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

from temp_file_manager.storage.kernel.statx import signed


class Found(NamedTuple):
    """Paths that a process has.

    Attributes:
        pid: Its number.
        words: Its command line.
        paths: The paths; None if it may not be looked into.
    """

    pid: int
    words: list[str]
    paths: list[str] | None


def library() -> ModuleType | None:
    """Return psutil; None where it is not installed."""
    try:
        import psutil  # noqa: PLC0415 - of the extra ``monitor``
    except ImportError:
        return None
    return psutil


def opened() -> Iterator[Found]:
    """Yield each process with the regular files that it has open; none without psutil."""
    return _each(lambda process: [file.path for file in process.open_files()])


def mapped() -> Iterator[Found]:
    """Yield each process with the files that it has mapped into its memory; none where nothing tells of them."""
    psutil = library()
    if psutil is None or not hasattr(psutil.Process, "memory_maps"):
        return iter(())
    return _each(lambda process: [region.path for region in process.memory_maps() if region.path.startswith("/")])


def working() -> Iterator[Found]:
    """Yield each process with the directory that it works in; none without psutil."""
    return _each(lambda process: [process.cwd()])


def inodes(found: Iterator[Found]) -> set[int]:
    """Return the inodes at the paths that any process has. It asks their file systems."""
    paths = {path for process in found for path in process.paths or ()}
    numbers = set()
    for path in paths:
        with suppress(OSError):  # gone meanwhile
            numbers.add(signed(os.stat(path).st_ino))
    return numbers


def memory() -> tuple[int, int] | None:
    """Return the bytes of memory of this machine that can be had, and all there are; None without psutil."""
    psutil = library()
    if psutil is None:
        return None
    told = psutil.virtual_memory()
    return told.available, told.total


def _each(paths: Callable[[Any], list[str]]) -> Iterator[Found]:
    psutil = library()
    if psutil is None:
        return
    with suppress(psutil.Error, OSError):  # processes cannot be listed: nothing is known
        for process in psutil.process_iter():
            try:
                yield Found(process.pid, _words(psutil, process), paths(process))
            except psutil.NoSuchProcess:  # it has ended meanwhile
                continue
            except (psutil.Error, OSError):
                yield Found(process.pid, _words(psutil, process), None)


def _words(psutil: ModuleType, process: Any) -> list[str]:
    try:
        words: list[str] = process.cmdline() or [f"[{process.name()}]"]
    except (psutil.Error, OSError):
        return ["?"]
    return words
