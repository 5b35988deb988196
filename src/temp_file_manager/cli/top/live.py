"""``top`` on a terminal: draws what it finds at each look, and hears keys and signals in between."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from temp_file_manager.cli.signals import Pipe, heard
from temp_file_manager.cli.top.look import Lookout, Picture
from temp_file_manager.cli.top.view import draw
from temp_file_manager.clock import SystemClock
from temp_file_manager.errors import TempFileError

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEAVING = (*ENDING, signal.SIGQUIT, signal.SIGTSTP)
_HEARD = (*_LEAVING, signal.SIGWINCH)

_KEYS = frozenset(b"qQ")
_AS_USUAL = (80, 24)

# What a terminal takes for wider than rich does is cut at the margin, not continued in the next line.
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"


def show(lookout: Lookout, interval: float, *, last: bool) -> None:
    """Show what there is to see until a key or a signal ends it; the terminal is then as it was.

    A look under way is finished first. (Tried before: a thread that looks, so that keys are heard meanwhile. Whoever
    pressed one waited all the same, for the end of the thread.)

    Args:
        lookout: What looks.
        interval: Seconds between two looks.
        last: Whether the process ends with it.

    Raises:
        TempFileError: the first look fails; what fails later is shown.
    """
    pictures = _pictures(lookout, next(lookout.look()), interval)
    with heard(_HEARD, ignored_after=ENDING if last else ()) as pipe:
        while _shown(pictures, interval, pipe) == signal.SIGTSTP:
            _suspend()


def _pictures(lookout: Lookout, first: Picture, interval: float) -> Iterator[tuple[Picture, float]]:
    """Yield what there is to see, and the seconds until there may be more; without end."""
    picture = first
    while True:
        try:
            for picture in lookout.look():
                yield picture, 0.0
        except TempFileError as error:
            picture = picture._replace(trouble=str(error))
        yield picture, interval


def _shown(pictures: Iterator[tuple[Picture, float]], interval: float, pipe: Pipe) -> int:
    """Draw until a key or a signal ends it; return the signal's number, 0 for a key."""
    keys, drawn = sys.stdin.fileno(), None
    with _screen() as live:
        while True:
            picture, rest = next(pictures)
            until, ready = SystemClock.elapsed() + rest, [pipe.reader]
            while ready:
                if drawn is not picture:
                    live.console.size = _size()
                    live.update(draw(live.console, picture, interval), refresh=True)
                left = max(until - SystemClock.elapsed(), 0.0)
                ready, _, _ = select.select([keys, pipe.reader], [], [], left)
                if keys in ready and _ends(keys):
                    return 0
                numbers = os.read(pipe.reader, 4096) if pipe.reader in ready else b""
                for number in numbers:
                    if number in _LEAVING:
                        return number
                drawn = None if numbers else picture  # the terminal's size may have changed


def _size() -> tuple[int, int]:
    """Return columns and lines: the terminal's, not those a shell has put into the environment, which stay the same."""
    found = os.get_terminal_size(sys.stdout.fileno())
    return found.columns or _AS_USUAL[0], found.lines or _AS_USUAL[1]


def _ends(keys: int) -> bool:
    """Say whether what was typed ends it; or nobody can type any more."""
    try:
        typed = os.read(keys, 4096)
    except OSError:  # the terminal has gone
        return True
    return not typed or not _KEYS.isdisjoint(typed)


@contextmanager
def _screen() -> Iterator[Live]:
    """Yield a screen to draw on; on leaving, the terminal is as it was."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    console = Console(force_terminal=True)
    live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    try:
        tty.setcbreak(terminal)
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
