"""Refusals: what settings ask for together, and a registry or a base directory cannot give."""

from collections.abc import Iterable

from temp_file_manager.errors import SettingsError
from temp_file_manager.plugins import Plugins
from temp_file_manager.registering.shared_volume import refusals as volume_refusals
from temp_file_manager.registry import Registry
from temp_file_manager.settings import Settings
from temp_file_manager.storage import zstd
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.sweeping.limits import refusals as limit_refusals
from temp_file_manager.sweeping.rule_notes import refusals as rule_refusals


def refuse(settings: Settings, plugins: Plugins, registry: Registry, base_dir: str) -> None:
    """Return if settings can be kept with a registry and in a base directory.

    Raises:
        SettingsError: listing every one that cannot.
    """
    problems = [
        *volume_refusals(settings, registry.properties),
        *plugins.refusals(settings.limits),
        *limit_refusals(settings.limits, registry.properties, lambda: mounts.kind(base_dir)),
        *rule_refusals(settings.rules, registry.properties),
        *zstd.refusals(settings.rules),
        *(_of_a_fleet(settings.fleet) if settings.fleet else ()),
    ]
    if problems:
        raise SettingsError(problems)


def _of_a_fleet(fleet: str) -> Iterable[str]:
    from temp_file_manager.fleet.view import refusal  # noqa: PLC0415 - few have a fleet

    return filter(None, [refusal(fleet)])


def refuse_wrong_types(settings: object, hooks: object) -> None:
    """Raise TypeError if what a program gives a manager cannot be its settings or its hooks."""
    if not isinstance(settings, Settings):
        raise TypeError(f"settings is a Settings, not {type(settings).__name__}: write Settings(name=value, …)")
    if not isinstance(hooks, Iterable):
        raise TypeError("hooks is a collection of functions: write (hook,) for a single one")
