"""Sessions whose owner has ended, or whose time is up: a sweep ends them before it begins."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache

from temp_file_manager import logs
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.records import Selection, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.sessions import ProcessIdentity, Session
from temp_file_manager.storage.kernel.process_identity import here, lives

TIME, OWNER = "its time is up", "its process is gone"


def watcher() -> Callable[[Session], bool | None]:
    """Return what says whether a session's owner lives, None when nothing can tell; for many that are asked at once."""
    seen = cache(here)

    @cache
    def process_lives(identity: ProcessIdentity) -> bool | None:
        found = seen()
        return None if found is None else lives(identity, found)

    def alive(session: Session) -> bool | None:
        owner = session.owner
        return process_lives(owner) if isinstance(owner, ProcessIdentity) else session.alive

    return alive


def over(registry: Registry, now: float) -> dict[Session, str]:
    """Return the sessions that are to end, each with the reason.

    Where nothing can tell whether an owner lives, the session lives until its time is up.

    Args:
        registry: Whose.
        now: Seconds since the epoch, by a clock that whoever sweeps trusts.
    """
    alive = watcher()
    why = {one: TIME if one.ends_at <= now else OWNER for one in registry.sessions()}
    return {one: reason for one, reason in why.items() if reason == TIME or alive(one) is False}


def end_over(registry: Registry, now: float) -> dict[Session, str]:
    """End the sessions that are to end, and return them, each with the reason; the arguments are those of ``over``."""
    found = over(registry, now)
    if found:
        with suppress(RegistryFullError):  # a later sweep ends them; this one may make room
            for reason in (TIME, OWNER):
                numbers = [one.number for one, why in found.items() if why == reason]
                registry.end(numbers, now, over=reason == TIME)
            living = {one.number for one in registry.sessions()}  # somebody may have renewed one since
            found = {one: why for one, why in found.items() if one.number not in living}
            logs.sessions_ended(found)
    return found


def as_swept(registry: Registry, records: Mapping[str, TempFile], now: float) -> dict[str, TempFile]:
    """Return records as a sweep at that moment would find them, which first ends the sessions that are over."""
    if not any(record.session for record in records.values()):
        return dict(records)
    gone = {one.number for one in over(registry, now)}
    return {
        path: record._replace(due_at=now) if record.session in gone and (record.due_at or now) > now else record
        for path, record in records.items()
    }


def of_dead_owners(registry: Registry, due: Selection) -> list[Selection]:
    """Return what a sweep finds due, whatever is on record of it, as it ends sessions before it begins; end none."""
    gone = [one for one, reason in over(registry, due.asof).items() if reason == OWNER]
    return [Selection(due.asof, due.max_age, force=True, session=one.number) for one in gone]
