"""Adoption of what has changed in watched directories, as soon as anything tells of it.

An event says where to look, and nothing else: what is adopted is what a walk finds, by the rules of every other walk.
"""

from collections.abc import Callable

from temp_file_manager.adopt.watched import adopt_marked, watched
from temp_file_manager.context import Context

SETTLE = 0.2
"""Seconds from the first event to the look: what follows at once is found by the same look."""

SHARE = 4
"""So many times as long as the last looks took is rested: a directory that changes without end costs a fifth of a
core."""

AGAIN = 2.0
"""Seconds until what somebody has locked is looked at again."""


class ChangedDirectories:
    """Looks at what has changed.

    Args:
        context: Whose marks and registry.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._took = 0.0

    def look(self, stop: Callable[[], bool]) -> None:
        """Adopt from what has changed; the first time from all that is watched, as nobody has told of that.

        Args:
            stop: Asked between batches and directories whether to leave it at that.
        """
        context, changes = self._context, self._context.changes
        began = context.clock.elapsed()
        marks = {what.directory: what for what in watched(context) if what.watch}
        for root in changes.trees - marks.keys():
            changes.leave(root)
        if changes.begin():
            for mark in marks.values():
                if not stop():
                    adopt_marked(context, mark, stop=stop)
        for changed in changes.take():
            if stop():
                return
            if changed.root in marks:
                adopt_marked(context, marks[changed.root], path=changed.path, whole=changed.whole, stop=stop)
        self._took = context.clock.elapsed() - began

    def pause(self) -> float:
        """Return the seconds from being told to looking."""
        return max(SETTLE, SHARE * self._took)

    def rest(self) -> float:
        """Return the seconds until a look that nobody asks for."""
        interval = self._context.settings.cleanup_interval
        return min(AGAIN, interval) if self._context.changes.waiting else interval
