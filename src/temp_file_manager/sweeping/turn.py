"""Turns: each a time that limits are kept."""

from typing import NamedTuple

from temp_file_manager.records import Selection
from temp_file_manager.sweeping.foretold import Foretold
from temp_file_manager.sweeping.sweep import Bounds


class Turn(NamedTuple):
    """One time that limits are kept.

    Attributes:
        due: What the sweep before has taken; in a dry run, would have.
        bounds: How far to go.
        allow: So many files may go for a limit that is new or lowered, whatever their share; None: any number.
        scheduled: Whether nobody has asked.
        foretold: What a dry run has foretold so far; None: it is none.
    """

    due: Selection
    bounds: Bounds
    allow: int | None
    scheduled: bool
    foretold: Foretold | None

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to change."""
        return self.foretold is not None
