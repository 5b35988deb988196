"""System files: what is hardly ever a temporary file, by where it lies, and is not to be registered by mistake.

Where bases are refused, files are, in the same words; and besides where people keep settings and keys, and services
what they need. It is a guard against mistakes: whoever means it says so. The rules are pure and read ``Facts``.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from temp_file_manager.records import Identity
from temp_file_manager.storage.base_rules import Facts, here, nearest_listed, resolved, why_not_by_name
from temp_file_manager.text import printable

STATE = ("/var/db", "/var/lib", "/var/log", "/var/mail", "/var/spool", "/opt", "/Library")
"""Directories where the system and services keep what they need. A base may lie below."""

TEMPORARY = frozenset({"cache", "caches", "temp", "tmp", "trash"})
"""Names of directories that say what is in them, also with a dot in front: what lies in one is never refused for lying
in one of ``STATE``, or hidden in a home."""

SAY_SO = "if it is meant all the same, say so with --allow-system, or allow_system=True"

_MOST = 1000
"""Directories that are remembered."""


class Verdict(NamedTuple):
    """Reasons against a directory's files, empty where there is none.

    Attributes:
        every: Against all of them.
        hidden: Against those whose name begins with a dot.
    """

    every: str = ""
    hidden: str = ""

    def of(self, name: str) -> str:
        """Say why a file of that name is not to be registered, and what to do; nothing when it is."""
        reason = self.every or (self.hidden if name.startswith(".") else "")
        return f"{reason}; {SAY_SO}" if reason else ""


NOTHING = Verdict()
"""That of nearly all directories."""


def judged(directory: str, facts: Facts) -> Verdict:
    """Return what there is against registering files in a directory, absolute and with links resolved."""
    if directory == "/":
        return Verdict("it lies in the root of the file system")
    nearest = nearest_listed(directory, facts)
    if nearest in facts.closed:
        return Verdict(f"it lies in the system's {printable(nearest)}")
    if (
        nearest in resolved(STATE)
        and not _is_temporary(directory, nearest)
        and not _is_an_applications(directory, facts)
    ):
        return Verdict(f"it lies in {printable(nearest)}, where the system and services keep what they need")
    for home, whose in facts.homes.items():
        if home in facts.common:  # as of a user without one
            continue
        if directory == home:
            return Verdict(hidden=f"it is hidden in the home of {printable(whose)}, as settings and keys are")
        first = directory.removeprefix(f"{home}/").split("/")[0] if directory.startswith(f"{home}/") else ""
        if first.startswith(".") and not _is_temporary(directory, home):
            hidden = os.path.join(home, first)
            return Verdict(f"it lies in {printable(hidden)}, where {printable(whose)} keeps settings, keys or state")
    return NOTHING


def _is_temporary(directory: str, above: str) -> bool:
    names = directory[len(above) :].casefold().split("/")
    return any(name.removeprefix(".") in TEMPORARY for name in names)


def _is_an_applications(directory: str, facts: Facts) -> bool:
    """Say whether it belongs to this user, who is not root: a service's own state, which is all it can do harm to."""
    found = facts.look(directory)
    return facts.uid != 0 and found is not None and found.uid == facts.uid


class SystemFiles:
    """A ``Judge`` that has something against system files. Threads may share it.

    A directory is judged once for as long as its path leads to it. What lies in the base directory is never refused,
    if that may be one.

    Args:
        base_dir: Absolute; empty: there is none.
        facts: Tells the facts of this process and machine, when they are asked for first.
    """

    def __init__(self, base_dir: str, facts: Callable[[], Facts] = here) -> None:
        self._base_dir = base_dir
        self._tell = facts
        self._facts: Facts | None = None
        self._judged: dict[str, tuple[int, int, Verdict]] = {}

    def __call__(self, path: str, identity: Identity | None) -> str:
        """Say why the file at an absolute path is not to be registered, and what to do; nothing when it is.

        Of a link the link is meant; directories that are links are followed.
        """
        del identity
        directory, _, name = path.rpartition("/")
        return self._of(directory or "/").of(name)

    def batch(self) -> Callable[[str, Identity | None], str]:
        """Return the same for files that are registered in one step: a directory is not looked at again."""
        known: dict[str, Verdict] = {}

        def judge(path: str, identity: Identity | None) -> str:
            del identity
            directory, _, name = path.rpartition("/")
            verdict = known.get(directory)
            if verdict is None:
                verdict = known[directory] = self._of(directory or "/")
            return "" if verdict is NOTHING else verdict.of(name)

        return judge

    def why_not_all(self, directory: str) -> str:
        """Say so of all the files in a directory, whatever they are called."""
        return self._of(directory).of("")

    def _of(self, directory: str) -> Verdict:
        try:
            seen = os.stat(directory)
        except (OSError, ValueError):  # whoever looks at the file says what is the matter
            return NOTHING
        known = self._judged.get(directory)
        if known is not None and known[:2] == (seen.st_ino, seen.st_dev):
            return known[2]
        verdict = self._judge(os.path.realpath(directory))
        if len(self._judged) >= _MOST:
            self._judged.clear()
        self._judged[directory] = seen.st_ino, seen.st_dev, verdict
        return verdict

    def _judge(self, real: str) -> Verdict:
        facts = self._facts = self._facts or self._tell()
        base = os.path.realpath(self._base_dir) if self._base_dir else ""
        if base and (real == base or real.startswith(f"{base}/")) and not why_not_by_name(base, facts):
            return NOTHING
        return judged(real, facts)
