"""The command ``adopt``: files that nobody registered, planned, and with ``--yes`` put on record or swept at once."""

import argparse
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from temp_file_manager import logs
from temp_file_manager.adopt import once, survey
from temp_file_manager.adopt.plan import Plan, adopt, plan
from temp_file_manager.adopt.watched import unwatch, watch
from temp_file_manager.cli import adopt_output, options, paths
from temp_file_manager.cli.fleet_policy import heed
from temp_file_manager.cli.open_manager import address_of, open_context_beside, open_manager, registry_is_there
from temp_file_manager.cli.sweep_output import Teller
from temp_file_manager.context import Context
from temp_file_manager.registering.on_record import on_record
from temp_file_manager.settings import Settings
from temp_file_manager.storage.unit_rules import why_out_of_reach


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "adopt",
        "put on record the files of a directory that nobody registered",
        execute,
        words="[--yes] [--exclude GLOB] [--by TIME] [--allow-system] "
        "[--units | --once [--prune] | --keep-adopting [--watch] | --forget] DIR",
        more="Without --yes it prints what it would do, and does nothing: how many files, the oldest by name, what it "
        "passes by and for which reason. It adopts only regular files of this "
        "user that have one name, on the directory's own mount, and follows no links. A file's age counts "
        "from its last change or its birth, whichever is later. With --max-age given here, these files keep "
        "that age as their ttl. With --units each directory directly in DIR is adopted as a whole: it goes with all "
        "that is in it or not at all, and is as old as the latest change of anything in it.",
        json="print JSON objects, one a line: each file and each thing passed by, the plan, then what was done",
    )
    parser.add_argument("directory", metavar="DIR", help="the directory to look in, and below")
    parser.add_argument("--yes", action="store_true", help="do it")
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="leave out what matches by its name or by its path in DIR, and all below it; may be repeated",
    )
    parser.add_argument(
        "--by",
        choices=[by.value for by in survey.By],
        default=survey.By.CHANGE.value,
        metavar="TIME",
        help="what a file's age counts from: change (its birth, last writing or last change, whichever is the latest), "
        "or mtime (its last writing alone, as find -mtime has it: a file that was unpacked now is as old as its date)",
    )
    paths.add_allow_system(parser)
    _add_ways(parser)
    options.add_settings(parser)


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that say what is adopted, and what becomes of it."""
    parser.add_argument("--units", action="store_true", help="adopt each directory in DIR as a whole, and no files")
    parser.add_argument("--once", action="store_true", help="remove at once what is due, and put nothing on record")
    parser.add_argument(
        "--prune",
        action="store_true",
        help="with --once: remove directories that this leaves empty, and "
        "those that are empty already and as old as what is due",
    )
    parser.add_argument(
        "--keep-adopting", action="store_true", help="from now on the command run looks for new files at every sweep"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="with --keep-adopting: run has new files on record within a second or so, where the system tells of them",
    )
    parser.add_argument("--forget", action="store_true", help="end --keep-adopting for DIR; records stay")


def execute(args: argparse.Namespace) -> int:
    """Plan, and do it if that is wanted; return 1 if any removal failed.

    Raises:
        TempFileError: a setting, the directory or the registry cannot be used, or the flags do not fit together.
        OSError: the output could not be written.
    """
    settings, _ = options.effective(args)
    _refuse_nonsense(args, settings)
    if args.forget:
        return _forget(args, settings)
    ttl = None if args.max_age is None else settings.max_age
    spared = _own_files(args, settings)
    what = survey.wanted(
        args.directory,
        args.exclude,
        ttl=ttl,
        spared=spared,
        watch=args.watch,
        by=survey.By(args.by),
        base_dir=settings.base_dir,
        allow_system=args.allow_system,
    )
    if args.units:
        what = _of_units(what, settings)
    teller = Teller(as_json=args.json, quiet=False)
    with _opened(args, settings, teller) as context:
        known = functools.partial(on_record, context.registry)
        planned = _planned(args, context, what, settings.max_age, known)
        if not args.yes:
            return 0
        if args.once:
            return _sweep(args, context, planned, known, teller)
        _adopt(args, context, planned)
        return 0


def _planned(
    args: argparse.Namespace, context: Context, what: survey.Wanted, max_age: float, known: survey.Known
) -> Plan:
    now, rule = context.clock.wall(), _deciding(context, what, args)
    planned = plan(
        what,
        now=now,
        max_age=max_age,
        known=known,
        renew=not args.once,
        pruning=args.prune,
        tell=adopt_output.namer(now, max_age, rule, args),
        rule=rule,
    )
    adopt_output.tell(planned, rule, args)
    return planned


def _refuse_nonsense(args: argparse.Namespace, settings: Settings) -> None:
    if args.units + args.once + args.keep_adopting + args.forget > 1:
        raise options.UsageError("--units, --once, --keep-adopting and --forget exclude each other")
    if args.prune and not args.once:
        raise options.UsageError("--prune goes with --once: later sweeps remove no directories")
    if args.units and args.by != survey.By.CHANGE:
        raise options.UsageError("--units and --by exclude each other: a unit is as old as its latest change")
    if args.watch and not args.keep_adopting:
        raise options.UsageError("--watch goes with --keep-adopting: nobody else is there to be told of new files")
    if args.forget and (args.yes or args.exclude or args.by != survey.By.CHANGE):
        raise options.UsageError("--forget takes none of --yes, --exclude and --by")
    if not args.once and not address_of(settings).outlives_process:
        raise options.UsageError(
            "records in memory would end with this command: use --once, or a registry that stays, such as sqlite:"
        )


def _of_units(what: survey.Wanted, settings: Settings) -> survey.Wanted:
    reason = why_out_of_reach(what.directory, settings.base_dir)
    if reason:
        raise options.UsageError(f"--units cannot be had for {what.directory}: {reason}")
    if settings.secure_delete:
        raise options.UsageError("--units and secure_delete exclude each other: what is in a unit is not overwritten")
    return replace(what, units=True)


def _deciding(context: Context, what: survey.Wanted, args: argparse.Namespace) -> Callable[[survey.Chosen], str]:
    """Return what names the rule that a file will come under: none, once, as a unit, or with an age of its own."""
    ruling = context.registrar.ruling
    if ruling is None or args.once or what.units or what.ttl is not None:
        return lambda _: ""

    def name(file: survey.Chosen) -> str:
        rule = ruling.book.decide(file.path, (survey.TAG,), file.disk)
        return "" if rule is None else rule.name

    return name


def _adopt(args: argparse.Namespace, context: Context, planned: Plan) -> None:
    done = adopt(context, planned)
    if args.keep_adopting:
        watch(context, planned.wanted)
    adopt_output.adopted(done, args)


def _sweep(args: argparse.Namespace, context: Context, planned: Plan, known: survey.Known, teller: Teller) -> int:
    heed(context)
    done = once.sweep_once(context, planned, known=known, pruning=args.prune)
    teller.end(done.report)
    if args.prune:
        adopt_output.pruned(done.pruned, args)
    return 1 if done.report.failed else 0


def _forget(args: argparse.Namespace, settings: Settings) -> int:
    forgotten = False
    if registry_is_there(settings):
        with open_manager(args) as manager:
            forgotten = unwatch(manager.context, args.directory)
    adopt_output.forgotten(forgotten, args)
    return 0 if forgotten else 1


@contextmanager
def _opened(args: argparse.Namespace, settings: Settings, teller: Teller) -> Iterator[Context]:
    """Yield what to work with; where there is no registry yet, and nothing is to be written to one, none is made."""
    if (args.yes and not args.once) or registry_is_there(settings):
        with open_manager(args, hooks=[teller], unlogged=(logs.settled,)) as manager:
            yield manager.context
    else:
        with open_context_beside(args, settings, hooks=[teller], unlogged=(logs.settled,)) as context:
            yield context


def _own_files(args: argparse.Namespace, settings: Settings) -> list[str]:
    """Return the files that this and the command ``run`` work with, which may lie in any directory."""
    files = (address_of(settings).file, settings.log_file, args.config)
    return [os.path.abspath(path) for path in files if path]
