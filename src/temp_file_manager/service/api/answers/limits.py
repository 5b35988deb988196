"""Answers about limits: their marks, and how far there is to go."""

from typing import Annotated

from msgspec import Meta

from temp_file_manager.limits import Measure
from temp_file_manager.service.api.answers.parts import Count, Number, Part


class Limit(Part):
    """A limit, and how it is about it; in bytes or files, whichever it looks at."""

    name: str
    measure: Measure
    tags: Annotated[list[str], Meta(description="Files with one of these tags alone; empty: all.")]
    order: Annotated[str, Meta(description="What goes first: oldest, least used, largest, or an order of a plug-in.")]
    mark: Annotated[Number | None, Meta(description="Removing begins here; null: how much there is cannot be told.")]
    to: Annotated[Number | None, Meta(description="And ends here.")]
    value: Annotated[Count | None, Meta(description="How much there is; null: it cannot be told.")]
    over: Annotated[bool, Meta(description="Whether the mark is passed.")]
    unmet: Annotated[str, Meta(description="Why it cannot be met; empty when it can.")]
    refuse: Annotated[bool, Meta(description="Whether no new files are made while the mark is passed.")]


class Limits(Part):
    """The limits, in the order of the settings."""

    measured_age: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Seconds since the last look at all files began that has ended; null: none has."),
    ]
    limits: list[Limit]
