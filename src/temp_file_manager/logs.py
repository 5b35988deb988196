"""Log lines: every line that callers search for is written here, and the formats they come in.

Messages are formatted before they reach the logger, not by it: the published class did so, and callers'
tests compare the finished text with what a mocked logger was called with.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from temp_file_manager.chunks import Outcomes
from temp_file_manager.errors import TempFileError
from temp_file_manager.records import Outcome, Status
from temp_file_manager.reports import SweepReport
from temp_file_manager.sessions import Session
from temp_file_manager.text import count, printable

if TYPE_CHECKING:
    from temp_file_manager.settings import Settings

logger = logging.getLogger("aiecs.tools.temp_file_manager")

_TOLD_OF = (Status.FAILED, Status.REPLACED)  # at every level; of the others only when debugging

TEXT_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


def initialized(base_dir: str, max_age: float) -> None:
    """Say that a manager was made."""
    logger.info(f"Initialized TempFileManager with base_dir: {printable(base_dir)}, max_age: {max_age} seconds")


def object_kept(name: str) -> None:
    """Say that no sweep will remove an object, as nothing tells it from another one under its key."""
    logger.warning(
        f"Registered {printable(name)} without an ETag and without a version: it stays until it is forgotten, or "
        "TEMP_FILE_OBJECTS_UNCONDITIONAL=true is set"
    )


def registry_read_only(reason: str) -> None:
    """Say that a registry can be read and not written."""
    logger.warning(reason)


def not_settled(records: int, removed: int, error: Exception) -> None:
    """Say that what became of records is not written down, of which so many are those of removed files."""
    what = f"Removed {removed} temporary files that a later sweep will forget"
    left = f", and tried {records - removed} more" if records > removed else ""
    logger.warning(f"{what}{left}: {printable(str(error))}")


def http_off(reason: str) -> None:
    """Say that there is neither page nor API."""
    logger.info(f"HTTP is off: {printable(reason)}")


def serving(what: str, where: str) -> None:
    """Say what is served where."""
    logger.info(f"{what}: {where}")


def wrong_token(whence: str, before: int) -> None:
    """Tell that somebody has sent a token that is none, and how many more had come since this was told last."""
    more = f"; {before} more since this was said last" if before else ""
    logger.warning(f"A request from {printable(whence)} brought a wrong token{more}")


def open_secret_file(path: str, undo: str) -> None:
    """Tell that others may read the secret of the API, or a registry's password."""
    logger.warning(f"All users may read the secret in {printable(path)}: take that right away ({undo})")


def not_noted(error: Exception) -> None:
    """Say that a sweep is missing in the journal."""
    logger.warning(f"A sweep has ended, and could not be noted: {printable(str(error))}")


def sample_failed(error: Exception) -> None:
    """Say that a point of the curve of files over time is missing."""
    logger.warning(f"How many files there are was not noted: {printable(str(error))}")


def measure_failed(error: Exception) -> None:
    """Say that what files take on the disk is not known anew."""
    logger.warning(f"Files were not measured: {printable(str(error) or repr(error))}")


def adopted(files: int, root: str, *, in_full: bool) -> None:
    """Say that files were put on record; of a part of a directory, of which there may be many a minute, quietly."""
    logger.log(logging.INFO if in_full else logging.DEBUG, f"Adopted {count(files, 'file')} from {printable(root)}")


def watch_failed(error: Exception) -> None:
    """Say that directories which have changed were not looked at."""
    logger.warning(f"Changed directories were not looked at: {printable(str(error) or repr(error))}")


def watching(root: str, directories: int, source: str) -> None:
    """Say that files are found as soon as they are there."""
    logger.info(f"Watching {printable(root)} by {source}: directories now: {directories}")


def not_watched(reason: str, advice: str) -> None:
    """Say that files are found by walks alone; said once a reason."""
    todo = f": {advice}" if advice else ""
    logger.warning(f"Not every directory can be watched, and new files there wait for a sweep: {reason}{todo}")


def registered(path: str) -> None:
    """Say that a file was put on record."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(f"Registered temporary file: {printable(path)}")


def registered_all(paths: Iterable[str]) -> None:
    """Say it of many."""
    if logger.isEnabledFor(logging.DEBUG):
        for path in paths:
            registered(path)


def refused(path: str, reason: str = "") -> None:
    """Say that a path was not registered."""
    because = f" ({reason})" if reason else ""
    logger.warning(f"Attempted to register non-existent file: {printable(path)}{because}")


def directory_refused(path: str, reason: str) -> None:
    """Say that a directory was not registered as a whole."""
    logger.warning(f"Not registered as a directory that goes as a whole: {printable(path)} ({reason})")


def mode_left(path: str, mask: int, reason: str) -> None:
    """Say that a file keeps its mode."""
    logger.warning(f"Mode of {printable(path)} was not set to {mask:04o}: {printable(reason)}")


def put_back(path: str) -> None:
    """Tell that a file which a killed sweep had set aside is where it was."""
    logger.warning(f"Put back what a sweep that was killed had set aside: {printable(path)}")


def oversized(path: str, size: int, limit: int) -> None:
    """Say that a registered file is larger than the limit."""
    logger.warning(f"Temporary file larger than the limit: {printable(path)} ({size} bytes, limit {limit})")


def settled(outcomes: Outcomes) -> None:
    """Say what became of each record of a chunk."""
    _kept_for_good(outcomes)
    told: Iterable[Outcome] = outcomes
    if not logger.isEnabledFor(logging.DEBUG):
        told = (o for o in outcomes.told() if o.status in _TOLD_OF or (o.cause and o.status is Status.REMOVED))
    for outcome in told:
        status, path = outcome.status, printable(str(outcome.record.path))
        if status is Status.REMOVED and not outcome.cause:
            logger.debug(f"Removed temporary file: {path}")
            continue
        reason = printable(outcome.reason)
        if status is Status.FAILED:
            logger.error(f"Failed to remove temporary file {path}: {reason}")
        elif status is Status.REPLACED:
            logger.warning(f"Forgot temporary file {path}: replaced: {reason}")
        elif status is Status.REMOVED:
            logger.warning(f"Removed temporary file {path}: {reason}")
        else:
            logger.debug(f"Temporary file {status}: {path}: {reason}")


def directory_removed(path: str) -> None:
    """Say that a directory went that ``mkdtemp`` had made."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(f"Removed temporary directory: {printable(path)}")


def sessions_ended(sessions: Mapping[Session, str]) -> None:
    """Say which sessions a sweep has ended, and why."""
    for session, reason in sessions.items():
        logger.info(f"Session {session.number} ({printable(session.name)!r}) has ended: {reason}")


def _kept_for_good(outcomes: Outcomes) -> None:
    """Say once of what is kept that later sweeps will keep it, too: a line a cause, however many files there are."""
    kept: dict[str, list[Outcome]] = {}
    for at, other in outcomes.others.items():
        if other.lasting:
            outcome = outcomes[at]
            if outcome.record.kept_for != other.lasting:
                kept.setdefault(outcome.reason, []).append(outcome)
    for reason, files in kept.items():
        others = f" and {len(files) - 1} others" if len(files) > 1 else ""
        path = printable(str(files[0].record.path))
        logger.warning(f"Kept temporary file {path}{others}, as later sweeps will: {printable(reason)}")


def swept(report: SweepReport, force: bool) -> None:
    """Say what a sweep did; an idle one says nothing."""
    if report.retired or report.failed or report.replaced or report.compressed:
        others = {
            "compressed": report.compressed,
            "failed": report.failed,
            "replaced": report.replaced,
            "kept": report.kept,
        }
        more = "".join(f", {count} {what}" for what, count in others.items() if count)
        logger.info(f"Cleaned up {report.retired} temporary files (force={force}){more}")


def evicted(limit: str, report: SweepReport, reached: str) -> None:
    """Say what went for a limit, and how far that has come."""
    others = {"failed": report.failed, "replaced": report.replaced, "kept": report.kept}
    more = "".join(f", {count} {what}" for what, count in others.items() if count)
    logger.info(f'Removed {report.retired} temporary files for limit "{printable(limit)}"{more}: {reached}')


def limit_unmet(limit: str, reason: str) -> None:
    """Say that a limit cannot be kept, and why."""
    logger.warning(f'Limit "{printable(limit)}" is not met: {printable(reason)}')


def limit_met(limit: str) -> None:
    """Say that it is kept again."""
    logger.info(f'Limit "{printable(limit)}" is met again')


def limits_failed(error: Exception) -> None:
    """Say that limits could not be looked at."""
    logger.error(f"A look at the limits failed: {printable(str(error) or repr(error))}")


def rule_doubtful(rule: str, reason: str) -> None:
    """Say that a rule may not be what it was meant to be."""
    logger.warning(f'Rule "{printable(rule)}": {printable(reason)}')


def clock_distrusted(reason: str) -> None:
    """Say why the wall clock is not believed, and what comes of it."""
    logger.warning(f"The wall clock is not trusted: {reason}")


def clock_trusted() -> None:
    """Say that it is trusted again."""
    logger.info("The wall clock is trusted again")


def sweep_held(error: Exception) -> None:
    """Say that a scheduled sweep would remove too much, and goes on by the former settings."""
    logger.warning(f"Scheduled sweep goes on by the former settings: {printable(str(error))}")


def rules_in_force(names: tuple[str, ...]) -> None:
    """Say which rules are in force from now on, as they have changed."""
    logger.info(f"Rules in force: {', '.join(map(printable, names)) or 'none'}")


def rules_held(error: Exception) -> None:
    """Say that new rules would take too much, and the former ones stay in force."""
    logger.warning(f"The former rules stay in force: {printable(str(error))}")


def rules_failed(error: Exception) -> None:
    """Say that putting rules in force has failed."""
    logger.error(f"Putting rules in force has failed: {printable(str(error))}")


def sweep_failed(error: Exception) -> None:
    """Say that a scheduled sweep ended in an error."""
    if isinstance(error, TempFileError):  # it says what to do, which no traceback does
        logger.error(f"Scheduled sweep failed: {printable(str(error))}")
    else:
        logger.error(f"Scheduled sweep failed: {printable(repr(error))}", exc_info=error)


def registry_gone() -> None:
    """Say that a program ends because its registry was taken away."""
    logger.error("Ending, with exit code 1: the registry was taken away, and only a new start finds another")


def plugin_failed(why: str) -> None:
    """Say that a plug-in raised in a removal; said once, and each file of which that is true is told as failed."""
    logger.error(f"A removal failed, further ones are told with their files alone: {printable(why)}")


def hook_failed(hook: object, error: BaseException) -> None:
    """Say that a hook raised; said once a hook."""
    logger.error(f"Hook {printable(repr(hook))} failed, further failures are only counted: {printable(repr(error))}")


class TextFormatter(logging.Formatter):
    """The specification's text format, one line a record whatever a name holds; tracebacks keep their lines."""

    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: D102, N802 - logging's own name
        return printable(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``timestamp`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, ``exception``."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 - see logging.Formatter
        from datetime import UTC, datetime  # noqa: PLC0415 - slow to import, as json is, and few log JSON
        from json import dumps  # noqa: PLC0415 - likewise

        entry = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": printable(record.getMessage()),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return dumps(entry)


def configure(settings: "Settings") -> logging.Handler:
    """Write the package's log where the settings say: ``log_file``, or standard error.

    For programs, never for the library: an application that imports the package configures logging itself.

    Returns:
        The handler, already attached; whoever called this closes it.

    Raises:
        OSError: the log file cannot be opened or its folder cannot be made.
    """
    handler: logging.Handler
    if settings.log_file is None:
        handler = logging.StreamHandler()
    else:
        from logging.handlers import WatchedFileHandler  # noqa: PLC0415 - loads sockets and pickles

        os.makedirs(os.path.dirname(os.path.abspath(settings.log_file)), exist_ok=True)
        # Watched: logrotate moves the file away and a plain handler would go on writing to the moved one.
        handler = WatchedFileHandler(settings.log_file, encoding="utf-8")
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logger.addHandler(handler)
    logger.setLevel(settings.log_level)
    logger.propagate = False
    return handler
