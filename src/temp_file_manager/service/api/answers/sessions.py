"""Answers about sessions: owners of files, which have no age while their session lives."""

from typing import Annotated

from msgspec import Meta

from temp_file_manager.inspection import overview
from temp_file_manager.inspection.sessions import COUNTED
from temp_file_manager.service.api.answers.parts import Count, Number, Part


class Session(Part):
    """A living session."""

    number: Annotated[int, Meta(ge=1, description="The registry's own; never given twice.")]
    name: str
    began_at: Number
    ends_at: Annotated[Number | None, Meta(description="When it ends, whatever its owner does; null: never.")]
    owner: Annotated[str, Meta(description="What it ends with, in words.")]
    alive: Annotated[bool | None, Meta(description="Whether the owner lives; null: nothing tells, or nobody owns it.")]
    records: Annotated[
        int,
        Meta(
            ge=0,
            le=COUNTED,
            description="How many files are in it that nothing holds, pins or is removing: so many at most, or more.",
        ),
    ]


class Sessions(Part):
    """The living sessions."""

    sessions: Annotated[list[Session], Meta(description="Those first that were begun first.")]


class SomeSessions(Part):
    """How many sessions live, and the first of them."""

    count: Count
    sessions: Annotated[list[Session], Meta(max_length=overview.SESSIONS)]


class Ended(Part):
    """What became of a session that was ended."""

    due: Annotated[Count, Meta(description="How many files are due by that.")]
