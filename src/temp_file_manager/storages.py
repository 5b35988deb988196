"""A manager's storages: with and without a look at who has files open, asking rules or not."""

import functools
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import NamedTuple, Self

from temp_file_manager.clock import Clock
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.rules.ruling import Ruling
from temp_file_manager.settings import Settings
from temp_file_manager.storage.build import build
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.shared_volume import SharedVolume
from temp_file_manager.storage.successors import Row, Succession
from temp_file_manager.storage.wrappers.isolated import Wrap
from temp_file_manager.text import printable


class Storages(NamedTuple):
    """What removes files.

    Attributes:
        bare: Asks the rules, where there are any.
        protecting: The same, but for files that somebody has open.
        forced: Asks no rule, and removes for good.
        forced_protecting: The same, but for files that somebody has open.
    """

    bare: Storage
    protecting: Storage
    forced: Storage
    forced_protecting: Storage

    @classmethod
    def open(
        cls,
        settings: Settings,
        base_dir: str,
        registry: Registry,
        clock: Clock,
        asof: Callable[[], float],
        ruling: Ruling | None,
        max_age: Callable[[], float],
        plugged: Sequence[tuple[str, Wrap]] = (),
        volume: SharedVolume | None = None,
    ) -> Self:
        """Put storages together; arguments as of ``build``."""
        succession = succession_in(registry, clock) if registry.properties.keeps_identity else None
        made = functools.partial(
            build, settings, base_dir, clock, asof, succession=succession, plugged=plugged, volume=volume
        )
        kept, keeping = functools.partial(kept_below, registry, asof), keeping_rules(ruling)
        forced, forced_protecting = (made(protect_open=protect, kept_below=kept) for protect in (False, True))
        if ruling is None and succession is None:
            return cls(forced, forced_protecting, forced, forced_protecting)
        asking = functools.partial(made, ruling=ruling, max_age=max_age)
        kept = functools.partial(kept_below, registry, asof, rules=keeping)
        bare, protecting = (asking(protect_open=protect, kept_below=kept) for protect in (False, True))
        return cls(bare, protecting, forced, forced_protecting)

    @classmethod
    def of(cls, storage: Storage) -> Self:
        """Return one storage for all that is to be removed."""
        return cls(storage, storage, storage, storage)

    def choose(self, *, protect_open: bool, force: bool = False) -> Storage:
        """Return one of them."""
        if force:
            return self.forced_protecting if protect_open else self.forced
        return self.protecting if protect_open else self.bare


def keeping_rules(ruling: Ruling | None) -> frozenset[str]:
    """Return the names of the rules that say ``keep``."""
    return frozenset(rule.name for rule in ruling.book.rules if rule.keep) if ruling else frozenset()


def kept_below(
    registry: Registry, asof: Callable[[], float], directory: str, rules: Collection[str] = frozenset()
) -> str:
    """Say what of the records below a directory has to stay, by whichever of its paths; nothing if all may go."""
    now = asof()
    for path in dict.fromkeys((directory, os.path.realpath(directory))):
        found = registry.kept_below(path, now, rules)
        if found is not None:
            return f"{printable(os.path.relpath(found.path, path))} in it {_kept_by(found)}"
    return ""


def _kept_by(record: TempFile) -> str:
    if record.held:
        return "is held"
    if record.pinned_until:
        return "is pinned"
    return "is in a session that lives" if record.session else f'is kept by the rule "{record.rule}"'


def succession_in(registry: Registry, clock: Clock) -> Succession:
    """Return what keeps successors on record in a registry."""

    def succeed(rows: Sequence[Row], registered_at: float | None = None, *, only_new: bool = False) -> None:
        natures = {file[0]: nature for file, nature in rows}
        now = clock.wall() if registered_at is None else registered_at
        registry.add([file for file, _ in rows], now, only_new=only_new, natures=natures)

    def withdraw(what: Sequence[str | TempFile]) -> None:
        with suppress(RegistryError):  # they are found gone when they are due
            registry.forget(what)

    return Succession(succeed, withdraw, registry.get, registry.has_all)
