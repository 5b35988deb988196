"""Answers about quarantine: files that were due, and can be had back."""

from typing import Annotated

from msgspec import Meta

from temp_file_manager.service.api.answers.parts import Count, Number, Part
from temp_file_manager.service.api.models import Path


class QuarantinedFile(Part):
    """A file that can be had back."""

    path: Annotated[Path, Meta(description="Where it was.")]
    quarantined_as: Annotated[Path, Meta(description="Where it is.")]
    quarantined_at: Number
    until: Annotated[Number | None, Meta(description="Until when, unless a limit needs the room.")]
    left: Annotated[Number | None, Meta(description="Seconds until then.")]
    size: Count | None
    tags: list[str]


class Quarantined(Part):
    """What can be had back."""

    files: Annotated[list[QuarantinedFile], Meta(description="Those first that came there first.")]


class Restored(Part):
    """A file that is back."""

    restored_to: Annotated[Path, Meta(description="Where it is; its age begins anew.")]
