"""Real processes, really killed: what a durable registry acknowledged is there, and every file goes once."""

import bisect
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Event

import pytest

from patience import PATIENCE
from temp_file_manager import TempFileManager
from temp_file_manager.inspection.check import check
from temp_file_manager.settings import Settings
from temp_file_manager.testing.threads import Work

ROUNDS = 30
"""Of those that are killed. ``python -m benchmarks.campaigns kill`` makes more."""


def start(work: Callable[[int], None]) -> tuple[int, int]:
    """Run ``work`` in a forked child; return its pid and what it writes to, through the descriptor it is given."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(writer)
        finally:
            os._exit(0)
    os.close(writer)
    return pid, reader


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    yield manager
    manager.close()


def make(directory: Path, count: int) -> list[str]:
    directory.mkdir(exist_ok=True)
    paths = [str(directory / f"{number:04}") for number in range(count)]
    for path in paths:
        open(path, "w").close()
    return paths


def test_what_a_killed_process_was_told_is_recorded_is_recorded(tmp_path: Path, manager: TempFileManager) -> None:
    random = Random(4)
    for turn in range(ROUNDS):
        paths = make(tmp_path / str(turn), 12)
        batches = random.random() < 0.3

        def register(acknowledge: int, paths: list[str] = paths, batches: bool = batches) -> None:
            registering = TempFileManager(manager.base_dir, registry="sqlite:")
            for first in range(0, len(paths), 4 if batches else 1):
                batch = paths[first : first + 4] if batches else [paths[first]]
                registering.register_files(batch)
                os.write(acknowledge, bytes([len(batch)]))

        pid, reader = start(register)
        until = random.randrange(len(paths))
        told = 0
        while told < until:
            told += sum(os.read(reader, 1))
        kill(pid)
        while more := os.read(reader, 100):
            told += sum(more)
        os.close(reader)
        recorded = set(manager.registry.get(paths))
        assert recorded >= set(paths[:told])
        # Nothing half done: what was not acknowledged is recorded or is not, and can be recorded now.
        assert len(manager.files) == len(recorded)
        manager.register_files(paths)
        assert manager.clear_all() == len(paths)
        assert os.listdir(tmp_path / str(turn)) == []
    assert check(manager.context) == ()


def test_no_file_is_without_its_record_when_a_sweep_is_killed(tmp_path: Path, manager: TempFileManager) -> None:
    random = Random(5)
    chunks_cut = 0
    for turn in range(ROUNDS):
        directory = tmp_path / str(turn)
        paths = make(directory, 120)
        manager.register_files(paths)

        def sweep(_: int) -> None:
            fifty = Settings(cleanup_batch_size=50)
            TempFileManager(manager.base_dir, registry="sqlite:", settings=fifty).clear_all()

        pid, reader = start(sweep)
        last = paths[random.randrange(len(paths))]
        while os.path.exists(last):
            pass
        kill(pid)
        os.close(reader)
        left = set(os.listdir(directory))
        recorded = {os.path.basename(path) for path in manager.files}
        assert left <= recorded
        assert len(recorded) - len(left) <= 50, "a chunk at most is removed and not yet forgotten"
        chunks_cut += recorded != left
        # At once, without waiting for the end of the dead sweep's lease.
        report = manager.sweep(force=True)
        assert (report.removed, report.gone) == (len(left), len(recorded) - len(left))
        assert os.listdir(directory) == []
    assert chunks_cut > ROUNDS / 10, "most kills hit between two chunks: this test no longer tries what it says"
    assert {finding.kind for finding in check(manager.context, fix=True)} <= {"leftover lock file"}
    assert check(manager.context) == ()


REGISTERING = """
import sys
from temp_file_manager import TempFileManager
base, name = sys.argv[1:]
manager = TempFileManager(base, registry="sqlite:")
for number in range(300):
    path = f"{base}/{name}-{number}"
    open(path, "w").close()
    manager.register_file(path, ttl=0)
"""

SWEEPING = """
import json, os, sys
from temp_file_manager import RecordsSettled, TempFileManager
base, sweep = sys.argv[1:]
settled = []
def hear(event):
    if isinstance(event, RecordsSettled):
        settled.extend((o.record.path, o.record.registered_at, o.status) for o in event.outcomes)
manager = TempFileManager(base, registry="sqlite:", hooks=[hear])
print("sweeping", flush=True)
retired = 0
done = False
while not done:
    done = os.path.exists(f"{base}/stop")
    retired += manager.cleanup() if sweep == "due" else manager.clear_all()
print(json.dumps([retired, settled]))
"""


def program(text: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def begun(process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    """Return a program once it has said that it sweeps: starting takes longer than what it is to race."""
    assert process.stdout is not None
    assert process.stdout.readline() == "sweeping\n"
    return process


def ended(process: "subprocess.Popen[str]") -> str:
    output, problems = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, problems
    assert "locked" not in problems
    return output


def test_six_processes_register_beside_two_that_sweep(tmp_path: Path) -> None:
    base = str(tmp_path)
    sweeping = [begun(process) for process in [program(SWEEPING, base, "due") for _ in range(2)]]
    for process in [program(REGISTERING, base, str(number)) for number in range(6)]:
        ended(process)
    (tmp_path / "stop").touch()
    reports = [json.loads(ended(process)) for process in sweeping]
    removed = Counter(path for _, settled in reports for path, _, status in settled if status == "removed")
    assert set(removed) == {f"{base}/{name}-{number}" for name in range(6) for number in range(300)}
    assert set(removed.values()) == {1}
    assert sum(retired for retired, _ in reports) == 1800
    assert min(retired for retired, _ in reports) > 0, "both take part"
    with_ours = TempFileManager(base, registry="sqlite:")
    assert (len(with_ours.files), check(with_ours.context)) == (0, ())
    assert sorted(os.listdir(base)) == [".temp-file-manager", "stop"]
    with_ours.close()


REGISTERING_AGAIN = """
import json, logging, os, sys, time
from temp_file_manager import TempFileManager
logging.disable()
base = sys.argv[1]
manager = TempFileManager(base, registry="sqlite:")
path, registered, vanished = f"{base}/again", 0, []
for number in range(50000):
    if number >= 2000 and len(vanished) >= 20:  # the sweep has had its turn, also on a busy machine
        break
    open(path, "w").close()
    earliest = time.time()
    succeeded = manager.register_files([path]).registered
    latest = time.time()
    registered += succeeded
    if succeeded and not os.path.exists(path):
        vanished.append((earliest, latest))
print(json.dumps([registered, vanished]))
"""


def test_registering_again_races_another_process_that_sweeps(tmp_path: Path) -> None:
    """A file that is gone after its registration was removed by a sweep of that very registration: no other may."""
    base = str(tmp_path)
    sweeping = begun(program(SWEEPING, base, "all"))
    registered, vanished = json.loads(ended(program(REGISTERING_AGAIN, base)))
    (tmp_path / "stop").touch()
    _, settled = json.loads(ended(sweeping))
    removed = sorted(when for path, when, status in settled if status == "removed")
    lost = []
    for earliest, latest in vanished:
        following = bisect.bisect_left(removed, earliest)
        if following == len(removed) or removed[following] > latest:
            lost.append((earliest, latest))
    assert registered > 1000, "most registrations succeed"
    assert len(removed) > 10, "sweeps take part"
    assert lost == []


def kill_when_gone(pid: int, path: str, over: Event) -> None:
    while os.path.exists(path) and not over.is_set():
        pass
    kill(pid)


def test_registering_again_races_sweeps_that_are_killed(tmp_path: Path, manager: TempFileManager) -> None:
    """A sweep that dies between a removal and its settlement says nothing of it; who registers looks again."""
    random = Random(8)
    refused = 0
    for turn in range(ROUNDS):
        paths = make(tmp_path / str(turn), 60)
        manager.register_files(paths, ttl=0)

        def sweep(_: int) -> None:
            fifty = Settings(cleanup_batch_size=50)
            TempFileManager(manager.base_dir, registry="sqlite:", settings=fifty).cleanup()

        pid, reader = start(sweep)
        over = Event()
        killing = Work(kill_when_gone, pid, paths[random.randrange(len(paths))], over)
        there = [path for path in paths if manager.register_files([path]).registered]
        over.set()
        killing.end()
        manager.cleanup()  # of what was neither registered again nor removed
        os.close(reader)
        refused += len(paths) - len(there)
        assert [path for path in there if not os.path.exists(path)] == []
        assert sorted(os.path.join(tmp_path, str(turn), name) for name in os.listdir(tmp_path / str(turn))) == there
        assert sorted(manager.files) == there
        manager.clear_all()
    assert refused > 60, "sweeps take part"
    assert {finding.kind for finding in check(manager.context, fix=True)} <= {"leftover lock file"}
