"""The spool of a registry, opened as the settings say."""

from temp_file_manager.registry.contract import Registry
from temp_file_manager.registry.spool.file import SpoolFile, usual_path
from temp_file_manager.registry.spool.registry import SpooledRegistry


def whose(address: str, scope: str) -> str:
    """Return whose a spool is: of one registry, by its address as it may be shown, and of one scope."""
    return f"{address} {scope}"


def path_of(address: str, scope: str, file: str) -> str:
    """Return where a spool lies: where ``file`` says, or else where it usually does."""
    return file or usual_path(whose(address, scope))


def beside(registry: Registry, scope: str, file: str) -> SpooledRegistry:
    """Return a registry that takes registrations while its server is out of reach.

    Args:
        registry: On a server.
        scope: Whose records it shows.
        file: The path of its spool; empty: the usual one.

    Raises:
        RegistryError: the spool cannot be used; then the registry is closed.
    """
    address = registry.properties.address
    try:
        spool = SpoolFile(path_of(address, scope, file), whose(address, scope))
        made = SpooledRegistry(registry, spool)
        if not spool.is_empty():
            # An earlier process has left something. Commands that end at once take their part of it, too.
            made.drain.start(at_once=True)
    except BaseException:
        registry.close()
        raise
    return made
