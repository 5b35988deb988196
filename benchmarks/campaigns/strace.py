"""System calls of a process that waits: counted, or spoilt by ``strace``, which knows their names on every machine."""

import os
import re
import shutil
import subprocess
from collections import Counter
from typing import NamedTuple

_CALL = re.compile(r"^\d+ +(\w+)\(")
_MET = ("INJECTED", "killed by SIGKILL", "--- SIGINT")


class Fault(NamedTuple):
    """One fault at one call: the ``number``-th of its name that the process makes."""

    call: str
    number: int
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.call} {self.number}"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DISK = _names(
    "openat open creat write pwrite64 pwritev fsync fdatasync ftruncate fallocate mkdir mkdirat link linkat "
    "rename renameat renameat2 symlink symlinkat unlink unlinkat rmdir chmod fchmod fchmodat"
)
_LOOKS = _names(
    "read pread64 stat lstat fstat newfstatat fstatat64 statx access faccessat faccessat2 getdents64 readlink "
    "readlinkat statfs fstatfs lseek ioctl flock"
)
_SLOW = _names(
    "openat open read pread64 write pwrite64 fsync fdatasync ftruncate fallocate flock statfs fstatfs getrandom "
    "wait4 poll ppoll select pselect6 clock_nanosleep nanosleep"
)
_DESCRIPTORS = _names("openat open creat dup socket pipe2 memfd_create eventfd2 epoll_create1")

_OURS = _names("readv writev")
"""The calls by which a victim waits for its beginning and writes its diary."""

KINDS: dict[str, frozenset[str] | None] = {
    "ENOSPC": _DISK,
    "EDQUOT": _DISK,
    "EIO": _DISK | _LOOKS,
    "EINTR": _SLOW,
    "EMFILE": _DESCRIPTORS,
    "SIGKILL": None,
    "SIGINT": None,
}
"""Kinds of faults, and the calls that can meet them; None: every call.

Errors of ``close`` and ``fcntl`` are none of them. strace would leave out the call, so that nothing would be closed, or
unlocked, while Linux closes whatever it then says, and has no file system on a local disk that does not unlock.
"""


def missing() -> str:
    """Say why nothing can be tried here; nothing if it can be."""
    if shutil.which("strace") is None:
        return "strace is not there: install it (on Debian: apt install strace)"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


class Tracing:
    """A ``strace`` that has hold of a process, until that process ends.

    Args:
        pid: The process. It must not have threads yet, and be waiting.
        output: Where the trace is written.
        fault: What is to go wrong; None: nothing, and all calls are written down.
    """

    def __init__(self, pid: int, output: str, fault: Fault | None) -> None:
        self._output = output
        self._strace = subprocess.Popen(
            ["strace", "-f", *_options(fault), "-o", output, "-p", str(pid)], stderr=subprocess.PIPE, text=True
        )
        assert self._strace.stderr is not None
        said = self._strace.stderr.readline()
        if "attached" not in said:
            self._strace.wait()
            raise RuntimeError(f"strace: {said.strip()}")

    def end(self) -> None:
        """Wait for its end, which is that of the process."""
        self._strace.communicate()

    def met(self) -> bool:
        """Say whether the fault was."""
        with open(self._output, encoding="utf-8", errors="replace") as lines:
            return any(word in line for line in lines for word in _MET)

    def calls(self) -> Counter[str]:
        """Return how many calls of each name there were."""
        with open(self._output, encoding="utf-8", errors="replace") as lines:
            return Counter(found[1] for line in lines if (found := _CALL.match(line)))


def _options(fault: Fault | None) -> list[str]:
    if fault is None:
        return []
    how = "signal" if fault.kind.startswith("SIG") else "error"
    return ["-e", f"trace={fault.call}", "-e", f"inject={fault.call}:{how}={fault.kind}:when={fault.number}"]


def faults(calls: Counter[str]) -> list[Fault]:
    """Return every fault that these calls can meet."""
    return [
        Fault(call, number, kind)
        for kind, names in KINDS.items()
        for call, count in sorted(calls.items())
        if call in (calls.keys() - _OURS if names is None else names)
        for number in range(1, count + 1)
    ]
