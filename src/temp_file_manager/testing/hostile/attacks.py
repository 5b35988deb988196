"""Attackers in processes of their own, for anybody's cleaner: who swaps, opens, holds and fills.

Each is a context manager. On entering, the attack has begun, or an error says why not; on leaving, its processes have
ended, and ``counts`` says what they did. If the test dies, they end as well. They need no rights but those to the
files they are given, and nothing of what this package is made of. A test should assert that its attacker was met (a
swapper that never swapped at the right moment proves nothing), and say so where it could not be tried.

``faults`` has the other half of the kit: disks, mounts, limits and storages that fail.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

AnyPath = str | os.PathLike[str]

HOLDING = ("open", "mapped", "flocked", "O_PATH", "another name")
"""The ways to hold a file that ``holders`` knows."""

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "attackers.py")
_PATIENCE = 60.0  # seconds for an attacker to end, of which it needs milliseconds


class Attack:
    """Processes at work.

    Attributes:
        counts: What they did, all together; empty until they have ended.
        processes: Those that have not been told to end.
    """

    def __init__(self, role: str, arguments: Iterable[Any], processes: int = 1) -> None:
        self.counts: Counter[str] = Counter()
        self.processes: list[subprocess.Popen[str]] = []
        line = json.dumps(list(arguments))
        try:
            for _ in range(processes):
                self.processes.append(_started(role))
            for process in self.processes:
                self._begin(process, line)
        except BaseException:
            self.kill()
            raise

    def _begin(self, process: "subprocess.Popen[str]", line: str) -> None:
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101 - likewise
        try:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # its own words say why
        if process.stdout.readline() != "ready\n":
            raise ChildProcessError(f"the attacker could not begin: {process.communicate()[1].strip()}")

    def stop(self) -> None:
        """End the attack, and count; may be called again.

        Raises:
            ChildProcessError: an attacker had ended before it was told to, and what it said.
        """
        problems = []
        while self.processes:
            process = self.processes.pop()
            try:
                told, problem = process.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                told, problem = process.communicate()
                problem = f"did not end: {problem}"
            if process.returncode:
                problems.append(problem.strip())
            else:
                self.counts.update(json.loads(told))
        if problems:
            raise ChildProcessError(f"attackers failed: {'; '.join(problems)}")

    def kill(self) -> None:
        """End the attack at once. Nothing is counted, and what was swapped may stay so."""
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.communicate()


def _started(role: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", _PROGRAM, role],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _attack(role: str, *arguments: Any, processes: int = 1) -> Iterator[Attack]:
    attack = Attack(role, arguments, processes)
    try:
        yield attack
    except BaseException:
        with suppress(ChildProcessError):  # what the block raised says more
            attack.stop()
        raise
    attack.stop()


@contextmanager
def swapper(one: AnyPath, other: AnyPath) -> Iterator[Attack]:
    """Swap two names as fast as one system call after another allows, until the block is left.

    Proves that a cleaner does not remove by a path what it looked at by that path before: give it the directory of the
    files to be cleaned up (or one above it) and another directory, or a link to one, in which files of the same names
    must stay.

    On Linux each swap is one ``renameat2(RENAME_EXCHANGE)``: hundreds of thousands a second, and no moment at which
    either name is missing. Elsewhere, and on file systems without it, three renames, between which a name is missing
    for a moment; ``counts["atomic"]`` is 0 then. On leaving, both names are what they were.

    Limits: each process swaps one pair, on one file system, and needs write access to the directories of both names.
    How often a cleaner is hit between its look and its removal is luck: count its attempts, not the swaps.

    Args:
        one: A name of anything.
        other: Another, on the same file system.

    Yields:
        The attack; its counts are ``swaps``, ``failed`` (somebody had taken a name away) and ``atomic``.

    Raises:
        ChildProcessError: the first swap failed.

    Example::

        with swapper("work", "link-to-victims") as swapping:
            for _ in range(100_000):
                my_cleaner("work/file")
        assert swapping.counts["swaps"] > 100_000
        assert os.listdir("victims") == ["file"]
    """
    with _attack("swap", _absolute(one), _absolute(other)) as attack:
        yield attack


@contextmanager
def openers(paths: Iterable[AnyPath], processes: int = 1) -> Iterator[Attack]:
    """Open, read and close files over and over, and count those that were taken while they were open.

    Proves that a cleaner which promises to leave open files alone keeps its word against those who open a file after
    it has looked. The criterion is exact: a file had a name when its open returned, and has none before it is closed.
    An open that had to wait for the removal, as for a lease, opens what has no name any more; that is no loss, and
    not counted.

    Limits: a file with other names (hard links) keeps one, so that its removal goes unseen. Files that are missing are
    passed over, and opened once they are there again.

    Args:
        paths: Regular files. Any may be missing at any time.
        processes: How many open them at once.

    Yields:
        The attack; its counts are ``opened`` and ``taken``.

    Example::

        with openers(paths) as opening:
            for _ in range(1000):
                my_cleaner(paths)
                make_again(paths)
        assert opening.counts["opened"] > 1000
        assert opening.counts["taken"] == 0
    """
    with _attack("open", [_absolute(path) for path in paths], processes=processes) as attack:
        yield attack


@contextmanager
def holders(paths: Iterable[AnyPath], how: str = "open") -> Iterator[Attack]:
    """Hold files, in another process, until the block is left.

    Proves that a cleaner sees who uses a file, also where ``open`` alone does not show it:

    - ``open``: a descriptor for reading.
    - ``mapped``: mapped into memory, the descriptor closed. The file must not be empty.
    - ``flocked``: open, and locked by ``flock``, exclusively.
    - ``O_PATH``: a descriptor that only points at the file, and neither reads nor writes. Linux alone has it. A
      cleaner may well take such a file: nobody can get at its content through that.
    - ``another name``: open under a hard link in a directory beside it, which goes when the block is left.

    Limits: the holder is of this user; one descriptor a file, of which a process often has 1,024.

    Args:
        paths: Regular files.
        how: One of ``HOLDING``.

    Yields:
        The attack; its count is ``held``.

    Raises:
        ValueError: ``how`` is none of them.
        ChildProcessError: a file cannot be held so.

    Example::

        for how in HOLDING:
            with holders(["report.csv"], how):
                my_cleaner("report.csv")
            assert os.path.exists("report.csv") or how == "O_PATH"
    """
    if how not in HOLDING:
        raise ValueError(f"how is {how!r}: give one of {', '.join(HOLDING)}")
    with ExitStack() as stack:
        held = [_absolute(path) for path in paths]
        if how == "another name":
            held = [_linked(path, stack) for path in held]
        yield stack.enter_context(_attack("hold", held, how))


def _linked(path: str, stack: ExitStack) -> str:
    beside = stack.enter_context(tempfile.TemporaryDirectory(dir=os.path.dirname(path), prefix=".held-"))
    link = os.path.join(beside, "other name")
    os.link(path, link)
    return link


@contextmanager
def filler(directory: AnyPath, *, most: int = 256 << 20) -> Iterator[Attack]:
    """Fill a file system to the last byte, and whatever gets free on it, until the block is left.

    Proves that a cleaner works when there is no room, which is when it is needed, and loses nothing when the room that
    it has just made is gone before it can write down that it made it.

    Limits: it takes bytes, not inodes: an empty file can still be made on some file systems. Blocks reserved for root
    are taken only if this process is root. Its file has no name where the system has such files; it goes, and the
    room is free again, on leaving or when the process dies.

    Args:
        directory: Anywhere on the file system, writable.
        most: Bytes. A file system with more free than this is not filled: it may be one that others need.

    Yields:
        The attack; its count is ``bytes``, more than the file system holds if some got free meanwhile.

    Raises:
        ValueError: more than ``most`` is free.

    Example::

        with small_disk("disk", 4 << 20), filler("disk") as filling:
            my_cleaner("disk/files")
        assert filling.counts["bytes"] > 0
    """
    system = os.statvfs(directory)
    free = system.f_bfree * system.f_frsize
    if free > most:
        raise ValueError(f"{free} bytes are free at {os.fspath(directory)}, more than {most}: fill a small_disk()")
    with _attack("fill", _absolute(directory)) as attack:
        yield attack


def _absolute(path: AnyPath) -> str:
    return os.path.abspath(path)
