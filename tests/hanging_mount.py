"""A real file system that hangs when a file is removed: FUSE, spoken over ``/dev/fuse``, for root on Linux."""

import contextlib
import ctypes
import os
import stat
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from patience import PATIENCE

_LOOKUP, _GETATTR, _UNLINK, _OPENDIR, _INIT, _NO_ANSWER = 1, 3, 10, 27, 26, {2, 36, 42}
_ENOENT, _ENOSYS = 2, 38
_DETACH = 2


class HangingMount:
    """Holds the files it is given in its root; their removal hangs until ``release``.

    Attributes:
        deaf: Whether it leaves questions about its files unanswered, as a server that is away does.
    """

    def __init__(self, place: Path, names: list[str]) -> None:
        self.place = place
        self.hung = threading.Event()
        self.removed: list[str] = []
        self.deaf = False
        self._nodes = {name.encode(): number for number, name in enumerate(names, 2)}
        self._waiting: list[tuple[int, bytes]] = []
        self._unanswered: list[int] = []
        self._lock = threading.Lock()
        self._descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._descriptor},rootmode=40755,user_id={os.getuid()},group_id={os.getgid()}"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"hanging", os.fsencode(place), b"fuse", 0, options.encode()):
            os.close(self._descriptor)
            raise OSError(ctypes.get_errno(), "cannot mount")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let what hangs be removed, as a server does that comes back."""
        with self._lock:
            for unique, name in self._waiting:
                del self._nodes[name]
                self.removed.append(name.decode())
                self._answer(unique)
            self._waiting.clear()

    def close(self) -> None:
        self.release()
        with self._lock:
            self.deaf = False
            for unique in self._unanswered:
                self._answer(unique, error=_ENOENT)
        ctypes.CDLL(None).umount2(os.fsencode(self.place), _DETACH)
        self._thread.join(PATIENCE)
        os.close(self._descriptor)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # unmounted
            while True:
                request = os.read(self._descriptor, 1 << 20)
                _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
                with self._lock:
                    self._handle(opcode, unique, node, request[40:])

    def _handle(self, opcode: int, unique: int, node: int, body: bytes) -> None:
        if opcode == _INIT:
            self._answer(unique, struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 8, 8, 1 << 17, 1, 0, 0, 0))
        elif self.deaf and opcode in (_LOOKUP, _GETATTR):
            self._unanswered.append(unique)
        elif opcode == _LOOKUP:
            found = self._nodes.get(body.rstrip(b"\0"))
            entry = struct.pack("=QQQQII", found or 0, 0, 0, 0, 0, 0)
            self._answer(unique, entry + _attributes(found or 0), 0 if found else _ENOENT)
        elif opcode == _GETATTR:
            self._answer(unique, struct.pack("=QII", 0, 0, 0) + _attributes(node))
        elif opcode == _UNLINK:
            self._waiting.append((unique, body.rstrip(b"\0")))
            self.hung.set()
        elif opcode == _OPENDIR:
            self._answer(unique, struct.pack("=QII", 0, 0, 0))
        elif opcode not in _NO_ANSWER:
            self._answer(unique, b"", _ENOSYS)

    def _answer(self, unique: int, body: bytes = b"", error: int = 0) -> None:
        body = b"" if error else body
        with contextlib.suppress(FileNotFoundError):  # whoever asked does not wait any more
            os.write(self._descriptor, struct.pack("=IiQ", 16 + len(body), -error, unique) + body)


def _attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == 1 else stat.S_IFREG | 0o600
    return struct.pack("=6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(), os.getgid(), 0, 4096, 0)


@contextlib.contextmanager
def hanging_mount(place: Path, names: list[str]) -> Iterator[HangingMount | None]:
    """Mount one; None where that cannot be done."""
    place.mkdir()
    try:
        mount = HangingMount(place, names)
    except OSError as error:
        print(f"not tried with a file system that really hangs: {error}")
        yield None
        return
    try:
        yield mount
    finally:
        mount.close()
