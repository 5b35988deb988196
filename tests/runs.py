"""``run`` in processes of their own."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from command_line import MODULE, environment
from serving import SECONDS, Client, until

END = 40  # seconds: eight times what is promised, for a machine that is four times over busy


class Running:
    """A ``run`` in a process of its own, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        self.lines.extend(self.process.stderr)

    def say(self, words: str) -> str:
        """Wait until it says something, and return the line."""
        until(lambda: any(words in line for line in list(self.lines)) or self.process.poll() is not None)
        return next((line for line in self.lines if words in line), f"it ended: {self.lines}")

    @property
    def client(self) -> Client:
        found = re.search(r"Page and API: http://(.+):(\d+)/", self.say("Page and API"))
        assert found, self.lines
        return Client((found[1], int(found[2])))

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal, wait for the end, and return the exit code and what standard output was told."""
        self.process.send_signal(number)
        return self.over()

    def over(self) -> tuple[int, str]:
        code = self.process.wait(END)
        self._reader.join(SECONDS)
        return code, self.process.stdout.read() if self.process.stdout else ""


@contextmanager
def starting(*words: str, start: tuple[str, ...] = MODULE, **variables: str) -> Iterator[Running]:
    """Start it."""
    process = subprocess.Popen(
        [*start, "run", *words], env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    running = Running(process)
    try:
        yield running
    finally:
        process.kill()
        running.over()
        assert process.stderr
        assert process.stdout
        process.stderr.close()
        process.stdout.close()
