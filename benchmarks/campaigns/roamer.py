"""A process of a storm: it does everything that may be done to files of its own, and sweeps, and can be interrupted."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from benchmarks.campaigns import diary
from benchmarks.campaigns.actors import DUE, LATELY, LATER, Owner, Place, sweep_once, witnessed
from benchmarks.campaigns.diary import Diary
from temp_file_manager.registering.hold import Hold

_unlink = os.unlink  # an owner's own; what sweeps call is in the diary


class Interrupts:
    """KeyboardInterrupts out of a handler for SIGINT: one at most in a call, and none outside of any."""

    def __init__(self) -> None:
        self._wanted = False
        signal.signal(signal.SIGINT, self._raise)
        sys.unraisablehook = lambda _: None  # those that Python itself can only print

    def _raise(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._wanted:
            self._wanted = False
            raise KeyboardInterrupt

    def during(self, call: Callable[[], object]) -> None:
        """Make a call that an interrupt may end."""
        try:
            try:
                self._wanted = True
                call()
            finally:
                self._wanted = False
        except KeyboardInterrupt:
            return


class Roamer:
    """An owner that at each step does anything at all."""

    def __init__(self, place: Place) -> None:
        self.interrupts = Interrupts()
        self._owner, self._forced, self._book = Owner(place), place.forced, Diary(place.diary)
        self._random, self._manager = self._owner.random, self._owner.manager
        self._sweeps = witnessed(self._book)
        self._due: list[str] = []
        self._later: list[str] = []
        self._pinned: list[str] = []
        self._held: dict[str, Hold] = {}
        self._replaced: list[str] = []  # while they were due; to be registered again, or not
        self._for_good: list[Hold] = []  # of names at which another file is
        self._steps = (
            (self._register, 25), (self._register_again, 12), (self._pin, 10), (self._unpin, 4), (self._hold, 8),
            (self._release, 6), (self._forget, 4), (self._rename, 4), (self._replace, 6), (self._append, 4),
            (self._remove, 5), (self._make_anew, 5), (self._sweep, 6),
        )  # fmt: skip

    def step(self) -> None:
        """Do one thing."""
        steps, weights = zip(*self._steps, strict=True)
        self._random.choices(steps, weights)[0]()

    def _one(self, names: list[str], *, leave: bool = False) -> str | None:
        """Return a name at random, which is left in the list or taken out of it; None: there is none."""
        if not names:
            return None
        at = self._random.randrange(len(names))
        return names[at] if leave else names.pop(at)

    def _register(self) -> None:
        names = self._owner.new(self._random.choice((1, 1, 1, 5, 20)))
        ttl = self._random.choice((DUE, DUE, DUE, LATER))
        self._owner.register(names, ttl)
        kept = self._later if ttl == LATER else self._due
        kept += names
        del kept[:-LATELY]

    def _register_again(self) -> None:
        name = self._one(self._random.choice((self._due, self._later, self._replaced)))
        if name is None:
            return
        if not os.path.lexists(self._owner.path(name)):
            self._due.append(name)  # to be made anew, or turned to once more
            return
        ttl = self._random.choice((DUE, LATER))
        if self._owner.register([name], ttl):
            (self._later if ttl == LATER else self._due).append(name)

    def _make_anew(self) -> None:
        name = self._one(self._due)
        if name is not None and not os.path.lexists(self._owner.path(name)):
            self._owner.make(name)

    def _pin(self) -> None:
        name = self._one(self._due)
        if name and self._owner.change(diary.PINNING, diary.PINNED, name, self._manager.pin):
            self._pinned.append(name)

    def _unpin(self) -> None:
        name = self._one(self._pinned)
        if name and self._owner.change(diary.UNPINNING, diary.UNPINNED, name, self._manager.unpin):
            self._due.append(name)

    def _hold(self) -> None:
        name = self._one(self._due)

        def held(path: str) -> None:
            self._held[str(name)] = self._manager.hold(path)

        if name:
            self._owner.change(diary.HOLDING, diary.HELD, name, held)

    def _release(self) -> None:
        name = self._one(list(self._held))
        if name:
            held = self._held.pop(name)
            self._owner.change(diary.RELEASING, diary.RELEASED, name, lambda _: held.close())
            self._due.append(name)

    def _forget(self) -> None:
        name = self._one(self._due)
        if name:
            self._owner.change(diary.FORGETTING, diary.FORGOT, name, self._owner.forget)

    def _rename(self) -> None:
        name = self._one(self._random.choice((self._due, self._later)))
        if not name:
            return
        after = self._owner.name()
        self._book.write(diary.MAKING, [after])
        if self._owner.change(diary.TAKING, diary.TAKEN, name, lambda path: os.rename(path, self._owner.path(after))):
            self._book.write(diary.MADE, [after])

    def _replace(self) -> None:
        """Write another file and rename it over the registered one, as many programs save."""
        names = self._random.choice((self._due, self._pinned, list(self._held)))
        name = self._one(names)
        if not name:
            return
        if name in self._held:
            self._for_good.append(self._held.pop(name))
        new = f"{self._owner.path(name)}.new"
        with open(new, "wb") as file:
            file.write(b"another")
        self._owner.change(diary.REPLACING, diary.REPLACED, name, lambda path: os.rename(new, path))
        if names is self._due:
            self._replaced.append(name)

    def _append(self) -> None:
        """Write to a file that is registered, which stays the file that it was."""
        name = self._one(self._due + self._later + self._pinned, leave=True)
        if name:
            try:
                with open(self._owner.path(name), "r+b") as file:
                    file.write(b"more")
            except FileNotFoundError:
                return

    def _remove(self) -> None:
        name = self._one(self._random.choice((self._due, self._later, self._pinned)))
        if name:
            self._owner.change(diary.TAKING, diary.TAKEN, name, _unlink)

    def _sweep(self) -> None:
        sweep_once(self._manager, self._book, self._sweeps, forced=self._forced)


def roam(place: Place) -> None:
    """Do one thing after the other, and say that it was done."""
    roamer = Roamer(place)
    while True:
        roamer.interrupts.during(roamer.step)
        place.ready()
