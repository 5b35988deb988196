"""The card of a registry: what differs from one to another."""

from enum import StrEnum
from typing import NamedTuple

CHUNK = 500
"""Records that a sweep claims at a time, at most, where a claim costs no round trip: what a killed process leaves."""


class SharedBy(StrEnum):
    """The reach of a registry: who can use the same records at a time."""

    PROCESS = "process"
    HOST = "host"
    HOSTS = "hosts"


class Properties(NamedTuple):
    """The card of a registry: what differs from one to another, and matters to those who use it.

    Attributes:
        address: Where it is, as it may be shown: without credentials.
        outlives_process: Whether records are still there when every process that used them has ended.
        keeps_identity: Whether it keeps the identity of each file, so that another one is not taken for it.
        shared_by: Who can use the same records at a time.
        files: Paths of files it lives in; what begins like one and a ``-`` is its, too.
        chunk: Records that a sweep claims at a time, at most.
        heirs: Whether a session may have heirs, which inherit a lock file of this machine.
        longest_path: Bytes of the longest path that it keeps; None: any that there can be.
    """

    address: str
    outlives_process: bool = False
    keeps_identity: bool = False
    shared_by: SharedBy = SharedBy.PROCESS
    files: tuple[str, ...] = ()
    chunk: int = CHUNK
    heirs: bool = False
    longest_path: int | None = None
