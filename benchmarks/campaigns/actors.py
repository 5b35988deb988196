"""Processes of a kill campaign: until they are killed they register, pin and sweep, and keep diaries."""

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.campaigns import diary
from benchmarks.campaigns.diary import Diary
from benchmarks.campaigns.world import UNANSWERED, World
from temp_file_manager import RecordsSettled, Settings, TempFileManager
from temp_file_manager.errors import InvalidArgumentError, RecordClaimedError

DUE, LATER = 0.0, 3600.0
"""How long a file may live: not at all, or beyond the campaign's round."""
SOON = 0.02
BATCH = 20
WHILE = 0.3
"""Seconds after which a process turns to what it has registered again, at most."""
NEVER = threading.Event()
LATELY = 60
"""So many of its last files a process turns to again."""
REFUSALS = (InvalidArgumentError, FileNotFoundError, RecordClaimedError)
"""What a process may be told of a file that a sweep has taken, or is at work on. Nothing else is right."""


@dataclass(frozen=True)
class Place:
    """Where one process works.

    Attributes:
        base: The base directory that all share.
        directory: Its own files.
        diary: The path of its diary.
        seed: Of what it does.
        forced: Whether sweeps take everything that is on record, or what is due.
        ready: Told when it begins; sweepers tell it after each sweep, too.
        world: What all live in.
    """

    base: str
    directory: str
    diary: str
    seed: int
    forced: bool
    ready: Callable[[], object]
    world: World


class Owner:
    """Files of one process: nobody else makes, registers or pins them."""

    def __init__(self, place: Place) -> None:
        self.random = Random(place.seed)
        self.manager = place.world.manager(place.base)
        self._diary = Diary(place.diary)
        self._directory = place.directory
        self._prefix = os.path.basename(place.directory)
        self._numbers = itertools.count()

    def path(self, name: str) -> str:
        """Return where a file is."""
        return f"{self._directory}/{name}"

    def new(self, count: int) -> list[str]:
        """Make files, and return their names."""
        return [self.make(self.name()) for _ in range(count)]

    def name(self) -> str:
        """Return a name that no file has had, in no directory."""
        return f"{self._prefix}-{next(self._numbers)}"

    def make(self, name: str) -> str:
        """Make a file that is not there."""
        self._diary.write(diary.MAKING, [name])
        os.close(os.open(self.path(name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._diary.write(diary.MADE, [name])
        return name

    def register(self, names: list[str], ttl: float) -> set[str]:
        """Register files in one step; return the names of those that now are."""
        self._diary.write(diary.REGISTERING, names, "later" if ttl == LATER else "due")
        try:
            report = self.manager.register_files([self.path(name) for name in names], ttl=ttl)
        except UNANSWERED:
            return set()
        refused = {os.path.basename(path) for path, _ in report.refused}
        registered = set(names) - refused
        self.refused(refused)
        self._diary.write(diary.REGISTERED, sorted(registered))
        return registered

    def refused(self, names: Iterable[str]) -> None:
        """Note that what was begun with files has come to nothing."""
        self._diary.write(diary.REFUSED, sorted(names))

    def forget(self, path: str) -> None:
        """Drop a record, and see that its file is there, as the record of a file that is not may be dropped, too."""
        if not self.manager.registry.forget([path]):
            raise FileNotFoundError(path)
        os.lstat(path)

    def change(self, before: str, after: str, name: str, call: Callable[[str], Any]) -> bool:
        """Do something else to one file; return whether it came to anything."""
        self._diary.write(before, [name])
        try:
            call(self.path(name))
        except REFUSALS:
            self.refused([name])
            return False
        except UNANSWERED:
            return False
        self._diary.write(after, [name])
        return True


def register(place: Place) -> None:
    """Register files, some in bulk, and turn to some of them again: register for longer, forget, make anew."""
    owner = Owner(place)
    random, lately = owner.random, owner.new(LATELY)
    owner.register(lately, DUE)
    place.ready()
    while True:
        names = owner.new(random.choice((1, 1, 5, 20)))
        ttl = random.choice((DUE, DUE, DUE, LATER))
        owner.register(names, ttl)
        if ttl == DUE:
            lately = [*lately, *names][-LATELY:]
        for _ in range(min(3, len(lately))):
            _again(owner, lately.pop(random.randrange(len(lately))))


def _again(owner: Owner, name: str) -> None:
    """Turn to a file a last time."""
    if not os.path.lexists(owner.path(name)):
        owner.make(name)
        if owner.random.random() < 0.5:
            return  # nobody knows this one: it stays
    if owner.random.random() < 0.2:
        owner.change(diary.FORGETTING, diary.FORGOT, name, owner.forget)
    else:
        owner.register([name], LATER)


def renew(place: Place) -> None:
    """Register files that are due at once, and those that are still there for longer, in one step, as sweeps come."""
    owner = Owner(place)
    place.ready()
    while True:
        names = owner.new(BATCH)
        owner.register(names, DUE)
        owner.manager.context.clock.wait(NEVER, owner.random.random() * WHILE)
        there = [name for name in names if os.path.lexists(owner.path(name))]
        if there:
            owner.register(there, LATER)
        place.ready()


def pin(place: Place) -> None:
    """Register files that are due at once or soon, pin them, and unpin some."""
    owner = Owner(place)
    place.ready()
    while True:
        (name,) = owner.new(1)
        owner.register([name], owner.random.choice((DUE, SOON)))
        pinned = owner.change(diary.PINNING, diary.PINNED, name, owner.manager.pin)
        if pinned and owner.random.random() < 0.2:
            owner.change(diary.UNPINNING, diary.UNPINNED, name, owner.manager.unpin)


def sweep(place: Place, *, hears: bool = False) -> None:
    """Sweep, again and again; every removal that the system is asked for is in the diary, whoever asks.

    Args:
        place: Where.
        hears: Have a hook, and keep a diary of what it is told.
    """
    random, book = Random(place.seed), Diary(place.diary)

    def settled(event: object) -> None:
        if isinstance(event, RecordsSettled):
            for outcome in event.outcomes:
                name = os.path.basename(outcome.record.path)
                book.write(diary.SETTLED, [name], f"{outcome.status} {outcome.record.registered_at!r}")

    settings = Settings(base_dir=place.base, cleanup_batch_size=random.choice((3, 50, 1000)))
    manager = place.world.manager(place.base, settings=settings, hooks=[settled] if hears else [])
    number = witnessed(book)
    place.ready()
    while True:
        sweep_once(manager, book, number, forced=place.forced)
        place.ready()


def sweep_once(manager: TempFileManager, book: Diary, number: list[int], *, forced: bool) -> None:
    """Sweep what is due, or everything."""
    number[0] += 1
    book.write(diary.SWEEPING, [""], str(number[0]))
    with suppress(*UNANSWERED):
        manager.cleanup(force=forced)


def witnessed(book: Diary) -> list[int]:
    """Have removals written down; return where the number of the sweep is to be put."""
    number = [0]

    def witness(removal: Callable[..., None]) -> Callable[..., None]:
        def removed(path: Any, **others: Any) -> None:
            name = [os.path.basename(os.fsdecode(path))]
            book.write(diary.UNLINKING, name, str(number[0]))
            removal(path, **others)
            book.write(diary.UNLINKED, name, str(number[0]))

        return removed

    os.remove, os.unlink = witness(os.remove), witness(os.unlink)
    return number


def hear(place: Place) -> None:
    """Sweep with a hook."""
    sweep(place, hears=True)


def play(role: Callable[[Place], None], place: Place) -> None:
    """Play a role in this process, which ends by being killed."""
    logging.disable()
    if place.world.enter:
        place.world.enter(Random(place.seed))
    role(place)
