"""Storages, put together from the settings: the one place that knows which wrapper goes around which."""

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from temp_file_manager.clock import Clock
from temp_file_manager.records import Kind
from temp_file_manager.rules.life import Action
from temp_file_manager.rules.ruling import Ruling
from temp_file_manager.settings import Settings
from temp_file_manager.settings.shared_volume import checks_owner, removal_threads, sets_aside
from temp_file_manager.storage.choice import Act, Chooser
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.gone import GoneFiles
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.storage.own_files import GOING, OWN_DIRECTORY, QUARANTINE
from temp_file_manager.storage.shared_volume import SharedVolume
from temp_file_manager.storage.successors import Succession
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.storage.wrappers.isolated import Isolated, Wrap
from temp_file_manager.storage.wrappers.marked import Marked
from temp_file_manager.storage.wrappers.put_back import PuttingBack
from temp_file_manager.storage.wrappers.routed import Routed
from temp_file_manager.storage.wrappers.secure import SecureStorage
from temp_file_manager.storage.wrappers.set_aside import ASIDE
from temp_file_manager.storage.wrappers.threads import Threaded

# What moves files, packs them or removes whole directories is imported where it is made: records in memory have none of
# it, and it takes time.
# ruff: noqa: PLC0415
if TYPE_CHECKING:
    from temp_file_manager.storage.unit_folder import Removing
    from temp_file_manager.storage.unit_question import KeptBelow

PATIENCE = 10.0
"""Seconds one removal may take at most, however long a sweep may: a hang must leave time for the rest of the claim."""


Wrapper = Callable[[Storage, Settings, Clock], Storage]
"""Returns a storage around another, or that one as it is if the settings want none."""


def _bounded(storage: Storage, settings: Settings, clock: Clock) -> Storage:
    if settings.cleanup_timeout is None:
        return storage
    return Abandoning(storage, _patience(settings), clock)


def _patience(settings: Settings) -> float:
    return min(settings.cleanup_timeout or PATIENCE, PATIENCE)


WRAPPERS: tuple[Wrapper, ...] = (_bounded,)
"""The innermost first."""


def _nothing(_: str) -> str:
    return ""


class Making(NamedTuple):
    """What storages are made with.

    Attributes:
        settings: Which there are to be, and how.
        base_dir: Whose private folder may be used, and in which rewritten files stay on record.
        clock: What tells the time.
        asof: What ages are read at: the wall clock, unless that has jumped.
        in_use: Makes what tells whether a file is in use; None: nobody asks.
        succession: What keeps successors on record; None: records are in memory, and none is more than a path.
        kept_below: Says what below a directory has to stay.
        max_age: Says how old units may get that have no ttl; None: they go whatever their age.
        ruling: The rules that are asked; None: none is.
        volume: The shared volume that all lies on; None: it lies anywhere on this machine.
    """

    settings: Settings
    base_dir: str
    clock: Clock
    asof: Callable[[], float]
    in_use: Callable[[], InUse] | None
    succession: Succession | None = None
    kept_below: "KeptBelow" = _nothing
    max_age: Callable[[], float] | None = None
    ruling: Ruling | None = None
    volume: SharedVolume | None = None

    def folder(self, name: str) -> str:
        """Return the path of a folder of the package's own in the base directory."""
        return os.path.join(os.path.abspath(self.base_dir), OWN_DIRECTORY, name)

    def plain(self, within: str | None = None) -> Storage:
        """Return what removes files; in a folder of the package's own, or anywhere else."""
        settings = self.settings
        check, base, below = checks_owner(settings), self.base_dir, None if self.volume is None else self.volume.root
        if settings.secure_delete:
            return SecureStorage(
                settings.cleanup_threads, self.in_use, owner_check=check, base=base, within=within, below=below
            )
        # In such a folder nobody else can put one file in the place of another.
        aside = self.folder(ASIDE) if sets_aside(settings) and within is None else None
        local = LocalStorage(self.in_use, owner_check=check, aside=aside, base=base, within=within, below=below)
        threads = removal_threads(settings)
        # Half as patient as what is around it, which would give up all of them.
        return local if threads == 1 else Threaded(local, threads, _patience(settings) / 2, self.clock)

    def removing(self) -> "Removing":
        """Return what the removal of units works with."""
        from temp_file_manager.storage.unit_folder import Removing
        from temp_file_manager.storage.unit_question import Terms

        assert self.succession is not None  # noqa: S101 - where there is none there are no units
        check = checks_owner(self.settings)
        terms = Terms(self.asof, self.max_age, self.in_use, self.kept_below, check)
        destroys = self.settings.secure_delete
        return Removing(self.folder(GOING), terms, self.succession, self.clock.elapsed, destroys)


def _from_quarantine(making: Making) -> Storage:
    return making.plain(within=making.folder(QUARANTINE))


def _to_quarantine(making: Making) -> Act:
    from temp_file_manager.storage.quarantine import Quarantine

    assert making.succession is not None  # noqa: S101 - see ``_routed``
    settings, folder = making.settings, making.folder(QUARANTINE)
    plain, owner_check, base = making.plain(), checks_owner(settings), making.base_dir
    return functools.partial(Quarantine, folder, making.succession, plain, making.in_use, owner_check, base)


def _compressing(making: Making) -> Act:
    from temp_file_manager.storage.packing import Packing
    from temp_file_manager.storage.packing_plan import plans

    assert making.succession is not None  # noqa: S101 - see ``_routed``
    packing = Packing(
        making.succession,
        plans(making.ruling, making.asof),
        functools.partial(InUse, None, making.asof, shared=making.volume is not None),
        owner_check=checks_owner(making.settings),
        aside=making.folder(ASIDE) if sets_aside(making.settings) else None,
        base=making.base_dir,
    )
    return lambda _: packing  # what is next it finds out of each: so files whose ends differ go together


def _unit(making: Making) -> Storage:
    from temp_file_manager.storage.unit import Units

    return Units(making.removing())


def _going(making: Making) -> Storage:
    from temp_file_manager.storage.going import Going

    return Going(making.removing())


def _objects(making: Making) -> Storage:
    from temp_file_manager.objects.registered import RegisteredObjects

    settings = making.settings
    return RegisteredObjects(
        unconditional=settings.objects_unconditional, elapsed=making.clock.elapsed, destroys=settings.secure_delete
    )


KINDS: Mapping[Kind, Callable[[Making], Storage]] = MappingProxyType({
    Kind.QUARANTINED: _from_quarantine,
    Kind.UNIT: _unit,
    Kind.GOING: _going,
    Kind.OBJECT: _objects,
})  # fmt: skip
"""What removes records of a kind that are no plain files."""

ACTS: Mapping[Action, Callable[[Making], Act]] = MappingProxyType({
    Action.QUARANTINE: _to_quarantine,
    Action.COMPRESS: _compressing,
})  # fmt: skip
"""What does what rules say but to keep or to remove."""


def build(
    settings: Settings,
    base_dir: str,
    clock: Clock,
    asof: Callable[[], float],
    *,
    protect_open: bool = False,
    ruling: Ruling | None = None,
    succession: Succession | None = None,
    kept_below: "KeptBelow" = _nothing,
    max_age: Callable[[], float] | None = None,
    plugged: Iterable[tuple[str, Wrap]] = (),
    volume: SharedVolume | None = None,
) -> Storage:
    """Return what removes files as the settings say.

    Args:
        settings: Which wrappers there are to be.
        base_dir: As in ``Making``.
        clock: What tells the time.
        asof: As in ``Making``.
        protect_open: Keep files that somebody has open, or of which nothing can tell.
        ruling: The rules that are asked; None: none is.
        succession: As in ``Making``.
        kept_below: As in ``Making``.
        max_age: As in ``Making``.
        plugged: What plug-ins put around it, the innermost first, each with the plug-in's name.
        volume: As in ``Making``.

    Raises:
        SettingsError: what a plug-in puts around it is no storage.
    """
    shared = volume is not None
    in_use = functools.partial(InUse, settings.if_unknown, asof, shared=shared) if protect_open else None
    making = Making(settings, base_dir, clock, asof, in_use, succession, kept_below, max_age, ruling, volume)
    return _wrapped(_routed(making), settings, base_dir, clock, plugged, volume)


def _routed(making: Making) -> Storage:
    """Return what removes files, and does with each other record what is to be done; where there are none, the one."""
    plain, ruling = making.plain(), making.ruling
    if making.succession is not None:
        kinds = {kind: make(making) for kind, make in KINDS.items()}
        acts = {action: make(making) for action, make in ACTS.items()}
        leaves = making.max_age is not None  # else it is by force, which asks no rule
        return Routed(plain, Chooser(kinds, acts, ruling, making.asof, leaves=leaves))
    return plain if ruling is None else Routed(plain, Chooser({}, {}, ruling, making.asof))


def build_gone(settings: Settings, base_dir: str, clock: Clock, volume: SharedVolume | None = None) -> Storage:
    """Return what removes nothing, and notes which files are gone; arguments as of ``build``."""
    return _wrapped(GoneFiles(base_dir), settings, base_dir, clock, (), volume)


def _wrapped(
    storage: Storage,
    settings: Settings,
    base_dir: str,
    clock: Clock,
    plugged: Iterable[tuple[str, Wrap]],
    volume: SharedVolume | None,
) -> Storage:
    # Putting back whether or not this storage sets aside: one before may have.
    storage = PuttingBack(storage, _folder(base_dir))
    for name, wrap in plugged:
        storage = Isolated(storage, wrap, name)
    if volume is not None:  # around all that touches anything; within what bounds how long that takes
        storage = Marked(storage, volume)
    for wrapped in WRAPPERS:
        storage = wrapped(storage, settings, clock)
    return storage


def _folder(base_dir: str) -> str:
    return os.path.join(os.path.abspath(base_dir), OWN_DIRECTORY, ASIDE)
