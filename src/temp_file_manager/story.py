"""An explanation as plain data, for programs."""

from temp_file_manager import facts
from temp_file_manager.explanation import Explanation, Forecast


def described(story: Explanation) -> dict[str, object]:
    """Return all of it, for programs."""
    record = story.record
    known = {} if record is None else facts.stored(record) | {"held": record.held}
    return {
        "path": story.path,
        "registered": record is not None,
        "rule": story.rule,
        "asof": facts.number(story.asof),
        **known,
        "max_age": facts.number(story.max_age),
        "becomes_due_at": facts.number(story.due_at),
        "becomes_due_in": None if story.due_at is None else facts.number(story.due_at - story.asof),
        "cleanup": _forecast(story.cleanup),
        "sweep": _forecast(story.command_line),
        "run": _forecast(story.scheduled),
        "kind": story.kind,
        "size_now": story.size,
        "identity_now": None if story.found is None else story.found._asdict(),
        "same_file": story.same_file,
        "same_directory": story.same_directory,
        "open_in": [holder._asdict() for holder in story.holders.processes],
        "processes": {"read": story.holders.read, "unread": story.holders.unread, "all": story.holders.complete},
        "last": story.last,
    }


def _forecast(forecast: Forecast) -> dict[str, object]:
    return {
        "outcome": forecast.status,
        "rule": forecast.rule,
        "reason": forecast.reason,
        "at": facts.number(forecast.at),
    }
