"""Zstandard: Python 3.14 has it, the extra ``compress`` brings it to earlier ones. Imported when it is first used."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from temp_file_manager.rules.rule import Rule

LEVEL = 1
"""Higher ones take more time, and on text gain next to nothing."""

SAMPLE = 1 << 16
"""Bytes at the beginning of a file that foretell how much there is to be gained."""

WORTH = 0.9
"""What compressing has to leave of a file at most."""

PART = 1 << 18
"""Bytes that are read at once."""

MISSING = "compressing takes Python 3.14 or later, or the extra: pip install 'temp-file-manager[compress]'"


class PointlessError(Exception):
    """Compressing would gain next to nothing."""


class ShorterError(Exception):
    """A file ended before its length."""


@functools.cache
def library() -> Any | None:
    """Return the library, or None where there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def refusals(rules: Iterable[Rule]) -> Iterator[str]:
    """Yield why rules cannot be put in force here: those that compress, where nothing can."""
    for rule in rules:
        if rule.compress is not None and library() is None:
            yield f'rule "{rule.name}" compresses its files, and {MISSING}'


class Packer:
    """Compresses one file after another, by one and the same state of the library, which takes longer to make."""

    def __init__(self) -> None:
        zstd = library()
        assert zstd is not None, MISSING  # noqa: S101 - who compresses has asked whether it is there
        parameter = zstd.CompressionParameter
        self._options = {parameter.compression_level: LEVEL, parameter.checksum_flag: 1}
        self._make = zstd.ZstdCompressor
        self._compressor: Any = None

    def pack(self, source: int, target: int, size: int, each: Callable[[], object]) -> None:
        """Compress what is open as ``source``, from its beginning, into what is open as ``target``.

        Args:
            source: A descriptor, whose position is left alone.
            target: Another.
            size: How many bytes to read.
            each: Called before each part; what it raises ends this.

        Raises:
            PointlessError: it gains too little.
            ShorterError: there are fewer bytes.
        """
        compressor, self._compressor = self._compressor or self._make(options=self._options), None
        compressor.set_pledged_input_size(size)
        done = written = 0
        while not done or done < size:
            each()
            part = os.pread(source, min(PART if done else SAMPLE, size - done), done)
            if not part:
                raise ShorterError
            # A block ends with the sample, so that what has been written tells what it has become.
            mode = compressor.FLUSH_BLOCK if not done else compressor.CONTINUE
            done += len(part)
            written += _write(target, compressor.compress(part, mode if done < size else compressor.FLUSH_FRAME))
            if (done <= SAMPLE or done == size) and written > WORTH * done:
                raise PointlessError
        self._compressor = compressor  # else it is in the middle of something

    def judge(self, source: int, size: int) -> None:
        """Return if compressing seems to be worth it, by what the file begins with; arguments and errors of ``pack``.

        Nothing is written.
        """
        sample = os.pread(source, min(SAMPLE, size), 0)
        if not sample:
            raise ShorterError
        if len(self._make(options=self._options).compress(sample, self._make.FLUSH_FRAME)) > WORTH * len(sample):
            raise PointlessError


def _write(target: int, data: bytes) -> int:
    left = memoryview(data)
    while left:
        left = left[os.write(target, left) :]
    return len(data)
