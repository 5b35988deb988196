"""Servers of objects: moto, which obeys If-Match in DeleteObject alone, and rclone, which obeys nothing.

A third is made here, small and obedient: no server that could be run in a test obeys an ETag in DeleteObjects.
"""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from patience import PATIENCE
from temp_file_manager.objects.client import Client
from temp_file_manager.testing import FakeClock

KEYS = {"AWS_ACCESS_KEY_ID": "tests-key", "AWS_SECRET_ACCESS_KEY": "tests-secret", "AWS_REGION": "us-east-1"}
_numbers = itertools.count()


class Impatient(FakeClock):
    """A clock that waits for nothing, and notes how long it should have."""

    def __init__(self, wall: float | None = None) -> None:
        super().__init__(time.time() if wall is None else wall)
        self.waited: list[float] = []

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waited.append(seconds)
        return event.is_set()


def new_bucket() -> Client:
    """Return the client of a bucket of its own, at the server that the environment names."""
    client = Client(f"bucket-{next(_numbers)}", clock=Impatient())
    assert client.request("PUT").good
    return client


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(endpoint: str) -> bool:
    try:
        with urlopen(endpoint, timeout=5):
            return True
    except URLError as error:
        return hasattr(error, "code")
    except OSError:
        return False


@contextlib.contextmanager
def started(command: list[str], endpoint: str) -> Iterator[bool]:
    """Start a server; yield whether it came up: its port may have been taken meanwhile."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while server.poll() is None and not answers(endpoint) and time.monotonic() < end:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.05)
        yield server.poll() is None
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Yield the endpoint of a moto."""
    for _ in range(5):
        port = free_port()
        endpoint = f"http://127.0.0.1:{port}"
        with started([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], endpoint) as up:
            if up:
                yield endpoint
                return
    raise AssertionError("moto has not started")


@contextlib.contextmanager
def rclone(directory: Path) -> Iterator[str]:
    """Yield the endpoint of an rclone that serves a directory, and checks signatures."""
    program = shutil.which("rclone") or os.path.join(os.path.dirname(sys.executable), "rclone")
    for _ in range(5):
        port = free_port()
        endpoint = f"http://127.0.0.1:{port}"
        key = f"{KEYS['AWS_ACCESS_KEY_ID']},{KEYS['AWS_SECRET_ACCESS_KEY']}"
        command = [program, "serve", "s3", str(directory), "--addr", f"127.0.0.1:{port}", "--auth-key", key]
        with started([*command, "--config", os.devnull], endpoint) as up:
            if up:
                yield endpoint
                return
    raise AssertionError("rclone has not started")
