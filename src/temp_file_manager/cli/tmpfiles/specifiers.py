"""Specifiers in the paths of ``tmpfiles.d`` lines: ``%m``, ``%T`` and others, as systemd's own service does."""

import os
import re
import socket

_FIXED = {
    "%": "%",
    "C": "/var/cache",
    "g": "root",
    "G": "0",
    "h": "/root",
    "L": "/var/log",
    "S": "/var/lib",
    "t": "/run",
    "u": "root",
    "U": "0",
}
_TEMPORARY = {"T": "/tmp", "V": "/var/tmp"}  # noqa: S108 - systemd's
_VARYING = frozenset("aAbBMovwW")
"""Of this boot, this kernel, this version of the system: a rule outlives them."""


def expanded(path: str) -> tuple[str, bool]:
    """Return a path with what its specifiers stand for, and whether it has a ``*`` where that is not always the same.

    Raises:
        ValueError: there is no such specifier, or it says nothing here.
    """
    varies = False

    def value(found: re.Match[str]) -> str:
        nonlocal varies
        varies = varies or found[1] in _VARYING
        return "*" if found[1] in _VARYING else _value(found[1])

    return re.sub(r"%(.?)", value, path), varies


def _value(letter: str) -> str:
    if letter in _FIXED:
        return _FIXED[letter]
    if letter in _TEMPORARY:
        given = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
        return next((path for path in given if path and path.startswith("/")), _TEMPORARY[letter])
    if letter == "m":
        return _machine_id()
    if letter in ("H", "l"):
        name = socket.gethostname()
        return name if letter == "H" else name.partition(".")[0]
    raise ValueError(f"%{letter} is no specifier that is known here")


def _machine_id() -> str:
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError) as error:
        raise ValueError("%m says nothing: this machine has no id") from error
