"""Putting files on record that nobody registered, in a directory that somebody names: planned first, then done.

For who comes from ``find -mtime +1 -delete``, tmpreaper or systemd-tmpfiles. What can be adopted ``survey`` says.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from temp_file_manager import logs, marks
from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.errors import InvalidArgumentError, TempFileError
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import NewFile, seconds
from temp_file_manager.storage import local
from temp_file_manager.storage.base_guard import refuse_unsafe
from temp_file_manager.storage.local import AnyPath
from temp_file_manager.survey import TAG, Chosen, Known, Survey, Wanted, wanted
from temp_file_manager.text import printable

BATCH = 1000
"""Files in memory at a time."""

RECENT = 60.0
"""Seconds: what unattended adoption leaves alone, as whoever has just made it may be about to register it."""

MARKS = "adopt"
"""The registry's name for what is to be adopted at every sweep."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What adopting would do.

    Attributes:
        wanted: What was asked for.
        asof: The moment that ages are read at, seconds since the epoch.
        max_age: Seconds; what is older is due.
        files: How many would go on record.
        size: Their bytes.
        again: How many of them are on record, and were touched since they were adopted.
        oldest: The path of the oldest, empty when there is none.
        oldest_age: Seconds.
        due: How many would be due at once.
        due_size: Their bytes.
        skipped: How many were passed by, by reason.
    """

    wanted: Wanted
    asof: float
    max_age: float
    files: int
    size: int
    again: int
    oldest: str
    oldest_age: float
    due: int
    due_size: int
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting did: ``again`` of the ``registered`` files were on record and have been touched since."""

    directory: str
    registered: int
    size: int
    again: int
    skipped: Mapping[str, int]
    stopped: bool = False


def plan(
    directory: AnyPath | Wanted,
    *,
    exclude: Iterable[str] = (),
    now: float,
    max_age: float,
    known: Known = lambda _: {},
    renew: bool = True,
) -> Plan:
    """Look at a directory and say what adopting it would do. Changes nothing.

    Args:
        directory: Where; or what ``wanted`` returned, and ``exclude`` is not looked at.
        exclude: See ``Wanted``.
        now: Seconds since the epoch.
        max_age: Seconds; counts as due what is older.
        known: Says what is on record.
        renew: Whether what was adopted before and touched since is planned again.

    Raises:
        BaseDirectoryError: the directory cannot be read, or should not be cleaned up by anybody.
        InvalidArgumentError: a pattern can match nothing, or ``max_age`` means nothing.
    """
    what = directory if isinstance(directory, Wanted) else wanted(directory, exclude)
    limit = seconds("max_age", max_age) if what.ttl is None else what.ttl
    survey = Survey(what, known, now, renew=renew)
    files = size = again = due = due_size = 0
    oldest, since = "", now
    for batch in survey.batches(BATCH):
        for file in batch:
            files += 1
            size += file.size
            again += file.again
            if file.due(now, limit):
                due += 1
                due_size += file.size
            if not oldest or file.registered_at < since:
                oldest, since = file.path, file.registered_at
    return Plan(what, now, limit, files, size, again, oldest, now - since, due, due_size, survey.skipped)


def adopt(manager: TempFileManager, planned: Plan, *, stop: Callable[[], bool] = lambda: False) -> Adoption:
    """Put on record what was planned, and what has come to be there since: the directory is walked through anew.

    Args:
        manager: Whose registry is to know the files.
        planned: What ``plan`` returned.
        stop: Asked between batches whether to leave it at that.

    Raises:
        BaseDirectoryError: the directory cannot be read any more.
        InvalidArgumentError: the registry keeps no identities.
        RegistryError: the registry cannot be written.
    """
    return adopt_wanted(manager, planned.wanted, planned.asof, stop=stop)


def adopt_wanted(
    manager: TempFileManager, what: Wanted, now: float, *, recent: float = 0.0, stop: Callable[[], bool]
) -> Adoption:
    """Do ``adopt`` without a plan, for what has not been touched for ``recent`` seconds."""
    if not manager.registry.durable:
        # By its path alone, what nobody registered must not be removed.
        raise InvalidArgumentError("records in memory do not say which file is meant: adopt into a durable registry")
    what = replace(what, spared=(*what.spared, *manager.registry.own_files))
    survey = Survey(what, manager.registry.get, now, recent=recent)
    registered = size = again = 0
    stopped = False
    with closing(survey.batches(BATCH)) as batches:
        for batch in batches:
            _record(manager, batch, what.ttl)
            registered += len(batch)
            size += sum(file.size for file in batch)
            again += sum(file.again for file in batch)
            stopped = stop()
            if stopped:
                break
    return Adoption(what.directory, registered, size, again, survey.skipped, stopped)


def _record(manager: TempFileManager, batch: list[Chosen], ttl: float | None) -> None:
    by_time: dict[tuple[float, bool], list[NewFile]] = {}
    for path, since, size, identity, again in batch:
        due_at = None if ttl is None else since + ttl
        by_time.setdefault((since, again), []).append((path, due_at, size, (TAG,), identity))
    for (since, again), rows in by_time.items():
        # What its application has registered since it was looked at is the application's.
        manager.registry.add(rows, since, only_new=not again)
    logs.registered_all(file.path for file in batch)


# -- directories to be looked through at every sweep


def mark(manager: TempFileManager, what: Wanted) -> None:
    """Remember to adopt this from now on, in place of what was remembered of the directory.

    Raises:
        RegistryError: the registry cannot be written.
    """
    others = [one for one in marked(manager) if one.directory != what.directory]
    manager.registry.remember(MARKS, marks.written([*others, what]))


def unmark(manager: TempFileManager, directory: AnyPath) -> bool:
    """Adopt a directory's files no longer; what is on record stays there. Returns whether it was marked.

    Raises:
        RegistryError: the registry cannot be written.
    """
    path = local.absolute(directory)
    before = marked(manager)
    after = [one for one in before if one.directory != path]
    if len(after) == len(before):
        return False
    manager.registry.remember(MARKS, marks.written(after))
    return True


def marked(manager: TempFileManager) -> tuple[Wanted, ...]:
    """Return what is to be adopted at every sweep."""
    found, problems = marks.read(manager.registry.recall(MARKS))
    for problem in problems:
        logs.logger.warning(f"A directory is not adopted from: {printable(problem)}")
    return found


def adopt_marked(
    manager: TempFileManager, *, clock: Clock | None = None, stop: Callable[[], bool] = lambda: False
) -> tuple[Adoption, ...]:
    """Adopt what is marked: one walk a directory. For scheduled sweeps, before they look for what is due.

    What was touched in the last minute is left for the next time. A directory that cannot be adopted from (gone,
    unsafe by now, no room for records) is logged and passed by.

    Args:
        manager: Whose marks and registry.
        clock: What tells the time.
        stop: Asked between batches whether to leave it at that.

    Returns:
        What was done, by directory.
    """
    adoptions = []
    for what in marked(manager):
        if stop():
            break
        try:
            refuse_unsafe(what.directory)
            now = (clock or SystemClock()).wall()
            # Between asking what is known and recording the rest, an application may register one of them: its ttl
            # would be lost. It does so when it makes the file, which therefore is left for the next time.
            recent = min(RECENT, (manager.max_age if what.ttl is None else what.ttl) / 2)
            done = adopt_wanted(manager, what, now, recent=recent, stop=stop)
        except (TempFileError, OSError) as error:
            logs.logger.warning(f"Nothing adopted from {printable(what.directory)}: {printable(str(error))}")
            continue
        if done.registered:
            logs.logger.info(f"Adopted {done.registered} files from {printable(what.directory)}")
        adoptions.append(done)
    return tuple(adoptions)
