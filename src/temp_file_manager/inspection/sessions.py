"""Living sessions, as programs and people ask about them: whose each is, and whether that lives."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from temp_file_manager.context import Context
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.sessions import ANOTHER_PROCESS, HEIRS, THIS_PROCESS, Owner, ProcessIdentity, Session
from temp_file_manager.sweeping.sessions import OWNER, TIME, watcher
from temp_file_manager.text import timestamp

COUNTED = 1000
"""Files of a session that are counted, at most."""

_OWNERS = {
    THIS_PROCESS: "this process",
    ANOTHER_PROCESS: "a process",
    HEIRS: "a command and what it started",
    None: "nobody",
}


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """How it is about one session.

    Attributes:
        number: The registry's own.
        name: Its user's word for it.
        began_at: Seconds since the epoch.
        ends_at: When it ends whatever its owner does, seconds since the epoch; infinity: never.
        owner: What it ends with, in words.
        alive: Whether the owner lives; None when it has none, or nothing here can tell.
        records: How many files are in it that nobody holds, has pinned or is removing; ``COUNTED`` at most.
    """

    number: int
    name: str
    began_at: float
    ends_at: float
    owner: str
    alive: bool | None
    records: int


def sessions(context: Context) -> tuple[SessionStatus, ...]:
    """Return the sessions that nobody has ended, those first that were begun first.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return statuses(context, context.registry.sessions())


def statuses(context: Context, living: Iterable[Session]) -> tuple[SessionStatus, ...]:
    """Return how it is about some of the sessions that nobody has ended.

    Raises:
        RegistryError: the registry cannot be read.
    """
    alive = watcher()
    return tuple(
        SessionStatus(
            one.number,
            one.name,
            one.began_at,
            one.ends_at,
            _words(one.owner),
            alive(one),
            _records(context, one.number),
        )
        for one in living
    )


def ends(context: Context, records: Iterable[TempFile]) -> dict[int, str]:
    """Return what ends the sessions that records are in, or has ended them: by number, in a sentence about a file.

    Nothing is asked where they are in none.
    """
    if not any(record.session for record in records):
        return {}
    alive, asof = watcher(), context.clock.wall()
    return {one.number: _end(one, alive(one), asof) for one in context.registry.sessions(ended=True)}


def _end(session: Session, alive: bool | None, asof: float) -> str:
    name = f'its session "{session.name}"' if session.name else "its session"
    if session.ended_at is not None:
        why = f": {TIME}" if session.ended_at >= session.ends_at else f": {OWNER}" if alive is False else ""
        return f"{name} ended at {timestamp(session.ended_at)}{why}"
    if alive is False or session.ends_at <= asof:
        return f"{name} ends with the next sweep: {TIME if session.ends_at <= asof else OWNER}"
    until = "" if session.ends_at == math.inf else f", at most until {timestamp(session.ends_at)}"
    owner = "" if session.owner is None else f" with {_words(session.owner)}"
    return f"{name} lives{owner} since {timestamp(session.began_at)}{until}"


def _words(owner: Owner) -> str:
    return f"process {owner.pid}" if isinstance(owner, ProcessIdentity) else _OWNERS[owner]


def _records(context: Context, number: int) -> int:
    wanted = Selection(context.clock.wall(), context.max_age, force=True, session=number)
    return len(context.registry.page(wanted, now=context.clock.elapsed(), limit=COUNTED).records)
