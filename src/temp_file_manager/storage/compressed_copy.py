"""Compressed copies of open files: made without a name, with the owner, mode, access list, attributes and times."""

import errno
import os
import stat

from temp_file_manager.storage.new_files import create_nameless

SUFFIX = ".zst"
"""What the name of a compressed file ends with, as every tool that reads it expects."""

_KEPT_ATTRIBUTES = ("user.", "system.posix_acl_access")
_NONE = (errno.EOPNOTSUPP, errno.ENOSYS)


def nameless(directory: int) -> int | None:
    """Return a new file without a name in an open directory, open; None where that cannot be done."""
    return create_nameless(f"/proc/self/fd/{directory}")


def make_alike(target: int, source: int, found: os.stat_result) -> None:
    """Give a new file what another is known by but for its content; its times last: what is done later moves them.

    Args:
        target: The new file, open.
        source: The other, open.
        found: A look at the other.

    Raises:
        OSError: it cannot be given one of them.
    """
    made = os.fstat(target)
    if (made.st_uid, made.st_gid) != (found.st_uid, found.st_gid):
        os.fchown(target, found.st_uid, found.st_gid)
    theirs = _attributes(source)
    for name in _attributes(target) - theirs:  # an access list that the directory gives to what is made in it
        os.removexattr(target, name)
    for name in theirs:
        os.setxattr(target, name, os.getxattr(source, name))
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def _attributes(descriptor: int) -> set[str]:
    if not hasattr(os, "listxattr"):
        return set()
    try:
        return {name for name in os.listxattr(descriptor) if name.startswith(_KEPT_ATTRIBUTES)}
    except OSError as error:
        if error.errno in _NONE:
            return set()
        raise
