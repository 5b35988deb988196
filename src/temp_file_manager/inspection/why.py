"""The reason why a file stays or goes: the rule that decides, each kind of sweep's answer, the file's users."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum

from temp_file_manager.context import Context
from temp_file_manager.inspection.deciding_rule import RuleAbout, Times, about, look_of
from temp_file_manager.inspection.limits import LimitPlace, places
from temp_file_manager.inspection.patience import Patience
from temp_file_manager.inspection.prospects import Looks, Prospects, named, prospects
from temp_file_manager.records import Identity, TempFile, is_object
from temp_file_manager.storage.identity import parent_of, same_directory, same_file
from temp_file_manager.storage.kernel.processes import FileUsers, file_users
from temp_file_manager.storage.kernel.statx import HERE, Seen, looker
from temp_file_manager.storage.paths import AnyPath


class Silent(StrEnum):
    """What may not answer."""

    FILE = "file"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True)
class Explanation(Prospects):
    """All there is to say about one path: its prospects, and what is there.

    Attributes:
        kind: What is there now: ``a regular file``, ``a link``, … ``nothing``; ``unknown`` if it does not answer.
        size: Its bytes now; None when it cannot be looked at.
        found: What identifies it now, to be compared with ``record.identity``.
        same_file: Whether it is the file that was registered; None when nothing can tell.
        same_directory: Whether it lies in the directory it was registered in; None when nothing can tell.
        users: Which processes have it open, as far as they can be seen.
        ruling: The rule about it; None when it is not registered.
        successors: Records of what was there and has been moved into quarantine or compressed, the last first.
        limits: Its place in the order of each limit that is about it; empty when it is due.
        last: What the last sweep that took it up made of it, as far as the registry keeps it: not the words.
        unanswered: What did not answer in time, so that of it nothing is known.
    """

    kind: str
    size: int | None
    found: Identity | None
    same_file: bool | None
    same_directory: bool | None
    users: FileUsers
    ruling: RuleAbout | None
    successors: tuple[TempFile, ...]
    limits: tuple[LimitPlace, ...]
    last: str
    unanswered: tuple[Silent, ...]


def why(context: Context, path: AnyPath) -> Explanation:
    """Explain one path: registered or not, there or not. Changes nothing, and waits some seconds for each answer.

    Args:
        context: Whose records and settings count.
        path: Made absolute, links not followed.

    Raises:
        TypeError: ``path`` is no path.
        InvalidArgumentError: it is empty, or no file can have such a name.
        RegistryError: the registry cannot be read.
    """
    looks = Looks(Patience(context.clock), Patience(context.clock))
    (head,) = prospects(context, (named(path),), looks)
    seen, found = looks.files.ask(lambda: _looked_at(head.path), _NOTHING)
    users = FileUsers() if looks.files.lost else looks.processes.ask(lambda: file_users(head.path), FileUsers())
    silent = {Silent.FILE: looks.files.lost, Silent.PROCESSES: looks.processes.lost}
    known = None if head.record is None else head.record.identity
    return Explanation(
        **{field.name: getattr(head, field.name) for field in fields(head)},
        kind="unknown" if looks.files.lost else "an object in a bucket" if is_object(head.path) else _kind(seen),
        size=None if seen is None else seen.size,
        found=found,
        same_file=None if known is None or seen is None else same_file(known, seen, head.record and head.record.size),
        same_directory=None if known is None or found is None else _same_directory(known, found),
        users=users,
        ruling=None if head.record is None else _ruling(context, head.record, looks.files),
        successors=context.registry.successors((head.path,)).get(head.path, ()),
        limits=() if head.record is None or head.scheduled.status is not None else places(context, head.record),
        last=_last(head.record),
        unanswered=tuple(what for what, lost in silent.items() if lost),
    )


def _ruling(context: Context, record: TempFile, patience: Patience) -> RuleAbout:
    asof = context.clock.wall()
    times = patience.ask(lambda: look_of(record, asof), Times()) if context.settings.rules else Times()
    return about(context, record, times)


def _last(record: TempFile | None) -> str:
    if record is None or record.retry_at is None:
        return ""
    times = "once" if record.failures == 1 else f"{record.failures} times"
    return f"its removal has failed {times}" if record.failures else "the last sweep that took it up kept it"


# -- what is there


_NOTHING: tuple[Seen | None, Identity | None] = (None, None)


def _looked_at(path: str) -> tuple[Seen | None, Identity | None]:
    if is_object(path):
        return _NOTHING
    if "\0" in path:  # C would take what stands before it for the name
        return _NOTHING
    look, name = looker(), os.fsencode(path)
    try:
        seen = look(HERE, name)
        around = parent_of(look, name.rpartition(b"/")[0])
    except OSError:
        return _NOTHING
    return seen, Identity(seen.inode, seen.born, seen.changed, *around)


def _same_directory(known: Identity, found: Identity) -> bool:
    return same_directory(known, Seen(0, found.parent_inode, 0, found.parent_born, 0))


def _kind(seen: Seen | None) -> str:
    if seen is None:
        return "nothing"
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISREG, "a regular file"),
        (stat.S_ISLNK, "a link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for test, name in kinds if test(seen.mode)), "a device")
