"""Renames that take nothing's place: by the system call that does so in one step, or by a second name."""

import errno
import os
import stat
from collections.abc import Callable

from temp_file_manager.storage.kernel.statx import system_call

_NO_REPLACE = 1
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""The file system does not know the flag, or the kernel not the call."""


def move(name: bytes, source: int, new_name: bytes, target: int) -> None:
    """Move an entry from one open directory to another, where nothing has the new name.

    Raises:
        OSError: it cannot be moved; FileExistsError if something has the name.
    """
    call = renameat2()
    if call is not None:
        import ctypes  # noqa: PLC0415 - see system_call

        if not call(source, name, target, new_name, _NO_REPLACE):
            return
        number = ctypes.get_errno()
        if number not in _CANNOT:
            raise OSError(number, os.strerror(number), os.fsdecode(new_name))
    if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
        # No second name can be given to it; the place of an empty directory it may take.
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
        return
    os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    os.unlink(name, dir_fd=source)


def renameat2() -> Callable[..., int] | None:
    """Return the C library's call, or None where there is none."""
    return system_call("renameat2")
