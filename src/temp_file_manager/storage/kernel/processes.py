"""Processes that have a file open or mapped, as far as ``/proc`` shows them to this user.

What others have open is never asked of its file system: a server that does not answer would make every look wait. Where
there is no ``/proc``, psutil is asked, if it is installed: it tells paths alone, so that there that cannot be helped.
"""

import os
import stat
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from typing import NamedTuple

from temp_file_manager.storage.kernel import psutil_look
from temp_file_manager.storage.kernel.statx import Opened, OpenedLook, opened_looker, signed
from temp_file_manager.text import masked

PROC = "/proc"
"""Where the kernel describes processes."""

LONGEST_COMMAND = 200
"""Characters of a command line that are told."""
_MOST_READ = 1 << 12
"""Bytes of it that are read: another user's may have megabytes."""

_ACCESS = {os.O_RDONLY: "open for reading", os.O_WRONLY: "open for writing", os.O_RDWR: "open for reading and writing"}
_BY_NAME_ONLY = getattr(os, "O_PATH", 0)
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD
_FIRST_PID_NAMESPACE = "pid:[4026531836]"


class FileUser(NamedTuple):
    """A process that has the file: its number, its command line, and in which ways."""

    pid: int
    command: str
    ways: tuple[str, ...]


class FileUsers(NamedTuple):
    """Who has a file.

    Attributes:
        processes: Those that were found.
        read: How many processes could be looked into.
        unread: How many could not: they are another user's.
        complete: Whether that is every process of the machine, so that nobody else can have it.
    """

    processes: tuple[FileUser, ...] = ()
    read: int = 0
    unread: int = 0
    complete: bool = False


def file_users(path: str) -> FileUsers:
    """Return who has the regular file at ``path`` open or mapped; of a link, a directory or nothing: nobody."""
    try:
        wanted = os.stat(path, follow_symlinks=False)
    except (OSError, ValueError):
        return FileUsers()
    return _looked_for(wanted, path) if stat.S_ISREG(wanted.st_mode) else FileUsers()


def census() -> FileUsers:
    """Return how much of ``/proc`` can be read, and no process."""
    return _looked_for(None, "")


def _looked_for(wanted: os.stat_result | None, path: str) -> FileUsers:
    found: list[FileUser] = []
    look = opened_looker()
    read = unread = 0
    pids = _pids()
    if not pids:
        return _looked_for_by_psutil(wanted, path)
    for pid in pids:
        process = f"{PROC}/{pid}"
        ways: dict[str, None] = {}
        try:
            for way in _ways(process, wanted, path, look):
                ways[way] = None
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        except OSError:
            unread += not is_kernel_thread(process)
        else:
            read += 1
        if ways:
            found.append(FileUser(pid, _command(process), tuple(ways)))
    return FileUsers(tuple(found), read, unread, bool(read) and not unread and sees_all_processes())


def _looked_for_by_psutil(wanted: os.stat_result | None, path: str) -> FileUsers:
    found: list[FileUser] = []
    read = unread = 0
    for process in psutil_look.opened():
        read += process.paths is not None
        unread += process.paths is None
        if wanted is not None and any(_leads_to(one, wanted, path) for one in process.paths or ()):
            found.append(FileUser(process.pid, _shown(_begun(process.words)), ("open",)))
    return FileUsers(tuple(found), read, unread)


def _begun(words: list[str]) -> list[str]:
    """Return the first words of a command line, as many as ``_command`` reads of it."""
    first, room = [], _MOST_READ
    for word in words:
        first.append(word if len(word) < room else word[:room] + "@")  # as where it is cut there
        room -= len(word) + 1
        if room <= 0:
            break
    return first


def _leads_to(opened: str, wanted: os.stat_result, path: str) -> bool:
    """Say whether what is open is that file. Only what may be is asked of its file system."""
    if os.path.basename(opened) != os.path.basename(path) and wanted.st_nlink == 1:
        return False
    try:
        return os.path.samestat(os.stat(opened), wanted)
    except OSError:
        return False


def told_by() -> str:
    """Return what tells of processes here: ``/proc``, ``psutil``, or nothing."""
    if _pids():
        return PROC
    return "" if psutil_look.library() is None else "psutil"


def _pids() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())
    except OSError:
        return []


def _ways(process: str, wanted: os.stat_result | None, path: str, look: OpenedLook) -> Iterator[str]:
    sought = None if wanted is None else Opened(signed(wanted.st_ino), wanted.st_dev)
    for name in os.listdir(f"{process}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            if sought is not None and look(os.fsencode(f"{process}/fd/{name}")) == sought:
                yield _access(f"{process}/fdinfo/{name}")
    with open(f"{process}/maps", "rb") as file:
        if wanted is not None and any(_is_of(line, wanted, os.fsencode(path)) for line in file):
            yield "mapped into its memory"


def _access(fdinfo: str) -> str:
    try:
        with open(fdinfo, encoding="utf-8") as file:
            flags = next((int(line.split()[1], 8) for line in file if line.startswith("flags:")), 0)
    except (OSError, ValueError, IndexError):
        return "open"
    if flags & _BY_NAME_ONLY:
        return "open, but not its contents"
    return _ACCESS.get(flags & os.O_ACCMODE, "open")


def _is_of(line: bytes, wanted: os.stat_result, path: bytes) -> bool:
    """Say whether a line of ``maps`` is a mapping of that file.

    On overlayfs and btrfs it names another device than ``stat`` does: there the path has to do.
    """
    fields = line.rstrip(b"\n").split(None, 5)
    if fields[4] == b"0" or int(fields[4]) != wanted.st_ino:
        return False
    major, _, minor = fields[3].partition(b":")
    device = os.makedev(int(major, 16), int(minor, 16))
    return device == wanted.st_dev or fields[5:] == [path.replace(b"\n", b"\\012")]


def is_kernel_thread(process: str) -> bool:
    """Say whether a process that cannot be read is no program: a thread of the kernel, or one that has ended."""
    try:
        with open(f"{process}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
        return state == b"Z" or bool(int(fields[5]) & _KERNEL_THREAD)
    except (OSError, ValueError, IndexError):
        return False


def _command(process: str) -> str:
    try:
        with open(f"{process}/cmdline", "rb") as file:
            read = file.read(_MOST_READ)
        words = read.rstrip(b"\0").split(b"\0")
        if words == [b""]:  # a process may erase it
            with open(f"{process}/comm", "rb") as file:
                words = [b"[" + file.read().strip() + b"]"]
            return os.fsdecode(words[0])
    except OSError:
        return "?"
    if len(read) == _MOST_READ:
        words[-1] += b"@"  # what is cut off may have been the end of a password
    return _shown(list(map(os.fsdecode, words)))


def _shown(words: list[str]) -> str:
    import shlex  # noqa: PLC0415 - slow to import, and few ask whose a file is

    text = masked(shlex.join(words))
    return text if len(text) <= LONGEST_COMMAND else f"{text[:LONGEST_COMMAND]}…"


_NOWHERE = ("pipe:", "socket:", "anon_inode:")
"""How the kernel calls what is open and lies in no directory."""


def open_inodes(but: Container[int] = ()) -> tuple[set[int], bool]:
    """Return the inodes that any process has open, and whether every process could be read.

    Args:
        but: Descriptors of this process's own that do not count.
    """
    look, own = opened_looker(), f"/proc/{os.getpid()}"
    return _inodes(lambda process: _open_in(process, look, but if process == own else ()), psutil_look.opened)


def working_directories() -> tuple[set[int], bool]:
    """Return the inodes of the directories that processes work in, or have for their root; the rest as above."""
    look = opened_looker()
    return _inodes(lambda process: _working_in(process, look), psutil_look.working)


def mapped_inodes() -> tuple[set[int], bool]:
    """Return the inodes that any process has mapped into its memory, and whether every process could be read."""
    return _inodes(_mapped_in, psutil_look.mapped)


def _inodes(
    inodes: Callable[[str], Iterator[int]], others: Callable[[], Iterator[psutil_look.Found]]
) -> tuple[set[int], bool]:
    """Return what ``inodes`` yields for every process, and whether every process could be read.

    Where there is no ``/proc``, ``others`` tells, and that it is every process is not known.
    """
    found: set[int] = set()
    complete = True
    try:
        names = [name for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        names = []
    for name in names:
        try:
            found.update(inodes(f"{PROC}/{name}"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        except OSError:
            complete = False
    return (found, complete) if names else (psutil_look.inodes(others()), False)


def _open_in(process: str, look: OpenedLook, but: Container[int]) -> Iterator[int]:
    for name in os.listdir(f"{process}/fd"):
        path = f"{process}/fd/{name}"
        with suppress(FileNotFoundError):  # closed meanwhile
            # Pipes and sockets are numbered for themselves, by the million: a file's number may be one's, too.
            if int(name) not in but and not os.readlink(path).startswith(_NOWHERE):
                yield look(os.fsencode(path)).inode


def _working_in(process: str, look: OpenedLook) -> Iterator[int]:
    for name in ("cwd", "root"):
        yield look(os.fsencode(f"{process}/{name}")).inode


def _mapped_in(process: str) -> Iterator[int]:
    with open(f"{process}/maps", "rb") as file:
        for line in file:
            fields = line.split(None, 5)
            if fields[4] != b"0":
                yield signed(int(fields[4]))


def sees_all_processes() -> bool:
    """Say whether ``/proc`` shows the machine's pid namespace, not one of a container's own."""
    try:
        return os.readlink(f"{PROC}/self/ns/pid") == _FIRST_PID_NAMESPACE
    except OSError:
        return False
