"""Measures in the PostgreSQL registry: what looks at files have found."""

from collections.abc import Sequence

from temp_file_manager.records import Measured
from temp_file_manager.registry.measures import is_news
from temp_file_manager.registry.postgres import arrays
from temp_file_manager.registry.postgres.claimed import Claimed


def note(claimed: Claimed, found: Sequence[Measured]) -> None:
    """Write measures of those records that are still the same, and claimed by nobody; and what they add to the sums."""
    news = {one.record.generation: one for one in found if is_news(one)}
    if news:
        claimed.change(
            "measure",
            ids=arrays.numbers(news),
            disks=arrays.numbers(one.disk for one in news.values()),
            uses=arrays.moments(one.used_at for one in news.values()),
        )
