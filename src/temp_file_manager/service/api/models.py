"""Bodies and queries of requests as models: requests are checked by them, and the description is made of them."""

import math
import os
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from temp_file_manager.durations import seconds_of
from temp_file_manager.inspection import overview
from temp_file_manager.sweeping.history import SWEEPS

MOST_RECORDS = 1000
"""On a page."""

MOST_PATHS = 10_000
MOST_TAGS = 100
LONGEST_TAG = 1000
LONGEST_TTL = 1e12
"""Seconds."""

LONGEST_NAME = 1000
LARGEST_NUMBER = 2**53 - 1
"""Of a session: what JavaScript counts up to."""

# ``check_path`` judges paths, as it says more plainly what is wrong than that a pattern does not match.
Path = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": "^/"},
        description="Absolute. Bytes that are no UTF-8 are \\udc80 to \\udcff, as Python writes them.",
    ),
]

Time = Annotated[
    Annotated[float, Meta(ge=0, le=LONGEST_TTL)]
    | Annotated[str, Meta(max_length=LONGEST_NAME, extra_json_schema={"pattern": "^[0-9]{1,6}(s|m|h|d|w)$"})],
    Meta(description="Seconds, or a text such as 90s, 30m, 7d or, beyond the pattern, 2h30m."),
]

Step = Literal[60, 900, 86400]
"""The history's ``STEPS``, in seconds, written out: types cannot be computed."""

REFERENCE = "#/components/schemas/{name}"


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """What a request brings, and nothing else.

    Attributes:
        schema_extra: What its description says beside what msgspec makes of its types.
    """

    schema_extra: ClassVar[Mapping[str, object]] = {}


def reference(model: type[Struct]) -> dict[str, str]:
    """Return how a description names a model's schema."""
    return {"$ref": REFERENCE.format(name=model.__name__)}


def in_seconds(ttl: float | str) -> float:
    """Return in seconds how long something may live.

    Raises:
        ValueError: it is none, or is too long.
    """
    try:
        seconds = seconds_of(ttl)
    except (ValueError, OverflowError):
        seconds = math.inf
    if not 0 <= seconds <= LONGEST_TTL:
        raise ValueError(f"ttl is {ttl!r}: give a time such as 2h30m, or seconds, up to {LONGEST_TTL:g}")
    return seconds


def check_path(path: str) -> None:
    """Judge a path.

    Raises:
        ValueError: it is not absolute, or no file could have it.
    """
    if not path.startswith("/"):
        raise ValueError(f"{path!r:.200} is no absolute path: begin it with /")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ValueError(f"no file can be called {path!r:.200}") from None


def _is_null(name: str) -> dict[str, object]:
    return {"properties": {name: {"type": "null"}}}


# -- what requests bring


class Paths(Model, frozen=True):
    """Files."""

    paths: Annotated[tuple[Path, ...], Meta(max_length=MOST_PATHS)]

    def __post_init__(self) -> None:
        """Judge what types cannot say."""
        for path in self.paths:
            check_path(path)


class Registration(Paths, frozen=True):
    """Files to be put on record."""

    ttl: Annotated[
        Time | None,
        Meta(description="How long these files may live; null: the max_age of whoever sweeps."),
    ] = None
    tags: Annotated[
        tuple[Annotated[str, Meta(max_length=LONGEST_TAG)], ...],
        Meta(max_length=MOST_TAGS, description="Words of your own."),
    ] = ()
    session: Annotated[
        Annotated[int, Meta(ge=1, le=LARGEST_NUMBER)] | None,
        Meta(description="The number of a living session: these files live as long as it does, and have no ttl."),
    ] = None
    unit: Annotated[
        bool,
        Meta(description="The paths are directories, each of which goes with all that is in it, or not at all."),
    ] = False

    schema_extra = {"anyOf": [_is_null("ttl"), _is_null("session")]}

    def __post_init__(self) -> None:
        """Judge what types cannot say."""
        super().__post_init__()
        if self.ttl is not None:
            in_seconds(self.ttl)
        if self.ttl is not None and self.session is not None:
            raise ValueError("files in a session live as long as it does: give ttl or session, not both")


class Beginning(Model, frozen=True):
    """A session that is to begin. No process owns it: so it needs an end."""

    name: Annotated[str, Meta(max_length=LONGEST_NAME, description="A word of your own; it need not be unique.")]
    ttl: Annotated[Time, Meta(description="How long it may live, if it is not renewed.")]

    def __post_init__(self) -> None:
        """Judge what types cannot say."""
        in_seconds(self.ttl)


class Renewal(Model, frozen=True):
    """Another end for a session."""

    ttl: Annotated[Time, Meta(description="How long it may live from now on.")]

    def __post_init__(self) -> None:
        """Judge what types cannot say."""
        in_seconds(self.ttl)


class SweepOrder(Model, frozen=True):
    """A sweep that is asked for."""

    dry_run: bool = False
    limit: Annotated[int, Meta(ge=0, le=10**12)] | None = None


class Token(Model, frozen=True):
    """What signs a browser in."""

    token: str


class NoQuery(Model, frozen=True):
    """No parameters."""


class PageQuery(Model, frozen=True):
    """Which part of the records is asked for."""

    limit: Annotated[int, Meta(ge=1, le=MOST_RECORDS, description="How many at most.")] = 100
    after: Annotated[str, Meta(description="The next of the page before, with the same due.")] | UnsetType = UNSET
    due: Annotated[bool, Meta(description="Only what a cleanup now would take, what waits the longest first.")] = False
    contains: Annotated[
        str,
        Meta(
            max_length=LONGEST_NAME,
            description="Only with this in their path, where they were, or a tag, whatever its case. An answer looks "
            "at so many records and no more: one without files may have a next.",
        ),
    ] = ""


class PathQuery(Model, frozen=True):
    """Which file is asked about."""

    path: Annotated[
        Path,
        Meta(
            description="Absolute. Bytes that are no UTF-8 are percent-encoded as they are. What is not on record must "
            "lie in the base directory."
        ),
    ]

    def __post_init__(self) -> None:
        """Judge what types cannot say."""
        check_path(self.path)


class QuarantineQuery(Model, frozen=True):
    """How much of what is in quarantine is asked for."""

    limit: Annotated[int, Meta(ge=1, le=MOST_RECORDS, description="How many at most.")] = 100


class PathToRestore(Model, frozen=True):
    """Which file is to come back from quarantine."""

    path: Annotated[Path, Meta(description="Where it was, in the base directory, or where it is in quarantine.")]

    def __post_init__(self) -> None:
        """Judge what types cannot say."""
        check_path(self.path)


class SamplesQuery(Model, frozen=True):
    """Which samples are asked for."""

    step: Annotated[Step, Meta(description="Seconds between two.")] = 60
    since: Annotated[
        float,
        Meta(ge=-LONGEST_TTL, le=LONGEST_TTL, description="None older than this, in seconds since the epoch."),
    ] = 0


class SweepsQuery(Model, frozen=True):
    """How many of the last sweeps are asked for."""

    limit: Annotated[int, Meta(ge=1, le=SWEEPS, description="How many at most.")] = overview.SWEEPS


FLEET_ROWS = 200
"""Hosts that are shown at most, and so many of those missing."""


class FleetQuery(Model, frozen=True):
    """In which order hosts are asked for."""

    order: Annotated[Literal["overdue", "bytes"], Meta(description="What is most first.")] = "overdue"
