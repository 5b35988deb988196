"""The identity of a process: its number, which others get after it, with all that tells it from those."""

import os
from typing import NamedTuple

from temp_file_manager.clock import boot_id
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.sessions import ProcessIdentity

_FIRST_TIME_NAMESPACE = "time:[4026531834]"
_ENDED = (b"Z", b"X")


class Here(NamedTuple):
    """The view that this process has of others.

    Attributes:
        boot: Which start of the machine this is.
        namespace: The inode of the namespace whose numbers ``/proc`` shows.
    """

    boot: str
    namespace: int


def here() -> Here | None:
    """Return how this process sees others; None where it cannot tell one from another.

    That is so without ``/proc``, where ``/proc`` is another pid namespace's, and in a time namespace of its own, which
    is told other times at which processes were started.
    """
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return None
        time = os.readlink("/proc/self/ns/time") if os.path.lexists("/proc/self/ns/time") else _FIRST_TIME_NAMESPACE
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None
    boot = boot_id()
    return Here(boot, namespace) if boot and time == _FIRST_TIME_NAMESPACE else None


def identity_of(pid: int) -> ProcessIdentity:
    """Return which process has a number now.

    Raises:
        ProcessLookupError: none has.
        InvalidArgumentError: it is no number of a process, or nothing here can tell one process from another.
    """
    if pid <= 0:
        raise InvalidArgumentError(f"{pid} is not the number of a process")
    seen = here()
    if seen is None:
        raise InvalidArgumentError("processes cannot be told apart here: /proc does not show those of this namespace")
    started = _started(pid)
    if started is None:
        raise ProcessLookupError(3, "there is no such process", str(pid))
    return ProcessIdentity(pid, started, seen.boot, seen.namespace)


def lives(identity: ProcessIdentity, seen: Here | None = None) -> bool | None:
    """Say whether a process lives; None when nothing here can tell.

    Args:
        identity: Which.
        seen: What ``here`` returned a moment ago, where many are asked about.
    """
    seen = seen or here()
    if seen is None:
        return None
    # First: a container may be told another boot than the process whose registry it shares.
    if seen.namespace != identity.namespace:
        return None
    if seen.boot != identity.boot:
        return False  # the machine was started anew
    try:
        return _started(identity.pid) == identity.started
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since the machine was; None when it has ended.

    Raises:
        PermissionError: it is there, and another user's; such are hidden here.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        try:
            os.kill(pid, 0)  # no signal: whether it is there
        except ProcessLookupError:
            return None
        raise PermissionError(13, "it is hidden by how /proc is mounted", str(pid)) from None
    # Of one whose first thread alone has ended the others go on.
    ended = fields[0] in _ENDED and int(fields[17]) <= 1
    return None if ended else int(fields[19])
