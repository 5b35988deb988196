"""The errors of this package: one root, and each says what to do.

::

    TempFileError
    ├── InvalidArgumentError   (also a ValueError)   an age, a limit or a time that means nothing
    ├── SettingsError          (also a ValueError)   one message for all problems of a configuration
    ├── RegistryError                                a registry that cannot be opened or used
    │   ├── RegistryFullError                        its disk is full
    │   ├── RegistryGoneError                        it was taken away while in use
    │   ├── RegistryUnavailableError                 its server does not answer
    │   ├── RegistryBusyError                        this very thread is in the middle of using it
    │   └── RecordClaimedError                       a sweep is at work on a record, and has not come to an end in time
    ├── ObjectStoreError                             a bucket that cannot be used
    │   └── ObjectStoreUnavailableError              it does not answer
    ├── LargeSweepError                              a sweep that asks before it removes so much
    ├── DamagedFileError       (also an OSError)     a compressed file that is cut short or damaged
    ├── PlanError                                    a plan that cannot be made or applied here
    ├── LimitError             (also an OSError)     a limit is passed that is to refuse new files
    └── BaseDirectoryError     (also an OSError)     the base directory cannot be created
"""

import errno
from collections.abc import Iterable, Mapping


class TempFileError(Exception):
    """The root of every error this package raises on purpose."""


class InvalidArgumentError(TempFileError, ValueError):
    """An argument has no meaning: a negative age, a NaN, an empty path."""


class SettingsError(TempFileError, ValueError):
    """A configuration that cannot be used; the message lists every problem found, not the first."""

    def __init__(self, problems: list[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(problems))


class RegistryError(TempFileError):
    """A registry that cannot be opened or used."""


class RegistryFullError(RegistryError):
    """The registry's disk is full: what was asked for was not recorded, and nothing known was lost."""


class RegistryGoneError(RegistryError):
    """A registry that was removed or replaced while this process had it open: only a new start finds the one there."""


class RegistryUnavailableError(RegistryError):
    """A registry whose server does not answer: nothing is known of what was asked for, which is to be asked again."""


class RegistryBusyError(RegistryError):
    """This very thread is in the middle of using the registry, and would wait for itself: nothing was changed."""

    def __init__(self) -> None:
        super().__init__(
            "a signal handler came while its own thread was changing the registry: have the handler note the signal "
            "or raise SystemExit, and do the work when the stack has unwound"
        )


class RecordClaimedError(RegistryError):
    """A sweep is at work on a record, and has not come to an end in time: nothing was changed. ``paths`` are those."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths: tuple[str, ...] = tuple(paths)
        first, more = self.paths[0], len(self.paths) - 1
        others = f" and {more} more" if more else ""
        super().__init__(f"a sweep is at work on {first!r}{others}, or was stopped at it: try again")


class ObjectStoreError(TempFileError):
    """A bucket that cannot be used: what it refuses, or what is missing here."""


class ObjectStoreUnavailableError(ObjectStoreError):
    """A bucket that does not answer: nothing is known of what was asked for, which is to be asked again."""


class LargeSweepError(TempFileError):
    """A change of settings makes a sweep far larger than usual: it has removed nothing, and asks first.

    ``former`` are the settings of the sweep before, by the names of ``Selection``: what is due by those may still go.
    """

    def __init__(self, message: str, former: Mapping[str, float]) -> None:
        self.former = former
        super().__init__(message)


class PausedError(TempFileError):
    """A policy of the fleet has paused sweeps; nothing was removed."""


class PlanError(TempFileError):
    """A plan of a sweep that cannot be made or applied here; nothing was removed."""


class LimitError(TempFileError, OSError):
    """A limit is passed that is to refuse new files: nothing was made. Its ``errno`` is that of a full disk."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.ENOSPC, message)


class DamagedFileError(TempFileError, OSError):
    """A compressed file that cannot be read to its end: it stays as it is. ``filename`` is its path."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(errno.EIO, f"{why}, and stays as it is", path)


class BaseDirectoryError(TempFileError, OSError):
    """The base directory cannot be created. Carries ``errno`` and ``filename`` as any OSError does."""
