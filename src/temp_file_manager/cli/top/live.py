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
from temp_file_manager.cli.top import choices
from temp_file_manager.cli.top.choices import Shown
from temp_file_manager.cli.top.keys import typed
from temp_file_manager.cli.top.look import Lookout, Picture, Scene
from temp_file_manager.cli.top.view import draw
from temp_file_manager.clock import SystemClock
from temp_file_manager.errors import TempFileError

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEAVING = (*ENDING, signal.SIGQUIT, signal.SIGTSTP)
_HEARD = (*_LEAVING, signal.SIGWINCH)

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
    stage = _Stage(lookout, interval)
    with heard(_HEARD, ignored_after=ENDING if last else ()) as pipe:
        while _shown(stage, pictures, pipe) == signal.SIGTSTP:
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


class _Stage:
    """What is seen, what somebody makes of it by keys, and what has to be looked up for that."""

    def __init__(self, lookout: Lookout, interval: float) -> None:
        self._lookout = lookout
        self._interval = interval
        self._scene: Scene | None = None

    def show(self, picture: Picture) -> None:
        """Go on with another picture, and a list of files that is as new."""
        scene = Scene(picture) if self._scene is None else self._scene._replace(picture=picture)
        self._scene = self._listed(scene)

    def press(self, data: bytes) -> bool:
        """Do what was typed; say whether that is the end."""
        for key in typed(data):
            assert self._scene is not None  # noqa: S101 - something is seen before anything can be typed at it
            before, made = self._scene.choices, choices.after(self._scene.choices, key, self._scene.paths)
            scene = self._scene._replace(choices=made)
            if made.question != before.question:
                scene = self._listed(scene)
            if made.shown is Shown.WHY:
                scene = self._told(scene)
            self._scene = scene
            if made.ended:
                return True
        return False

    def draw(self, live: Live) -> None:
        """Draw it, as large as the terminal is now."""
        assert self._scene is not None  # noqa: S101 - see press
        live.console.size = _size()
        live.update(draw(live.console, self._scene, self._interval), refresh=True)

    def _listed(self, scene: Scene) -> Scene:
        try:
            return scene._replace(listing=self._lookout.list(scene.choices.question))
        except TempFileError as error:
            return _troubled(scene, error)

    def _told(self, scene: Scene) -> Scene:
        try:
            return scene._replace(story=self._lookout.why(scene.choices.selected))
        except TempFileError as error:
            return _troubled(scene._replace(story=None), error)


def _troubled(scene: Scene, error: TempFileError) -> Scene:
    return scene._replace(picture=scene.picture._replace(trouble=str(error)))


def _shown(stage: _Stage, pictures: Iterator[tuple[Picture, float]], pipe: Pipe) -> int:
    """Draw until a key or a signal ends it; return the signal's number, 0 for a key."""
    keyboard = sys.stdin.fileno()
    with _screen() as live:
        while True:
            picture, rest = next(pictures)
            stage.show(picture)
            until, ready = SystemClock.elapsed() + rest, [pipe.reader]
            while ready:
                stage.draw(live)
                left = max(until - SystemClock.elapsed(), 0.0)
                ready, _, _ = select.select([keyboard, pipe.reader], [], [], left)
                if keyboard in ready and _ends(stage, keyboard):
                    return 0
                for number in os.read(pipe.reader, 4096) if pipe.reader in ready else b"":
                    if number in _LEAVING:  # else the terminal's size may have changed
                        return number


def _size() -> tuple[int, int]:
    """Return columns and lines: the terminal's, not those a shell has put into the environment, which stay the same."""
    found = os.get_terminal_size(sys.stdout.fileno())
    return found.columns or _AS_USUAL[0], found.lines or _AS_USUAL[1]


def _ends(stage: _Stage, keyboard: int) -> bool:
    """Do what was typed; say whether that ends it, or nobody can type any more."""
    try:
        data = os.read(keyboard, 4096)
    except OSError:  # the terminal has gone
        return True
    return not data or stage.press(data)


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
