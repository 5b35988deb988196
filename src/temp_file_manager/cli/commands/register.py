"""The command ``register``: files put on record."""

import argparse
import functools
import math

from temp_file_manager import logs
from temp_file_manager.cli import options, paths
from temp_file_manager.cli.options import UsageError
from temp_file_manager.cli.targets import Answer, Total, work_through
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.register import anything
from temp_file_manager.storage.kernel.process_identity import identity_of
from temp_file_manager.text import count


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "register",
        "put files on record, to be removed when they are due",
        execute,
        words="[-0] [--unit] [--allow-system] [--ttl TIME | --session NAME | --until-exit PID] [--tag TAG] PATH...",
        more="Registering a file again restarts its age. A file that is refused is told on standard error, with "
        "the reason, and makes the exit code 1; so is a system file, as /etc/hosts or ~/.bashrc. With --unit the paths "
        "are directories in the base directory; each goes with all that is in it or not at all, and counts from the "
        "latest change of anything in it.",
        json="print the counts as a JSON object",
    )
    paths.add_paths(parser)
    parser.add_argument("--unit", action="store_true", help="register directories, each as a whole")
    paths.add_allow_system(parser)
    parser.add_argument(
        "--ttl", type=options.seconds, metavar="TIME", help="how long these files may live, instead of max_age"
    )
    parser.add_argument("--session", metavar="NAME", help="let these files live as long as the session of that name")
    parser.add_argument(
        "--until-exit", type=options.whole, metavar="PID", help="let these files live as long as a process does"
    )
    parser.add_argument(
        "--tag", action="append", default=[], dest="tags", metavar="TAG", help="a word of your own; may be repeated"
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Register files and print how many; return 1 if any was refused.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    if sum(one is not None for one in (args.ttl, args.session, args.until_exit)) > 1:
        raise UsageError("--ttl, --session and --until-exit exclude each other")

    def register(manager: TempFileManager, batch: list[str]) -> Answer:
        session, system = _session(manager, args), manager.context.registrar.system
        registrar = manager.context.units if args.unit else manager.context.registrar
        report = registrar.many(batch, args.ttl, args.tags, anything if args.allow_system else system.batch(), session)
        return Answer(report.registered, report.refused, oversized=report.oversized)

    what = "directory" if args.unit else "file"
    return work_through(args, register, functools.partial(_summary, what), unlogged=(logs.refused,))


def _session(manager: TempFileManager, args: argparse.Namespace) -> int:
    """Return the number of the session that is meant; 0 if none is.

    Raises:
        UsageError: there is no such session or no such process, or nothing can tell which is meant.
    """
    registry = manager.registry
    if args.session is not None:
        found = [one.number for one in registry.sessions() if one.name == args.session]
        if len(found) != 1:
            what = f"{len(found)} sessions {args.session!r} live" if found else f"no session {args.session!r} lives"
            raise UsageError(f"{what}: session list shows those that do")
        return found[0]
    if args.until_exit is None:
        return 0
    try:
        owner = identity_of(args.until_exit)
    except ProcessLookupError as error:
        raise UsageError(f"there is no process {args.until_exit}") from error
    for one in registry.sessions():
        if one.owner == owner and one.ends_at == math.inf:
            return one.number
    now = manager.context.clock_guard.wall()
    return registry.begin(f"process {owner.pid}", now=now, ends_at=math.inf, owner=owner).number


def _summary(what: str, total: Total) -> tuple[dict[str, object], str]:
    counts: dict[str, object] = {
        "registered": total.done,
        "refused": total.refused,
        "oversized": total.oversized,
    }
    more = {"refused": total.refused, "larger than size_limit": total.oversized}
    but = "".join(f", {number} {what}" for what, number in more.items() if number)
    return counts, f"{count(total.done, what)} registered{but}."
