"""The command ``run``: sweeps at an interval until a signal ends them."""

import argparse
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from temp_file_manager import logs
from temp_file_manager.adopt.watched import watched
from temp_file_manager.cli import options, render, service_extra, signals
from temp_file_manager.cli.live_manager import LiveManager, Show
from temp_file_manager.cli.open_manager import address_of, logging_to
from temp_file_manager.cli.supervisor import Progress, Supervisor
from temp_file_manager.context import Context
from temp_file_manager.errors import RegistryError, RegistryGoneError
from temp_file_manager.events import Hook, SweepFailed, SweepFinished
from temp_file_manager.fleet import lines as fleet_lines
from temp_file_manager.inspection import health
from temp_file_manager.inspection.rules import rules
from temp_file_manager.manager import TempFileManager
from temp_file_manager.settings import Settings, Source
from temp_file_manager.sweeping.scheduler import LIMITS, SWEEP
from temp_file_manager.text import count, printable

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
        supervisor = Supervisor(os.environ)
        live = LiveManager(args, settings, (_ending_with_its_registry(pipe), _telling(supervisor)))
        try:
            if args.accept_clock:
                live.manager.context.clock_guard.accept()
            name = _running(live, sources, pipe, supervisor)
            if name is None:
                return 1
            removed = _cleared(live.manager, live.settings) if args.clear_on_exit else 0
            _ended(name, live.manager, removed, as_json=args.json)
            return 0
        finally:
            live.manager.close()


def _running(
    live: LiveManager, sources: Mapping[str, Source], pipe: signals.Pipe, supervisor: Supervisor
) -> str | None:
    """Sweep and serve until a signal comes; return its name, or None when that could not be started, or not go on."""
    with ExitStack() as stack:
        try:
            # First: with a port that is taken nothing is swept.
            show = stack.enter_context(service_extra.serving(live.manager, live.settings, sources))
            live.manager.start()
            stack.callback(live.stop)
            _started(live.manager, live.settings)
            _doubts(live.manager)
            number = _arrived(live, pipe, supervisor, show)
        except RuntimeError as error:
            render.problem(f"cannot start sweeping: {error}")
            return None
        supervisor.tell("Ending after the chunk in hand", STOPPING=1)
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
    known = trouble if registered is None else f"{count(registered, 'file')} {records}"
    what = count(removed, "file") if removed else "nothing"
    render.line(f"Stopped by {name}: {known}; {what} removed on the way out.")


def _ending_with_its_registry(pipe: signals.Pipe) -> Hook:
    """Return what ends the wait when the registry is gone: whoever restarts this process mends it, and nothing else."""

    def hear(event: object) -> None:
        if isinstance(event, SweepFailed) and isinstance(event.error, RegistryGoneError):
            os.write(pipe.writer, bytes([_GONE]))

    return hear


def _telling(supervisor: Supervisor) -> Hook:
    """Return what tells the supervisor of each scheduled sweep."""

    def hear(event: object) -> None:
        if isinstance(event, SweepFinished) and event.scheduled:
            done = event.report
            supervisor.tell(f"Last sweep: {done.retired} retired, {done.kept} kept, {done.failed} failed")

    return hear


def _arrived(live: LiveManager, pipe: signals.Pipe, supervisor: Supervisor, show: Show) -> int:
    """Wait for one of ``ENDING``, a terminal's hanging up, or the end of the registry; return which it is.

    Whoever hangs up otherwise wants the settings to be read again.
    """
    had_terminal, progress = _has_terminal(), Progress()

    def gets_on() -> bool:
        scheduler = live.manager.context.scheduler
        return scheduler.alive is True and progress.seen(scheduler.state(name) for name in (SWEEP, LIMITS))

    while True:
        number = supervisor.wait(pipe.reader, lambda: _why_not_ready(live.manager.context), gets_on)
        if number in HANGING_UP and not (had_terminal and not _has_terminal()):
            supervisor.reloading()
            supervisor.reloaded(live.reload(show))
            if not live.manager.context.applied.refused:
                _doubts(live.manager)
        elif number in (*ENDING, *HANGING_UP, _GONE):
            return number


def _why_not_ready(context: Context) -> str:
    return health.examine(context).error or ""


def _has_terminal() -> bool:
    """Say whether there is a terminal that can hang up, or has not done so yet."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except (OSError, AttributeError):
        return False
    return True
