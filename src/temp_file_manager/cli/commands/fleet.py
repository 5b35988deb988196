"""The command ``fleet``: how all hosts are, and the policies that hold for them."""

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from temp_file_manager.cli import options, render
from temp_file_manager.cli.options import UsageError
from temp_file_manager.fleet.host import SEEN, Host
from temp_file_manager.fleet.policy import Policy
from temp_file_manager.fleet.view import BYTES, OVERDUE, View, look, refusal
from temp_file_manager.settings import values
from temp_file_manager.text import count, human_size, span, timestamp

if TYPE_CHECKING:
    from temp_file_manager.fleet.centre import Centre

MOST = 10_000
"""Rows that are printed at most."""

CHANGES = 50
"""Lines of the journal that are printed."""


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "fleet",
        "say how all hosts are that report to the fleet's server, and which policies hold for them",
        execute,
        words="[--sort overdue|bytes] | policy show | policy journal | policy clear TARGET | policy set TARGET "
        "[--max-age TIME] [--max-bytes SIZE] [--max-files N] [--paused]",
        more="The server is the setting fleet. A TARGET is team:NAME, or scope:PATTERN where * stands for anything. A "
        "policy is set as a whole: what is not given is not in it. The exit code is 1 if a host has not been seen for "
        f"{span(SEEN)}, or there is no policy to clear.",
    )
    parser.add_argument("about", nargs="?", choices=("policy",), metavar="policy", help="see or change policies")
    parser.add_argument(
        "action", nargs="?", choices=tuple(_ACTIONS), metavar="ACTION", help="show, set, clear, journal"
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="whose policy")
    parser.add_argument("--sort", choices=(OVERDUE, BYTES), default=OVERDUE, help="which hosts come first")
    parser.add_argument("--paused", action="store_true", help="let nothing be swept")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Tell how the fleet is, or see to its policies; return 1 if a host is missed, or there is no such policy.

    Raises:
        TempFileError: a setting or the server cannot be used, or the words do not fit together.
    """
    # These flags are settings in all other cases, and would be read as such.
    marks = ("max_age", "max_bytes", "max_files") if args.action == "set" else ()
    wanted = {name: vars(args)[name] for name in marks}
    vars(args).update(dict.fromkeys(wanted))
    _refuse_nonsense(args, wanted)
    settings = options.effective(args)[0]
    if settings.fleet is None:
        raise UsageError("no server is known: set TEMP_FILE_FLEET=postgresql://HOST/DATABASE, or give --fleet")
    if refusal(settings.fleet):
        raise UsageError(refusal(settings.fleet))
    if args.about is None:
        return _tell(look(settings, args.sort, MOST), as_json=args.json)
    from temp_file_manager.fleet.centre import centre_of  # noqa: PLC0415 - its driver is of an extra

    return _ACTIONS[args.action](centre_of(settings), args, wanted)


def _refuse_nonsense(args: argparse.Namespace, wanted: dict[str, str | None]) -> None:
    if args.about and args.action is None:
        raise UsageError(f"say what to do: fleet policy {' or '.join(_ACTIONS)}")
    named = args.action in {"set", "clear"}
    if named and args.target is None:
        raise UsageError(f"name the target: fleet policy {args.action} team:NAME, or scope:PATTERN")
    if args.target is not None and not named:
        raise UsageError(f"fleet policy {args.action} takes no TARGET")
    if named and not re.fullmatch(r"team:[A-Za-z0-9._-]{1,63}|scope:.+", args.target):
        raise UsageError(f"{args.target!r} is no target: give team:NAME, or scope:PATTERN such as scope:volume:*")
    says = args.paused or any(value is not None for value in wanted.values())
    if says != (args.action == "set"):
        flags = "--max-age, --max-bytes, --max-files and --paused"
        raise UsageError(f"{flags} go with fleet policy set" if says else f"say what is to hold, with some of {flags}")


# -- policies


def _set(centre: "Centre", args: argparse.Namespace, wanted: dict[str, str | None]) -> int:
    made = centre.set(
        Policy(
            args.target,
            _read("--max-age", wanted["max_age"], values.seconds, values.A_TIME),
            _read("--max-bytes", wanted["max_bytes"], values.positive_size, "bytes, 1 or more, or as 20GiB"),
            _read("--max-files", wanted["max_files"], values.whole(1), "a whole number, 1 or more"),
            args.paused,
        )
    )
    if args.json:
        render.as_json(made.described())
    else:
        render.line(f"Set. Managers heed it within half a minute: {made.words()}")
    return 0


def _read(flag: str, text: str | None, reader: Callable[[object], Any], allowed: str) -> Any:
    try:
        return None if text is None else reader(text)
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"{flag} is {text!r}: give {allowed}") from None


def _clear(centre: "Centre", args: argparse.Namespace, wanted: dict[str, str | None]) -> int:
    del wanted
    cleared = centre.clear(args.target)
    if args.json:
        render.as_json({"target": args.target, "cleared": cleared})
    elif cleared:
        render.line(f"Cleared: managers go on without the policy of {args.target} within half a minute.")
    else:
        render.problem(f"{args.target} has no policy: fleet policy show lists them")
    return 0 if cleared else 1


def _show(centre: "Centre", args: argparse.Namespace, wanted: dict[str, str | None]) -> int:
    del wanted
    found = centre.policies().all
    if args.json:
        render.as_json([policy.described() for policy in found])
        return 0
    for policy in found:
        render.line(policy.words())
    if not found:
        render.line("There are no policies.")
    return 0


def _journal(centre: "Centre", args: argparse.Namespace, wanted: dict[str, str | None]) -> int:
    del wanted
    found = centre.journal(CHANGES)
    if args.json:
        changes = [
            {"at": one.at, "target": one.target, "by": one.changed_by, "policy": one.policy and one.policy.described()}
            for one in found
        ]
        render.as_json(changes)
        return 0
    for one in found:
        what = "cleared" if one.policy is None else one.policy.words()
        render.line(f"{timestamp(one.at)}  {one.changed_by}  {one.target if one.policy is None else ''} {what}")
    if not found:
        render.line("No policy was ever changed.")
    return 0


_ACTIONS = {"show": _show, "set": _set, "clear": _clear, "journal": _journal}


# -- hosts


def _tell(view: View, *, as_json: bool) -> int:
    if as_json:
        render.as_json(view.described())
    else:
        _tell_people(view)
    return 1 if view.totals.missing else 0


def _tell_people(view: View) -> None:
    totals = view.totals
    if not totals.hosts:
        render.line(f"No host reports to {view.server} yet: give managers TEMP_FILE_FLEET, and start them.")
    else:
        render.table(
            ("overdue", "files", "size", "failed", "swept", "seen", "health", "team", "host", "scope"),
            [_row(host) for host in view.hosts],
        )
        scopes, hosts = count(totals.scopes, "scope"), count(totals.hosts, "host")
        files = f"{count(totals.records, 'file')}, {human_size(totals.bytes)}"
        render.line(f"{scopes} of {hosts}: {files}; {totals.late} overdue, {totals.missing} not seen.")
    for host in view.missing:
        render.line(f"Not seen for {span(host.seen_ago)}: {host.host}, {host.scope}")
    for policy in view.policies.all:
        render.line(f"Policy {policy.words()}")


def _row(host: Host) -> tuple[str, ...]:
    return (
        span(host.overdue) if host.overdue else "none",
        str(host.records),
        human_size(host.bytes),
        str(host.failures),
        "never" if host.swept_ago is None else f"{span(host.swept_ago, units=1)} ago",
        f"{span(host.seen_ago, units=1)} ago{' (missing)' if host.missing else ''}",
        host.health,
        host.team or "none",
        host.host,
        host.scope,
    )
