"""The place of a SQLite registry: which file a path means, and whether others could have had a hand in it."""

import os
import stat

from temp_file_manager.errors import RegistryError
from temp_file_manager.storage.ancestors import Entry, Us, look_at, opening, this_process, user, why_unsafe_above
from temp_file_manager.storage.kernel.access_lists import AccessList, access_list
from temp_file_manager.text import printable

RESERVES = ("-reserve", "-reserve-2")
CLAIMERS = "-claimers"

_ENDINGS = ("", "-wal", "-shm", "-journal", *RESERVES, CLAIMERS)


def located(path: str) -> str:
    """Return where a registry lies, links resolved: all that lies beside it does so for everybody who uses it.

    Raises:
        RegistryError: it is a link that leads nowhere. SQLite would make what it leads to, as the umask says.
    """
    if os.path.islink(path) and not os.path.exists(path):
        raise RegistryError(f"{printable(path)} is a link that leads nowhere: give the path itself")
    return os.path.realpath(path)


def mode_to_look(path: str) -> str:
    """Return how to open a file that exists and this user cannot write to, for SQLite's URI; nothing if it can be.

    While nobody has it open SQLite makes two files beside it to read it, and only a connection that may write takes
    them away again. Without a log there is nothing to make them for: then nobody writes to it who could be waited for.
    """
    if os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK):
        return ""
    return "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"


def refuse_strangers(path: str) -> None:
    """Return if nobody but us and root could have put there, or can put there, what a registry is made of.

    What a registry says is removed with our rights, so whoever writes to it has them. Once directory and files are
    found to be ours, nobody else can put another in their place: there is no gap between this look and their use.

    Raises:
        RegistryError: others could.
        OSError: something on the way cannot be looked at.
    """
    reason = why_unsafe_above(path)
    if not reason:
        folder, real = os.path.dirname(located(path)), located(path)
        around, us = look_at(folder), this_process()
        if around is not None:
            reason = _why_open(folder, around, us)
            looks = (_why_foreign(real + ending, around, us) for ending in _ENDINGS)
            reason = reason or next((why for why in looks if why), "")
    if reason:
        raise RegistryError(f"{printable(path)} is not to be used as a registry: {reason}")


def _why_open(folder: str, around: Entry, us: Us) -> str:
    """Say who may make files in the directory itself. Above it a sticky bit is enough, as nothing is made there."""
    if not around.mode & stat.S_ISVTX:
        return ""  # judged with what lies above
    other = opening(around._replace(mode=around.mode & ~stat.S_ISVTX), us)
    return f"{other.who} may make files in {printable(folder)}: give a directory of its own in it" if other else ""


def _why_foreign(path: str, around: Entry, us: Us) -> str:
    try:
        there = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    names = there.st_nlink if stat.S_ISREG(there.st_mode) else 1
    found = Entry(there.st_mode, there.st_uid, there.st_gid, _access_list(path, there.st_mode))
    shown = printable(path)
    if stat.S_ISLNK(found.mode):
        return f"{shown} is a link: move it away"
    if found.uid not in us.trusted:
        return f"{shown} belongs to {user(found.uid)}: run this as that user, or move it away"
    if names > 1:
        return f"{shown} has {names} names (hard links), and whoever uses another one sees none of our locks: leave one"
    # A directory that is shared with a group on purpose gives its files to that.
    shared = around.mode & stat.S_ISGID if found.gid == around.gid else 0
    other = opening(found._replace(mode=(found.mode & ~stat.S_ISVTX) | shared), us)
    return f"{other.who} may write to {shown}: see who has, and take that right away ({other.undo})" if other else ""


def _access_list(path: str, mode: int) -> AccessList | None:
    if stat.S_ISLNK(mode) or not mode & stat.S_IWGRP or not hasattr(os, "O_PATH"):
        return None
    # By a descriptor that only points: to open and close the file would take away SQLite's locks in this process.
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return access_list(descriptor)
    finally:
        os.close(descriptor)
