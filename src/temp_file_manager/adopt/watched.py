"""Directories that are adopted from at every sweep, as the registry remembers them."""

from collections.abc import Callable, Iterable
from typing import Any

from temp_file_manager import logs
from temp_file_manager.adopt.plan import Adoption, adopt_wanted
from temp_file_manager.adopt.survey import By, Wanted
from temp_file_manager.context import Context
from temp_file_manager.errors import TempFileError
from temp_file_manager.registry.journal import last_line
from temp_file_manager.storage.base_rules import refuse_unsafe
from temp_file_manager.storage.changes.hints import Changed
from temp_file_manager.storage.paths import AnyPath, absolute
from temp_file_manager.storage.tree import Part, Skip
from temp_file_manager.text import printable

RECENT = 60.0
"""Seconds: what unattended adoption leaves alone, as whoever has just made it may be about to register it."""


WATCHED = "adopt"
"""The registry's name for what is to be adopted at every sweep."""


def watch(context: Context, what: Wanted) -> None:
    """Remember to adopt this from now on, in place of what was remembered of the directory.

    Raises:
        RegistryError: the registry cannot be written.
    """
    others = [one for one in watched(context) if one.directory != what.directory]
    _keep(context, [*others, what])


def unwatch(context: Context, directory: AnyPath) -> bool:
    """Adopt a directory's files no longer; what is on record stays there. Returns whether it was marked.

    Raises:
        RegistryError: the registry cannot be written.
    """
    path = absolute(directory)
    before = watched(context)
    after = [one for one in before if one.directory != path]
    if len(after) == len(before):
        return False
    _keep(context, after)
    return True


def watched(context: Context) -> tuple[Wanted, ...]:
    """Return what is to be adopted at every sweep."""
    found, problems = read_watched(last_line(context.registry, WATCHED))
    for problem in problems:
        logs.logger.warning(f"A directory is not adopted from: {printable(problem)}")
    return found


def adopt_watched(context: Context, *, stop: Callable[[], bool] = lambda: False) -> tuple[Adoption, ...]:
    """Adopt what is marked: one walk a directory. For scheduled sweeps, before they look for what is due.

    What was touched in the last minute is left for the next time. A directory that cannot be adopted from (gone,
    unsafe by now, no room for records) is logged and passed by.

    Args:
        context: Whose marks and registry.
        stop: Asked between batches whether to leave it at that.

    Returns:
        What was done, by directory.
    """
    adoptions = []
    for what in watched(context):
        if stop():
            break
        done = adopt_marked(context, what, stop=stop)
        if done is not None:
            adoptions.append(done)
    return tuple(adoptions)


def adopt_marked(
    context: Context, what: Wanted, *, path: str = "", whole: bool = True, stop: Callable[[], bool]
) -> Adoption | None:
    """Adopt what is marked, or a part of it, as ``adopt_watched`` does; return None where nothing could be done.

    Args:
        context: Whose mark and registry.
        what: The mark.
        path: Where to begin, relative.
        whole: Also all that is below.
        stop: See ``adopt_watched``.
    """
    try:
        refuse_unsafe(what.directory)
        now = context.clock.wall()
        # Between asking what is known and recording the rest, an application may register one of them: its ttl
        # would be lost. It does so when it makes the file, which therefore is left for the next time. What is not on
        # record at all is in no such danger, and what is watched is not to wait for that.
        recent = min(RECENT, (context.max_age if what.ttl is None else what.ttl) / 2)
        with context.changes.walk(what.directory, watch=what.watch) as walk:
            done = adopt_wanted(context, what, now, recent=recent, part=Part(path, whole, walk.enter), stop=stop)
            walk.complete = whole and not (path or done.stopped)
    except (TempFileError, OSError) as error:
        logs.logger.warning(f"Nothing adopted from {printable(what.directory)}: {printable(str(error))}")
        return None
    if done.registered:
        logs.adopted(done.registered, what.directory, in_full=not path and whole)
    if what.watch and not walk.entered and done.skipped.get(Skip.LOCKED):
        context.changes.put_back(Changed(what.directory, path, whole))
    return done


def _keep(context: Context, marks: Iterable[Wanted]) -> None:
    context.registry.write(WATCHED, _written(marks), context.clock.wall(), keep=1)


_KEYS = frozenset({"directory", "exclude", "ttl", "spared"})
_PLACE = frozenset({"inode", "born"})
"""What marks from before say nothing of."""
_WATCH = frozenset({"watch"})
"""What only the marks of watched directories have, so that versions before read the others."""
_BY = frozenset({"by"})
"""What only the marks have whose files' age counts from the last writing alone; likewise."""


def _written(marks: Iterable[Wanted]) -> str:
    """Return marks as text, in ASCII whatever bytes the names hold."""
    from json import dumps  # noqa: PLC0415 - slow to import, and few adopt

    return dumps([_described(one) for one in marks])


def _described(mark: Wanted) -> dict[str, Any]:
    place = {} if mark.place is None else {"inode": mark.place[0], "born": mark.place[1]}
    told = {"directory": mark.directory, "exclude": list(mark.exclude), "ttl": mark.ttl, "spared": list(mark.spared)}
    unusual = ({"watch": True} if mark.watch else {}) | ({"by": mark.by.value} if mark.by is not By.CHANGE else {})
    return told | place | unusual


def read_watched(text: str | None) -> tuple[tuple[Wanted, ...], tuple[str, ...]]:
    """Return the marks that a text holds, and what is wrong with the others.

    One with a key that this version does not know is wrong: it may be what keeps files from being adopted.
    """
    from json import loads  # noqa: PLC0415 - slow to import, and few adopt

    try:
        listed = loads(text or "[]")
    except (ValueError, RecursionError) as error:
        return (), (f"what is remembered cannot be read ({error})",)
    if not isinstance(listed, list):
        return (), ("what is remembered is no list",)
    found, problems = [], []
    for one in listed:
        try:
            found.append(_mark(one))
        except (TypeError, KeyError, ValueError):
            problems.append(f"{one!r} is nothing that this version can adopt from")
    return tuple(found), tuple(problems)


def _mark(one: Any) -> Wanted:
    if set(one) - _WATCH - _BY not in (_KEYS, _KEYS | _PLACE) or one.get("watch", True) is not True:
        raise KeyError(one)
    directory, exclude, ttl, spared = one["directory"], one["exclude"], one["ttl"], one["spared"]
    words = [directory, *exclude, *spared]
    if not all(isinstance(word, str) for word in words) or not directory.startswith("/"):
        raise TypeError(one)
    if not isinstance(exclude, list) or not isinstance(spared, list):
        raise TypeError(one)
    if ttl is not None and not (isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl >= 0):
        raise ValueError(one)
    place = (one["inode"], one["born"]) if "inode" in one else None
    if place is not None and not all(type(number) is int for number in place):
        raise TypeError(one)
    return Wanted(directory, tuple(exclude), ttl, tuple(spared), place, "watch" in one, by=By(one.get("by", By.CHANGE)))
