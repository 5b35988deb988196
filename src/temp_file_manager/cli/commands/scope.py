"""The command ``scope``: volumes that hosts share, made, listed and shown."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from temp_file_manager.cli import options, render
from temp_file_manager.cli.options import UsageError
from temp_file_manager.plugins import load
from temp_file_manager.registering import shared_volume
from temp_file_manager.registry import Registry
from temp_file_manager.registry.schemes import SQLITE, open_registry, told
from temp_file_manager.settings import Settings
from temp_file_manager.storage.base_directory import BaseDirectory
from temp_file_manager.storage.shared_volume import SharedVolume
from temp_file_manager.text import count, printable


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "scope",
        "make a scope for a volume that hosts share, list all scopes, or show how one stands",
        execute,
        words="create volume:NAME | list | show [volume:NAME]",
        more="The base directory is the root of the volume (docs/volumes.md). create puts a marker there and into the "
        "registry; done again it changes nothing. The exit code of show is 1 if the volume is not mounted there.",
        json="print a JSON object; with list, one a line",
    )
    parser.add_argument("action", choices=tuple(_ACTIONS), metavar="ACTION", help="create, list or show")
    parser.add_argument("name", nargs="?", metavar="volume:NAME", help="which; show takes the setting scope without it")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Do what is asked for; return 1 if the volume that is shown is not mounted.

    Raises:
        TempFileError: a setting or the registry cannot be used, the words do not fit together, or a volume is not what
            the registry knows by that name.
    """
    if bool(args.name) != (args.action == "create") and args.action != "show":
        raise UsageError("list takes no name" if args.name else "name the scope: scope create volume:NAME")
    settings, _ = options.effective(args)
    if args.name:
        settings = replace(settings, scope=args.name)
    if args.action == "show" and settings.scope is None:
        raise UsageError("name the scope: scope show volume:NAME, or set TEMP_FILE_SCOPE")
    return _ACTIONS[args.action](args, settings, os.path.abspath(settings.base_dir))


@contextmanager
def _registry(settings: Settings, root: str) -> Iterator[Registry]:
    registry = open_registry(
        settings.registry or SQLITE, root, schemes=load(settings.plugins).schemes, told=told(settings)
    )
    try:
        yield registry
    finally:
        registry.close()


def _create(args: argparse.Namespace, settings: Settings, root: str) -> int:
    assert settings.scope is not None  # noqa: S101 - see ``execute``
    directory = BaseDirectory(root, durable=True)
    directory.make()
    try:
        with _registry(settings, root) as registry:
            made = shared_volume.create(registry, root, settings.scope)
    finally:
        directory.close()
    if args.json:
        render.as_json(made._asdict(), indent=None)
    else:
        state = "is made" if made.made else "was made before, and is as it was"
        render.line(f"Scope {made.scope} {state}: its volume is mounted at {printable(root)}.")
    return 0


def _list(args: argparse.Namespace, settings: Settings, root: str) -> int:
    with _registry(settings, root) as registry:
        found = registry.scopes()
    if args.json:
        for one in found:
            render.as_json({"name": one.name, "marked": bool(one.marker), "records": one.records}, indent=None)
    elif found:
        rows = [(str(one.records), "marked" if one.marker else "", printable(one.name)) for one in found]
        render.table(("RECORDS", "VOLUME", "NAME"), rows)
    else:
        render.line("No scopes: this registry is of one base directory, or nobody has used it.")
    return 0


def _show(args: argparse.Namespace, settings: Settings, root: str) -> int:
    assert settings.scope is not None  # noqa: S101 - see ``execute``
    with _registry(settings, root) as registry:
        volume = SharedVolume(root, settings.scope, quiet=True)
        volume.expected = registry.marker
        absent, records = volume.why_absent(), registry.stats().records
    if args.json:
        told = {"scope": settings.scope, "root": root, "mounted": not absent, "why": absent, "records": records}
        render.as_json(told, indent=None)
    else:
        state = absent or f"{settings.scope} is mounted at {printable(root)}"
        render.line(f"{state[:1].upper()}{state[1:]}; {count(records, 'record')}.")
    return 1 if absent else 0


_ACTIONS: dict[str, Callable[[argparse.Namespace, Settings, str], int]] = {
    "create": _create,
    "list": _list,
    "show": _show,
}
