"""The command ``registry``: the schema of a registry on a server, made, brought up to date, or looked at."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import address_of
from temp_file_manager.cli.options import UsageError
from temp_file_manager.registry.schemes import POSTGRESQL, open_server, told
from temp_file_manager.text import span

if TYPE_CHECKING:
    from temp_file_manager.registry.postgres.server import Server
    from temp_file_manager.registry.postgres.standing import Standing


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "registry",
        "make the schema of a registry on a server or bring it up to date, or say how it is",
        execute,
        words="migrate | status",
        more="migrate works in one transaction, as a role that may make tables in the database. What runs an older "
        "version goes on meanwhile, and reads only from then on if it must.",
        json="print a JSON object",
    )
    parser.add_argument("action", choices=("migrate", "status"), metavar="ACTION", help="migrate or status")
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Migrate, or tell; return 1 if the roles cannot be made, or the schema is not what is needed.

    Raises:
        TempFileError: a setting cannot be used, the registry is on no server, or that does not answer or refuses.
    """
    with _server(args) as server:
        return _migrate(server, args) if args.action == "migrate" else _status(server, args)


@contextmanager
def _server(args: argparse.Namespace) -> Iterator["Server"]:
    settings, _ = options.effective(args)
    address = address_of(settings)
    if f"{address.scheme}:" != POSTGRESQL:
        raise UsageError(
            f"{address.shown} is on no server and needs none of this: give --registry postgresql://HOST/DATABASE"
        )
    with closing(open_server(address, told(settings))) as server:
        yield server


def _migrate(server: "Server", args: argparse.Namespace) -> int:
    from temp_file_manager.registry.postgres.migration import migrate, missing_roles  # noqa: PLC0415 - an extra

    before, now = migrate(server)
    missing = missing_roles(server)
    if args.json:
        render.as_json({"registry": server.where, "before": before, "schema": now, "missing_roles": missing})
    else:
        done = f"schema {now}, as before" if before == now else f"from schema {before} to {now}"
        render.line(f"{server.where}: {done}.")
        if missing:
            render.line("These roles are not there, and this one may not make them. Have this run by one that may:")
            for role in missing:
                render.line(f"  CREATE ROLE {role} NOLOGIN;")
            render.line("and then registry migrate once more, which gives them their rights.")
    return 0


def _status(server: "Server", args: argparse.Namespace) -> int:
    from temp_file_manager.registry.postgres.standing import standing  # noqa: PLC0415 - an extra

    found = standing(server)
    if args.json:
        render.as_json(asdict(found))
    else:
        for line in _lines(found):
            render.line(line)
    return 0 if found.schema == found.needed else 1


def _lines(found: "Standing") -> Iterator[str]:
    yield f"registry   {found.where}"
    yield f"server     PostgreSQL {found.version}{', a standby' if found.standby else ''}, as {found.user}"
    needs = "" if found.schema == found.needed else f"; this version needs {found.needed}: registry migrate"
    yield f"schema     {found.schema}{needs}"
    yield f"TLS        {found.tls or 'none'}{'' if found.verified else ', and nobody knows who answers'}"
    yield f"clock      {found.ahead:+.3f} s from this machine's, give or take {found.doubt:.3f} s"
    if found.oldest:
        yield f"oldest     transaction {span(found.oldest.age)}, of {found.oldest.user}, process {found.oldest.process}"
    for slot in found.slots:
        yield f"slot       {slot.name}, {'read' if slot.active else 'read by nobody'}"
