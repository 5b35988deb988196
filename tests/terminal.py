"""A terminal for tests: a pseudo-terminal, a process on it, and what a person would see there."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patience import PATIENCE

SECONDS = PATIENCE

# Opening it makes it the terminal of the session, so that Ctrl-C and changes of its size come as signals.
_ON_IT = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
for number in range(3):
    os.dup2(fd, number)
os.execv(sys.argv[2], sys.argv[2:])
"""

_CONTROL = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])")


class Screen:
    """What terminals make of what is written to them: as much of it as a picture of whole lines needs.

    Attributes:
        alternate: Whether the alternate screen is shown.
        cursor: Whether the cursor is.
        wraps: Whether long lines go on in the next one.
        strange: Controls that nobody who draws lines needs.
        styles: All that was said about colours.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.alternate, self.cursor, self.wraps = False, True, True
        self.strange: list[str] = []
        self.styles: set[str] = set()
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        self._columns, self._lines = columns, lines
        self._cells = [[" "] * columns for _ in range(lines)]
        self._x = self._y = 0
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self._cells]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def squeezed(self) -> str:
        return re.sub(r"\s+", " ", self.text)

    def feed(self, text: str) -> None:
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = _CONTROL.match(text, at)
                if found is None and len(text) - at < 16:
                    self._rest = text[at:]
                    return
                at = found.end() if found else at + 1
                self._obey(*(found.groups() if found else ("", "?")))
            else:
                self._put(text[at])
                at += 1

    def _obey(self, numbers: str, letter: str) -> None:
        modes = {"?1049": "alternate", "?25": "cursor", "?7": "wraps"}
        if letter == "m":
            self.styles.add(numbers)
        elif letter == "H" and not numbers:
            self._x = self._y = 0
        elif letter in "hl" and numbers in modes:
            setattr(self, modes[numbers], letter == "h")
        else:
            self.strange.append(f"{numbers}{letter}")

    def _put(self, character: str) -> None:
        if character == "\r":
            self._x = 0
        elif character == "\n":
            self._y += 1
            if self._y >= self._lines and self.alternate:
                self.strange.append("scrolled")
            self._y = min(self._y, self._lines - 1)
        elif not character.isprintable():
            self.strange.append(repr(character))
        elif unicodedata.category(character) in ("Mn", "Me"):
            self._cells[self._y][max(self._x - 1, 0)] += character
        else:
            self._draw(character)

    def _draw(self, character: str) -> None:
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self._x + width > self._columns:
            if self.wraps and self.alternate:
                self.strange.append("wrapped")
            self._x = self._columns - width
        if self._x >= 0:
            self._cells[self._y][self._x : self._x + width] = [character, *[""] * (width - 1)]
        self._x += width


class Terminal:
    """A pseudo-terminal.

    Args:
        columns: Its width.
        lines: Its height.
    """

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.master, self.slave = pty.openpty()
        self.name = os.ttyname(self.slave)
        self.screen = Screen(columns, lines)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._size(columns, lines)
        self.before = termios.tcgetattr(self.slave)

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(columns, lines)
        self._size(columns, lines)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read(self, seconds: float = 0.0) -> bool:
        """Take what was written to it; say whether there was anything."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            self.screen.feed(self._decode(os.read(self.master, 65536)))
        return bool(ready)

    def until(self, true: Callable[[], Any]) -> None:
        """Wait until something is true of what is seen."""
        deadline = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < deadline, f"it never came:\n{self.screen.text}"
            self.read(0.1)

    def shows(self, *texts: str) -> None:
        """Wait until it shows all of them at once, with whatever space between words, or a new line."""
        self.until(lambda: all(text in self.screen.squeezed for text in texts))

    def ended(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for a process's end, taking what it writes, and return its code."""
        self.until(lambda: process.poll() is not None)
        while self.read():
            pass
        return process.wait()

    @property
    def restored(self) -> bool:
        screen = self.screen
        modes = (screen.alternate, screen.cursor, screen.wraps)
        return termios.tcgetattr(self.slave) == self.before and modes == (False, True, True)

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def terminal(columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    """Yield a terminal, and close it."""
    made = Terminal(columns, lines)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def on(made: Terminal, *command: str, env: dict[str, str], cwd: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command on a terminal of its own; kill it on leaving."""
    words = [sys.executable, "-c", _ON_IT, made.name, *command]
    with subprocess.Popen(words, env=env, cwd=cwd, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
