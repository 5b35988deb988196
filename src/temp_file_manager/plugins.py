"""Plug-ins: packages that say where records are, what goes first for a limit, and that hear events.

A plug-in is an entry point of the group ``temp_file_manager.plugins`` that is a ``Plugin``. It is loaded if the setting
``plugins`` names it; where none is named, nothing is looked for. It never decides what is due or what is kept.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from temp_file_manager.errors import SettingsError
from temp_file_manager.events import Hook
from temp_file_manager.limits import Limit
from temp_file_manager.records import Order
from temp_file_manager.registry.schemes import SCHEMES, Scheme
from temp_file_manager.settings.limits import ORDERS
from temp_file_manager.storage.wrappers.isolated import Wrap
from temp_file_manager.sweeping.orders import Key

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

API = 1
"""The version of what a plug-in and this package ask of each other. Another number is another agreement."""

GROUP = "temp_file_manager.plugins"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_ORDER = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What a plug-in brings.

    Attributes:
        api: The ``API`` that it is written for: a number, not this package's constant.
        name: That of its entry point.
        registries: Kinds of registries, by the scheme of their addresses; see ``registry.schemes``.
        storages: What goes around the storage that removes files. Each is called for each storage of a manager.
        orders: Orders that a limit may name: what has the smallest key goes first. A key is of the record alone.
        hooks: Callables that hear every event.
    """

    api: int
    name: str
    registries: Mapping[str, Scheme] = field(default_factory=dict)
    storages: Sequence[Wrap] = ()
    orders: Mapping[str, Key] = field(default_factory=dict)
    hooks: Sequence[Hook] = ()


class Loaded(NamedTuple):
    """A plug-in, and the package that it came from.

    Attributes:
        plugin: The plug-in.
        package: The name of the package, and its version.
    """

    plugin: Plugin
    package: str

    @property
    def brings(self) -> str:
        """What it brings, in words."""
        plugin = self.plugin
        parts = [f"registry {scheme}:" for scheme in plugin.registries]
        parts += [f"order {name}" for name in plugin.orders]
        parts += [f"{len(those)} {what}" for what, those in _counted(plugin) if those]
        return ", ".join(parts) or "nothing"


def _counted(plugin: Plugin) -> Iterator[tuple[str, Sequence[object]]]:
    for what, those in (("storage wrapper", plugin.storages), ("hook", plugin.hooks)):
        yield what if len(those) == 1 else f"{what}s", those


class Plugins(NamedTuple):
    """The plug-ins that are named, and ours and theirs together.

    Attributes:
        loaded: The plug-ins, in the order of their names.
        schemes: Every kind of registry there is, by scheme.
        storages: What goes around the storage, the innermost first, each with the name of its plug-in.
        orders: The keys of their orders, by name.
        hooks: Those of all.
    """

    loaded: tuple[Loaded, ...] = ()
    schemes: Mapping[str, Scheme] = SCHEMES
    storages: tuple[tuple[str, Wrap], ...] = ()
    orders: Mapping[str, Key] = MappingProxyType({})
    hooks: tuple[Hook, ...] = ()

    def refusals(self, limits: Iterable[Limit]) -> Iterator[str]:
        """Yield what is wrong with limits: an order that nobody brings."""
        for limit in limits:
            if not isinstance(limit.order, Order) and limit.order not in self.orders:
                known = ", ".join([*ORDERS, *self.orders])
                yield f'limit "{limit.name}": order is {limit.order}, which no plug-in in plugins brings: give {known}'


NONE = Plugins()


@cache
def load(names: tuple[str, ...]) -> Plugins:
    """Import the plug-ins of these names.

    Args:
        names: Of entry points.

    Raises:
        SettingsError: naming each that cannot be used, what happened, and what to do.
    """
    if not names:
        return NONE
    from importlib.metadata import entry_points  # noqa: PLC0415 - takes long, and few have plug-ins

    loaded, problems = [], []
    for name in names:
        try:
            loaded.append(_loaded(name, tuple(entry_points(group=GROUP, name=name))))
        except _UnusableError as error:
            problems.append(f'plug-in "{name}": {error}')
    problems += _clashes(loaded)
    if problems:
        raise SettingsError(problems)
    plugins = [each.plugin for each in loaded]
    return Plugins(
        tuple(loaded),
        {**SCHEMES, **{scheme: kind for plugin in plugins for scheme, kind in plugin.registries.items()}},
        tuple((plugin.name, wrap) for plugin in plugins for wrap in plugin.storages),
        {order: key for plugin in plugins for order, key in plugin.orders.items()},
        tuple(hook for plugin in plugins for hook in plugin.hooks),
    )


class _UnusableError(Exception):
    """A plug-in cannot be used; the message says why, and what to do."""


_OR_LEAVE_IT_OUT = "or leave it out of plugins"


def _loaded(name: str, found: "tuple[EntryPoint, ...]") -> Loaded:
    packages = [_package(point) for point in found]
    if not found:
        raise _UnusableError(
            f"no package that is installed here has an entry point of that name in the group {GROUP}: install the one "
            f"that has, {_OR_LEAVE_IT_OUT}"
        )
    if len(found) > 1:
        raise _UnusableError(f"{' and '.join(packages)} both bring it: uninstall all but one")
    try:
        plugin = found[0].load()
    except (Exception, SystemExit) as error:  # a stranger's code
        raise _UnusableError(
            f"importing {found[0].value} from {packages[0]} failed: {error!r}: mend that, {_OR_LEAVE_IT_OUT}"
        ) from error
    why = _wrong(plugin, name)
    if why:
        raise _UnusableError(f"{found[0].value} from {packages[0]} {why}, {_OR_LEAVE_IT_OUT}")
    return Loaded(plugin, packages[0])


def _package(point: "EntryPoint") -> str:
    return "a package without a name" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _wrong(plugin: object, name: str) -> str:
    """Say what is wrong with what an entry point is, and what to do; nothing if nothing is."""
    if not isinstance(plugin, Plugin):
        return f"is no Plugin but {type(plugin).__name__}: have the entry point name one"
    if plugin.api != API:
        return f"is written for api {plugin.api!r}, and this version has {API}: install a version for that"
    if plugin.name != name:
        return f"calls itself {plugin.name!r}: give both the same name"
    for what, those, fits in (
        ("registries", plugin.registries, _is_scheme),
        ("orders", plugin.orders, _is_order),
        ("storages", plugin.storages, callable),
        ("hooks", plugin.hooks, callable),
    ):
        each = those.items() if isinstance(those, Mapping) else those
        if not isinstance(those, Mapping | Sequence) or not all(map(fits, each)):
            return f"has {what} that are none, {those!r}: give what Plugin says"
    return ""


def _is_scheme(item: object) -> bool:
    match item:
        case (str(name), Scheme()):
            return _SCHEME.fullmatch(name) is not None
    return False


def _is_order(item: object) -> bool:
    match item:
        case (str(name), key):
            return _ORDER.fullmatch(name) is not None and callable(key)
    return False


def _clashes(loaded: Iterable[Loaded]) -> Iterator[str]:
    """Yield the names that somebody else has already."""
    taken: dict[tuple[str, str], str] = {("registry", scheme): "this package" for scheme in SCHEMES}
    taken |= {("order", name): "this package" for name in (*ORDERS, *Order)}
    for each in loaded:
        plugin = each.plugin
        mine = [("registry", scheme) for scheme in plugin.registries] + [("order", name) for name in plugin.orders]
        for what, name in mine:
            other = taken.setdefault((what, name), f'plug-in "{plugin.name}"')
            if other != f'plug-in "{plugin.name}"':
                yield f'plug-in "{plugin.name}": its {what} {name} is {other}\'s already: leave one out of plugins'
