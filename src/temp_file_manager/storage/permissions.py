"""Owners and modes: whose a file is, and the mode it gets when it is registered.

A mode is changed through a descriptor that was looked at before, never through a name: whoever may rename entries in
the file's directory could else put a link there between the look and the change, and have the mode of any file of
ours changed. (``chmod`` has no flag against links on Linux before 6.6, and Python none for what came then.)
"""

import os
import stat

# Opens nothing: a reader's lease, a pipe's writer, a device and a file without read permission never notice.
POINT_AT = getattr(os, "O_PATH", 0)
"""Opens a file to name it, and for nothing else; 0 where the system cannot."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_READ = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


def foreign(owner: int) -> str:
    """Say that a file of the user ``owner`` is not this user's; nothing when it is.

    The effective user is what the kernel goes by. Root could do as it likes with any file, which is what somebody
    who asks for the check does not want: to root, too, all files but its own are foreign.
    """
    here = os.geteuid()
    return "" if owner == here else f"it belongs to user {owner}, not to user {here}"


def foreign_at(path: str) -> str:
    """Say what ``foreign`` says of the file at ``path``, of a link itself; nothing when there is none."""
    try:
        return foreign(os.lstat(path).st_uid)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        return _in_words(error)


def restrict(path: str, mask: int) -> str:
    """Give the file at ``path`` the mode ``mask``, or leave it as it is and say why.

    Only a regular file of this user's that has no other name is changed; of a link, neither it nor its target. This
    moves the file's change time: take its identity afterwards.

    Args:
        path: Absolute.
        mask: The nine permission bits; what else the mode had (set-user-id …) goes.

    Returns:
        Nothing when the mode is ``mask`` now, else the reason why it was left.
    """
    try:
        return _restrict_in_place(path, mask) if POINT_AT else _restrict_opened(path, mask)
    except (OSError, ValueError) as error:
        return _in_words(error)


def restrict_new(descriptor: int, mask: int) -> None:
    """Give a file that has no name yet the mode ``mask``."""
    os.fchmod(descriptor, mask)


def _restrict_in_place(path: str, mask: int) -> str:
    descriptor = os.open(path, POINT_AT | _NO_LINK)
    try:
        seen = os.fstat(descriptor)
        reason = _why_left(seen)
        if reason or stat.S_IMODE(seen.st_mode) == mask:
            return reason
        try:
            # No name is looked up: the kernel takes the file from the descriptor.
            os.chmod(f"/proc/self/fd/{descriptor}", mask)
        except (FileNotFoundError, NotADirectoryError):  # a chroot without /proc
            return _restrict_opened(path, mask)
        return ""
    finally:
        os.close(descriptor)


def _restrict_opened(path: str, mask: int) -> str:
    # Looked at first, as opening a device can do things; and once more, as it may be another file by then.
    reason = _why_left(os.lstat(path))
    if reason:
        return reason
    descriptor = os.open(path, _READ)
    try:
        seen = os.fstat(descriptor)
        reason = _why_left(seen)
        if not reason and stat.S_IMODE(seen.st_mode) != mask:
            os.fchmod(descriptor, mask)
        return reason
    finally:
        os.close(descriptor)


def _why_left(seen: os.stat_result) -> str:
    if stat.S_ISLNK(seen.st_mode):
        return "it is a link, and what it leads to is not registered"
    if not stat.S_ISREG(seen.st_mode):
        return "it is no regular file"
    if seen.st_nlink > 1:
        # A stranger may have made this name, for a file of ours that lies elsewhere.
        return f"it has {seen.st_nlink} names, and the others' mode would change with it"
    return foreign(seen.st_uid)


def _in_words(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "the path holds a NUL character"
