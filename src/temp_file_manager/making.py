"""Making: the part of the manager that creates files and directories, and opens them again."""

from collections.abc import Iterable
from io import BufferedRandom, BufferedReader, BufferedWriter, TextIOWrapper
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from temp_file_manager.context import Context
from temp_file_manager.durations import Duration
from temp_file_manager.registering.directories import refuse_words
from temp_file_manager.storage.paths import AnyPath

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import OpenBinaryModeUpdating, OpenBinaryModeWriting, OpenTextMode


class Making:
    """What ``TempFileManager`` makes in its base directory; it has the names of ``tempfile``."""

    _context: Context

    def mkstemp(
        self, suffix: str = "", prefix: str = "tmp", *, ttl: Duration | None = None, tags: Iterable[str] = ()
    ) -> tuple[int, str]:
        """Create and register an empty file with mode 0600 in ``base_dir``; return its open descriptor and its path."""
        return self._context.creator.create(suffix, prefix, ttl, tags=tags)

    def path(
        self, suffix: str = "", prefix: str = "tmp", *, tags: Iterable[str] = (), ttl: Duration | None = None
    ) -> "Path":
        """Create and register an empty file as ``mkstemp`` does, close it, and return where it is."""
        return self._context.creator.path(suffix, prefix, ttl, tags=tags)

    @overload
    def open(
        self,
        mode: "OpenBinaryModeUpdating" = "w+b",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: None = None,
    ) -> BufferedRandom: ...
    @overload
    def open(
        self,
        mode: "OpenBinaryModeWriting",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: None = None,
    ) -> BufferedWriter: ...
    @overload
    def open(
        self,
        mode: "OpenTextMode",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> TextIOWrapper: ...
    @overload
    def open(
        self,
        mode: str,
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> IO[Any]: ...
    def open(
        self,
        mode: str = "w+b",
        suffix: str = "",
        prefix: str = "tmp",
        *,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
        encoding: str | None = None,
    ) -> IO[Any]:
        """Create, register and open a file in ``base_dir``; its path is its ``name``. Closing does not remove it."""
        return self._context.creator.open(mode, suffix, ttl, encoding, prefix=prefix, tags=tags)

    @overload
    def reopen(self, file_path: AnyPath, mode: Literal["rb"] = "rb", *, encoding: None = None) -> BufferedReader: ...
    @overload
    def reopen(self, file_path: AnyPath, mode: Literal["r", "rt"], *, encoding: str | None = None) -> TextIOWrapper: ...
    @overload
    def reopen(self, file_path: AnyPath, mode: str, *, encoding: str | None = None) -> IO[Any]: ...
    def reopen(self, file_path: AnyPath, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """Open a registered file to read it, also when it has been compressed; it is held until that is closed.

        Raises:
            OSError, ValueError: it is not there or damaged; it is not registered, or ``mode`` is no way of reading.
        """
        from temp_file_manager.registering.reopen import reopen  # noqa: PLC0415 - few compress

        return reopen(self._context.registry, file_path, mode, encoding, self._context.clock)

    def mkdtemp(
        self,
        suffix: str = "",
        prefix: str = "tmp",
        *,
        unit: bool = False,
        ttl: Duration | None = None,
        tags: Iterable[str] = (),
    ) -> str:
        """Create a directory in ``base_dir`` with mode 0700 and return its path.

        As a ``unit`` it is on record, as ``register_directory`` says, for ``ttl`` seconds or ``max_age`` after its last
        change. Else register the files you put in it: this manager's sweeps remove it once it is empty, and nothing
        came or went for ``max_age`` seconds; leaving the ``with`` block removes it if it is empty.

        Raises:
            ValueError: ``ttl`` or ``tags`` are given for what is no ``unit``, and so is on no record.
        """
        made = self._context.directories
        if unit:
            return made.create_unit(suffix, prefix, lambda path: self._context.units.one(path, ttl, tags))
        refuse_words(ttl, tags)
        return made.create(suffix, prefix)
