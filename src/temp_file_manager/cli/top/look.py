"""What ``top`` shows, looked up straight in the registry: beside any process that sweeps, or none."""

import os
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from temp_file_manager.cli import open_manager
from temp_file_manager.clock import SystemClock
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection import health
from temp_file_manager.inspection.overview import REST, outlook, overview
from temp_file_manager.manager import TempFileManager
from temp_file_manager.settings import Settings
from temp_file_manager.storage.base_rules import refuse_unsafe
from temp_file_manager.storage.paths import nearest_existing
from temp_file_manager.sweeping.history import STEPS, History, Sample
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


class Lookout:
    """Looks at a registry, again and again, and makes nothing: neither a registry nor a base directory.

    What is not there yet is shown as empty, and seen when it comes; a registry that another has taken the place of is
    let go of.

    Args:
        settings: Where the registry is, and what counts as healthy.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = os.path.abspath(settings.base_dir)
        self._file = open_manager.registry_file(settings)
        self._manager: TempFileManager | None = None
        self._open: tuple[int, int] | None = None
        self._seen: deque[Sample] = deque(maxlen=_MEMORY)
        self._outlook: dict[str, Any] | None = None
        self._good_until = 0.0

    def look(self) -> Iterator[Picture]:
        """Yield what there is to see: at once, and when an outlook was due, once more with that.

        Raises:
            TempFileError: the base directory or the registry cannot be used.
        """
        manager = self._opened()
        picture = self._glance(manager)
        yield picture
        if SystemClock.elapsed() >= self._good_until:
            found: dict[str, Any] = outlook(manager)
            self._outlook = found
            self._good_until = SystemClock.elapsed() + REST * found["took"]
            yield picture._replace(outlook=found)

    def close(self) -> None:
        """Let go of the registry; the next look opens it again."""
        if self._manager is not None:
            self._manager.close()
        self._manager = None
        self._seen.clear()
        self._outlook = None
        self._good_until = 0.0

    def _glance(self, manager: TempFileManager) -> Picture:
        found: dict[str, Any] = overview(manager)
        found["health"]["registry"] = open_manager.registry_name(self._settings)
        if self._open is None:
            found["health"] = self._nothing().described()
        now = Sample(found["at"], found["stats"]["records"], found["stats"]["bytes"])
        kept = History(manager.registry, SystemClock()).samples(min(STEPS), now.at - BACK)
        self._seen.append(now)
        # The registry's are a minute apart, and there are none while nothing runs: what was seen from here fills in.
        samples = [*kept, *(sample for sample in self._seen if sample.at >= now.at - BACK)]
        return Picture(found, self._outlook, tuple(sorted(samples, key=lambda sample: sample.at)))

    def _nothing(self) -> health.Health:
        name = open_manager.registry_name(self._settings)
        facts = health.surroundings(self._settings.base_dir, self._settings.max_age, registry=name)
        return health.judge(facts, self._settings)

    def _opened(self) -> TempFileManager:
        """Return the manager of what is there now; of nothing, one in memory, as a picture of it looks the same."""
        there = self._there()
        if self._manager is None or there != self._open:
            self.close()
            self._open = there
            if there is None:
                refuse_unsafe(self._base)
                # In a directory that is there: a manager makes its own.
                nearest = nearest_existing(self._base)
                self._manager = TempFileManager(nearest, settings=self._settings, registry="memory:")
            else:
                address = open_manager.registry_address(self._settings)
                self._manager = TempFileManager.from_settings(self._settings, registry=address)
        return self._manager

    def _there(self) -> tuple[int, int] | None:
        """Return which file the registry is; None where there is none that opening would not make, or its base."""
        if not os.path.isdir(self._base):
            return None
        if self._file is None:
            return 0, 0
        try:
            found = os.stat(self._file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RegistryError(f"{printable(self._file)} cannot be read: {error.strerror}") from error
        return found.st_dev, found.st_ino
