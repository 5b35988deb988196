"""The outcome of a campaign so far."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Campaign:
    """Counts of what was done and met, and whatever was wrong, each said once."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
