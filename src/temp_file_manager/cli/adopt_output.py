"""Lines that ``adopt`` prints: the plan, and what was done."""

import argparse

from temp_file_manager.adopt.plan import Adoption, Plan
from temp_file_manager.cli import render
from temp_file_manager.text import human_size, json_number, span


def tell(plan: Plan, args: argparse.Namespace) -> None:
    """Print a plan."""
    if args.json:
        render.as_json(_plan(plan, args), indent=None)
        return
    render.line(
        f"{plan.wanted.directory}: {render.count(plan.files, _what(args))}, {human_size(plan.size)}, can be adopted."
    )
    if plan.again:
        render.line(f"  {plan.again} of them were adopted before and have been touched since: their age starts anew.")
    if plan.files:
        render.line(f"  The oldest is {span(plan.oldest_age)} old: {plan.oldest}")
        render.line(f"  Older than {span(plan.max_age)}, and due now: {plan.due}, {human_size(plan.due_size)}.")
    for reason, number in _by_number(plan):
        render.line(f"  Passed by: {number} {reason}")
    if not args.yes:
        render.line(f"Nothing was done. {_intent(args)}")
    render.flush()


def adopted(done: Adoption, args: argparse.Namespace) -> None:
    """Print what was put on record."""
    if args.json:
        numbers = {"registered": done.registered, "bytes": done.size, "again": done.again}
        render.as_json(numbers | {"keep_adopting": args.keep_adopting, "watch": args.watch}, indent=None)
        return
    render.line(f"{render.count(done.registered, _what(args))} put on record, {human_size(done.size)}.")
    if args.keep_adopting:
        when = ", as soon as it is there," if args.watch else ""
        render.line(f"From now on run adopts what is new there{when} until adopt --forget {done.directory}")


def pruned(number: int, args: argparse.Namespace) -> None:
    """Print how many directories were removed."""
    if args.json:
        render.as_json({"pruned": number}, indent=None)
    else:
        render.line(f"{number} empty {'directory' if number == 1 else 'directories'} removed.")


def forgotten(found: bool, args: argparse.Namespace) -> None:
    """Print whether a directory was marked, and is no longer."""
    if args.json:
        render.as_json({"forgotten": found}, indent=None)
    elif found:
        render.line("Nothing new is adopted there any more; what is on record stays on record.")
    else:
        render.problem(f"{args.directory}: run does not adopt from it")


def _intent(args: argparse.Namespace) -> str:
    if args.once:
        return "With --yes what is due now is removed."
    later = ", and at every sweep of run what is new" if args.keep_adopting else ""
    later += ", or as soon as it is there" if args.watch else ""
    what = "directories" if args.units else "files"
    return f"With --yes these {what} are put on record{later}."


def _what(args: argparse.Namespace) -> str:
    return "directory" if args.units else "file"


def _by_number(plan: Plan) -> list[tuple[str, int]]:
    return sorted(((str(reason), number) for reason, number in plan.skipped.items()), key=lambda one: (-one[1], one[0]))


def _plan(plan: Plan, args: argparse.Namespace) -> dict[str, object]:
    return {
        "directory": plan.wanted.directory,
        "files": plan.files,
        "bytes": plan.size,
        "again": plan.again,
        "oldest": plan.oldest or None,
        "oldest_age": plan.oldest_age if plan.oldest else None,
        "max_age": json_number(plan.max_age),
        "due": plan.due,
        "due_bytes": plan.due_size,
        "skipped": dict(_by_number(plan)),
        "planned_only": not args.yes,
    }
