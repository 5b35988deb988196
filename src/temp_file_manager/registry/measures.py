"""Measures: what looks at registered files have found, and what of that is worth a write."""

from temp_file_manager.records import Measured


def is_news(found: Measured) -> bool:
    """Say whether a look has found what its record did not say, so that nothing is written where all is as it was."""
    return found.disk != found.record.disk or is_later(found.used_at, found.record.used_at)


def is_later(used_at: float | None, known: float | None) -> bool:
    """Say whether a use came after the one that is known."""
    return used_at is not None and (known is None or used_at > known)
