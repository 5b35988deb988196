"""Causes: what decided that a record was not simply removed, and their words."""

import errno
import os
from enum import StrEnum


class Cause(StrEnum):
    """What decided that a record was not simply removed; programs compare it, ``sentence`` makes text of it."""

    NONE = ""
    GONE = "gone"  # somebody else removed it
    # Why the file there is not taken for the registered one.
    REPLACED = "replaced"
    IDENTITY_UNKNOWN = "identity unknown"
    PENDING = "pending"  # it was on record before it was made, and its process died in between
    OTHER_DIRECTORY = "other directory"
    ABSENT_DIRECTORY = "absent directory"
    ABSENT_VOLUME = "absent volume"  # the detail says which, and what to do
    OUTSIDE = "outside"  # it is on no volume of ours; the detail says which
    OTHER_FILE_SYSTEM = "other file system"
    REWRITTEN = "rewritten"  # by its own application, in the manager's base: it stays on record as it is now
    CHANGING = "changing"  # it was replaced between two looks at it
    # Why it is left alone although it is the registered one.
    IN_USE = "in use"
    USE_UNKNOWN = "use unknown"
    FOREIGN = "foreign"  # another user's
    OWN = "own"  # this package's
    NOT_COMPRESSED = "not compressed"  # it is better left as it is, for now or until it is due; the detail says why
    KEPT_WITHIN = "kept within"  # something in a directory that goes as a whole is to stay; the detail says what
    UNCONDITIONAL = "unconditional"  # its bucket would delete what has been put in its place, too
    RULE = "rule"  # a rule lets it live longer; the detail says which, and why
    # Why its removal did not come about.
    NOT_REGULAR = "not regular"
    DIRECTORY = "directory"
    REFUSED = "refused"  # the system said no; the detail is the name of its error, as EACCES
    OBSTACLE = "obstacle"
    HUNG = "hung"
    ERROR = "error"  # anything else; the detail is what it said
    # Why nothing was tried.
    CLAIM_ENDED = "claim ended"
    LEASE_ENDED = "lease ended"
    SWEEP_OVER = "sweep over"
    ABANDONED = "abandoned"
    NOT_AS_PLANNED = "not as planned"  # it is another record or file by now, or something else would be done
    # Why somebody should know that it was removed.
    NOT_GUARANTEED = "not guaranteed"  # its content may not be destroyed


_SENTENCES = {
    Cause.GONE: "already gone",
    Cause.REPLACED: "another file has been put in its place since it was registered",
    Cause.IDENTITY_UNKNOWN: "nothing can tell whether it is the file that was registered",
    Cause.PENDING: "its process died while it was being created: it may be anybody's",
    Cause.OTHER_DIRECTORY: "its directory is another one than when it was registered",
    Cause.ABSENT_DIRECTORY: "what its directory lies on is not mounted here now",
    Cause.ABSENT_VOLUME: "the shared volume that it lies on is not mounted here now",
    Cause.OUTSIDE: "it does not lie on the shared volume",
    Cause.REWRITTEN: "it was rewritten since it was registered, and counts from then",
    Cause.CHANGING: "it was replaced while it was looked at",
    Cause.IN_USE: "in use: somebody has it open",
    Cause.USE_UNKNOWN: "nothing can tell whether it is in use",
    Cause.OWN: "it is one of this package's own files",
    Cause.NOT_COMPRESSED: "it is better left as it is",
    Cause.KEPT_WITHIN: "something in it is to stay",
    Cause.UNCONDITIONAL: "its bucket would delete what has been put in its place, too",
    Cause.RULE: "a rule lets it live longer",
    Cause.NOT_COMPRESSED: "it is better left as it is than compressed",
    Cause.KEPT_WITHIN: "something in it is kept",
    Cause.NOT_REGULAR: "it is no regular file",
    Cause.DIRECTORY: "it is a directory",
    Cause.CLAIM_ENDED: "registered again, forgotten or touched meanwhile",
    Cause.LEASE_ENDED: "half of its claim's time is up",
    Cause.SWEEP_OVER: "its sweep is over",
    Cause.ABANDONED: "its removal was abandoned",
    Cause.NOT_AS_PLANNED: "it is not as the plan says any more",
}


def sentence(cause: Cause, detail: str = "") -> str:
    """Return a cause in words, without the path it is about. A detail of ours says it better than the usual words."""
    if cause is Cause.REFUSED:
        return os.strerror(getattr(errno, detail))
    if cause is Cause.NOT_GUARANTEED:
        return f"not_guaranteed: {detail}"
    return detail or _SENTENCES.get(cause, "")


LASTING = frozenset({
    *(Cause.IDENTITY_UNKNOWN, Cause.PENDING, Cause.OTHER_DIRECTORY, Cause.ABSENT_DIRECTORY, Cause.OTHER_FILE_SYSTEM),
    *(Cause.USE_UNKNOWN, Cause.FOREIGN, Cause.OWN, Cause.ABSENT_VOLUME, Cause.OUTSIDE, Cause.UNCONDITIONAL),
})  # fmt: skip
"""Causes for which every sweep keeps a file until somebody does something about it: health and the log tell of them."""
