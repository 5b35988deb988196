"""Sessions: owners of records, which have no age for as long as their session lives. Frozen, and nothing that acts."""

from typing import Final, Literal, NamedTuple


class ProcessIdentity(NamedTuple):
    """Which process is meant by a number that others get after it.

    Attributes:
        pid: Its number, as this machine's first namespace or the reader's own shows it.
        started: When it was started, in clock ticks since the machine was.
        boot: Which start of the machine that was: the kernel's own name for it.
        namespace: The inode of the namespace that the number belongs to.
    """

    pid: int
    started: int
    boot: str
    namespace: int


Owner = Literal["this process", "another process", "heirs"] | ProcessIdentity | None
"""What ends a session by ending itself; None: nothing but its time."""

THIS_PROCESS: Final = "this process"
"""What ends with this process, however that ends: a session, or a hold."""

HEIRS: Final = "heirs"
"""This process and all that inherit the descriptor of the session's lock file: it lives until the last has ended."""

ANOTHER_PROCESS: Final = "another process"
"""How a session is told of that belongs to a process whose registry this is not."""


class Session(NamedTuple):
    """An owner of records.

    Attributes:
        number: The registry's own; never given twice.
        name: Its user's word for it; not unique.
        began_at: Seconds since the epoch.
        ends_at: When it ends whatever its owner does, seconds since the epoch; infinity: never.
        owner: What it ends with, too.
        alive: Whether the owner lives; None where the registry cannot tell: of a process known by its identity, and of
            nobody.
        descriptor: Of a session of ``HEIRS``, in the process that began it: what is to be inherited; else -1.
        ended_at: When it ended, seconds since the epoch; None: it lives.
    """

    number: int
    name: str
    began_at: float
    ends_at: float
    owner: Owner
    alive: bool | None
    descriptor: int = -1
    ended_at: float | None = None
