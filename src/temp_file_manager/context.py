"""Parts that a manager is made of, put together once and handed to whatever works beside it."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.durations import Duration
from temp_file_manager.errors import SettingsError
from temp_file_manager.events import Hook, Hooks
from temp_file_manager.fleet.in_force import PoliciesInForce
from temp_file_manager.limits import Limit
from temp_file_manager.plugins import Plugins, load
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.refusals import refuse, refuse_wrong_types
from temp_file_manager.registering.closed import ClosedFiles
from temp_file_manager.registering.create import Creator
from temp_file_manager.registering.directories import MadeDirectories
from temp_file_manager.registering.identify import identify
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registering.session import Parts, Sessions
from temp_file_manager.registering.units import UnitRegistrar
from temp_file_manager.registry import Registry
from temp_file_manager.registry.schemes import MEMORY, is_durable, open_registry, told
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.ruling import Ruling, Upto
from temp_file_manager.settings import Settings
from temp_file_manager.settings.applied import Applied
from temp_file_manager.storage.base_directory import BaseDirectory
from temp_file_manager.storage.build import build_gone
from temp_file_manager.storage.changes.changes import Changes
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.measure import measure
from temp_file_manager.storage.shared_volume import SharedVolume
from temp_file_manager.storage.system_files import SystemFiles
from temp_file_manager.storages import Storages
from temp_file_manager.sweeping.clock_guard import ClockGuard
from temp_file_manager.sweeping.eviction import Evictor
from temp_file_manager.sweeping.history import History
from temp_file_manager.sweeping.large_sweep_guard import LargeSweepGuard
from temp_file_manager.sweeping.limit_states import LimitStates
from temp_file_manager.sweeping.limits import refusals
from temp_file_manager.sweeping.max_age import MaxAge
from temp_file_manager.sweeping.measuring import Measuring
from temp_file_manager.sweeping.near import Near
from temp_file_manager.sweeping.readings import Readings
from temp_file_manager.sweeping.ruling import RulesInForce
from temp_file_manager.sweeping.scheduler import LIMITS, WATCH, Scheduler
from temp_file_manager.sweeping.sweep import Bounds, Sweeper

if TYPE_CHECKING:
    from temp_file_manager.registering.objects import ObjectRegistrar
    from temp_file_manager.registering.restore import Restorer


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Everything that a manager, the commands and the service work with. None of them makes any of it a second time.

    Attributes:
        settings: What it was told.
        base_dir: Where its own files are created; absolute.
        directory: The same, made where it is missing, and held.
        age: The age limit.
        clock: What tells the time.
        hooks: Who hears of events.
        registry: Where records live.
        storages: What removes files.
        clock_guard: What notices jumps of the clock.
        large_sweep_guard: What asks before a change of settings removes much.
        history: What was done, and how much there was.
        registrar: What puts files on record.
        units: What puts directories on record that go as a whole.
        closed: What measures files that were made here when they are closed.
        creator: What makes files that are on record.
        evictor: What keeps limits.
        directories: What makes directories, and removes them.
        sessions: What begins sessions.
        sweeper: What sweeps.
        measuring: What looks at all files in turn.
        ruling: What puts rules in force.
        scheduler: What does jobs at intervals, once it is started.
        changes: What tells in which watched directories something is new, while it does.
        plugins: The plug-ins that the settings name.
        policies: What a fleet lays down.
        applied: What became of reading the settings again.
        restored: The records of what was had back here: it goes with no block.
    """

    settings: Settings
    base_dir: str
    directory: BaseDirectory
    age: MaxAge
    clock: Clock
    hooks: Hooks
    registry: Registry
    storages: Storages
    clock_guard: ClockGuard
    large_sweep_guard: LargeSweepGuard
    history: History
    registrar: Registrar
    units: UnitRegistrar
    closed: ClosedFiles
    creator: Creator
    directories: MadeDirectories
    sessions: Sessions
    sweeper: Sweeper
    measuring: Measuring
    ruling: RulesInForce
    evictor: Evictor
    scheduler: Scheduler
    changes: Changes
    plugins: Plugins
    policies: PoliciesInForce
    applied: Applied = field(default_factory=Applied)
    restored: dict[str, TempFile] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        base_dir: str | None = None,
        max_age: Duration | None = None,
        registry: Registry | str | None = None,
        clock: Clock | None = None,
        hooks: Iterable[Hook] = (),
        make: bool = True,
    ) -> Self:
        """Make the base directory, open the registry, and put the rest together.

        Args:
            settings: What to work by.
            base_dir: Wins over the settings.
            max_age: Seconds; wins over the settings.
            registry: An address or an object; wins over the settings.
            clock: What tells the time; the registry's, or else the machine's, if None.
            hooks: Callables that hear every event.
            make: Whether the base directory is made if it is missing.

        Raises:
            OSError: the base directory cannot be created.
            ValueError: ``max_age`` is negative or not a number.
            RegistryError: there is no such registry, or it cannot be opened.
            SettingsError: a limit or a rule cannot be kept with this registry, or in this base directory; or a plug-in
                cannot be used.
        """
        refuse_wrong_types(settings, hooks)
        plugins = load(settings.plugins)
        base = os.path.abspath(settings.base_dir if base_dir is None else base_dir)  # wherever the process goes later
        age = MaxAge(settings.max_age if max_age is None else max_age)
        wanted = registry or settings.registry
        volume = None if settings.scope is None else SharedVolume(base, settings.scope)
        directory = BaseDirectory(base, durable=is_durable(wanted, base, plugins.schemes), volume=volume)
        if make:
            directory.make()
        opened = open_registry(wanted, base, identify, plugins.schemes, told(settings))
        try:
            refuse(settings, plugins, opened, base)
            if volume is not None:
                volume.expected = opened.marker
            return cls._of(settings, directory, age, opened, clock, hooks, plugins)
        except SettingsError:
            if opened is not registry:
                opened.close()
            raise

    @classmethod
    def beside(cls, settings: Settings, *, clock: Clock | None = None, hooks: Iterable[Hook] = ()) -> Self:
        """Put together what looks and makes nothing: no base directory, and no registry, as records are in memory."""
        base = BaseDirectory(os.path.abspath(settings.base_dir), durable=False)
        registry, plugins = open_registry(MEMORY, base.path), load(settings.plugins)
        return cls._of(settings, base, MaxAge(settings.max_age), registry, clock, hooks, plugins)

    @classmethod
    def _of(
        cls,
        settings: Settings,
        directory: BaseDirectory,
        age: MaxAge,
        registry: Registry,
        clock: Clock | None,
        hooks: Iterable[Hook],
        plugins: Plugins,
    ) -> Self:
        (clock, own), base_dir = _clocks(registry, clock), directory.path
        told, history = Hooks((*plugins.hooks, *hooks)), History(registry, clock)
        guard, large, scheduler = ClockGuard(registry, clock, own), LargeSweepGuard(registry), Scheduler(clock)
        ruling, storages = _ruled(settings, directory, registry, clock, guard, age, plugins)
        in_force = RulesInForce(registry, clock, guard.asof, lambda: age.value, ruling, large)
        sweeper = Sweeper(registry, clock, told, history, _chunk(registry, settings))
        states, limited, readings = _states(settings, Readings(registry, base_dir), clock, scheduler)
        system = SystemFiles(base_dir)
        registrar = Registrar(registry, guard, told, settings, system, limited, ruling, directory.volume)
        units, made = UnitRegistrar(registry, guard, registrar, settings, base_dir), MadeDirectories(directory, limited)
        closed, near, orders = ClosedFiles(registry, clock), Near(base_dir), plugins.orders
        creator = Creator(directory, registry, guard, registrar, closed, settings.permission_mask, limited)
        retire, evicting = _retirement(registry, clock, told, settings, storages.forced), storages.forced_protecting
        return cls(
            settings=settings,
            base_dir=base_dir,
            directory=directory,
            age=age,
            clock=clock,
            hooks=told,
            registry=registry,
            storages=storages,
            clock_guard=guard,
            large_sweep_guard=large,
            history=history,
            registrar=registrar,
            units=units,
            closed=closed,
            creator=creator,
            directories=made,
            sessions=Sessions(Parts(registry, guard, registrar, units, creator, made, retire)),
            sweeper=sweeper,
            measuring=_measuring(settings, directory, registry, clock, told, closed, in_force),
            ruling=in_force,
            evictor=Evictor(states, readings, registry, clock, large, sweeper, evicting, told, measure, near, orders),
            scheduler=scheduler,
            changes=Changes(lambda: scheduler.wake(WATCH)),
            plugins=plugins,
            policies=_policies(settings, base_dir, registry, clock, age, states),
        )

    @property
    def volume(self) -> SharedVolume | None:
        """The shared volume that all lies on; None: it lies anywhere on this machine."""
        return self.directory.volume

    @property
    def max_age(self) -> float:
        """Seconds a file without its own ttl may live, as it is now."""
        return self.age.value

    def due(self, *, force: bool = False) -> Selection:
        """Return what a cleanup now would take."""
        return Selection(self.clock.wall(), self.max_age, force)

    @property
    def objects(self) -> "ObjectRegistrar":
        """What puts objects in buckets on record."""
        from temp_file_manager.registering.objects import ObjectRegistrar  # noqa: PLC0415 - few have buckets

        return ObjectRegistrar(self.registry, self.clock, self.hooks, self.settings)

    @property
    def restorer(self) -> "Restorer":
        """What gives files back that are in quarantine."""
        from temp_file_manager.registering.restore import Restorer  # noqa: PLC0415 - slow to import, and few have anything to be had back

        return Restorer(self.registry, self.registrar, self.clock_guard, self.base_dir, self.restored)

    def storage_for(self, *, protect_open: bool, force: bool = False) -> Storage:
        """Return what removes files, with or without a look at who has them open; by force, whatever rules say."""
        return self.storages.choose(protect_open=protect_open, force=force)


def _clocks(registry: Registry, clock: Clock | None) -> tuple[Clock, Clock]:
    """Return what tells the time, and this machine's clock, which judges it where several machines share that."""
    if clock is None and registry.clock is not None:
        return registry.clock, registry.clock.machine
    clock = clock or SystemClock()
    return clock, clock


def _ruling(settings: Settings, base_dir: str, age: MaxAge) -> Ruling | None:
    """Return the rules that are asked; None where there are none, which is cheaper."""
    return Ruling(Book(settings.rules, base_dir), lambda: age.value, Upto()) if settings.rules else None


def _ruled(
    settings: Settings,
    directory: BaseDirectory,
    registry: Registry,
    clock: Clock,
    guard: ClockGuard,
    age: MaxAge,
    plugins: Plugins,
) -> tuple[Ruling | None, Storages]:
    """Return the rules, and what removes files as they say."""
    ruling, wraps = _ruling(settings, directory.path, age), plugins.storages
    opened = Storages.open(
        settings, directory.path, registry, clock, guard.asof, ruling, lambda: age.value, wraps, directory.volume
    )
    return ruling, opened


def _states(
    settings: Settings, readings: Readings, clock: Clock, scheduler: Scheduler
) -> tuple[LimitStates, LimitStates | None, Readings]:
    """Return what keeps limits; it again for whoever registers, None where there can be none; what it reads by."""
    states = LimitStates(settings.limits, readings, clock, lambda: scheduler.wake(LIMITS))
    # A policy may bring some at any time.
    return states, states if settings.limits or settings.fleet else None, readings


def _policies(
    settings: Settings, base_dir: str, registry: Registry, clock: Clock, age: MaxAge, states: LimitStates
) -> PoliciesInForce:
    """Return what heeds a fleet's policies."""

    def wrong(limits: tuple[Limit, ...]) -> tuple[str, ...]:
        return tuple(refusals(limits, registry.properties, lambda: mounts.kind(base_dir)))

    heeded = settings.fleet is not None
    return PoliciesInForce(registry, clock, age, states, settings.limits, wrong, heeded=heeded)


def _chunk(registry: Registry, settings: Settings) -> int:
    """Return how many records sweeps claim at a time."""
    return min(registry.properties.chunk, settings.cleanup_batch_size)


def _retirement(
    registry: Registry, clock: Clock, hooks: Hooks, settings: Settings, storage: Storage
) -> Callable[[Selection], None]:
    """Return what sweeps at the end of a session."""
    # Without the history: there may be a session for each request, and nothing else would be left in there.
    sweeper = Sweeper(registry, clock, hooks, chunk=_chunk(registry, settings))

    def retire(due: Selection) -> None:
        sweeper.run(due, Bounds(), storage)

    return retire


def _measuring(
    settings: Settings,
    directory: BaseDirectory,
    registry: Registry,
    clock: Clock,
    hooks: Hooks,
    closed: ClosedFiles,
    ruling: RulesInForce,
) -> Measuring:
    """Return what measures; a sweeper of its own forgets what is gone, and no history has that for sweeps."""
    gone = build_gone(settings, directory.path, clock, directory.volume)
    return Measuring(registry, clock, Sweeper(registry, clock, hooks), gone, closed, ruling.measured)
