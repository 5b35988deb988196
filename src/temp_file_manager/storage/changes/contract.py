"""The contract of what tells of changes in directories."""

from typing import Protocol


class Source(Protocol):
    """Adds to ``Hints`` in which directories something came to be, was written or moved there.

    It may tell too much, and twice. What it does not tell is found by the next walk: it only makes that sooner.

    Attributes:
        name: What it is called in the log.
    """

    name: str

    @property
    def directories(self) -> int:
        """How many directories it has its eye on; where it takes whole trees, how many trees."""

    def enter(self, root: str, path: str, directory: int) -> None:
        """Tell of changes from now on: a walk is about to list this directory.

        Args:
            root: The tree's top.
            path: Relative to it; empty for itself.
            directory: Its descriptor.

        Raises:
            OSError: it cannot be watched.
        """

    def walked(self, root: str) -> None:
        """Hear that a walk through the whole tree has ended: what it did not enter is not there any more."""

    def leave(self, root: str) -> None:
        """Tell no more of a tree."""

    def close(self) -> None:
        """End, and wait for nobody."""

    def drop(self) -> None:
        """Let go of what a forked child has inherited: no thread of it is there."""
