"""The command ``doctor``: what this machine and file system let the package do, and what to grant or change."""

import argparse
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict

from temp_file_manager.adopt.watched import watched
from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager, registry_is_there
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection import rules
from temp_file_manager.inspection.doctor import Check, Level, examine
from temp_file_manager.inspection.rules import RuleStatus
from temp_file_manager.inspection.watched_directories import watching
from temp_file_manager.plugins import Plugins, load
from temp_file_manager.registry.schemes import SQLITE, Address, open_registry, parse, told
from temp_file_manager.settings import Settings
from temp_file_manager.storage.paths import absolute
from temp_file_manager.storage.shared_volume import SharedVolume
from temp_file_manager.text import count


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "doctor",
        "say what this machine and file system can tell, and what to grant or change",
        execute,
        words="[DIR]",
        more="It makes a file in DIR (or, where DIR is missing, in the nearest directory above it) and removes it "
        "at once; it makes no registry. In buckets that settings or records name "
        "it tries an object of its own, too. The exit code is 1 when it finds a problem.",
        json="print a JSON object",
    )
    parser.add_argument("directory", nargs="?", metavar="DIR", help="where to look, instead of the base directory")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Examine a directory; return 1 if something is a problem.

    Raises:
        TempFileError: a setting cannot be used, or the directory is no path.
    """
    settings, _ = options.effective(args)
    directory = settings.base_dir if args.directory is None else args.directory
    registry = settings.registry or SQLITE
    base, plugins = absolute(directory), load(settings.plugins)
    checks = (
        *examine(
            directory,
            registry=registry,
            clock=args.clock,
            protect_open=settings.protect_open,
            plugins=plugins,
            told=told(settings),
            shared=settings.scope is not None,
        ),
        *_volume(settings, base, plugins),
        *watching(_watched(parse(registry, base, plugins.schemes), base), base),
        *rules.checks(_rules(args, settings), directory),
        *_buckets(args, settings),
    )
    worst = max((check.level for check in checks), key=list(Level).index)
    if args.json:
        render.as_json({"directory": directory, "worst": worst, "checks": [asdict(check) for check in checks]})
    else:
        _tell(checks)
    return 1 if worst is Level.PROBLEM else 0


def _watched(address: Address, base: str) -> list[str]:
    """Return the directories that are watched, as far as the registry can be read; if not, the checks have said so."""
    path = address.file
    if f"{address.scheme}:" != SQLITE or path is None or not os.path.exists(path):
        return []
    from temp_file_manager.adopt.watched import read_watched  # noqa: PLC0415 - slow to import, and not all adopt
    from temp_file_manager.registry.sqlite.snapshot import look_at  # noqa: PLC0415 - in memory nobody needs SQLite

    try:
        marks, _ = read_watched(look_at(path, base).adopted)
    except RegistryError:
        return []
    return [mark.directory for mark in marks if mark.watch]


def _volume(settings: Settings, base: str, plugins: Plugins) -> tuple[Check, ...]:
    """Try the volume that hosts share, if they do."""
    if settings.scope is None or not os.path.isdir(base):
        return ()
    from temp_file_manager.inspection import shared_volume  # noqa: PLC0415 - few share one

    volume = SharedVolume(base, settings.scope, quiet=True)
    try:
        with closing(
            open_registry(settings.registry or SQLITE, base, schemes=plugins.schemes, told=told(settings))
        ) as registry:
            volume.expected = registry.marker
            return tuple(shared_volume.checks(volume, settings))
    except RegistryError as error:
        return (Check("volume", Level.PROBLEM, str(error), "nothing is removed or registered", "see registry"),)


def _buckets(args: argparse.Namespace, settings: Settings) -> Iterator[Check]:
    """Yield the checks of buckets: those of the settings, and those of registered objects."""
    if args.directory is not None:
        return
    names = [url.removeprefix("s3://").partition("/")[0] for url in settings.expiring_objects]
    if not names and not registry_is_there(settings):
        return
    from temp_file_manager.inspection import buckets  # noqa: PLC0415 - few have buckets

    if registry_is_there(settings):
        with suppress(RegistryError), open_manager(args) as manager:  # what is wrong with it is told beside
            names += buckets.registered_in(manager.context)
    yield from buckets.checks(names, unconditional=settings.objects_unconditional)


def _rules(args: argparse.Namespace, settings: Settings) -> tuple[RuleStatus, ...]:
    """Return the rules as they stand, with what records say where there is a registry already."""
    if settings.rules and args.directory is None and registry_is_there(settings):
        with suppress(RegistryError), open_manager(args) as manager:  # what is wrong with it is told beside
            return rules.rules(manager.context, [one.directory for one in watched(manager.context)])
    return rules.unread(settings.rules, os.path.abspath(args.directory or settings.base_dir))


def _tell(checks: tuple[Check, ...]) -> None:
    for check in checks:
        render.line(f"{check.level:<9}{check.name}: {check.found}")
        if check.follows:
            render.line(f"{'':<9}so: {check.follows}")
        if check.advice:
            render.line(f"{'':<9}do: {check.advice}")
    counts = [sum(check.level is level for check in checks) for level in (Level.WARNING, Level.PROBLEM)]
    render.line(f"{count(counts[0], 'warning')}, {count(counts[1], 'problem')}.")
