"""Memory that this process's control group, or the machine, uses and may use.

What the kernel keeps of files on disks counts as free: it takes that back when somebody needs it. Files in a tmpfs are
no such thing, and count.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

NO_LIMIT = 1 << 60
"""More no machine has: version 1 writes about 2 ** 63 where there is no limit."""

_PROC, _MEMINFO = "/proc/self", "/proc/meminfo"


class Memory(NamedTuple):
    """Bytes of memory.

    Attributes:
        used: What is in use, and cannot be had at once.
        allowed: How much there may be.
    """

    used: int
    allowed: int

    @property
    def left(self) -> int:
        """How much more may be used; less than 0 where it is more than allowed."""
        return self.allowed - self.used


class _Hierarchy(NamedTuple):
    """Names of a version's files, and the keys of what the kernel takes back."""

    kind: str
    used: str
    allowed: str
    taken_back: tuple[str, ...]


_VERSIONS = (
    _Hierarchy("cgroup2", "memory.current", "memory.max", ("inactive_file", "active_file")),
    _Hierarchy(
        "cgroup",
        "memory.usage_in_bytes",
        "memory.limit_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
)


def memory(proc: str = _PROC, meminfo: str = _MEMINFO) -> Memory | None:
    """Return the memory of the control group, or where none has a limit, of the machine; None where nothing tells.

    Args:
        proc: The directory that describes this process.
        meminfo: What describes the machine's memory; where it is missing, psutil is asked, if it is installed.
    """
    return of_group(proc) or of_machine(meminfo) or _by_psutil()


def of_group(proc: str = _PROC) -> Memory | None:
    """Return the memory of this process's control group, or of one above it that has less left.

    Args:
        proc: The directory that describes the process.

    Returns:
        None where no limit is set, or nothing tells.
    """
    return min(_limited(proc), key=lambda found: found.left, default=None)


def of_machine(meminfo: str = _MEMINFO) -> Memory | None:
    """Return the memory of the whole machine; None where nothing tells."""
    found = {name: value * 1024 for name, value in _numbers(meminfo, ":")}
    total, available = found.get("MemTotal"), found.get("MemAvailable")
    return None if total is None or available is None else Memory(total - available, total)


def _by_psutil() -> Memory | None:
    """Return the memory of the whole machine, as other systems tell it; None without psutil."""
    from temp_file_manager.storage.kernel import psutil_look  # noqa: PLC0415 - elsewhere nobody needs it

    told = psutil_look.memory()
    return None if told is None else Memory(told[1] - told[0], told[1])


def _limited(proc: str) -> Iterator[Memory]:
    """Yield the memory of each group that has a limit, this process's own and those above it."""
    own = dict(_groups(proc))
    for hierarchy, root, point in _mounts(proc):
        if hierarchy.kind not in own:
            continue
        # Mounted in a container, ``root`` is where the container's own groups begin.
        path = "/" + os.path.relpath(own[hierarchy.kind], root) if _inside(own[hierarchy.kind], root) else "/"
        path = os.path.normpath(path)
        while True:
            found = _memory(point + path.rstrip("/"), hierarchy)
            if found is not None:
                yield found
            if path == "/":
                break
            path = os.path.dirname(path)


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _groups(proc: str) -> Iterator[tuple[str, str]]:
    """Yield the process's group by the kind of its hierarchy."""
    for line in _lines(f"{proc}/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield "cgroup2", path
        elif "memory" in controllers.split(","):
            yield "cgroup", path


def _mounts(proc: str) -> Iterator[tuple[_Hierarchy, str, str]]:
    """Yield where the hierarchies are mounted that may tell of memory: version, root and mount point."""
    for line in _lines(f"{proc}/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, (kind, _, options, *_) = before.split(" "), [*after.split(" "), "", "", ""]
        for hierarchy in _VERSIONS:
            told = kind == "cgroup2" or "memory" in options.split(",")
            if hierarchy.kind == kind and told and len(fields) > 4:  # noqa: PLR2004 - the fifth field is the mount point
                yield hierarchy, fields[3], fields[4]


def _memory(group: str, hierarchy: _Hierarchy) -> Memory | None:
    used, allowed = _number(f"{group}/{hierarchy.used}"), _number(f"{group}/{hierarchy.allowed}")
    if used is None or allowed is None or allowed >= NO_LIMIT:
        return None
    stat = dict(_numbers(f"{group}/memory.stat", " "))
    return Memory(max(0, used - sum(stat.get(key, 0) for key in hierarchy.taken_back)), allowed)


def _number(path: str) -> int | None:
    (text, *_) = [*_lines(path), ""]
    return int(text) if text.isdecimal() else None  # version 2 writes "max" where there is no limit


def _numbers(path: str, separator: str) -> Iterator[tuple[str, int]]:
    for line in _lines(path):
        name, _, value = line.partition(separator)
        number = value.split()[:1]
        if number and number[0].isdecimal():
            yield name, int(number[0])


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:  # not Linux, no such file, or the group has gone
        return []
