"""Where records live: the contract, and the registries that keep it."""

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.base import Claim, Page, Registry, Stats
from temp_file_manager.registry.memory import MemoryRegistry

__all__ = ["Claim", "MemoryRegistry", "Page", "Registry", "Stats", "open_registry"]


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
    # The scheme alone: what follows may hold a password.
    scheme = str(registry).split(":", 1)[0]
    raise RegistryError(f"no registry is called {scheme!r}: give 'memory:' or a Registry object")
