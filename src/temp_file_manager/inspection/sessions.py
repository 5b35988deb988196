"""Living sessions as they are now."""

from dataclasses import dataclass

from temp_file_manager.context import Context
from temp_file_manager.sessions import Session


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """How it is about one session.

    Attributes:
        number: The registry's own.
        name: Its user's word for it.
        began_at: Seconds since the epoch.
        ends_at: When it ends whatever its owner does, seconds since the epoch; infinity: never.
        owner: What it ends with, in words.
        alive: Whether the owner lives; None when nothing tells.
        records: How many files are in it.
    """

    number: int
    name: str
    began_at: float
    ends_at: float
    owner: str
    alive: bool | None
    records: int


def sessions(context: Context) -> tuple[SessionStatus, ...]:
    """Return the living sessions, those first that were begun first."""
    return tuple(
        SessionStatus(
            each.number,
            each.name,
            each.began_at,
            each.ends_at,
            str(each.owner or "nobody"),
            each.alive,
            _records(context, each),
        )
        for each in context.registry.sessions()
    )


def _records(context: Context, session: Session) -> int:
    page = context.registry.page(None, now=0.0, limit=1000)
    return sum(record.session == session.number for record in page.records)
