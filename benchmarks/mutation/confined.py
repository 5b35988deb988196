"""Tests in a room of their own: a package with a fault in what removes files is not to be let loose on a machine."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

_SCRIPT = """
set -e
mount --bind "$1" /mnt
mount --bind "$2" /mnt/.venv
awk '{print $5}' /proc/self/mountinfo | while read -r at; do
    case "$at" in /proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;; esac
done
for at in /tmp /var/tmp /run; do mount -t tmpfs tmpfs "$at"; done
mount -o remount,bind,rw /mnt
cd /mnt
shift 2
"$@" || exit $?
"""
"""Everything is read-only but the copy of the repository and empty temporary directories; nobody else's processes are
there to be killed; and whatever a test leaves running ends with it."""

_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")


_OUT_OF_TIME = 128 + signal.SIGXCPU
PATIENCE = 45
"""Seconds that a test waits for what a fault may keep from coming: instead of the suite's 240."""
STALLED = 5
"""Times as long as the tests may compute, that they may take in all: what else runs slows them."""
_OPTIONS = ("-x", "-q", "--no-header", "--tb=line", "-n", "0")


@dataclass(frozen=True)
class Run:
    """How tests ended: pytest's exit code (None: they were stopped), the seconds they took, and their last words."""

    code: int | None
    seconds: float
    words: str


def missing() -> str:
    """Say why tests cannot be confined here; nothing if they can."""
    tried = subprocess.run([*_UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "unshare may make no room here: be root, or run it in a container as root"


def copy(root: str, to: str) -> None:
    """Copy what git knows of a repository."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        os.makedirs(os.path.dirname(f"{to}/{name}"), exist_ok=True)
        shutil.copy2(f"{root}/{name}", f"{to}/{name}")
    os.makedirs(f"{to}/.venv")


def tested(place: str, tests: Iterable[str], seconds: float, *options: str) -> Run:
    """Run tests of a copy, in this order, until the first that fails.

    Args:
        place: The copy.
        tests: Names, files and folders of tests; there may be thousands.
        seconds: Of computing, after which they are stopped: so a busy machine stops none that would have passed.
        options: What else pytest is to be told.
    """
    with open(f"{place}/arguments", "w", encoding="utf-8") as file:
        file.write("\n".join(tests))
    ours = {"PYTHONPATH": "/mnt/src:/mnt:/mnt/tests", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", "TMPDIR": "/tmp"}
    ours["TEST_PATIENCE"] = str(PATIENCE)
    pytest = ("/mnt/.venv/bin/python", "-m", "pytest", *_OPTIONS, *options, "@/mnt/arguments")
    began = time.monotonic()
    with subprocess.Popen(
        (*_UNSHARE, "prlimit", f"--cpu={int(seconds)}", "sh", "-c", _SCRIPT, "sh", place, sys.prefix, *pytest),
        env=os.environ | ours,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as running:
        try:
            said, _ = running.communicate(timeout=STALLED * seconds)
        except subprocess.TimeoutExpired:
            running.kill()  # and with it all that is in its room
            return Run(None, time.monotonic() - began, "")
    code = None if running.returncode == _OUT_OF_TIME else running.returncode
    return Run(code, time.monotonic() - began, "\n".join(said.strip().splitlines()[-5:]))
