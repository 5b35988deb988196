"""The command ``rules``: the rules and how many files each decides about, which one a file has, and others' as ours."""

import argparse
import os
from collections.abc import Callable, Iterator
from itertools import chain

from temp_file_manager.adopt.watched import watched
from temp_file_manager.cli import options, paths, render
from temp_file_manager.cli.open_manager import open_manager
from temp_file_manager.cli.options import UsageError
from temp_file_manager.cli.targets import nameable
from temp_file_manager.inspection.deciding_rule import RuleAbout, Tried, tried
from temp_file_manager.inspection.rules import RuleStatus, rules
from temp_file_manager.manager import TempFileManager
from temp_file_manager.sweeping.rule_notes import held
from temp_file_manager.text import human_size

FROM_TMPFILES = "from-tmpfiles"


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "rules",
        "list the rules with how many files each decides about, try them on paths, or make some of tmpfiles.d lines",
        execute,
        words=f"[test PATH... [--tag TAG] | {FROM_TMPFILES} FILE...]",
        more="Rules are tables [[rule]] of the file that --config names, or of a file that the setting rules names "
        "(docs/rules.md). With test it says which of them decides about each path, whether it is on record or not, and "
        f"what becomes of the file when. With {FROM_TMPFILES} it prints tables for the lines of systemd's tmpfiles.d "
        "files that give an age, and says on standard error which it could not translate: then the exit code is 1. So "
        "it is when a change of the rules is not in force, as it would take unusually many files.",
        json="print a JSON list of the rules; with test, an object a line",
    )
    # One that may be missing ("?", "*") is missing to argparse as soon as a flag comes before it.
    parser.add_argument(
        "action", choices=("test", FROM_TMPFILES), metavar="ACTION", help=f"test or {FROM_TMPFILES}"
    ).required = False
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file; - is standard input, for test a path a line"
    ).required = False
    parser.add_argument("--tag", action="append", metavar="TAG", help="test as if the files had this tag")
    parser.set_defaults(null=False)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """List the rules, try them, or translate others.

    Returns:
        1 where rules are not in force, as they would take too much, a path cannot be one, or a line not be translated.

    Raises:
        TempFileError: a setting, a file or the registry cannot be used.
    """
    if args.tag and args.action != "test":
        raise UsageError("--tag is for rules test PATH...")
    if args.action and not args.paths:
        raise UsageError(f"rules {args.action} needs a {'PATH' if args.action == 'test' else 'FILE'}")
    return _ACTIONS[args.action](args)


# -- all of them


def _list(args: argparse.Namespace) -> int:
    with open_manager(args, looking=True) as manager:
        found = rules(manager.context, [one.directory for one in watched(manager.context)])
        why_not = held(manager.registry)
    if args.json:
        render.as_json([one.described() for one in found])
    elif found:
        render.table(("", "RULE", "RECORDS", "ABOUT", "WHAT IT DOES"), map(_row, found))
        for one in found:
            for warning in one.warnings:
                render.line(f'warning: rule "{one.rule.name}": {warning}')
    else:
        render.line("There are no rules: write tables [[rule]], or name a file of them by the setting rules.")
    if why_not:
        render.problem(f"they are not in force: {why_not}")
    return 1 if why_not else 0


def _row(one: RuleStatus) -> tuple[str, ...]:
    return str(one.place), one.rule.name, str(one.records), one.rule.about, one.rule.does


# -- one file


def _test(args: argparse.Namespace) -> int:
    refuse = paths.Refusals()
    tell = _as_json if args.json else _tell
    with open_manager(args, looking=True) as manager:
        for batch in paths.batches(args, refuse):
            for one in _tried(manager, batch, args.tag, refuse):
                tell(one)
    return 1 if refuse.count else 0


def _tried(
    manager: TempFileManager, batch: list[str], tags: list[str] | None, refuse: paths.Refusals
) -> Iterator[Tried]:
    names, refused = nameable(batch)
    yield from tried(manager.context, names, None if tags is None else tuple(tags))
    for path, reason in refused:
        refuse(path, reason)


def _tell(one: Tried) -> None:
    render.line(f"{one.path}: {_headline(one.about)}")
    known = "on record" if one.registered else "not on record: as if it were registered now"
    size = "" if one.room is None else f", {human_size(one.room)} on the disk"
    tags = f", with the tags {', '.join(one.tags)}" if one.tags else ""
    render.line(f"  {'file':<12}{known}{size}{tags}")
    for passed in one.about.passed:
        render.line(f'  {"not":<12}"{passed.rule.name}": {passed.reason}')
    for name, value in one.about.rows():
        render.line(f"  {name:<12}{value}")


def _headline(about: RuleAbout) -> str:
    if about.instead:
        return f"{about.instead} decides"
    return "no rule decides, but max_age" if about.rule is None else f"rule {about.name} decides"


def _as_json(one: Tried) -> None:
    render.as_json(one.described(), indent=None)


# -- others' as ours


def _from_tmpfiles(args: argparse.Namespace) -> int:
    # Few ask, and every command imports this module.
    from temp_file_manager.cli.tmpfiles.lines import read  # noqa: PLC0415 - as said
    from temp_file_manager.cli.tmpfiles.tables import written  # noqa: PLC0415 - as said
    from temp_file_manager.cli.tmpfiles.translation import translate  # noqa: PLC0415 - as said

    done = translate(chain.from_iterable(read(_text(file), file) for file in args.paths))
    if args.json:
        told = [rule.described() | {"file": line.file, "line": line.number} for rule, line in done.rules]
        render.as_json({"rules": told, "not_translated": [one.described() for one in done.refused]})
    else:
        for line in written(done.rules):
            render.line(line)
    for one in done.refused:
        render.problem(one.words())
    return 1 if done.refused else 0


def _text(path: str) -> str:
    """Return what is in a file; bytes that are no UTF-8 come as file names have them."""
    if path == paths.STANDARD_INPUT:
        return os.fsdecode(paths.standard_input().read())
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


_ACTIONS: dict[str | None, Callable[[argparse.Namespace], int]] = {
    None: _list,
    "test": _test,
    FROM_TMPFILES: _from_tmpfiles,
}
