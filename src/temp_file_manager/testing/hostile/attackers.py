"""The attackers' own program: ``python attackers.py ROLE``, and a line of JSON on standard input.

Stands alone, importing nothing of this package, so that it begins in some 20 ms. It says ``ready`` once it is at work,
goes on until its standard input ends (as it does, too, when whoever started it dies), and then says what it has done.
"""

import ctypes
import errno
import json
import mmap
import os
import select
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

Tally = dict[str, int]

_AT_ONCE = 1000  # an even number: after so many swaps everything is where it was
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
_LARGEST = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


def swap(one: str, other: str) -> Iterator[Tally]:
    """Swap two names, a thousand times between two looks at whether it is enough; a system call each."""
    exchange = _exchange(os.fsencode(one), os.fsencode(other))
    tally = {"swaps": 0, "failed": 0, "atomic": int(exchange is not None)}
    while True:
        if exchange is None:
            _swap_in_steps(one, other)
            _swap_in_steps(one, other)
            tally["swaps"] += 2
        else:
            # All in C: the loop, the conversion of what never changes, and the sum of what fails (-1 each).
            tally["failed"] -= exchange()
            tally["swaps"] += _AT_ONCE
        yield tally


def _exchange(one: bytes, other: bytes) -> Callable[[], int] | None:
    """Return what swaps ``_AT_ONCE`` times; None where no system call swaps two names."""
    try:
        function = ctypes.PyDLL(None, use_errno=True).renameat2  # PyDLL: no giving up of a lock that nobody wants
    except AttributeError:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    for _ in range(2):  # there and back
        if function(_HERE, one, _HERE, other, _EXCHANGE):
            number = ctypes.get_errno()
            if number in (errno.EINVAL, errno.ENOSYS):  # a file system or a kernel without
                return None
            raise OSError(number, os.strerror(number), os.fsdecode(one))
    here, first, second = ctypes.c_int(_HERE), ctypes.c_char_p(one), ctypes.c_char_p(other)
    how = ctypes.c_uint(_EXCHANGE)
    return lambda: sum(map(function, repeat(here, _AT_ONCE), repeat(first), repeat(here), repeat(second), repeat(how)))


def _swap_in_steps(one: str, other: str) -> None:
    aside = f"{one}.{os.getpid()}"
    for source, target in ((one, aside), (other, one), (aside, other)):
        os.rename(source, target)


def open_and_close(paths: list[str]) -> Iterator[Tally]:
    """Open each file, read, and close it, over and over; count those that lost their name meanwhile."""
    tally = {"opened": 0, "taken": 0}
    while True:
        for path in paths:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            # An open that had to wait for the removal opens what has no name any more. One that did not finds a
            # name, and from then on nobody may take it.
            named = os.fstat(descriptor).st_nlink
            os.read(descriptor, 1)
            tally["taken"] += bool(named and not os.fstat(descriptor).st_nlink)
            tally["opened"] += bool(named)
            os.close(descriptor)
        yield tally


def hold(paths: list[str], how: str) -> Iterator[Tally]:
    """Hold each file in one way, and do nothing else."""
    kept = [_held(path, how) for path in paths]
    yield {"held": len(kept)}
    sys.stdin.read()
    yield {"held": len(kept)}


def _held(path: str, how: str) -> object:
    if how == "O_PATH":
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if how == "flocked":
        import fcntl  # noqa: PLC0415 - only Unix has it

        fcntl.flock(descriptor, fcntl.LOCK_EX)
    elif how == "mapped":
        mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        os.close(descriptor)
        return mapping
    return descriptor


def fill(directory: str) -> Iterator[Tally]:
    """Take all the room there is, and what gets free later; at the end it is given back."""
    tally = {"bytes": 0}
    zeros = memoryview(bytes(_LARGEST))
    # Without a name where the system can: then nothing is left behind whatever ends this.
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        while True:
            size = _LARGEST
            while size:
                try:
                    tally["bytes"] += file.write(zeros[:size])
                except OSError as error:
                    if error.errno not in _FULL:
                        raise
                    size //= 2
            yield tally


ROLES: dict[str, Callable[..., Iterator[Tally]]] = {
    "swap": swap,
    "open": open_and_close,
    "hold": hold,
    "fill": fill,
}


def _ended() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def main(role: str, arguments: Iterable[Any]) -> None:
    """Play a role until standard input ends."""
    told: Tally = {}
    for number, tally in enumerate(ROLES[role](*arguments)):
        told = tally
        if not number:
            print("ready", flush=True)
        if _ended():
            break
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.stdin.readline()))
