"""Findings that ``top`` shows, looked up straight in the registry: beside any process that sweeps, or none."""

import os
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from temp_file_manager.cli import open_manager
from temp_file_manager.cli.top.choices import Choices, Question
from temp_file_manager.cli.top.listing import Listing, listing
from temp_file_manager.clock import Clock, SystemClock
from temp_file_manager.context import Context
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection.overview import REST, outlook, overview
from temp_file_manager.inspection.why import Explanation, why
from temp_file_manager.registry.schemes import SQLITE
from temp_file_manager.settings import Settings
from temp_file_manager.storage.base_rules import refuse_unsafe
from temp_file_manager.sweeping.history import STEPS, Sample
from temp_file_manager.text import printable

BACK = 3600.0
"""Seconds that samples go back."""

_MEMORY = 4000
"""How many of its own samples a lookout remembers: more than an hour of them, at a look in a second."""


class Picture(NamedTuple):
    """What there is to see at a moment.

    Attributes:
        overview: See ``overview.overview``.
        outlook: See ``overview.outlook``; None until it is known, which takes longer.
        samples: How much there was in the last hour, the oldest first; the last is of this moment.
        trouble: Why this is of a moment ago; empty when it is not.
    """

    overview: dict[str, Any]
    outlook: dict[str, Any] | None
    samples: tuple[Sample, ...]
    trouble: str = ""


class Scene(NamedTuple):
    """What is on the screen.

    Attributes:
        picture: How it is.
        choices: What somebody has chosen.
        listing: The files that were asked for; None before the first look at them.
        story: Of the one that was asked about.
    """

    picture: Picture
    choices: Choices = Choices()
    listing: Listing | None = None
    story: Explanation | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the files that are listed."""
        return () if self.listing is None else tuple(record.path for record in self.listing.records)


class Lookout:
    """Looks at a registry, again and again, and makes nothing: neither a registry nor a base directory.

    What is not there yet is shown as empty, and seen when it comes; a registry that another has taken the place of is
    let go of.

    Args:
        settings: Where the registry is, and what counts as healthy.
        clock: What tells the time; the registry's, or else the machine's, if None.
    """

    def __init__(self, settings: Settings, clock: Clock | None) -> None:
        self._settings = settings
        self._clock, self._given = clock or SystemClock(), clock
        self._base = os.path.abspath(settings.base_dir)
        self._address = open_manager.address_of(settings)
        self._context: Context | None = None
        self._open: tuple[int, int] | None = None
        self._seen: deque[Sample] = deque(maxlen=_MEMORY)
        self._outlook: dict[str, Any] | None = None
        self._good_until = 0.0

    def look(self) -> Iterator[Picture]:
        """Yield what there is to see: at once, and when an outlook was due, once more with that.

        Raises:
            TempFileError: the base directory or the registry cannot be used.
        """
        context = self._opened()
        picture = self._glance(context)
        yield picture
        if self._clock.elapsed() >= self._good_until:
            found: dict[str, Any] = outlook(context)
            self._outlook = found
            self._good_until = self._clock.elapsed() + REST * found["took"]
            yield picture._replace(outlook=found)

    def list(self, question: Question) -> Listing:
        """Return the files that are asked for, as far as a moment's look finds them.

        Raises:
            TempFileError: the base directory or the registry cannot be used.
        """
        return listing(self._opened(), question)

    def why(self, path: str) -> Explanation:
        """Return the whole story of a file.

        Raises:
            TempFileError: the base directory or the registry cannot be used.
        """
        return why(self._opened(), path)

    def close(self) -> None:
        """Let go of the registry; the next look opens it again."""
        if self._context is not None:
            self._context.registry.close()
        self._context = None
        self._seen.clear()
        self._outlook = None
        self._good_until = 0.0

    def _glance(self, context: Context) -> Picture:
        found: dict[str, Any] = overview(context)
        found["health"]["registry"] = self._address.shown
        now = Sample(found["at"], found["stats"]["records"], found["stats"]["bytes"])
        kept = context.history.samples(min(STEPS), now.at - BACK)
        self._seen.append(now)
        # The registry's are a minute apart, and there are none while nothing runs: what was seen from here fills in.
        samples = [*kept, *(sample for sample in self._seen if sample.at >= now.at - BACK)]
        return Picture(found, self._outlook, tuple(sorted(samples, key=lambda sample: sample.at)))

    def _opened(self) -> Context:
        """Return what there is now; of nothing, records in memory, as a picture of them looks the same."""
        there = self._there()
        if self._context is None or there != self._open:
            self.close()
            self._open = there
            if there is None:
                refuse_unsafe(self._base)
                self._context = Context.beside(self._settings, clock=self._given)
            else:
                registry = self._settings.registry or SQLITE
                self._context = Context.open(self._settings, registry=registry, clock=self._given)
        return self._context

    def _there(self) -> tuple[int, int] | None:
        """Return which file the registry is; None where there is none that opening would not make, or its base."""
        if not os.path.isdir(self._base):
            return None
        if self._address.file is None:
            return 0, 0
        try:
            found = os.stat(self._address.file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RegistryError(f"{printable(self._address.file)} cannot be read: {error.strerror}") from error
        return found.st_dev, found.st_ino
