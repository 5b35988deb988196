"""Scopes of shared volumes: what one takes, and how it is made."""

from typing import NamedTuple

from temp_file_manager.errors import SettingsError, TempFileError
from temp_file_manager.registry import Registry
from temp_file_manager.registry.card import Properties, SharedBy
from temp_file_manager.settings import Settings
from temp_file_manager.storage.own_files import remove_own
from temp_file_manager.storage.shared_volume import new_marker, path_of, read_marker, scope_of, write_marker
from temp_file_manager.text import printable


class ScopeError(TempFileError):
    """A volume and the registry do not agree on what the volume is; nothing was changed."""


class MadeScope(NamedTuple):
    """A scope that both its volume and the registry know.

    Attributes:
        scope: ``volume:NAME``.
        root: Where the volume is mounted here.
        marker: What both say.
        made: Whether either did not know it before.
    """

    scope: str
    root: str
    marker: str
    made: bool


def refusals(settings: Settings, properties: Properties) -> list[str]:
    """Say why hosts cannot share a volume by these settings and this registry, and what to do."""
    if settings.scope is None:
        return []
    unshared = _unshared(settings.scope, properties)
    problems = [unshared] if unshared else []
    if settings.protect_open and settings.if_unknown is None:
        problems.append(
            f"scope {settings.scope} takes TEMP_FILE_IF_UNKNOWN: nothing here can tell whether another host has a file "
            "open, so say at which age in seconds a file goes all the same; hold and pin protect what is needed longer"
        )
    return problems


def _unshared(scope: str, properties: Properties) -> str:
    if properties.shared_by is SharedBy.HOSTS:
        return ""
    return (
        f"scope {scope} takes a registry that hosts share, which {properties.address} is not: "
        "set TEMP_FILE_REGISTRY=postgresql://HOST/DATABASE"
    )


def create(registry: Registry, root: str, scope: str) -> MadeScope:
    """Give a volume and the registry the same marker; interrupted at any point, it can be done again.

    The volume has it first: what the registry alone knows is a volume that is not mounted.

    Args:
        registry: Of that scope.
        root: Where the volume is mounted; absolute.
        scope: ``volume:NAME``.

    Raises:
        ScopeError: they do not agree, and what to do.
        OSError: the marker cannot be read or written.
        SettingsError: hosts do not share the registry.
        RegistryError: the registry cannot be used.
    """
    if unshared := _unshared(scope, registry.properties):  # before anything is written
        raise SettingsError([unshared])
    where = printable(root)
    there, known = read_marker(root), registry.marker()
    if there and scope_of(there) != scope:
        raise ScopeError(f"the volume at {where} is {printable(scope_of(there))}: give that name, or another directory")
    if known and not there:
        raise ScopeError(
            f"{scope} is in the registry, and the directory {where} has no marker: mount the volume; "
            "if this is another volume, give it another name"
        )
    if known and known != there:
        raise ScopeError(f"the volume at {where} is not the one that {scope} is in the registry: give it another name")
    if known:
        return MadeScope(scope, root, known, made=False)
    written = there or write_marker(root, new_marker(scope))
    known = registry.mark(written)
    if known != written:
        if not there:
            remove_own(path_of(root))
        raise ScopeError(f"another volume has become {scope} just now: give this one another name")
    return MadeScope(scope, root, known, made=True)
