"""Rules: which records live how long, when one is due, and why, as pure functions of records and moments."""

from temp_file_manager.rules.verdict import (
    FIRST_RETRY,
    LAST_RETRY,
    Verdict,
    due_at,
    has_come,
    is_too_old,
    renewed,
    retry_at,
    status,
    verdict,
    waiting_since,
    waits,
)

__all__ = [
    "FIRST_RETRY",
    "LAST_RETRY",
    "Verdict",
    "due_at",
    "has_come",
    "is_too_old",
    "renewed",
    "retry_at",
    "status",
    "verdict",
    "waiting_since",
    "waits",
]
