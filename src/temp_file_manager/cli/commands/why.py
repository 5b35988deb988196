"""The command ``why``: the whole story of a file: what keeps it or takes it, from when, and who has it open."""

import argparse
import math

from temp_file_manager import logs
from temp_file_manager.cli import options, paths, render
from temp_file_manager.cli.targets import Answer, nameable, work_through
from temp_file_manager.inspection import describe
from temp_file_manager.inspection.limits import LimitPlace
from temp_file_manager.inspection.prospects import NOT_REGISTERED, Forecast, Rule
from temp_file_manager.inspection.why import Explanation, Silent, why
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Kind, Status, TempFile
from temp_file_manager.storage.kernel.processes import FileUsers
from temp_file_manager.text import human_size, span, timestamp

ADVICE = {
    Rule.NOT_REGISTERED: "Nobody registered it, so nothing here ever removes it. To change that: register it.",
    Rule.HOLD: "A process holds it; that ends when it lets go or ends, however it ends.",
    Rule.PIN: "Somebody pinned it; that ends at its end, or by unpin.",
    Rule.SESSION: "It goes when its session ends: with its owner, when its time is up, or by session end.",
    Rule.RULE: "A rule of the settings decides; the command rules lists them, and a ttl of its own wins over each.",
    Rule.BACK_OFF: "A scheduled sweep could not have it and waits a while; the command sweep tries at once.",
    Rule.CLOCK: "Nothing is removed early because a clock jumped; sweep --accept-clock believes the clock as it is.",
    Rule.LARGE_SWEEP: "Scheduled sweeps go on by the settings before, until somebody has looked.",
    Rule.PAUSE: "It goes with the first sweep after the pause; whoever may set policies ends it: fleet policy clear.",
    Rule.CLAIM: "Look again in a moment.",
    Rule.NOT_COMPRESSED: "A rule would have it compressed, and it is better left as it is; the rule goes on to decide.",
    Rule.IN_USE: "It goes with the first sweep after whoever has it open has closed it; sweep --even-if-open takes it.",
    Rule.UNKNOWN: "The command doctor says what to grant, so that it can be told.",
    Rule.REPLACED: "It is another file now: that one stays, and the record is forgotten. If it is yours: register it.",
    Rule.REWRITTEN: "It stays on record as it is now; its age counts from the newest of its times.",
    Rule.DIRECTORY_REPLACED: "It is kept, as its directory may come back. If this file is yours: register it again.",
    Rule.DIRECTORY_ABSENT: "It is kept until what its directory lies on is back; if that never will be: forget it.",
    Rule.DOUBT: "It is kept, lest another's file be removed. If it is yours: register it again, or forget it.",
    Rule.GONE: "Somebody else removed it; the record is forgotten.",
    Rule.WITHIN: "It goes as a whole or not at all: what keeps something in it keeps all of it.",
    Rule.OBSTACLE: "It is tried again by later sweeps, when what stands in the way is gone.",
}


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "why",
        "tell the whole story of files: what keeps or removes them, from when, and who has them open",
        execute,
        words="[-0] PATH...",
        more="The exit code is 1 if any of them is not registered.",
        json="print one JSON object a line",
    )
    paths.add_paths(parser)
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Explain files; return 1 if any of them is not registered.

    Raises:
        TempFileError: a setting, a path or the registry cannot be used.
    """
    tell = _as_json if args.json else _tell

    def explain(manager: TempFileManager, batch: list[str]) -> Answer:
        names, refused = nameable(batch)
        unregistered = 0
        for name in names:
            story = why(manager.context, name)
            unregistered += story.record is None
            tell(story)
        return Answer(refused=refused, unregistered=unregistered)

    return work_through(args, explain, unlogged=(logs.clock_distrusted, logs.clock_trusted), looking=True)


def headline(story: Explanation) -> str:
    """Return in a sentence what is to be expected of scheduled sweeps, which is what most people run."""
    forecast = story.scheduled
    if story.record is None and Silent.FILE in story.unanswered:
        return "not registered by this path, and it does not answer"
    if story.record is None:
        return _unregistered(story)
    if forecast.status in _ENDS:
        return f"{_ENDS[forecast.status]} with the next sweep: {forecast.reason}"
    if (place := _first_to_go(story)) is not None:
        return f"may go with the next sweep, before it is due: {place.words}"
    return f"stays{until(forecast, story.asof)}: {forecast.reason}"


def _unregistered(story: Explanation) -> str:
    if story.scheduled.reason != NOT_REGISTERED:  # it is in quarantine, or compressed
        return story.scheduled.reason
    return f"{NOT_REGISTERED}, and not there" if story.kind == "nothing" else NOT_REGISTERED


_ENDS = {
    Status.REMOVED: "goes",
    Status.QUARANTINED: "goes into quarantine",
    Status.COMPRESSED: "is compressed",
    Status.GONE: "its record goes",
    Status.REPLACED: "its record goes",
}
"""What becomes of a file that does not stay as it is."""


def _first_to_go(story: Explanation) -> LimitPlace | None:
    """Return the place of a file that the next sweep may remove for a limit; None when no limit is about to."""
    if story.users.processes:
        return None
    return next((place for place in story.limits if place.more == 0), None)


def until(forecast: Forecast, asof: float) -> str:
    """Return until when a file stays, as the headline goes on after "stays"; nothing if nobody can tell.

    Args:
        forecast: What a sweep would do.
        asof: When that was asked, in seconds since the epoch.
    """
    if forecast.at is None or (forecast.at == math.inf and forecast.rule is Rule.RULE):
        return ""
    if forecast.at == math.inf:
        return " until its session ends" if forecast.rule is Rule.SESSION else " for ever"
    return f" at least until {timestamp(forecast.at)}, for {span(max(forecast.at - asof, 0))}"


def _tell(story: Explanation) -> None:
    render.line(f"{story.path}: {headline(story)}")
    if words := advice(story):
        render.line(f"  {words}")
    for name, value in rows(story):
        render.line(f"  {name:<15}{value}")


def advice(story: Explanation) -> str:
    """Return what to make of it, or to do; nothing where there is nothing to say."""
    # What stands elsewhere now is no matter of nobody's having registered it.
    return "" if story.successors else ADVICE.get(story.rule, "")


def rows(story: Explanation) -> list[tuple[str, str]]:
    """Return all that is known, each with its name."""
    there = [("there now", _there(story)), *_users(story), *(_before(one, story) for one in story.successors)]
    record = story.record
    if record is None:
        return there
    due = story.asof if story.due_at is None else story.due_at
    place = _first_to_go(story)
    return [
        ("decided by", str(story.rule) if place is None else f'limit "{place.limit.name}"'),
        ("registered", f"{timestamp(record.registered_at)}, {span(story.asof - record.registered_at)} ago"),
        ("due", f"{_moment(due, story)}, by {_limit(story)}"),
        *(() if story.ruling is None else story.ruling.rows()),
        ("cleanup()", _would(story.cleanup, place)),
        ("sweep", _would(story.command_line, place)),
        ("run", _would(story.scheduled, place)),
        *(("limit", one.words) for one in story.limits),
        *there,
        ("was", f"{describe.identity(record.identity)}{_sameness(story)}"),
        *((("was at", record.origin),) if record.origin else ()),
        ("size then", human_size(record.size)),
        ("tags", ", ".join(record.tags) or "none"),
        ("failures", str(record.failures)),
        ("last time", story.last or "no sweep has tried it yet"),
    ]


def _before(one: TempFile, story: Explanation) -> tuple[str, str]:
    """Return the row of what was there before, and stands elsewhere now."""
    if one.kind is Kind.COMPRESSED:
        return "compressed", f"is {one.path}, {human_size(one.room)}"
    until = "for ever" if one.due_at is None else f"until {_moment(one.due_at, story)}"
    return "in quarantine", f"{until}, or until a limit needs the room; as {one.path}"


def _limit(story: Explanation) -> str:
    record = story.record
    if record is None or record.due_at is None:
        return describe.max_age(story.max_age, story.capped_by)
    if record.session:
        return f"its session, number {record.session}"
    if record.rule:
        looks = "" if record.due_at == math.inf else ", which then looks at it"
        return f'rule "{record.rule}"{looks}'
    return f"its own ttl, {span(record.due_at - record.registered_at)}"


def _moment(when: float, story: Explanation) -> str:
    if when == math.inf:
        return "when its session ends" if story.record is not None and story.record.session else "never"
    return f"{timestamp(when)}, {_distance(when - story.asof)}"


def _distance(seconds: float) -> str:
    return f"in {span(seconds)}" if seconds >= 0 else f"{span(-seconds)} ago"


def _would(forecast: Forecast, place: LimitPlace | None) -> str:
    if forecast.status is None and place is not None:
        return f'may remove it for limit "{place.limit.name}", else would leave it alone: {forecast.reason}'
    done = "would leave it alone" if forecast.status is None else f"{forecast.status}"
    return f"{done}: {forecast.reason}"


def _users(story: Explanation) -> list[tuple[str, str]]:
    if Silent.PROCESSES in story.unanswered:
        return [("open in", "unknown: a process does not answer")]
    return users(story.users, story.kind)


def _there(story: Explanation) -> str:
    if Silent.FILE in story.unanswered:
        return f"{story.kind}: it does not answer"
    if story.found is None:
        return story.kind
    return f"{story.kind}, {human_size(story.size)}, {describe.identity(story.found)}"


def _sameness(story: Explanation) -> str:
    if story.found is None or story.record is None or story.record.identity is None:
        return ""
    if story.same_directory is False:
        return "; its directory is another one now"
    words = {True: "the same file", False: "another file", None: "nothing can tell whether it is the same"}
    return f"; now {words[story.same_file]}"


def users(found: FileUsers, kind: str) -> list[tuple[str, str]]:
    """Return the rows, of a name and a value, that tell which processes have a file open.

    Args:
        found: What was seen of them.
        kind: What is at the path, in words; only a regular file is asked about.
    """
    if kind != "a regular file":
        return []
    rows = [("open in", f"process {pid}, {', '.join(ways)}: {command}") for pid, command, ways in found.processes]
    if not rows:
        rows = [("open in", "no process" if found.complete else "no process that can be seen")]
    if found.unread:
        rows.append(("", f"{found.unread} of {found.read + found.unread} processes could not be looked into"))
    elif not found.complete:
        rows.append(("", "there may be processes that cannot be seen from here"))
    return rows


def _as_json(story: Explanation) -> None:
    render.as_json(describe.explanation(story), indent=None)
