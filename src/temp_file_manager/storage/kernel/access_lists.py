"""POSIX access lists: who may write to a directory beyond its owner, its group and everybody.

Where there is one, the group's bits of the mode are no longer the group's: they are the list's mask, the most that
anybody may do whom it names. By its mode alone a directory opened to another user looks like one opened to its group.
"""

import errno
import os
from struct import Struct
from typing import NamedTuple

_NAME = "system.posix_acl_access"
_VERSION, _ENTRY = Struct("<I"), Struct("<HHI")
_USER, _OWNING_GROUP, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10
_WRITE = 0x2
_NONE = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS})
"""There is no list, or the file system keeps none."""


class AccessList(NamedTuple):
    """Who may write by an access list: users and groups that it names, and whether the owning group may."""

    users: frozenset[int]
    groups: frozenset[int]
    owning_group: bool


def access_list(descriptor: int) -> AccessList | None:
    """Return the access list of what is open, were it by ``O_PATH``; None when it has none.

    Raises:
        OSError: it cannot be read.
    """
    if not hasattr(os, "getxattr"):
        return None
    try:
        return parsed(os.getxattr(f"/proc/self/fd/{descriptor}", _NAME))
    except FileNotFoundError as error:
        raise OSError(errno.ENOSYS, "its access list cannot be read without /proc") from error
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise


def parsed(data: bytes) -> AccessList:
    """Return who may write by an access list as the kernel tells it: a version, then a tag, rights and a number each.

    Raises:
        OSError: it is cut short, or of another version than the one there is.
    """
    body = data[_VERSION.size :]
    if data[: _VERSION.size] != _VERSION.pack(2) or len(body) % _ENTRY.size:
        raise OSError(errno.EINVAL, "its access list cannot be understood")
    entries = list(_ENTRY.iter_unpack(body))
    mask = next((rights for tag, rights, _ in entries if tag == _MASK), _WRITE)
    may = [(tag, number) for tag, rights, number in entries if rights & mask & _WRITE]
    return AccessList(
        frozenset(number for tag, number in may if tag == _USER),
        frozenset(number for tag, number in may if tag == _GROUP),
        any(tag == _OWNING_GROUP for tag, _ in may),
    )
