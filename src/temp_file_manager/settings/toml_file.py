"""TOML files with settings in them: how they are read, and where the command line finds them without being told."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from temp_file_manager.errors import SettingsError
from temp_file_manager.text import printable

CONFIG = "TEMP_FILE_CONFIG"
"""The variable that names a file, which wins over those that are found."""

SYSTEM_CONFIG = "TEMP_FILE_SYSTEM_CONFIG"
"""The variable that says where the machine's file is instead of ``SYSTEM``: for tests, and whoever wants none."""

SYSTEM = "/etc/temp-file-manager/config.toml"
_OF_USER = "temp-file-manager/config.toml"

_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


class TomlFile(NamedTuple):
    """A file that was read.

    Attributes:
        name: Its name, as it was given.
        tables: What is in it.
        lines: The lines that its tables and keys begin in; see ``lines``.
    """

    name: str
    tables: dict[str, Any]
    lines: Mapping[tuple[str | int, ...], int]

    def place(self, *path: str | int) -> str:
        """Return where a table or a key stands: ``FILE:LINE``; the file alone where the line is not known."""
        line = self.lines.get(path)
        return self.name if line is None else f"{self.name}:{line}"


def read_toml(path: str | os.PathLike[str], *, found: bool = False) -> TomlFile:
    """Return what is in a file.

    Args:
        path: Where it is.
        found: Whether nobody has named it: then it must be nobody's who could not set up this process as well.

    Raises:
        OSError: it cannot be read, or is no regular file; ``strerror`` says why.
        ValueError: it is no TOML.
        SettingsError: it was found, and others could have written it.
    """
    import tomllib  # noqa: PLC0415 - costs more than the rest of these modules, and few have a file

    from temp_file_manager.settings.lines import lines  # noqa: PLC0415 - it imports tomllib, too

    # A pipe that nobody writes to would keep whoever opens it waiting for ever.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE)) as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file, but a pipe, a device or a socket")
        if found:
            _refuse_strangers(os.fspath(path), seen)
        text = file.read().decode().replace("\r\n", "\n")
    try:
        return TomlFile(os.fspath(path), tomllib.loads(text), lines(text))
    except RecursionError as error:  # what the parser does not call its own
        raise ValueError("it is nested too deeply") from error


def _refuse_strangers(path: str, seen: os.stat_result) -> None:
    name = printable(path)
    if seen.st_uid not in (0, os.geteuid()):
        raise SettingsError([f"{name} belongs to user {seen.st_uid}: name it by --config if it is to count"])
    if seen.st_mode & stat.S_IWOTH:
        raise SettingsError([f"{name} can be written by everybody: chmod o-w it, or name it by --config"])
    # As for directories (storage/ancestors.py): many systems give each user a group, and a umask of 002.
    if seen.st_mode & stat.S_IWGRP and seen.st_gid not in (0, os.getegid()):
        raise SettingsError([f"{name} can be written by group {seen.st_gid}: chmod g-w it, or name it by --config"])


def places(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where a file may be that nobody has named: this user's, which wins, and the machine's."""
    config = environ.get("XDG_CONFIG_HOME", "")
    # As the specification of that variable has it, what is not absolute is to be ignored.
    folder = config if os.path.isabs(config) else os.path.expanduser("~/.config")
    if os.path.isabs(folder):  # a user that the machine does not know, without HOME, has none
        yield os.path.join(folder, _OF_USER)
    yield environ.get(SYSTEM_CONFIG) or SYSTEM
