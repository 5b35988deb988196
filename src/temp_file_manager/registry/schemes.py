"""Registry addresses: which scheme opens which registry."""

import os

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.contract import Registry
from temp_file_manager.registry.memory.registry import MemoryRegistry
from temp_file_manager.storage.own_files import OWN_DIRECTORY


def is_durable(registry: Registry | str | None) -> bool:
    """Say whether what ``open_registry`` would return keeps records beyond the process."""
    return registry.durable if isinstance(registry, Registry) else registry not in (None, "memory:")


def open_registry(registry: Registry | str | None, base_dir: str) -> Registry:
    """Return the registry that ``registry`` names: an object as it is, ``memory:`` or None a new one in memory.

    Args:
        registry: ``sqlite:///PATH`` names a file; ``sqlite:`` alone is one in ``base_dir``.
        base_dir: Whose records it is to hold.

    Raises:
        RegistryError: no registry has that name, or it cannot be opened.
    """
    if isinstance(registry, Registry):
        return registry
    if registry is None or registry == "memory:":
        return MemoryRegistry()
    if registry.startswith("sqlite:"):
        return _open_sqlite(registry, base_dir)
    # The scheme alone: what follows may hold a password.
    scheme = str(registry).split(":", 1)[0]
    raise RegistryError(
        f"no registry is called {scheme!r}: give 'memory:', 'sqlite:', 'sqlite:///PATH' or a Registry object"
    )


def _open_sqlite(url: str, base_dir: str) -> Registry:
    from temp_file_manager.registry.sqlite.registry import SqliteRegistry  # noqa: PLC0415 - in memory nobody needs SQLite

    address, _, option = url.removeprefix("sqlite:").partition("?")
    if address in ("", "//"):
        path = os.path.join(os.path.abspath(base_dir), OWN_DIRECTORY, "registry.db")
    elif address.startswith("///") and address.strip("/") and "\0" not in address:
        path = "/" + address.strip("/")
    else:
        raise RegistryError("sqlite: names no file: write sqlite:///ABSOLUTE/PATH, or sqlite: alone for the usual one")
    name, _, word = option.lower().partition("=")
    if option and (name != "synchronous" or word not in ("normal", "full")):
        raise RegistryError("what follows the ? is no option: write ?synchronous=normal or ?synchronous=full")
    return SqliteRegistry(path, base_dir, synchronous=(word or "normal").upper())
