"""The command ``object``: keys that expire in buckets, and objects in buckets put on record."""

import argparse
import os
from collections.abc import Callable
from dataclasses import asdict

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import logging_to, open_manager
from temp_file_manager.cli.options import UsageError
from temp_file_manager.text import count, printable

MOST_WORDS = 2


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "object",
        "put an object into a bucket under a key that expires, delete those that have expired, or put one on record",
        execute,
        words="put FILE s3://BUCKET/PREFIX --ttl TIME [--name NAME] | sweep s3://BUCKET/PREFIX [-n] [--limit N] | "
        "register s3://BUCKET/KEY [--etag ETAG] [--version ID] [--ttl TIME] [--tag TAG]",
        more="put prints where the object is; its key says when it expires, and no registry knows of it. sweep deletes "
        "what has expired below the prefix, and fails if the server has not deleted something. register puts an "
        "object on record that is there already, and asks its store nothing. Endpoint, region and credentials are "
        "those of the variables AWS_... and of the files that other programs for S3 read.",
        json="print a JSON object",
    )
    parser.add_argument("action", choices=tuple(_ACTIONS), metavar="ACTION", help="put, sweep or register")
    parser.add_argument("words", nargs="+", metavar="WORD", help="the file, - for standard input; and the address")
    parser.add_argument("--ttl", type=options.seconds, metavar="TIME", help="how long it may live")
    parser.add_argument("--name", metavar="NAME", help="what the key ends with, instead of the file's name")
    parser.add_argument("-n", "--dry-run", action="store_true", help="delete nothing, and say what would be")
    parser.add_argument("--limit", type=options.whole, metavar="N", help="delete at most so many objects")
    parser.add_argument("--etag", metavar="ETAG", help="the object's ETag: it is removed only as long as it has that")
    parser.add_argument(
        "--version", dest="version_id", metavar="ID", help="the object's version: that alone is removed"
    )
    parser.add_argument(
        "--tag", action="append", default=[], dest="tags", metavar="TAG", help="a word of your own; may be repeated"
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Do what is asked for; return 1 if the server has not deleted something.

    Raises:
        TempFileError: the bucket, a setting or the registry cannot be used, or the words do not fit together.
        OSError: the file cannot be read.
    """
    _refuse_nonsense(args)
    return _ACTIONS[args.action](args)


_FLAGS = {"ttl": "--ttl", "name": "--name", "dry_run": "--dry-run", "limit": "--limit", "etag": "--etag"}
_FLAGS |= {"version_id": "--version", "tags": "--tag"}
_TAKES = {
    "put": {"ttl", "name"},
    "sweep": {"dry_run", "limit"},
    "register": {"etag", "version_id", "ttl", "tags"},
}


def _refuse_nonsense(args: argparse.Namespace) -> None:
    wanted = MOST_WORDS if args.action == "put" else 1
    if len(args.words) != wanted:
        what = "FILE s3://BUCKET/PREFIX" if wanted == MOST_WORDS else "s3://BUCKET/..."
        raise UsageError(f"object {args.action} takes {what}")
    for name, flag in _FLAGS.items():
        if getattr(args, name) not in (None, False, []) and name not in _TAKES[args.action]:
            raise UsageError(f"object {args.action} takes no {flag}")
    if args.action == "put" and args.ttl is None:
        raise UsageError("say how long it is to live: object put FILE s3://BUCKET/PREFIX --ttl TIME")


def _put(args: argparse.Namespace) -> int:
    from temp_file_manager.objects.expiring import ExpiringKeys  # noqa: PLC0415 - few commands know buckets

    file, url = args.words
    keys = ExpiringKeys(url, clock=args.clock)
    if file == "-":
        with open(0, "rb", closefd=False) as flow:
            made = keys.put(flow, args.ttl, args.name or "")
    else:
        made = keys.put(os.fspath(file), args.ttl, args.name)
    if args.json:
        render.as_json({"url": made}, indent=None)
    else:
        render.line(made)
    return 0


def _sweep(args: argparse.Namespace) -> int:
    from temp_file_manager.objects.expiring import ExpiringKeys  # noqa: PLC0415 - few commands know buckets

    keys = ExpiringKeys(args.words[0], clock=args.clock)
    with logging_to(options.effective(args)[0]):
        report = keys.sweep(limit=args.limit, dry_run=args.dry_run)
    if args.json:
        render.as_json({"url": keys.url, **asdict(report), "reasons": dict(report.reasons)}, indent=None)
    else:
        would = " would be" if report.dry_run else ""
        failed = f", {report.failed} not ({', '.join(code for code, _ in report.reasons)})" if report.failed else ""
        left = f"; {count(report.left, 'key')} of others left alone" if report.left else ""
        render.line(f"{count(report.removed, 'object')}{would} deleted{printable(failed)}{left}.")
    return 1 if report.failed else 0


def _register(args: argparse.Namespace) -> int:
    with open_manager(args) as manager:
        name = manager.register_object(
            args.words[0], etag=args.etag, version=args.version_id, ttl=args.ttl, tags=args.tags
        )
    if args.json:
        render.as_json({"registered": name}, indent=None)
    else:
        render.line(name)
    return 0


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {"put": _put, "sweep": _sweep, "register": _register}
