"""Which process is meant by a number, and whether that lives: on this machine, and as other namespaces see it."""

import os
import subprocess
import sys

import pytest

from temp_file_manager.clock import boot_id
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.sessions import ProcessIdentity
from temp_file_manager.storage.kernel import process_identity
from temp_file_manager.storage.kernel.process_identity import identity_of, lives


def test_this_process_lives() -> None:
    identity = identity_of(os.getpid())
    assert identity == identity_of(os.getpid())
    assert (identity.pid, identity.boot) == (os.getpid(), boot_id())
    assert lives(identity) is True


def test_one_lives_until_it_has_ended() -> None:
    """Also before anybody has waited for it."""
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = identity_of(process.pid)
        assert lives(identity) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert lives(identity) is False
        process.wait()
    assert lives(identity) is False
    with pytest.raises(ProcessLookupError):
        identity_of(process.pid)


def test_one_whose_first_thread_has_ended_lives() -> None:
    program = """
import ctypes, os, threading
def work():
    while ") Z " not in open(f"/proc/{os.getpid()}/stat").read():  # until the first has ended
        pass
    print("there", flush=True)
    input()
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        assert lives(identity_of(process.pid)) is True
        process.kill()


def test_another_of_the_same_number_is_another() -> None:
    identity = identity_of(os.getpid())
    assert lives(identity._replace(started=identity.started - 1)) is False
    assert lives(identity._replace(boot="another")) is False, "the machine was started anew"
    elsewhere = identity._replace(boot="another", namespace=identity.namespace + 1)
    assert lives(elsewhere) is None, "a container may be told another boot"


def test_what_nothing_can_tell_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = identity_of(os.getpid())
    assert lives(identity._replace(namespace=identity.namespace + 1)) is None
    monkeypatch.setattr(process_identity, "here", lambda: None)
    assert lives(identity) is None
    with pytest.raises(InvalidArgumentError):
        identity_of(os.getpid())


@pytest.mark.parametrize("pid", [0, -1])
def test_what_is_no_process(pid: int) -> None:
    with pytest.raises(InvalidArgumentError):
        identity_of(pid)


PROGRAM = """
import sys
from temp_file_manager.sessions import ProcessIdentity
from temp_file_manager.storage.kernel.process_identity import here, lives
pid, started, boot, namespace = sys.argv[1:]
print(here() is None, lives(ProcessIdentity(int(pid), int(started), boot, int(namespace))))
"""


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--mount-proc"], "False None"), ([], "True None")],
    ids=["with a /proc of its own", "with that of another"],
)
def test_another_namespace_cannot_tell(flags: list[str], said: str) -> None:
    """Neither by its own numbers nor by a ``/proc`` that shows others."""
    identity = identity_of(os.getpid())
    words = ["unshare", "--pid", "--fork", "--mount", *flags, sys.executable, "-c", PROGRAM, *map(str, identity)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"not tried: another pid namespace: {done.stderr.strip()}")
        return
    assert done.stdout.strip() == said


def test_it_is_what_json_can_say() -> None:
    identity = identity_of(os.getpid())
    assert ProcessIdentity(**identity._asdict()) == identity


def test_the_start_is_the_kernels_in_ticks_since_the_machine_was_started() -> None:
    """Excludes another number of the same line, which is as constant, and another process's as well."""
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as second:
        try:
            with open("/proc/uptime") as file:
                now = float(file.read().split()[0]) * os.sysconf("SC_CLK_TCK")
            started = [identity_of(process.pid).started for process in (first, second)]
            assert started[0] <= started[1] <= now + 1
            assert now - started[0] < 60 * os.sysconf("SC_CLK_TCK")
        finally:
            first.kill()
            second.kill()
