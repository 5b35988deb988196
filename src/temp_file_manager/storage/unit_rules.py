"""Rules for units: which directories can be one record, and why others cannot."""

import os
import stat
from typing import NamedTuple

from temp_file_manager.causes import Cause
from temp_file_manager.errors import TempFileError
from temp_file_manager.records import Identity
from temp_file_manager.storage.base_rules import why_no_unit
from temp_file_manager.storage.below import WITHIN, Below
from temp_file_manager.storage.contract import NotThatFile
from temp_file_manager.storage.identity import parent_of
from temp_file_manager.storage.kernel.statx import HERE, Listed, listed_looker, looker
from temp_file_manager.storage.own_files import OURS, OWN_DIRECTORY, is_own
from temp_file_manager.storage.paths import nearest_existing
from temp_file_manager.storage.permissions import foreign
from temp_file_manager.storage.tree import is_locked
from temp_file_manager.text import printable


class UnitRefusedError(TempFileError):
    """A directory that cannot be a unit; the message says why."""


class FoundUnit(NamedTuple):
    """A directory that can be a unit.

    Attributes:
        identity: Which it is.
        disk: What all of it takes on the disk, in bytes; None: it changed while it was looked at.
        newest: When anything in it was last changed, seconds since the epoch; None: likewise.
    """

    identity: Identity
    disk: int | None
    newest: float | None


def examine(path: str, within: str, asof: float, *, owner_check: bool = False) -> FoundUnit:
    """Return what is at a path, if it can be a unit.

    Args:
        path: Absolute.
        within: The directory, judged before, that it has to lie in.
        asof: Now, seconds since the epoch.
        owner_check: Refuse what belongs to another user.

    Raises:
        UnitRefusedError: it cannot be one.
        OSError: it cannot be looked at; FileNotFoundError if it is not there.
    """
    above, _, name = path.rpartition("/")
    if name in ("", ".", "..") or "\0" in path:
        raise UnitRefusedError("it is no directory in another one")
    real_above, base = os.path.realpath(above or "/"), os.path.realpath(within)
    real = os.path.join(real_above, name)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        kind = "a link: give the directory itself" if stat.S_ISLNK(found.st_mode) else "no directory"
        raise UnitRefusedError(f"it is {kind}")
    if is_own(f"{real}/"):
        raise UnitRefusedError(OURS)
    if real == base or base.startswith(f"{real}/"):
        raise UnitRefusedError("it is, or holds, the base directory")
    if not real.startswith(f"{base.rstrip('/')}/"):
        raise UnitRefusedError(f"it lies outside {printable(base)}: adopt --units takes directories from elsewhere")
    reason = (foreign(found.st_uid) if owner_check else "") or why_no_unit(real, base)
    if reason:
        raise UnitRefusedError(reason)
    root = os.open(path, WITHIN)
    try:
        return _examined(root, path, asof)
    finally:
        os.close(root)


def has_lock(path: str) -> bool:
    """Say whether somebody has a directory locked, who thereby asks cleaners to leave it alone.

    Raises:
        OSError: it cannot be opened.
    """
    root = os.open(path, WITHIN)
    try:
        return is_locked(root)
    finally:
        os.close(root)


def why_out_of_reach(directory: str, base: str) -> str:
    """Say why units in a directory could not be moved to the private folder of a base; nothing if they can be.

    Raises:
        OSError: one of them cannot be looked at.
    """
    look = listed_looker()
    there, here = (look(HERE, os.fsencode(path) + b"/.").mount for path in (nearest_existing(base), directory))
    if there == here:
        return ""
    return (
        f"it lies on another file system or mount than the base directory {printable(base)}, where units go by way of"
    )


def _examined(root: int, path: str, asof: float) -> FoundUnit:
    look, look_listed = looker(), listed_looker()
    seen = look(root, b"")
    parent = os.fsencode(path.rpartition("/")[0])
    mount = look_listed(root, b".").mount
    if look_listed(root, b"..").mount != mount:
        raise UnitRefusedError("something is mounted there")
    if not seen.born:
        raise UnitRefusedError("its file system keeps nothing that tells it from another directory in its place")
    identity = Identity(seen.inode, seen.born, seen.changed, *parent_of(look, parent))

    def visit(directory: int, name: str, facts: Listed) -> None:
        del directory
        if facts.mount != mount:
            raise UnitRefusedError(f"something is mounted at {printable(below.where(name))} in it")
        if name == OWN_DIRECTORY:
            raise UnitRefusedError(f"{printable(below.where()) or 'it'} is a base directory")

    below = Below(root, visit, heed_locks=False)
    try:
        totals = below.totals(asof)
    except NotThatFile as other:
        if other.other.cause not in (Cause.CHANGING, Cause.USE_UNKNOWN):
            raise UnitRefusedError(other.other.detail) from other
        return FoundUnit(identity, None, None)
    return FoundUnit(identity, totals.disk, totals.newest / 1e9)
