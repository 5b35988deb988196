"""Work in a forked child."""
# ruff: noqa: S101 - tests assert

import json
import os
import signal
import threading
import warnings
from collections.abc import Callable
from typing import Any

from temp_file_manager.testing.threads import LONG


def in_child(work: Callable[[], Any], *, timeout: float = LONG) -> Any:
    """Return what ``work`` returns in a forked child: something that JSON can say.

    Args:
        work: Runs in the child, which then ends without any clean-up.
        timeout: Real seconds after which the child is killed.

    Raises:
        AssertionError: ``work`` raised, or its time was up.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is what is tested
        pid = os.fork()
    if pid == 0:
        try:
            try:
                answer = {"answer": work()}
            except BaseException as error:
                answer = {"error": repr(error)}
            os.write(writer, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(writer)
    watchdog = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
    watchdog.start()
    with open(reader, "rb") as pipe:
        text = pipe.read()
    watchdog.cancel()
    os.waitpid(pid, 0)
    assert text, f"the child died, or had not ended after {timeout} s"
    result = json.loads(text)
    assert "error" not in result, result
    return result["answer"]
