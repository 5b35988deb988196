"""The server that records are on: what doctor says of it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection.doctor import Check, Level
from temp_file_manager.registry.schemes import SCOPE, SPOOL, SPOOL_FILE, Address, open_server, scope_of
from temp_file_manager.registry.spool.file import SpoolFile
from temp_file_manager.registry.spool.opening import path_of, whose
from temp_file_manager.text import human_size, printable, span

if TYPE_CHECKING:
    from temp_file_manager.registry.postgres.standing import Slot, Standing, Transaction

LONG = 300.0
"""Seconds after which a transaction keeps more than it should: ours last some thousandths."""

FAR = 60.0
"""Seconds by which a machine's clock may be off without anybody asking why."""

_KEEPS = "what is deleted since then stays in the tables, and claims get slower"


def checks(address: Address, told: Mapping[str, str], base: str) -> Iterator[Check]:
    """Look at the server of an address: the schema, TLS, the clock, and what keeps it from cleaning up.

    Args:
        address: A registry's, on a server.
        told: As in ``open_registry``.
        base: The base directory.
    """
    yield from _spool(address.shown, scope_of(base, told.get(SCOPE, "")), told)
    try:
        with closing(open_server(address, told)) as server:
            from temp_file_manager.registry.postgres.standing import standing  # noqa: PLC0415 - an extra

            found = standing(server)
    except RegistryError as error:
        yield Check("registry", Level.PROBLEM, str(error), "nothing can be registered or swept", "mend what it says")
        return
    yield _schema(found)
    yield _tls(found)
    yield _clock(found)
    yield _transactions(found.oldest, found)
    yield from map(_slot, found.slots)


def _spool(address: str, scope: str, told: Mapping[str, str]) -> Iterator[Check]:
    """Tell of a spool, also of one that was left when it was switched off."""
    name, path, is_on = "spool", path_of(address, scope, told.get(SPOOL_FILE, "")), SPOOL in told
    if not os.path.exists(path):
        if is_on:
            yield Check(name, Level.OK, f"{path} is not there yet", "it is made when the registry is first opened")
        return
    try:
        with closing(SpoolFile(path, whose(address, scope))) as file:
            waiting = file.spooled()
    except RegistryError as error:
        yield Check(name, Level.PROBLEM, str(error), "what waits there is not on record", "mend what it says")
        return
    told_of = f"{path}: {waiting.records} registrations wait for the server"
    if not waiting.records:
        yield Check(name, Level.OK, told_of)
        return
    advice = "see that the server can be reached, and have a program of this user run"
    advice += "" if is_on else " with TEMP_FILE_SPOOL=on"
    yield Check(name, Level.WARNING, told_of, "no sweep knows of them yet", advice)


def _schema(found: "Standing") -> Check:
    told = f"{found.where}: PostgreSQL {found.version}, schema {found.schema}, as {printable(found.user)}"
    if found.schema < found.needed:
        follows = "nothing can be registered or swept"
        return Check("registry", Level.PROBLEM, told, follows, "run tfm registry migrate, as a member of tfm_owner")
    if found.schema > found.needed:
        follows = "it can be read, and nothing can be registered or swept"
        return Check("registry", Level.PROBLEM, f"{told}: a newer version's", follows, "install that version")
    if found.standby:
        follows = "it can be read, and nothing can be registered or swept"
        return Check("registry", Level.PROBLEM, f"{told}, a standby", follows, "add target_session_attrs=read-write")
    return Check("registry", Level.OK, told)


def _tls(found: "Standing") -> Check:
    name = "TLS"
    if found.verified:
        return Check(name, Level.OK, "the server has shown who it is" if found.tls else "not needed on this machine")
    told = "spoken, with whoever answers" if found.tls else "none: names of files go over the network as they are"
    advice = "leave sslmode out of the address, and give sslrootcert=FILE or sslrootcert=system"
    return Check(name, Level.WARNING, told, "somebody in between could say which files are due", advice)


def _clock(found: "Standing") -> Check:
    ahead = f"{abs(found.ahead):.3f} s {'ahead of' if found.ahead >= 0 else 'behind'} this machine's"
    told = f"the server's is {ahead}, give or take {found.doubt:.3f} s"
    if abs(found.ahead) <= FAR:
        return Check("server's clock", Level.OK, told)
    follows = "nothing: all go by the server's; but one of the two is wrong"
    return Check("server's clock", Level.WARNING, told, follows, "put the wrong one right")


def _transactions(oldest: "Transaction | None", found: "Standing") -> Check:
    name = "transactions"
    unseen = f"; those of {found.unseen} connections cannot be seen: grant pg_read_all_stats" if found.unseen else ""
    if oldest is None:
        return Check(name, Level.OK, f"none is open{unseen}")
    who = f"{printable(oldest.user)}, {printable(oldest.name or 'nameless')}, {oldest.state}"
    told = f"the oldest has been open for {span(oldest.age)} ({who}){unseen}"
    if oldest.age < LONG:
        return Check(name, Level.OK, told)
    end = f"SELECT pg_terminate_backend({oldest.process})" if oldest.process else f"ROLLBACK PREPARED '{oldest.name}'"
    return Check(name, Level.WARNING, told, _KEEPS, f"end it: {end}")


def _slot(slot: "Slot") -> Check:
    name = f"replication slot {printable(slot.name)}"
    parts = [] if slot.bytes is None else [f"it keeps {human_size(slot.bytes)} of the log"]
    parts += [] if slot.transactions is None else [f"it keeps rows of {slot.transactions} transactions"]
    told = ", ".join(["read" if slot.active else "read by nobody", *parts])
    if slot.active:
        return Check(name, Level.OK, told)
    follows = "the server's disk fills up" if slot.transactions is None else f"{_KEEPS}; the server's disk fills up"
    return Check(name, Level.WARNING, told, follows, f"SELECT pg_drop_replication_slot('{slot.name}')")
