"""The command ``run``: sweeps at an interval until a signal ends them."""

import argparse
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from temp_file_manager import logs
from temp_file_manager.adopt.watched import watched
from temp_file_manager.cli import options, render, service_extra, signals
from temp_file_manager.cli.open_manager import address_of, logging_to
from temp_file_manager.errors import RegistryError, RegistryGoneError
from temp_file_manager.events import Hook, SweepFailed
from temp_file_manager.fleet import lines as fleet_lines
from temp_file_manager.inspection.rules import rules
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registry.schemes import SQLITE
from temp_file_manager.settings import Settings
from temp_file_manager.text import printable

ENDING = (signal.SIGTERM, signal.SIGINT)

HANGING_UP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
"""A terminal that closes sends it, and so does whoever wants a service to read its files again (logrotate)."""

_GONE = 0
"""In the pipe, beside signals: none has this number."""


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="sweep at an interval until SIGTERM or Ctrl-C",
        description="Sweeps at an interval until SIGTERM or Ctrl-C, and removes nothing on its way out unless told to. "
        "It also sweeps what other commands and programs register in the same registry; files that are not due stay on "
        "record when it ends. With --registry memory: no other process can register anything. "
        "With the extra 'service' installed it also serves a page, an API and, if they are on, metrics.",
        usage="%(prog)s [--clear-on-exit] [--json] [--accept-clock] [--config FILE] [settings]",
    )
    parser.add_argument(
        "--clear-on-exit",
        action="store_true",
        help="when a signal ends it, remove every registered file that nobody keeps",
    )
    options.add_accept_clock(parser)
    options.add_json(parser, "log JSON lines (unless --log-format is given) and print a JSON object at the end")
    options.add_settings(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Sweep until a signal comes.

    Returns:
        0 when a signal ended it, 1 when sweeping could not be started, or not go on.

    Raises:
        TempFileError: a setting, the base directory or the log file cannot be used.
    """
    if args.json and args.log_format is None:
        args.log_format = "json"
    settings, sources = options.effective(args)
    # Signals after the first change nothing: the chunk in hand is a moment's work. SIGINT also where a shell started us
    # with it ignored, as it does in the background: who sends it means it.
    last = ENDING if args.ends_process else ()
    hanging_up = [number for number in HANGING_UP if signal.getsignal(number) != signal.SIG_IGN]  # else nohup says so
    with signals.heard((*ENDING, *hanging_up), ignored_after=last) as pipe, logging_to(settings):
        manager = TempFileManager.from_settings(
            settings,
            registry=settings.registry or SQLITE,
            hooks=[_ending_with_its_registry(pipe)],
            clock=args.clock,
        )
        try:
            if args.accept_clock:
                manager.context.clock_guard.accept()
            name = _running(manager, settings, sources, pipe)
            if name is None:
                return 1
            removed = _cleared(manager, settings) if args.clear_on_exit else 0
            _ended(name, manager, removed, as_json=args.json)
            return 0
        finally:
            manager.close()


def _running(
    manager: TempFileManager, settings: Settings, sources: Mapping[str, str], pipe: signals.Pipe
) -> str | None:
    """Sweep and serve until a signal comes; return its name, or None when that could not be started, or not go on."""
    with ExitStack() as stack:
        try:
            # First: with a port that is taken nothing is swept.
            stack.enter_context(service_extra.serving(manager, settings, sources))
            manager.start()
            stack.callback(manager.stop)
        except RuntimeError as error:
            render.problem(f"cannot start sweeping: {error}")
            return None
        _started(manager, settings)
        _doubts(manager)
        number = _arrived(pipe)
    if number == _GONE:
        logs.registry_gone()  # now, as the last word: no job logs any more
        return None
    return signal.Signals(number).name


def _cleared(manager: TempFileManager, settings: Settings) -> int:
    pausing = manager.context.policies.pausing
    if pausing is not None:
        fleet_lines.paused(pausing)
        return 0
    return manager.sweep(force=True, protect_open=settings.protect_open).removed


def _started(manager: TempFileManager, settings: Settings) -> None:
    logs.logger.info(
        f"Running: base_dir {printable(manager.base_dir)}, max_age {manager.max_age} seconds, "
        f"a sweep every {settings.cleanup_interval} seconds. Records are in "
        f"{printable(address_of(settings).shown)}{_sharing(manager)}"
    )


def _doubts(manager: TempFileManager) -> None:
    """Say which rules may not be what they were meant to be."""
    with suppress(RegistryError):  # sweeps say what is wrong with it, and go on
        for one in rules(manager.context, [each.directory for each in watched(manager.context)]):
            for warning in one.warnings:
                logs.rule_doubtful(one.rule.name, warning)


def _sharing(manager: TempFileManager) -> str:
    if manager.registry.properties.outlives_process:
        return ", shared with other processes, and outlive this one"
    return ", for this process alone"


def _ended(name: str, manager: TempFileManager, removed: int, *, as_json: bool) -> None:
    outlive = manager.registry.properties.outlives_process
    registered: int | None = None
    trouble = ""
    try:
        registered = manager.registry.stats().records
    except RegistryError as error:
        trouble = printable(str(error))
    if as_json:
        counts = {"registered": registered, "records_stay": outlive, "removed_on_exit": removed}
        render.as_json({"stopped_by": name} | counts, indent=None)
        return
    records = "still registered" if outlive else "no longer registered, as records were in memory"
    known = trouble if registered is None else f"{render.count(registered, 'file')} {records}"
    what = render.count(removed, "file") if removed else "nothing"
    render.line(f"Stopped by {name}: {known}; {what} removed on the way out.")


def _ending_with_its_registry(pipe: signals.Pipe) -> Hook:
    """Return what ends the wait when the registry is gone: whoever restarts this process mends it, and nothing else."""

    def hear(event: object) -> None:
        if isinstance(event, SweepFailed) and isinstance(event.error, RegistryGoneError):
            os.write(pipe.writer, bytes([_GONE]))

    return hear


def _arrived(pipe: signals.Pipe) -> int:
    """Wait for one of ``ENDING``, a terminal's hanging up, or the end of the registry; return which it is."""
    ending = (*ENDING, _GONE, *(HANGING_UP if _has_terminal() else ()))
    while (number := os.read(pipe.reader, 1)[0]) not in ending:
        if number in HANGING_UP:
            logs.hung_up()
    return number


def _has_terminal() -> bool:
    """Say whether a terminal was there that could hang up. Asked at the beginning: then it is gone."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except (OSError, AttributeError):
        return False
    return True
