"""A registry, a wrapper, a job, a command, a cause: each joins from outside by one row of one table."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

import command_line
from command_line import Say
from contexts import jobs_of
from temp_file_manager import TempFileManager, cli, jobs
from temp_file_manager.causes import Cause, sentence
from temp_file_manager.cli import options, render
from temp_file_manager.context import Context
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.registry import MemoryRegistry, Registry, schemes
from temp_file_manager.registry.contract import Identify
from temp_file_manager.registry.schemes import Address, Scheme
from temp_file_manager.storage import build
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.sweeping.scheduler import Job
from temp_file_manager.testing import FakeClock

bare, folder, say = command_line.bare, command_line.folder, command_line.say


class ToyRegistry(MemoryRegistry):
    """Records that several managers of this process share."""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyRegistry:
    """Open by the scheme ``toy:``."""
    registry = ToyRegistry()

    def parse(rest: str, base_dir: str) -> Address:
        return Address("toy", f"toy:{rest}", outlives_process=False)

    def opened(address: Address, base_dir: str, identify: Identify) -> Registry:
        return registry

    monkeypatch.setitem(schemes.SCHEMES, "toy", Scheme(("toy:NAME",), parse, opened))
    return registry


class Slow:
    """A storage around another that keeps what has a certain name."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def remove(self, removal: Removal) -> None:
        for at, path in removal.each(removal.records.paths()):
            if path.endswith("precious"):
                removal.note(at, Status.KEPT, Cause.OBSTACLE, "it is precious")
            else:
                part = removal.part(at, at + 1)
                self._storage.remove(part)
                removal.others.update(part.others)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        return self._storage.predict(records)


def test_a_registry_is_a_row_of_schemes(toy: ToyRegistry, say: Say, folder: Path) -> None:
    """Known to the library, to settings and to every command at once."""
    (path,) = command_line.files(folder, "file")
    with closing(TempFileManager(folder / "base", registry="toy:box")) as manager:
        assert manager.registry is toy
    assert say("register", path, "--registry", "toy:box").code == 0
    assert list(toy.files) == [path]
    assert say("list", "--registry", "toy:box").out.endswith(f"{path}\n")
    assert say("doctor", "--registry", "toy:box").out.count("registry: toy:box") == 1
    assert "'toy:NAME'" in say("list", "--registry", "tye:box").err


def test_a_wrapper_is_a_row_of_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "WRAPPERS", (*build.WRAPPERS, lambda storage, *_: Slow(storage)))
    paths = [tmp_path / name for name in ("precious", "other")]
    with closing(TempFileManager(tmp_path / "base")) as manager:
        for path in paths:
            path.touch()
            manager.register_file(path)
        report = manager.sweep(force=True)
    assert (report.removed, report.kept, report.reasons[0].reason) == (1, 1, "it is precious")
    assert [path.exists() for path in paths] == [True, False]


def test_a_job_is_a_row_of_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, done = FakeClock(), []

    def counting(context: Context) -> Job:
        return Job("count", 10.0, lambda _: done.append(len(context.registry.files)), done.append)

    monkeypatch.setattr(jobs, "JOBS", (*jobs.JOBS, counting))
    with closing(TempFileManager(tmp_path, clock=clock)) as manager:
        manager.start()
        for _ in range(2):
            clock.until_waiting(jobs_of(manager))
            clock.advance(10)
        clock.until_waiting(jobs_of(manager))
        assert done == [0, 0, 0]
        assert manager.context.scheduler.state("count").failures == 0


def test_a_command_is_a_row_of_commands(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def add_parser(commands: options.Commands) -> None:
        options.add_command(commands, "greet", "say hello", greet)

    def greet(args: argparse.Namespace) -> int:
        render.line("hello")
        return 0

    monkeypatch.setitem(sys.modules, "temp_file_manager.cli.commands.greet", SimpleNamespace(add_parser=add_parser))
    monkeypatch.setattr(cli, "COMMANDS", (*cli.COMMANDS, "greet"))
    assert say("greet") == (0, "hello\n", "")
    assert "greet" in say("completion", "bash").out


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_says_something(cause: Cause) -> None:
    """By its row of sentences, or by the detail that comes with it."""
    detail = "EACCES" if cause is Cause.REFUSED else "what it said"
    assert bool(sentence(cause, detail))
    takes_detail = {Cause.NONE, Cause.OTHER_FILE_SYSTEM, Cause.FOREIGN, Cause.OBSTACLE, Cause.HUNG, Cause.ERROR}
    if cause not in takes_detail | {Cause.REFUSED, Cause.NOT_GUARANTEED}:
        assert sentence(cause)
