"""A process to which something happens in the middle of a registration or of a sweep, and the judgement on it."""

import ctypes
import gc
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.campaigns.diary import Diary, read
from temp_file_manager import RegistryError, TempFileManager
from temp_file_manager.inspection.check import check
from temp_file_manager.storage.own_files import OWN_DIRECTORY

DUE = ("due-1", "due-2", "due-3")
KEPT = ("later", "pinned")
NEW = tuple(f"new-{number}" for number in range(12))
A_WORK = 3
"""New files that a registration takes. Each takes others, also when it is tried again: what it said stands."""
LOOSE = "loose"
REGISTERED, FAILED, WRONG, LEAKED, ENDED = "registered", "failed", "wrong", "leaked", "ended"
TRIES = 2
"""How often a step is tried: only one fault is made, so that the second time it must come to its end."""
_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)


@dataclass(frozen=True)
class Scene:
    """A base directory with records of every kind, and files that nobody has registered yet."""

    root: str
    base: str

    def path(self, name: str) -> str:
        """Return where a file is."""
        return f"{self.root}/files/{name}"

    def there(self) -> set[str]:
        """Return the names of the files that are there."""
        return set(os.listdir(f"{self.root}/files"))

    def own(self) -> set[str]:
        """Return the names of the package's own files."""
        folder = f"{self.base}/{OWN_DIRECTORY}"
        return {os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names}


def scene(root: str) -> Scene:
    """Make the scene of one try."""
    made = Scene(root, f"{root}/base")
    os.makedirs(f"{root}/files")
    for name in (*DUE, *KEPT, *NEW, LOOSE):
        with open(made.path(name), "wb") as file:
            file.write(b"x")
    manager = TempFileManager(made.base, registry="sqlite:")
    manager.register_files([made.path(name) for name in (*DUE, "pinned")], ttl=0)
    manager.register_file(made.path("later"))
    manager.pin(made.path("pinned"))
    manager.close()
    return made


def warm(root: str) -> None:
    """Have everything imported that a victim would else import: those calls are not what is tried."""
    made = scene(root)
    victim = Victim(made, Diary(f"{root}/diary"), lambda victim: [work(victim) for work in WORKS.values()] and None)
    victim.live()


class Victim:
    """What the process does, and says."""

    def __init__(self, scene: Scene, diary: Diary, work: "Callable[[Victim], None]") -> None:
        self.scene = scene
        self.said = diary.write
        self._work = work
        self._manager: TempFileManager | None = None
        self._before = _descriptors()
        self._names = iter(NEW)

    @property
    def manager(self) -> TempFileManager:
        """Its manager, which is opened when it is first asked for."""
        if self._manager is None:
            self._manager = TempFileManager(self.scene.base, registry="sqlite:")
        return self._manager

    def new(self) -> list[str]:
        """Return names of files that nobody has tried to register yet."""
        return list(itertools.islice(self._names, A_WORK))

    def live(self) -> None:
        """Do the work, and once more; then let go of everything."""
        for step in (self._work, self._work, Victim._close):
            self._tried(step)
        self._tried(Victim._compare)
        self.said(ENDED, [""])

    def _tried(self, step: "Callable[[Victim], None]") -> None:
        for left in reversed(range(TRIES)):
            try:
                step(self)
            except (KeyboardInterrupt, OSError, RegistryError) as error:
                self.said(FAILED if left else WRONG, [""], f"{type(error).__name__} {str(error)!r}")
            else:
                return

    def _close(self) -> None:
        self.manager.close()

    def _compare(self) -> None:
        self._manager = None
        gc.collect()
        left = {number: path for number, path in _descriptors().items() if self._before.get(number) != path}
        self.said(LEAKED, sorted(left.values()))


def _descriptors() -> dict[str, str]:
    """Return what is open: the numbers of descriptors and what they lead to."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # that of the listing
            continue
    return found


def register(victim: Victim) -> None:
    """Register one file, and two in one step."""
    names = victim.new()
    one, *two = map(victim.scene.path, names)
    victim.manager.register_file(one)
    if one in victim.manager.files:
        victim.said(REGISTERED, names[:1])
    refused = {os.path.basename(path) for path, _ in victim.manager.register_files(two).refused}
    victim.said(REGISTERED, sorted({*names[1:]} - refused))


def sweep(victim: Victim) -> None:
    """Sweep what is due."""
    victim.manager.cleanup()


WORKS: dict[str, Callable[[Victim], None]] = {"register": register, "sweep": sweep}


def start(scene: Scene, work: str) -> tuple[int, int]:
    """Fork a victim; return its process, which waits by then, and the pipe whose end lets it begin."""
    reader, writer = os.pipe()
    waits, waiting = os.pipe()
    pid = os.fork()
    if pid:
        os.close(reader)
        os.close(waiting)
        os.read(waits, 1)
        os.close(waits)
        return pid, writer
    try:
        os.close(writer)
        os.close(waits)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = lambda _: None
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)  # where only a parent may trace
        diary = Diary(f"{scene.root}/diary")
        victim = Victim(scene, diary, WORKS[work])
        os.close(waiting)
        os.readv(reader, [bytearray(1)])  # as with the diary: a call of its own, which meets no fault
        try:
            victim.live()
        except BaseException as error:
            diary.write(WRONG, [""], f"{type(error).__name__} {str(error)!r}")
    finally:
        os._exit(0)


def ended(pid: int, patience: float) -> bool:
    """Wait for a process to end; kill it, and say False, if it takes longer than ``patience`` seconds."""
    until = time.monotonic() + patience
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.002)
    return True


def judge(scene: Scene, work: str, *, kind: str, call: str, own: set[str]) -> Iterator[str]:
    """Yield what is wrong after a victim has ended.

    Args:
        scene: Where it was.
        work: What it did.
        kind: Of the fault.
        call: That the fault was at.
        own: The package's own files that a try without a fault leaves.
    """
    told = read(f"{scene.root}/diary")
    words = {line.word for line in told}
    yield from (f"it said: {line.detail}" for line in told if line.word == WRONG)
    if ENDED not in words and kind != "SIGKILL":
        yield "it did not come to its end"
    if kind != "SIGINT":  # Python raises it between the call that opens and whatever would keep the descriptor
        yield from (f"a descriptor is left open: {line.name}" for line in told if line.word == LEAKED)
    manager = TempFileManager(scene.base, registry="sqlite:")
    yield from _kept(manager, scene, {*KEPT}, {*KEPT, *NEW, LOOSE, *(DUE if work == "register" else ())})
    yield from _kept(manager, scene, {line.name for line in told if line.word == REGISTERED}, set())
    yield from _kept(manager, scene, {*DUE} & scene.there(), set())
    manager.cleanup()
    yield from _kept(manager, scene, {*KEPT}, {*KEPT, *NEW, LOOSE})
    yield from (f"{name} is there, and was to be swept" for name in DUE if name in scene.there())
    yield from (f"{name} is on record, and was to be swept" for name in sorted({*DUE} & _recorded(manager)))
    findings = check(manager.context, fix=True)
    yield from (
        f"check: {one.kind}: {one.subject}"
        for one in findings
        if not (one.kind == "leftover lock file" and (kind == "SIGKILL" or call.startswith("unlink")))
    )
    manager.close()
    yield from (f"a file of the package's own is left: {name}" for name in sorted(scene.own() - own))


def _kept(manager: TempFileManager, scene: Scene, recorded: set[str], there: set[str]) -> Iterator[str]:
    yield from (f"{name} is gone" for name in sorted(there - scene.there()))
    yield from (f"{name} is not on record" for name in sorted(recorded - _recorded(manager)))


def _recorded(manager: TempFileManager) -> set[str]:
    return {os.path.basename(path) for path in manager.files}
