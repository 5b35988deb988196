"""Rules for base directories: which may not be one, why, and what to give instead.

For whatever acts on a base without its application beside it: durable registries, the command line, the service.
The rules are pure and read ``Facts``, so that a test can ask them as any user of any machine.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError
from temp_file_manager.storage.ancestors import (
    ELSEWHERE,
    Entry,
    Us,
    look_at,
    opening,
    this_process,
    user,
    why_unsafe_above,
)
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.text import printable

COMMON = (
    *("/tmp", "/var/tmp", "/dev/shm"),  # noqa: S108 - not used, but refused
    *("/var", "/var/cache", "/var/db", "/var/lib", "/var/local", "/var/lock", "/var/log", "/var/mail", "/var/opt"),
    *("/var/run", "/var/spool", "/run", "/run/lock", "/run/user", "/opt", "/srv", "/mnt", "/media", "/home"),
    # Images of Python and Node.js have for years said WORKDIR /usr/src/app.
    "/usr/src",
    *("/private", "/var/folders", "/Library", "/Library/Caches", "/Users", "/Users/Shared", "/Volumes"),
)
"""Directories that many programs share. Each is refused, and what lies below is not."""

CLOSED = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr"),
    *("/Applications", "/System"),
)
"""Directories of the system's own. Each is refused, and all below it, up to one of the others."""


class Facts(NamedTuple):
    """What the rules go by.

    Attributes:
        uid: Whose this process's files are.
        gid: Its primary group.
        groups: All its groups.
        homes: Home directory → whose.
        common: ``COMMON``, links resolved.
        closed: ``CLOSED``, links resolved.
        look: Says what a path is; None: nothing. Raises OSError.
    """

    uid: int
    gid: int
    groups: frozenset[int]
    homes: Mapping[str, str]
    common: frozenset[str]
    closed: frozenset[str]
    look: Callable[[str], Entry | None]

    @property
    def us(self) -> Us:
        """Whom the rules are asked for."""
        return Us(self.uid, self.gid, self.groups, frozenset({0, self.uid}))


def refuse_unsafe(base: str) -> None:
    """Raise unless ``base`` can be a base directory, or is not there and could be made as one.

    Ask before it is made, lest something be made below ``/etc``, and again when it is there.

    Raises:
        BaseDirectoryError: it cannot; the message says why, and what to do.
        InvalidArgumentError: it holds a NUL character.
    """
    if "\0" in base:
        raise InvalidArgumentError(f"base_dir {base!r} holds a NUL character")
    # All links resolved at once: what is judged is the directory that would be written to.
    real = os.path.realpath(base)
    facts = here()
    try:
        found = look_at(real)
        # What lies above comes last: only where nobody can lead the path elsewhere does the rest stay true.
        reason = unsafe(real, facts) or why_unsafe_above(os.path.abspath(base))
    except OSError as error:
        message = f"the base directory cannot be looked at ({error.strerror}): choose another"
        raise BaseDirectoryError(error.errno, message, base) from error
    if found is not None and not stat.S_ISDIR(found.mode):
        raise BaseDirectoryError(errno.ENOTDIR, "the base directory is a file: choose another", base)
    if reason:
        leads = f" (it leads to {printable(real)})" if real != os.path.abspath(base) else ""
        raise BaseDirectoryError(errno.EPERM, f"not to be used as a base directory{leads}: {reason}", base)


def why_no_unit(real: str, base: str) -> str:
    """Say why a directory in a base cannot be one that goes as a whole, and what to do; nothing if it can.

    What is asked of a base directory is asked of it, but that it may lie in one: in ``base``.

    Args:
        real: Absolute, with links resolved.
        base: Likewise.

    Raises:
        OSError: it cannot be looked at.
    """
    facts = here()
    for directory in _up_from(os.path.dirname(real)):
        if directory == base:
            break
        if _is_a_base(directory, facts):
            return f"it lies in another base directory, {printable(directory)}"
    return why_not_by_name(real, facts) or why_unsafe_above(real) or _by_owner_and_mode(real, facts)


def refuse_foreign_private(path: str) -> None:
    """Raise if the package's own folder is there and is not this user's own.

    In a base that everybody may write to, as a temporary directory's top, a stranger can have made it first. Ask
    when it is there: from then on only its owner can put another in its place.

    Raises:
        BaseDirectoryError: it is a link, no directory, another user's, or open to others.
    """
    try:
        found = look_at(path)
    except OSError as error:
        raise BaseDirectoryError(error.errno, f"cannot be looked at ({error.strerror})", path) from error
    if found is not None:
        refuse_foreign(found, path)


def refuse_foreign(found: Entry, path: str) -> None:
    """Raise if what was found is not a directory of the package's own, as ``refuse_foreign_private`` does."""
    if not stat.S_ISDIR(found.mode):
        kind = "a link" if stat.S_ISLNK(found.mode) else "no directory"
        raise BaseDirectoryError(errno.ENOTDIR, f"it is {kind}, and not this package's: move it away", path)
    us = this_process()
    if found.uid != us.uid:
        reason = (
            f"it belongs to {user(found.uid)}, not to {user(us.uid)}: run this as its owner, or choose another base"
        )
    elif opening(found._replace(mode=found.mode & ~stat.S_ISVTX), us):
        # Whatever is in it may be a stranger's work by now, so making it private again is for a person to decide.
        reason = "others may write to it: see who has, and then take that right away (chmod go-w)"
    else:
        return
    raise BaseDirectoryError(errno.EPERM, reason, path)


def unsafe(base: str, facts: Facts) -> str:
    """Say why ``base``, absolute and with links resolved, can be no base directory, and what to do; else nothing."""
    return why_not_by_name(base, facts) or _by_what_lies_above(base, facts) or _by_owner_and_mode(base, facts)


def why_not_by_name(base: str, facts: Facts) -> str:
    """Say why ``base``, as in ``unsafe``, can be none by its name alone, and what to do; nothing if it can."""
    elsewhere = "give a directory of its own, such as /var/tmp/temp-files"
    if base == "/":
        return f"it is the root of the file system: {elsewhere}"
    nearest = nearest_listed(base, facts)
    if nearest in facts.closed:
        where = "it is" if nearest == base else "it lies in"
        return f"{where} the system's {printable(nearest)}: {elsewhere}"
    if nearest == base:
        return f"many programs use {printable(base)}: {_inside(base)}"
    if base in facts.homes:
        return f"it is the home of {printable(facts.homes[base])}: {_inside(base)}"
    below = min((home for home in facts.homes if home.startswith(f"{base}/")), default="")
    if below:
        return f"it holds {printable(below)}, the home of {printable(facts.homes[below])}: {elsewhere}"
    return ""


def nearest_listed(directory: str, facts: Facts) -> str:
    """Return the nearest of ``facts.closed`` and ``facts.common`` that a directory is or lies in: it decides. Or ""."""
    return next((one for one in _up_from(directory) if one in facts.closed or one in facts.common), "")


def _by_what_lies_above(base: str, facts: Facts) -> str:
    if OWN_DIRECTORY in base.split("/"):
        return f"it lies in {OWN_DIRECTORY}, which is this package's own: give a directory outside"
    for directory in _up_from(os.path.dirname(base)):
        if _is_a_base(directory, facts):
            return f"it lies in another base directory, {printable(directory)}: give that one, or one outside it"
    return ""


def _is_a_base(directory: str, facts: Facts) -> bool:
    """Say whether somebody works here: not whether there is only a folder of that name.

    A stranger may make one in /tmp, and that must not keep everybody from working below. Nor may one that an
    earlier version left where this one refuses to work and says: give a directory inside it.
    """
    folder = facts.look(os.path.join(directory, OWN_DIRECTORY))
    if folder is None or not stat.S_ISDIR(folder.mode) or why_not_by_name(directory, facts):
        return False
    found = facts.look(directory)
    if found is None or folder.uid not in (found.uid, facts.uid, 0):
        return False
    return bool(found.mode & stat.S_ISVTX or not found.mode & stat.S_IWOTH)


def _by_owner_and_mode(base: str, facts: Facts) -> str:
    found = facts.look(base)
    if found is None:  # to be made, and then ours
        return ""
    # In a sticky directory nobody but its owner, the entry's own and root can rename or remove an entry.
    sticky = found.mode & stat.S_ISVTX
    if found.uid != facts.uid and not (found.uid == 0 and sticky):
        # Inside a stranger's, the stranger could move ours away.
        advice = _inside(base) if found.uid == 0 else "give a directory of your own"
        return f"it belongs to {user(found.uid)}, not to {user(facts.uid)}: {advice}, or run this as its owner"
    if sticky:
        return ""
    other = opening(found, facts.us)
    return f"{other.who} may change what is in it: take that right away ({other.undo}), or {ELSEWHERE}" if other else ""


def _inside(base: str) -> str:
    return f"give a directory inside it, such as {printable(os.path.join(base, 'temp-files'))}, made if missing"


def _up_from(directory: str) -> Iterable[str]:
    while directory.strip("/"):  # of two slashes at the front Python keeps both
        yield directory
        directory = os.path.dirname(directory)


# -- the facts


def here() -> Facts:
    """Return the facts of this process and machine."""
    us = this_process()
    return Facts(us.uid, us.gid, us.groups, _homes(us.uid), resolved(COMMON), resolved(CLOSED), look_at)


def resolved(directories: Iterable[str]) -> frozenset[str]:
    """Return directories with links resolved, but for the root."""
    # On some systems one is a link to / or to each other, as /bin to /usr/bin, /var to /private/var, /usr to /.
    return frozenset(os.path.realpath(directory) for directory in directories) - {"/"}


def _homes(uid: int) -> dict[str, str]:
    """Return the home directories that can be told without asking a network.

    The file is read, not ``pwd.getpwall``: in an organisation that lists each of 50,000 users, for seconds. Their
    homes are theirs, and so refused anyway. Others' are not resolved either: to look is to mount them.
    """
    homes = {"/root": "root"}
    try:
        with open("/etc/passwd", encoding="utf-8", errors="surrogateescape") as file:
            fields = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        fields = []
    homes |= {os.path.normpath(field[5]): field[0] for field in fields if field[5:]}
    # Where /home is a link itself, what lies in one has a path that begins otherwise.
    tops = {top: os.path.realpath(top) for top in set(map(os.path.dirname, homes)).intersection(COMMON)}
    within = [(home, tops[os.path.dirname(home)]) for home in homes if os.path.dirname(home) in tops]
    homes |= {os.path.join(top, os.path.basename(home)): homes[home] for home, top in within}
    mine = {"this user": os.environ.get("HOME", ""), f"user {uid}": _home_by_name_service(uid)}
    homes = {os.path.realpath(home): whose for whose, home in mine.items() if home.startswith("/")} | homes
    return {home: whose for home, whose in homes.items() if home.startswith("/") and home != "/"}


def _home_by_name_service(uid: int) -> str:
    try:
        import pwd  # noqa: PLC0415 - only Unix has it

        return pwd.getpwuid(uid).pw_dir
    except (ImportError, KeyError):  # containers run as users that nobody has named
        return ""
