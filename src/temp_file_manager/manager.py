"""The facade that applications hold: every method is a few lines, and delegates."""

import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from threading import Lock
from typing import Any, Concatenate, NoReturn, ParamSpec, Self, TypeVar

from temp_file_manager import logs
from temp_file_manager.cleanup import Demand, clean_up, clean_up_own
from temp_file_manager.clock import Clock
from temp_file_manager.context import Context
from temp_file_manager.durations import Duration
from temp_file_manager.events import Hook
from temp_file_manager.jobs import jobs
from temp_file_manager.looking import Looking
from temp_file_manager.making import Making
from temp_file_manager.registering.hold import Hold
from temp_file_manager.registering.on_record import recorded_path
from temp_file_manager.registering.pin import pin, unpin
from temp_file_manager.registering.session import ManagedSession, Until
from temp_file_manager.registering.temporary import in_session
from temp_file_manager.registry import Registry
from temp_file_manager.reports import RegisterReport, SweepReport
from temp_file_manager.settings import Settings
from temp_file_manager.storage.paths import AnyPath, absolute, as_recorded

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_MAX_AGE = int("3600")  # an object of its own, to be told from a 3600 that is given, and wins over the settings
CLOSING = 5.0  # seconds that closing waits for a scheduled sweep


class TempFileManager(Looking, Making):
    """Registers temporary files, knows their age, and removes them when they are due.

    The names of AIECS's class behave as there; the rest follow ``tempfile``. Used as a context manager it
    retires, on leaving, what was registered through it. Whatever takes a time takes seconds, a text as ``2h30m`` and
    a ``timedelta``.

    Args:
        base_dir: Where the manager's own files are created; made if missing. Files from elsewhere may be registered.
        max_age: Seconds a file without its own ttl may live. Assigning to ``max_age`` changes what is due.
        registry: Where records live: None or ``"memory:"``, or a ``Registry``.
        settings: Everything else; ``base_dir`` and ``max_age`` given here win over it.
        hooks: Callables that hear every event.
        clock: What tells the time.

    Raises:
        OSError: the base directory cannot be created.
        ValueError: ``max_age`` is negative or NaN.
        RegistryError: there is no such registry.
    """

    def __init__(
        self,
        base_dir: AnyPath,
        max_age: Duration = DEFAULT_MAX_AGE,
        *,
        registry: Registry | str | None = None,
        settings: Settings | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
    ) -> None:
        base, age = os.fsdecode(base_dir), None if max_age is DEFAULT_MAX_AGE else max_age
        parts = Context.open(
            Settings() if settings is None else settings,
            base_dir=base,
            max_age=age,
            registry=registry,
            clock=clock,
            hooks=hooks,
        )
        self._work_with(parts, base)

    def _work_with(self, context: Context, base_dir: str) -> None:
        self._context = context
        self.base_dir = base_dir
        self._pid = os.getpid()
        logs.initialized(self.base_dir, self.max_age)

    @classmethod
    def from_context(cls, context: Context) -> Self:
        """Return a manager made of parts that are put together already."""
        manager = cls.__new__(cls)
        manager._work_with(context, context.base_dir)
        return manager

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        registry: Registry | str | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
    ) -> Self:
        """Return a manager set up by ``settings`` alone."""
        manager = cls.__new__(cls)
        context = Context.open(settings, registry=registry, hooks=hooks, clock=clock)
        manager._work_with(context, settings.base_dir)
        return manager

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **others: Any) -> Self:
        """Return a manager set up by the environment's variables; ``others`` as in ``from_settings``.

        Raises:
            SettingsError: listing every variable that cannot be used.
        """
        return cls.from_settings(Settings.from_env(environ), **others)

    @property
    def context(self) -> Context:
        """The parts it is made of, for whatever works beside it: ``why``, ``health``, the metrics, the service."""
        return self._context

    @property
    def registry(self) -> Registry:
        """Where its records live."""
        return self._context.registry

    @property
    def max_age(self) -> float:
        """Seconds a file without its own ttl may live; read at each cleanup."""
        return self._context.max_age

    @max_age.setter
    def max_age(self, value: Duration) -> None:
        self._context.age.value = value

    @property
    def files(self) -> MutableMapping[str, float]:
        """The live mapping path → time of registration. Writing to it takes effect at the next cleanup."""
        return self.registry.files

    @files.setter
    def files(self, value: Mapping[str, float]) -> None:
        if not isinstance(value, Mapping):
            raise TypeError(f"files is a mapping of paths to times of registration, not {type(value).__name__}")
        if value is not self.registry.files:  # ``manager.files |= …`` assigns what it has just changed
            self.registry.replace(list(value.items()))

    @property
    def lock(self) -> Lock:
        """The lock the manager takes for its own writes to ``files``; hold it to read and write them steadily."""
        return self.registry.lock

    def register_file(
        self,
        file_path: AnyPath,
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        until: Until | None = None,
        allow_system: bool = False,
    ) -> None:
        """Put a file on record; registering it again restarts its age.

        What is no regular file, or no link to one, is refused with a warning; of a link, only the link is ever removed.

        Args:
            file_path: Made absolute, links not followed.
            ttl: Seconds this file may live, instead of ``max_age``.
            tags: Words of your own.
            until: ``"exit"``: it lives until this process ends, however it ends; the next sweep removes it then.
            allow_system: Of root, take a system file, too (``/etc``, ``~/.ssh``), which else is refused with a warning.

        Raises:
            ValueError: ``ttl`` is negative or not a number, or is given beside ``until``.
            TypeError: ``file_path`` is no path.
        """
        session = 0 if until is None else self._context.sessions.until(until, ttl)
        self._context.registrar.one(file_path, ttl, tags, session, allow_system=allow_system)

    def register_files(
        self,
        file_paths: Iterable[AnyPath],
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        until: Until | None = None,
        allow_system: bool = False,
    ) -> RegisterReport:
        """Put many files on record in one step, each as ``register_file`` does.

        What cannot be is reported, not raised; but for what is no path, a TypeError, and a wrong ``ttl``.
        """
        session, put = self._context.sessions.until(until, ttl), self._context.registrar.many
        return put(file_paths, ttl, tags, session=session, allow_system=allow_system)

    def register_directory(self, path: AnyPath, *, ttl: Duration | None = None, tags: Iterable[str] = ()) -> None:
        """Put a directory in ``base_dir`` on record as a whole: it goes with all that is in it, or not at all.

        It counts from the latest change of anything in it. Whatever keeps something in it keeps all of it.

        Raises:
            ValueError, FileNotFoundError: it cannot go as a whole, and why; or ``ttl`` is no length of time.
        """
        self._context.units.one(path, ttl, tags)

    def register_object(
        self,
        url: str,
        *,
        etag: str | None = None,
        version: str | None = None,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
    ) -> str:
        """Put the object at ``s3://BUCKET/KEY`` on record, ask its store nothing, and return its full name.

        A sweep removes it only as long as it has this ``etag``, or removes this ``version`` of it alone.

        Raises:
            ValueError: there can be no such object, or ``ttl`` is none; or records are in memory.
        """
        return self._context.objects.one(url, etag, version, ttl, tags)

    def session(self, name: str = "", *, ttl: Duration | None = None) -> ManagedSession:
        """Return a session, whose files go when its ``with`` block is left, or after ``ttl`` seconds in any case."""
        return self._context.sessions.make(name, ttl)

    def temporary(self, function: Callable[Concatenate[ManagedSession, P], T]) -> Callable[P, T]:
        """Have a function work in a session of its own: what it registers or makes there goes when it ends.

        It is given the session as its first argument; whoever calls it leaves that out. A coroutine function stays one.

        Raises:
            TypeError: it is a generator, which goes on after the call that made it has returned.
        """
        return in_session(self.session, function)

    def hold(self, file_path: AnyPath) -> Hold:
        """Keep a registered file from every sweep while it is worked with; errors as of ``Hold``."""
        return Hold(self.registry, recorded_path(self.registry, as_recorded(file_path)))

    def pin(self, file_path: AnyPath, *, ttl: Duration | None = None) -> None:
        """Keep a registered file from every sweep for ``ttl`` seconds, or until ``unpin``, also when this process ends.

        Raises:
            ValueError, FileNotFoundError: it is not registered, or ``ttl`` means nothing; it is not there any more.
        """
        pin(self.registry, as_recorded(file_path), ttl, self._context.clock_guard)

    def unpin(self, file_path: AnyPath) -> None:
        """Let sweeps have a registered file again; ValueError if it is not registered."""
        unpin(self.registry, as_recorded(file_path))

    def restore(self, file_path: AnyPath, *, to: AnyPath | None = None) -> str:
        """Move a file back from quarantine, by the path where it was, and return where it is; see ``Restorer``."""
        return self._context.restorer.restore(absolute(file_path), None if to is None else absolute(to))

    def cleanup(self, force: bool = False) -> int:
        """Remove files older than ``max_age`` or their ttl, or every one with ``force``; return how many are retired.

        A file that could not be removed is logged and kept on record; one that is another by now is forgotten. Neither
        is counted.
        """
        return self.sweep(force=force).retired

    def clear_all(self) -> int:
        """Remove every registered file; the same as ``cleanup(force=True)``."""
        return self.cleanup(force=True)

    def sweep(
        self,
        *,
        force: bool = False,
        dry_run: bool = False,
        limit: int | None = None,
        budget: Duration | None = None,
        protect_open: bool = False,
        trust_clock: bool = True,
        allow_large: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> SweepReport:
        """Clean up as ``cleanup`` does, within bounds, and report each outcome; then see to the limits.

        Args:
            force: Every record, whatever its age.
            dry_run: Change nothing, and report what the same call without it would do.
            limit: Records to handle at most.
            budget: Seconds after which no new chunk (some hundred records or 50 ms at most) is begun.
            protect_open: Keep files that somebody has open, or of which nothing can tell.
            trust_clock: Otherwise a jump of the wall clock makes no file due, as in scheduled sweeps.
            allow_large: Refuse to remove more files because of a change of settings than this, 1,000 and half of all.
            stop: Asked between chunks; True ends the sweep there.

        Raises:
            ValueError: ``limit``, ``budget`` or ``allow_large`` is negative or not a number.
            LargeSweepError: the sweep is held up because of a change of settings; nothing was removed.
        """
        demand = Demand(force, dry_run, limit, budget, protect_open, trust_clock, allow_large, stop)
        return clean_up(self._context, demand)

    def start(self) -> None:
        """Do now and at intervals, on daemon threads, what ``jobs`` lists; running already, do nothing."""
        self._context.scheduler.start(jobs(self._context))

    def stop(self, timeout: float | None = None) -> bool:
        """End the scheduled sweeps after the chunk in hand; see ``Scheduler.stop``."""
        return self._context.scheduler.stop(timeout)

    def close(self) -> None:
        """Stop sweeping and let go of the registry. Removes nothing; may be called again, and by a signal's handler.

        A scheduled sweep that waits for the very thread that the handler has interrupted goes on alone.
        """
        self.stop(CLOSING)
        self._context.closed.tell()
        self.registry.close()
        self._context.directory.close()

    def __repr__(self) -> str:
        where = self.registry.properties.address
        return f"{type(self).__name__}({self.base_dir!r}, max_age={self.max_age}, registry={where!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied, as it has threads and locks: "
            "hand over its base_dir and settings, and make another there"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if os.getpid() == self._pid:  # in a forked child the files are still the parent's
                self.stop()  # first: what a scheduled sweep has claimed, and then keeps, would stay behind
                clean_up_own(self._context)
        finally:
            self.close()
