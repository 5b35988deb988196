"""``top`` on a terminal: a thread looks again and again, what it finds is drawn, keys and signals are heard."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread

from rich.console import Console
from rich.live import Live

from temp_file_manager.cli.signals import Pipe, heard
from temp_file_manager.cli.top.look import Lookout, Picture
from temp_file_manager.cli.top.view import draw
from temp_file_manager.errors import TempFileError

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEAVING = (*ENDING, signal.SIGQUIT, signal.SIGTSTP)
_HEARD = (*_LEAVING, signal.SIGWINCH)

_NEWS = b"\0"
"""What the thread sends; other bytes are numbers of signals."""

_KEYS = frozenset(b"qQ")
_AS_USUAL = (80, 24)

# What a terminal takes for wider than it is measured here is cut at the margin, not continued in the next line.
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"


def show(lookout: Lookout, interval: float, *, last: bool) -> None:
    """Show what there is to see until a key or a signal ends it; the terminal is then as it was.

    Args:
        lookout: Who looks.
        interval: Seconds between two looks.
        last: Whether the process ends with it.

    Raises:
        TempFileError: the first look fails; what fails later is shown.
    """
    picture = next(lookout.look())
    with heard(_HEARD, ignored_after=ENDING if last else ()) as pipe:
        watch = _Watch(lookout, picture, interval, pipe)
        watch.start()
        try:
            while _shown(watch, interval, pipe) == signal.SIGTSTP:
                _suspend()
        finally:
            watch.stop()


class _Watch(Thread):
    """Looks again and again, and tells of it.

    Attributes:
        picture: What was found last.
        error: What ended it, if it was not told to stop.
    """

    def __init__(self, lookout: Lookout, picture: Picture, interval: float, pipe: Pipe) -> None:
        super().__init__(name="temp-file-manager-top", daemon=True)
        self.picture = picture
        self.error: Exception | None = None
        self._lookout = lookout
        self._interval = interval
        self._pipe = pipe
        self._stopped = Event()
        self._telling = Lock()

    def run(self) -> None:
        """Look until told to stop."""
        try:
            while not self._stopped.is_set():
                self._look()
                self._stopped.wait(self._interval)
        except Exception as error:  # for the main thread to raise, when the terminal can show it
            self.error = error
            self._tell()

    def stop(self) -> None:
        """Stop, and wait for the end of the look under way."""
        with self._telling:
            self._stopped.set()
        self.join()

    def _look(self) -> None:
        try:
            for picture in self._lookout.look():
                self.picture = picture
                self._tell()
        except TempFileError as error:
            self.picture = self.picture._replace(trouble=str(error))
            self._tell()

    def _tell(self) -> None:
        # The pipe is gone when this has been stopped; and full when nobody has read the news for long.
        with self._telling, suppress(BlockingIOError):
            if not self._stopped.is_set():
                os.write(self._pipe.writer, _NEWS)


def _shown(watch: _Watch, interval: float, pipe: Pipe) -> int:
    """Draw until a key or a signal ends it; return the signal's number, 0 for a key."""
    with _screen() as live:
        while True:
            if watch.error is not None:
                raise watch.error
            width, height = (size or usual for size, usual in zip(_size(), _AS_USUAL, strict=True))
            live.console.size = (width, height)
            live.update(draw(watch.picture, width, height, interval), refresh=True)
            ready, _, _ = select.select([sys.stdin, pipe.reader], [], [])
            if sys.stdin in ready and _ends(sys.stdin.fileno()):
                return 0
            numbers = os.read(pipe.reader, 4096) if pipe.reader in ready else b""
            for number in numbers:
                if number in _LEAVING:
                    return number


def _size() -> tuple[int, int]:
    return os.get_terminal_size(sys.stdout.fileno())


def _ends(terminal: int) -> bool:
    """Say whether what was typed ends it; or nobody can type any more."""
    try:
        typed = os.read(terminal, 4096)
    except OSError:  # the terminal has gone
        return True
    return not typed or not _KEYS.isdisjoint(typed)


@contextmanager
def _screen() -> Iterator[Live]:
    """Yield a screen to draw on; on leaving, the terminal is as it was."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    console = Console(force_terminal=True)
    try:
        tty.setcbreak(terminal)
        live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        with live:
            sys.stdout.write(_CUT)
            try:
                yield live
            finally:
                sys.stdout.write(_WRAP)
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def _suspend() -> None:
    """Stop, as Ctrl-Z would have stopped this process, until somebody makes it go on."""
    hearing = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, hearing)
