"""Registry addresses: which scheme opens which registry, where it keeps its records, and how it may be shown."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from temp_file_manager.errors import RegistryError
from temp_file_manager.machine import machine
from temp_file_manager.registry.contract import Identify, Registry
from temp_file_manager.registry.files import unidentified
from temp_file_manager.registry.memory.registry import MemoryRegistry
from temp_file_manager.settings import Settings
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.text import masked

if TYPE_CHECKING:
    from temp_file_manager.registry.postgres.server import Server

MEMORY = "memory:"
"""Where an application's records live when nothing else is said."""

POSTGRESQL = "postgresql:"
"""Where the records of many hosts live."""

SQLITE = "sqlite:"
"""Where the command line's live: a command's process ends before the next begins."""


SCOPE = "scope"
SPOOL, SPOOL_FILE = "spool", "spool_file"
"""Settings' names: whether registrations wait here while the server is out of reach, and where."""

PASSWORD_FILE = "registry_password_file"  # noqa: S105 - a setting's name


class Address(NamedTuple):
    """A registry's address, read.

    Attributes:
        scheme: What stands before the colon.
        shown: The address as it may be shown.
        outlives_process: Whether its records do.
        file: The file they live in, made or not; None when they live in none.
        options: What follows the ``?``.
        told: What the settings say to all registries, by their names; what a scheme does not know it passes over.
    """

    scheme: str
    shown: str
    outlives_process: bool
    file: str | None = None
    options: Mapping[str, str] = MappingProxyType({})
    told: Mapping[str, str] = MappingProxyType({})


class Scheme(NamedTuple):
    """A kind of registry.

    Attributes:
        forms: How its addresses are written.
        parse: Reads what follows the colon, for a base directory; raises RegistryError.
        open: Opens what was read, for a base directory; is given what identifies files.
    """

    forms: tuple[str, ...]
    parse: Callable[[str, str], Address]
    open: Callable[[Address, str, Identify], Registry]


def _parse_memory(rest: str, base_dir: str) -> Address:
    del base_dir
    if rest:
        raise RegistryError("memory: takes nothing after it")
    return Address("memory", MEMORY, outlives_process=False)


def _open_memory(address: Address, base_dir: str, identify: Identify) -> Registry:
    del address, base_dir, identify
    return MemoryRegistry()


def _parse_sqlite(rest: str, base_dir: str) -> Address:
    place, _, option = rest.partition("?")
    if place in ("", "//"):
        path = os.path.join(os.path.abspath(base_dir), OWN_DIRECTORY, "registry.db")
    elif place.startswith("///") and place.strip("/") and "\0" not in place:
        path = "/" + place.strip("/")
    else:
        raise RegistryError("sqlite: names no file: write sqlite:///ABSOLUTE/PATH, or sqlite: alone for the usual one")
    name, _, word = option.lower().partition("=")
    if option and (name != "synchronous" or word not in ("normal", "full")):
        raise RegistryError("what follows the ? is no option: write ?synchronous=normal or ?synchronous=full")
    shown = masked(f"sqlite:{rest}")
    return Address("sqlite", shown, outlives_process=True, file=path, options={name: word} if option else {})


def _open_sqlite(address: Address, base_dir: str, identify: Identify) -> Registry:
    from temp_file_manager.registry.sqlite.registry import SqliteRegistry  # noqa: PLC0415 - in memory nobody needs SQLite

    assert address.file is not None  # noqa: S101 - see _parse_sqlite
    synchronous = address.options.get("synchronous", "normal").upper()
    return SqliteRegistry(address.file, base_dir, synchronous=synchronous, identify=identify)


def _parse_postgresql(rest: str, base_dir: str) -> Address:
    from temp_file_manager.registry.postgres import address  # noqa: PLC0415 - few have a server

    del base_dir
    said = address.read(rest)
    return Address("postgresql", address.shown(said), outlives_process=True, options=said)


@contextmanager
def _postgres_extra() -> Iterator[None]:
    """Name the extra if it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise RegistryError(
            "a registry on PostgreSQL needs psycopg, which is not installed: "
            "pip install 'temp-file-manager[postgres]' adds it"
        ) from error


def _open_postgresql(address: Address, base_dir: str, identify: Identify) -> Registry:
    with _postgres_extra():
        from temp_file_manager.registry.postgres.opening import open_postgres  # noqa: PLC0415 - an extra
    volume = address.told.get(SCOPE, "")
    scope, root = scope_of(base_dir, volume), os.path.abspath(base_dir) if volume else ""
    registry = open_postgres(address.options, address.told.get(PASSWORD_FILE, ""), scope, root, identify)
    if SPOOL not in address.told:
        return registry
    from temp_file_manager.registry.spool.opening import beside  # noqa: PLC0415 - few have a server

    return beside(registry, scope, address.told.get(SPOOL_FILE, ""))


def scope_of(base_dir: str, volume: str = "") -> str:
    """Return the scope of a base directory as servers know it: that of a shared volume, or of this machine."""
    return volume or f"local:{machine()}:{os.path.abspath(base_dir)}"


def open_server(address: Address, told: Mapping[str, str]) -> "Server":
    """Return the server that an address of ``postgresql:`` names, not yet asked anything.

    Args:
        address: What ``parse`` returned.
        told: As in ``open_registry``.

    Raises:
        RegistryError: the extra is not there.
    """
    with _postgres_extra():
        from temp_file_manager.registry.postgres.opening import server_of  # noqa: PLC0415 - an extra
    return server_of(address.options, told.get(PASSWORD_FILE, ""))


SCHEMES: dict[str, Scheme] = {
    "memory": Scheme(("memory:",), _parse_memory, _open_memory),
    "sqlite": Scheme(("sqlite:", "sqlite:///PATH"), _parse_sqlite, _open_sqlite),
    "postgresql": Scheme(("postgresql://[USER@]HOST[:PORT]/DATABASE",), _parse_postgresql, _open_postgresql),
}


def parse(address: str, base_dir: str, schemes: Mapping[str, Scheme] = SCHEMES) -> Address:
    """Read an address; opens and makes nothing.

    Args:
        address: ``memory:``, ``sqlite:`` for the usual file in ``base_dir``, ``sqlite:///PATH``, or ``postgresql://…``.
        base_dir: Whose records are meant.
        schemes: The kinds that there are.

    Raises:
        RegistryError: no registry can be at that address.
    """
    scheme, colon, rest = str(address).partition(":")
    if not colon or scheme not in schemes:
        forms = ", ".join(repr(form) for known in schemes.values() for form in known.forms)
        # The scheme alone: what follows may hold a password.
        raise RegistryError(f"no registry is called {scheme!r}: give {forms} or a Registry object")
    return schemes[scheme].parse(rest, base_dir)


def open_registry(
    registry: Registry | str | None,
    base_dir: str,
    identify: Identify = unidentified,
    schemes: Mapping[str, Scheme] = SCHEMES,
    told: Mapping[str, str] = MappingProxyType({}),
) -> Registry:
    """Return the registry that ``registry`` names: an object as it is, None a new one in memory.

    Args:
        registry: An address, see ``parse``.
        base_dir: Whose records it is to hold.
        identify: Tells which file is at an unknown path that is written to ``files``.
        schemes: As in ``parse``.
        told: See ``Address``.

    Raises:
        RegistryError: no registry has that name, or it cannot be opened.
    """
    if isinstance(registry, Registry):
        return registry
    address = parse(registry or MEMORY, base_dir, schemes)._replace(told=told)
    return schemes[address.scheme].open(address, base_dir, identify)


def told(settings: Settings) -> dict[str, str]:
    """Return what registries are to be told beside their address, by the settings' names."""
    given = {
        PASSWORD_FILE: settings.registry_password_file,
        SCOPE: settings.scope,
        SPOOL: "on" if settings.spool else "",
        SPOOL_FILE: settings.spool_file,
    }
    return {name: value for name, value in given.items() if value}


def is_durable(registry: Registry | str | None, base_dir: str, schemes: Mapping[str, Scheme] = SCHEMES) -> bool:
    """Say whether what ``open_registry`` would return keeps records beyond the process.

    Raises:
        RegistryError: no registry can be at that address.
    """
    if isinstance(registry, Registry):
        return registry.properties.outlives_process
    return parse(registry or MEMORY, base_dir, schemes).outlives_process
