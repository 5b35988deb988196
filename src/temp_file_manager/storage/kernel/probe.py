"""A probe of a file system and this process: their abilities, tried on a real file that goes at once."""

import os
from typing import NamedTuple

from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.leases import take_lease
from temp_file_manager.storage.kernel.statx import HERE, looker
from temp_file_manager.storage.new_files import create_file, discard

CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_FOWNER": 3, "CAP_SYS_PTRACE": 19, "CAP_LEASE": 28}
"""The bits of those that matter here."""

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)


class Probe(NamedTuple):
    """What a file made in a directory showed.

    Attributes:
        leased: Whether a write lease on it was granted; None: there are none here.
        refused: Whether one was refused while somebody had it open.
        decides: Whether a lease that is granted is known to mean that nobody has the file open.
        overlay: Whether it lies on overlayfs, where mappings have to be looked for as well.
        born: Whether its birth time can be told.
    """

    leased: bool | None
    refused: bool
    decides: bool
    overlay: bool
    born: bool


def probe(directory: str) -> Probe:
    """Make an empty file, try it, and remove it.

    Raises:
        OSError: no file can be made there.
    """
    descriptor, path = create_file(directory, ".temp-file-manager-doctor-", "")
    try:
        born = bool(looker()(HERE, os.fsencode(path)).born)
        magic = mounts.magic(descriptor)
        other = os.open(path, _READ)
        try:
            refused = take_lease(other) is False
        finally:
            os.close(other)
        leased = take_lease(descriptor)
    finally:
        discard(descriptor, path)
    decides = magic in mounts.LEASES_DECIDE
    return Probe(leased, refused, decides, magic == mounts.OVERLAY, born)


def capabilities(status: str = "/proc/self/status") -> frozenset[str] | None:
    """Return which of ``CAPABILITIES`` this process has; None where nothing tells."""
    try:
        with open(status, encoding="ascii", errors="replace") as file:
            bits = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return frozenset(name for name, bit in CAPABILITIES.items() if bits >> bit & 1)


def hides_processes(mounts: str = "/proc/self/mounts") -> bool:
    """Say whether ``/proc`` is mounted so that others' processes are not to be seen."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            fields = [line.split() for line in file]
    except OSError:
        return False
    options = [field[3].split(",") for field in fields if field[1:3] == ["/proc", "proc"]]
    return any(
        option in ("hidepid=1", "hidepid=2", "hidepid=4", "hidepid=noaccess", "hidepid=invisible", "hidepid=ptraceable")
        for option in (options[-1] if options else ())
    )
