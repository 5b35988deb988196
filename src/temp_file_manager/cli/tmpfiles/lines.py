"""Lines of ``tmpfiles.d`` files: their fields, as systemd-tmpfiles reads them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from temp_file_manager.cli.tmpfiles import ages
from temp_file_manager.cli.tmpfiles.ages import Age
from temp_file_manager.cli.tmpfiles.specifiers import expanded

_TYPES = frozenset("fFwdDevqQpLcbCxXrRzZtThHaAm")
_OF_GLOBS = frozenset("wexXrRzZtThHaA")
_MODIFIERS = frozenset("+!-=~^$?")
_PATH, _AGE, _FIELDS = 1, 5, 6
"""Where the path is, and the age, and how many fields there are before the argument, which is none of ours."""


class Refused(NamedTuple):
    """A line that no rule says the same as.

    Attributes:
        file: Where it stands.
        number: Its number in there, from 1.
        text: It.
        reason: Why.
    """

    file: str
    number: int
    text: str
    reason: str

    def words(self) -> str:
        """Return it in a sentence."""
        return f"{self.file}:{self.number}: {self.text}: {self.reason}"

    def described(self) -> dict[str, object]:
        """Return it for programs."""
        return self._asdict()


class Line(NamedTuple):
    """A line that says what is at a path, or what is to become of it.

    Attributes:
        file: Where it stands.
        number: Its number in there, from 1.
        text: It.
        type: Its letter.
        at_boot: Whether systemd-tmpfiles heeds it at boot alone.
        path: Absolute; a glob if ``is_glob``, with a backslash before what stands for itself.
        age: What is there may get so old; None: nothing is said of that.
        varies: Whether a part of the path is of this boot or this version of the system, and stands there as ``*``.
    """

    file: str
    number: int
    text: str
    type: str
    at_boot: bool
    path: str
    age: Age | None
    varies: bool

    @property
    def is_glob(self) -> bool:
        """Whether the path is a glob, with or without wildcards in it."""
        return self.varies or self.type in _OF_GLOBS

    @property
    def parts(self) -> list[str]:
        """The names that the path is made of."""
        return [part for part in self.path.split("/") if part]

    def refused(self, reason: str) -> Refused:
        """Return why no rule says the same."""
        return Refused(self.file, self.number, self.text, reason)


def read(text: str, file: str) -> Iterator[Line | Refused]:
    """Yield the lines of a file but for empty ones and comments.

    Args:
        text: What is in the file.
        file: What it is called.
    """
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            try:
                yield _line(stripped, file, number)
            except ValueError as error:
                yield Refused(file, number, stripped, str(error))


def _line(text: str, file: str, number: int) -> Line:
    fields = list(_words(text, _FIELDS))
    if len(fields) <= _PATH:
        raise ValueError("it has no path")
    kind, modifiers = fields[0][:1], fields[0][1:]
    if kind not in _TYPES or not _MODIFIERS.issuperset(modifiers):
        raise ValueError(f"{fields[0]} is no type of line that is known here")
    path, varies = expanded(fields[_PATH])
    if varies and kind not in _OF_GLOBS:
        path, _ = expanded(re.sub(r"[*?[\\]", r"\\\g<0>", fields[_PATH]))
    age = ages.read(fields[_AGE]) if len(fields) > _AGE and fields[_AGE] not in ("", "-") else None
    return Line(file, number, text, kind, "!" in modifiers, _path(path), age, varies)


def _path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("its path is not absolute")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError("its path is no UTF-8, which TOML is") from None
    parts = [part for part in path.split("/") if part]
    if {".", ".."}.intersection(parts):
        raise ValueError("its path has a part that is . or ..")
    return "/" + "/".join(parts)


_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<quote>['\"])|(?P<space>\s+)|(?P<plain>.)", re.DOTALL)
_OF_C = frozenset("abfnrstvxuU01234567")


def _words(text: str, most: int) -> Iterator[str]:
    """Yield the first words of a line, quotes and backslashes taken away."""
    word, quote, count = "", "", 0
    begun = False
    for token in _TOKEN.finditer(text):
        if token["space"] and not quote:
            if begun:
                yield word
                word, begun, count = "", False, count + 1
            if count == most:
                return
            continue
        begun = True
        if token["quote"] and quote in ("", token["quote"]):
            quote = "" if quote else token["quote"]
        elif token["escaped"] in _OF_C:
            raise ValueError(f"to some versions of systemd \\{token['escaped']} is an escape, and to others a letter")
        else:
            word += token["escaped"] or token[0]
    if quote or (text.endswith("\\") and not text.endswith("\\\\")):
        raise ValueError("a quote in it has no end")
    if begun:
        yield word
