"""Directories above a path, judged from the root down: whether somebody else can lead the path elsewhere.

Whoever may rename what lies above a directory can put another in its place, or a link to one, and have us make,
register and remove files there with our rights. So each directory on the way must belong to us or to root, and
nobody else may change what is in it, unless it is sticky. Each is opened relative to the one before, and what is open
is judged: between a look at a name and its use nobody can put anything.
"""

import errno
import os
import stat
from functools import cache
from typing import NamedTuple

from temp_file_manager.storage.kernel.access_lists import AccessList, access_list
from temp_file_manager.storage.kernel.processes import sees_all_processes
from temp_file_manager.storage.kernel.statx import listed_looker
from temp_file_manager.text import printable

ELSEWHERE = "give a directory elsewhere, such as /var/tmp/temp-files"

_MOST_LINKS = 40  # as the kernel has it
_POINT_AT = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Entry(NamedTuple):
    """What a directory entry is, links not followed."""

    mode: int
    uid: int
    gid: int
    listed: AccessList | None = None


class Us(NamedTuple):
    """Whom this process acts as.

    Attributes:
        uid: Whose its files are.
        gid: Its primary group.
        groups: All its groups.
        trusted: Owners of directories who can do anything to us anyway, or are us.
    """

    uid: int
    gid: int
    groups: frozenset[int]
    trusted: frozenset[int]


class Opening(NamedTuple):
    """Somebody else who may change what is in a directory, and the command that takes the right away."""

    who: str
    undo: str


def opening(found: Entry, us: Us) -> Opening | None:
    """Return who else may rename or remove what is in a directory; None if nobody.

    Our primary group may: many systems give each user one, and a umask of 002. So may another of ours in a directory
    with the set-group-id bit, which says that it is shared on purpose: Kubernetes gives both to everything on a volume
    at each start of a pod with an ``fsGroup``, to this package's own 0700 folders, too. So may root's group.
    """
    if found.mode & stat.S_ISVTX:
        # Only an entry's owner, the directory's and root can rename or remove it.
        return None
    if found.mode & stat.S_IWOTH:
        return Opening("all users", "chmod o-w")
    if not found.mode & stat.S_IWGRP:  # with an access list its mask: nobody whom it names may write
        return None
    listed = found.listed or AccessList(frozenset(), frozenset(), owning_group=True)
    ours = {us.gid, 0} | (us.groups if found.mode & stat.S_ISGID else frozenset())
    groups = listed.groups | ({found.gid} if listed.owning_group else frozenset())
    strangers = [f"user {number}" for number in sorted(listed.users - us.trusted)]
    strangers += [f"group {number}" for number in sorted(groups - ours)]
    return Opening(strangers[0], "chmod g-w") if strangers else None


def why_unsafe_above(path: str) -> str:
    """Say why somebody else can lead a path elsewhere, and what to do; nothing when nobody can.

    Every directory above it is judged, links followed as they are met, the last, too; ``path`` itself is not, and it
    need not be there. Of a file that is every directory that it lies in.

    Args:
        path: Absolute.

    Raises:
        OSError: a directory on the way cannot be looked at.
    """
    us = this_process()
    with _Way(us) as way:
        names = _names(path)
        while names:
            reason = way.step(names)
            if reason:
                return reason
    return ""


class _Step(NamedTuple):
    """A directory on the way, held open."""

    descriptor: int
    path: str
    found: Entry


class _Way:
    """A way from the root down. Holds one directory open; closed on leaving the ``with`` block."""

    def __init__(self, us: Us) -> None:
        self._us = us
        self._links = 0
        self._here = self._root()

    def __enter__(self) -> "_Way":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._here.descriptor)

    def step(self, names: list[str]) -> str:
        """Go on to the last of ``names`` and take it off, or put in its place where it leads; say why not to go on.

        What is not there, or is no directory, is the end of the way.
        """
        name, here = names.pop(), self._here
        path = _joined(here.path, name)
        try:
            descriptor = os.open(name, _POINT_AT, dir_fd=here.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            names.clear()
            return ""
        try:
            found = look_open(descriptor)
            if stat.S_ISLNK(found.mode):
                return self._follow(path, found, os.readlink("", dir_fd=descriptor), names)
            there = _Step(descriptor, path, found)
            reason = self._judge(there) if names and stat.S_ISDIR(found.mode) else ""
            descriptor, self._here = here.descriptor, there
            return reason
        finally:
            os.close(descriptor)

    def _follow(self, path: str, found: Entry, target: str, names: list[str]) -> str:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        # As the kernel can (protected_symlinks): in a directory such as /tmp anybody can make a link before we do.
        around = self._here.found
        if around.mode & stat.S_ISVTX and around.mode & stat.S_IWOTH and found.uid not in self._us.trusted:
            return f"{printable(path)} is a link that {user(found.uid)} made: choose another"
        names += _names(target)
        if target.startswith("/"):
            root = self._root()
            os.close(self._here.descriptor)
            self._here = root
        return ""

    def _judge(self, there: _Step) -> str:
        where = printable(there.path)
        if there.found.uid not in self._us.trusted:
            return (
                f"{where} above it belongs to {user(there.found.uid)}, who can put another directory in its place: "
                f"{ELSEWHERE}, or run this as that user"
            )
        other = opening(there.found, self._us)
        if other is None or self._is_given(there):
            return ""
        return (
            f"{other.who} may change what is in {where} above it, and so put another directory in its place: "
            f"take that right away ({other.undo} {where}), or {ELSEWHERE}"
        )

    def _is_given(self, there: _Step) -> bool:
        """Say whether a directory open to all is a volume that was given to this container as a whole.

        Kubernetes gives every ``emptyDir`` the mode 0777, and leaves no user of the pod a way to change that. Whoever
        reaches it is in the pod. Root, which has more to lose, and could change the mode, gets no exception.
        """
        if not self._us.uid or there.found.uid or sees_all_processes():
            return False
        look = listed_looker()
        return look(there.descriptor, b".").mount != look(self._here.descriptor, b".").mount

    @staticmethod
    def _root() -> _Step:
        descriptor = os.open("/", _POINT_AT)
        try:
            return _Step(descriptor, "/", look_open(descriptor))
        except BaseException:
            os.close(descriptor)
            raise


def _names(path: str) -> list[str]:
    """Return the parts of a path, the last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _joined(directory: str, name: str) -> str:
    return os.path.dirname(directory) if name == ".." else os.path.join(directory, name)


def look_open(descriptor: int) -> Entry:
    """Return what is open, were it by ``O_PATH``.

    Raises:
        OSError: it cannot be looked at.
    """
    found = os.fstat(descriptor)
    asked = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IWGRP
    return Entry(found.st_mode, found.st_uid, found.st_gid, access_list(descriptor) if asked else None)


def look_at(path: str) -> Entry | None:
    """Return what is at a path, a link itself; None: nothing.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        descriptor = os.open(path, _POINT_AT)
    except (FileNotFoundError, NotADirectoryError):  # below a file: making it says so
        return None
    try:
        return look_open(descriptor)
    finally:
        os.close(descriptor)


def user(uid: int) -> str:
    """Name a user in a message."""
    return f"user {uid}" if uid else "root"


# -- whom we trust


def this_process() -> Us:
    """Return whom this process acts as: effective numbers, which the kernel gives to new files and goes by."""
    uid = os.geteuid()
    return Us(uid, os.getegid(), frozenset(os.getgroups()), frozenset({0, uid} | _root_outside()))


@cache
def _root_outside() -> frozenset[int]:
    """Return the number that stands for root of the machine where this user namespace does not know it."""
    try:
        with open("/proc/self/uid_map", encoding="utf-8") as file:
            known = file.read()
        with open("/proc/sys/kernel/overflowuid", encoding="utf-8") as file:
            return root_outside(known, int(file.read()))
    except (OSError, ValueError):
        return frozenset()


def root_outside(uid_map: str, overflow: int) -> frozenset[int]:
    """Return the number that stands for all whom a user namespace does not know, if the machine's root is one of them.

    In a sandbox that an ordinary user made (``unshare -r``, bubblewrap) ``/`` and ``/home`` belong to it. Where root
    is known, or a user inside has that number, it stands for strangers, and is not trusted.
    """
    ranges = [tuple(map(int, line.split())) for line in uid_map.splitlines()]
    knows_root = any(outside == 0 for _, outside, _ in ranges)
    is_known = any(inside <= overflow < inside + count for inside, _, count in ranges)
    return frozenset() if knows_root or is_known or not ranges else frozenset({overflow})
