"""Lines that ``adopt`` prints: the plan, and what was done."""

import argparse
from collections.abc import Callable

from temp_file_manager.adopt.plan import Adoption, Plan
from temp_file_manager.adopt.survey import By, Chosen, Passed
from temp_file_manager.cli import render
from temp_file_manager.text import count, human_size, json_number, span


def namer(
    now: float, max_age: float, rule: Callable[[Chosen], str], args: argparse.Namespace
) -> Callable[[Chosen | Passed], None]:
    """Return what names each file of a plan, and what is passed by, as JSON; for people the plan names the oldest.

    Args:
        now: The moment that ages are read at, seconds since the epoch.
        max_age: Seconds; what is older is due.
        rule: As of ``plan``.
        args: The flags of the command.
    """
    if not args.json:
        return lambda _: None

    def name(one: Chosen | Passed) -> None:
        if isinstance(one, Passed):
            told: dict[str, object] = {"path": one.path, "passed_by": str(one.reason)}
        else:
            told = {"path": one.path, "age": now - one.registered_at, "bytes": one.size, "again": one.again}
            by = rule(one)
            told |= {"rule": by} if by else {"due": one.due(now, max_age)}
        render.as_json(told, indent=None)

    return name


def tell(plan: Plan, rule: Callable[[Chosen], str], args: argparse.Namespace) -> None:
    """Print a plan; ``rule`` is as of ``plan``."""
    if args.json:
        render.as_json(_plan(plan, args), indent=None)
        return
    render.line(f"{plan.wanted.directory}: {count(plan.files, _what(args))}, {human_size(plan.size)}, can be adopted.")
    if plan.again:
        render.line(f"  {plan.again} of them were adopted before and have been touched since: their age starts anew.")
    if plan.files:
        _tell_oldest(plan, rule)
        render.line(f"  Older than {span(plan.max_age)}, and due now: {plan.due}, {human_size(plan.due_size)}.")
    for name, number in plan.ruled.items():
        render.line(f"  By the rule {name}, which says when they are due: {count(number, 'file')}.")
    for text in _why_none_is_due(plan, args):
        render.line(f"  {text}")
    if args.prune:
        render.line(f"  Empty already, and as old: {count(plan.empty, 'directory')}.")
    for reason, number in _by_number(plan):
        render.line(f"  Passed by: {number} {reason}")
    if not args.yes:
        render.line(f"Nothing was done. {_intent(args)}")
    render.flush()
    if plan.wanted.by is By.MTIME:
        render.problem(
            "--by mtime: a file that was unpacked, copied or moved here now counts as old as the date that it carries"
            + (f"; {plan.by_mtime_alone} of those that are due were changed later" if plan.by_mtime_alone else "")
        )


def _tell_oldest(plan: Plan, rule: Callable[[Chosen], str]) -> None:
    render.line(f"  The oldest {'one' if len(plan.first) == 1 else 'first'}:")
    for file in plan.first:
        due = "rule" if rule(file) else "due" if file.due(plan.asof, plan.max_age) else ""
        cells = (span(max(plan.asof - file.registered_at, 0.0)), human_size(file.size), due, file.path)
        render.columns(cells, (14, 10, 4))
    more = plan.files - len(plan.first)
    if more:
        render.line(f"  … and {more} more: --json names each.")


def _why_none_is_due(plan: Plan, args: argparse.Namespace) -> list[str]:
    """Return why nothing is due, or why less is than somebody may expect who knows ``find -mtime``."""
    if not plan.files:
        passed = "all that is there is passed by" if plan.skipped else f"there is no {_what(args)} in it"
        return [f"Nothing can be adopted: {passed}."]
    told = []
    if not plan.due and not plan.ruled:
        told.append(f"Nothing is due: the oldest is {span(plan.oldest_age)} old, and may live {span(plan.max_age)}.")
    if plan.by_mtime_alone and plan.wanted.by is By.CHANGE:
        told.append(
            f"{count(plan.by_mtime_alone, 'file')} not due, though last written longer ago: made, moved or"
            f" changed here since. find -mtime counts the last writing alone; so does --by mtime."
        )
    return told


def adopted(done: Adoption, args: argparse.Namespace) -> None:
    """Print what was put on record."""
    if args.json:
        numbers = {"registered": done.registered, "bytes": done.size, "again": done.again}
        render.as_json(numbers | {"keep_adopting": args.keep_adopting, "watch": args.watch}, indent=None)
        return
    render.line(f"{count(done.registered, _what(args))} put on record, {human_size(done.size)}.")
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
    later = ", and from then on run adopts what is new there" if args.keep_adopting else ""
    when = " as soon as it is there" if args.watch else " at every sweep" if args.keep_adopting else ""
    what = "directories" if args.units else "files"
    return f"With --yes these {what} are put on record{later}{when}."


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
        "by": plan.wanted.by.value,
        "by_mtime_alone": plan.by_mtime_alone,
        "rules": dict(plan.ruled),
        "empty_directories": plan.empty,
        "skipped": dict(_by_number(plan)),
        "planned_only": not args.yes,
    }
