"""The command ``session``: owners of files that no process is, begun, renewed and ended by name; and a list of all."""

import argparse
import math
from collections.abc import Callable

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.options import UsageError
from temp_file_manager.inspection import describe
from temp_file_manager.inspection.sessions import SessionStatus, sessions
from temp_file_manager.manager import TempFileManager
from temp_file_manager.sweeping.sessions import end_over
from temp_file_manager.text import count, span, timestamp


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "session",
        "begin, renew or end a session by name, or list those that live",
        execute,
        words="begin NAME --ttl TIME | renew NAME --ttl TIME | end NAME | list",
        more="Files are put into a session by register --session NAME; they are due when it ends. The exit code is 1 "
        "if there is no session of that name to renew or to end, or one to begin lives already.",
        json="print a JSON object; with list, one a line",
    )
    parser.add_argument("action", choices=tuple(_ACTIONS), metavar="ACTION", help="begin, renew, end or list")
    parser.add_argument("name", nargs="?", metavar="NAME", help="whatever it is to be called")
    parser.add_argument("--ttl", type=options.seconds, metavar="TIME", help="how long it lives from now on")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Do what is asked for; return 1 if there is no session of that name, or there is one already.

    Raises:
        TempFileError: a setting or the registry cannot be used, or the words do not fit together.
    """
    _refuse_nonsense(args)
    with open_manager(args, looking=args.action == "list") as manager:
        return _ACTIONS[args.action](manager, args)


def _refuse_nonsense(args: argparse.Namespace) -> None:
    if bool(args.name) == (args.action == "list"):
        raise UsageError("list takes no NAME" if args.name else f"name the session: session {args.action} NAME")
    timed = args.action in {"begin", "renew"}
    if timed != (args.ttl is not None):
        raise UsageError(
            f"say how long it is to live: session {args.action} NAME --ttl TIME"
            if timed
            else f"session {args.action} takes no --ttl"
        )


def _begin(manager: TempFileManager, args: argparse.Namespace) -> int:
    end_over(manager.registry, manager.context.clock_guard.read().asof)  # a name is free when its time is up
    if named(manager, args.name):
        render.problem(f"a session {args.name!r} lives: renew or end it, or choose another name")
        return 1
    now = manager.context.clock_guard.wall()
    begun = manager.registry.begin(args.name, now=now, ends_at=now + args.ttl, owner=None)
    _tell(args, {"number": begun.number, "name": begun.name}, f"Session {args.name!r} lives for {span(args.ttl)}.")
    return 0


def _renew(manager: TempFileManager, args: argparse.Namespace) -> int:
    ends_at = manager.context.clock_guard.wall() + args.ttl
    found = [number for number in named(manager, args.name) if manager.registry.renew(number, ends_at)]
    if found:
        _tell(args, {"renewed": found}, f"Session {args.name!r} lives for another {span(args.ttl)}.")
    return 0 if found else _unknown(args)


def _end(manager: TempFileManager, args: argparse.Namespace) -> int:
    found = named(manager, args.name)
    if not found:
        return _unknown(args)
    due = manager.registry.end(found, manager.context.clock_guard.wall())
    _tell(args, {"ended": found, "due": due}, f"Session {args.name!r} has ended: {count(due, 'file')} due.")
    return 0


def _list(manager: TempFileManager, args: argparse.Namespace) -> int:
    found = sessions(manager.context)
    if args.json:
        for one in found:
            render.as_json(describe.session(one), indent=None)
    elif found:
        render.table(("NUMBER", "SINCE", "UNTIL", "FILES", "OWNER", "NAME"), map(_row, found))
    else:
        render.line("No session lives.")
    return 0


def _row(one: SessionStatus) -> tuple[str, ...]:
    until = "" if one.ends_at == math.inf else timestamp(one.ends_at)
    owner = f"{one.owner}, which has ended" if one.alive is False else one.owner
    return str(one.number), timestamp(one.began_at), until, str(one.records), owner, one.name


_ACTIONS: dict[str, Callable[[TempFileManager, argparse.Namespace], int]] = {
    "begin": _begin,
    "renew": _renew,
    "end": _end,
    "list": _list,
}


def named(manager: TempFileManager, name: str) -> list[int]:
    """Return the numbers of the living sessions of a name."""
    return [session.number for session in manager.registry.sessions() if session.name == name]


def _unknown(args: argparse.Namespace) -> int:
    render.problem(f"no session {args.name!r} lives: session list shows those that do")
    return 1


def _tell(args: argparse.Namespace, described: dict[str, object], sentence: str) -> None:
    if args.json:
        render.as_json(described, indent=None)
    else:
        render.line(sentence)
