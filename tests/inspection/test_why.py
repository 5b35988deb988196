"""``why``: each rule once, and never another word than the sweep that follows has."""

import contextlib
import math
import mmap
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contexts import timed
from mounts import mounted
from patience import PATIENCE
from temp_file_manager import InvalidArgumentError, TempFileManager, jobs
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import LargeSweepError
from temp_file_manager.events import RecordsSettled
from temp_file_manager.inspection.prospects import Forecast, Rule
from temp_file_manager.inspection.sessions import sessions
from temp_file_manager.inspection.why import Explanation, why
from temp_file_manager.records import PENDING, Outcome, Selection, Status
from temp_file_manager.registry import Settlement
from temp_file_manager.registry.journal import last_line
from temp_file_manager.rules import verdict
from temp_file_manager.sessions import THIS_PROCESS, Owner
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel import file_flags, leases, probe, processes
from temp_file_manager.storage.kernel.process_identity import identity_of
from temp_file_manager.sweeping.clock_guard import ClockGuard
from temp_file_manager.sweeping.large_sweep_guard import LargeSweepGuard
from temp_file_manager.testing import NOW, FakeClock

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
AGE = 100.0
KINDS = ("cleanup", "command_line", "scheduled")


class Case:
    """A manager, a registered file, and what was swept."""

    def __init__(self, tmp_path: Path, registry: str, stack: ExitStack) -> None:
        self.stack = stack
        self.clock = FakeClock()
        self.outcomes: list[Outcome] = []
        self.manager = TempFileManager(tmp_path / "base", AGE, registry=registry, clock=self.clock, hooks=[self._hear])
        stack.callback(self.manager.close)
        self.folder = tmp_path / "folder"
        self.folder.mkdir()
        self.path = self.folder / "file"
        self.path.write_text("x" * 5000)
        self.manager.register_file(self.path, tags=["report"])

    def _hear(self, event: object) -> None:
        if isinstance(event, RecordsSettled):
            self.outcomes += event.outcomes

    def why(self) -> Explanation:
        return why(self.manager.context, self.path)

    def swept(self, kind: str) -> Outcome | None:
        self.outcomes.clear()
        if kind == "scheduled":
            jobs.sweep(self.manager.context, lambda: False)
        else:
            command = kind == "command_line"
            with suppress(LargeSweepError):
                self.manager.sweep(protect_open=command, trust_clock=not command, allow_large=0 if command else None)
        return next((outcome for outcome in self.outcomes if outcome.record.path == str(self.path)), None)

    def old(self) -> None:
        self.clock.advance(AGE + 1)

    def held_by_another(self, program: str, *, user: int | None = None) -> subprocess.Popen[str]:
        program = f"import os, sys, mmap\n{program}\nprint('there', flush=True); input()"
        process = subprocess.Popen(
            [sys.executable, "-c", program, self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=user,
        )
        self.stack.callback(process.communicate, "\n")
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        return process


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(tmp_path: Path, registry: str) -> Iterator[Case]:
    with ExitStack() as stack:
        yield Case(tmp_path, registry, stack)


@pytest.fixture
def open_case(open_to_all: Path, registry: str) -> Iterator[Case]:
    """A case whose file others get at."""
    with ExitStack() as stack:
        case = Case(open_to_all, registry, stack)
        os.chmod(case.folder, 0o755)
        yield case


def as_another_user(ask: Callable[[], object]) -> str:
    """Return what a child of this process is told that has become another user: that one may run no Python of ours."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, repr(ask()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    os.waitpid(pid, 0)
    return told


def assert_agree(forecast: Forecast, outcome: Outcome | None) -> None:
    assert forecast.status == (outcome.status if outcome else None), (forecast, outcome)
    if outcome and outcome.status in (Status.KEPT, Status.REPLACED, Status.GONE):
        assert forecast.reason == outcome.reason


# -- the table: what is done, and which rule decides for a bare cleanup, the command line and a scheduled sweep


def young(case: Case) -> None:
    case.clock.advance(40)


def exactly_of_age(case: Case) -> None:
    case.clock.advance(AGE)


def old(case: Case) -> None:
    case.old()


def with_a_ttl(case: Case) -> None:
    case.manager.register_file(case.path, ttl=500)
    case.old()


def past_its_ttl(case: Case) -> None:
    case.manager.register_file(case.path, ttl=5)
    case.clock.advance(5)


def with_an_endless_ttl(case: Case) -> None:
    case.manager.register_file(case.path, ttl=float("inf"))
    case.clock.advance(1e9)


def pinned(case: Case) -> None:
    case.manager.pin(case.path, ttl=500)
    case.old()


def pinned_until_now(case: Case) -> None:
    case.manager.pin(case.path, ttl=AGE + 1)
    case.old()


def held(case: Case) -> None:
    case.old()
    case.stack.enter_context(case.manager.hold(case.path))


def held_and_pinned(case: Case) -> None:
    held(case)
    case.manager.pin(case.path)


def backing_off(case: Case) -> None:
    case.old()
    with case.path.open():
        assert case.swept("scheduled") is not None


def backed_off(case: Case) -> None:
    backing_off(case)
    case.clock.advance(60)


def failed_before(case: Case) -> None:
    case.old()
    registry, now = case.manager.registry, case.clock.elapsed()
    claim = registry.claim(Selection(case.clock.wall(), AGE), now=now, lease=60, limit=50)
    failed = dict.fromkeys(range(len(claim.records)), Other(Status.FAILED, Cause.ERROR))
    registry.settle(Settlement(claim, len(claim.records), failed, case.clock.wall()))


def open_here(case: Case) -> None:
    case.old()
    case.stack.enter_context(case.path.open())


def open_in_another_process(case: Case) -> None:
    case.old()
    case.held_by_another("file = open(sys.argv[1], 'r+b')")


def mapped_by_another_process(case: Case) -> None:
    case.old()
    case.held_by_another("with open(sys.argv[1], 'r+b') as file: m = mmap.mmap(file.fileno(), 0)")


def open_under_another_name(case: Case) -> None:
    other = case.path.with_name("other")
    os.link(case.path, other)
    case.old()
    case.stack.enter_context(other.open())


def a_link_to_an_open_file(case: Case) -> None:
    case.path.rename(case.path.with_name("target"))
    case.path.symlink_to("target")
    case.manager.register_file(case.path)
    case.old()
    case.stack.enter_context(case.path.open())


def gone(case: Case) -> None:
    case.old()
    case.path.unlink()


def gone_with_its_directory(case: Case) -> None:
    case.old()
    case.folder.rename(case.folder.with_name("elsewhere"))


def a_directory_in_its_place(case: Case) -> None:
    case.old()
    case.path.unlink()
    case.path.mkdir()


def replaced(case: Case) -> None:
    case.old()
    new = case.path.with_name("new")
    new.touch()
    new.rename(case.path)


def in_another_directory(case: Case) -> None:
    case.old()
    case.folder.rename(case.folder.with_name("before"))
    case.folder.mkdir()
    os.link(case.folder.with_name("before") / "file", case.path)


def its_birth_unknown(case: Case) -> None:
    record = case.manager.status(case.path).record
    assert record is not None
    if record.identity is not None:
        identity = record.identity._replace(born=0)
        case.manager.registry.add([(str(case.path), None, None, (), identity, None)], case.clock.wall())
    case.old()
    os.chmod(case.path, 0o640)


def never_completed(case: Case) -> None:
    case.manager.registry.forget([str(case.path)])
    case.manager.registry.add([(str(case.path), None, None, (), PENDING, None)], case.clock.wall())
    case.old()


def claimed(case: Case) -> None:
    case.old()
    due = Selection(case.clock.wall(), AGE)
    claim = case.manager.registry.claim(due, now=case.clock.elapsed(), lease=60, limit=50)
    assert claim.records


def appended_to(case: Case) -> None:
    case.old()
    with case.path.open("a") as file:
        file.write("more")


TABLE: list[tuple[Callable[[Case], None], tuple[Rule, Rule, Rule], tuple[Status | None, ...]]] = [
    (young, (Rule.MAX_AGE,) * 3, (None,) * 3),
    (exactly_of_age, (Rule.MAX_AGE,) * 3, (None,) * 3),
    (old, (Rule.MAX_AGE,) * 3, (Status.REMOVED,) * 3),
    (appended_to, (Rule.MAX_AGE,) * 3, (Status.REMOVED,) * 3),
    (with_a_ttl, (Rule.TTL,) * 3, (None,) * 3),
    (past_its_ttl, (Rule.TTL,) * 3, (Status.REMOVED,) * 3),
    (with_an_endless_ttl, (Rule.TTL,) * 3, (None,) * 3),
    (pinned, (Rule.PIN,) * 3, (None,) * 3),
    (pinned_until_now, (Rule.MAX_AGE,) * 3, (Status.REMOVED,) * 3),
    (held, (Rule.HOLD,) * 3, (None,) * 3),
    (held_and_pinned, (Rule.HOLD,) * 3, (None,) * 3),
    (backing_off, (Rule.MAX_AGE, Rule.MAX_AGE, Rule.BACK_OFF), (Status.REMOVED, Status.REMOVED, None)),
    (failed_before, (Rule.MAX_AGE, Rule.MAX_AGE, Rule.BACK_OFF), (Status.REMOVED, Status.REMOVED, None)),
    (backed_off, (Rule.MAX_AGE,) * 3, (Status.REMOVED,) * 3),
    (open_here, (Rule.MAX_AGE, Rule.IN_USE, Rule.IN_USE), (Status.REMOVED, Status.KEPT, Status.KEPT)),
    (open_in_another_process, (Rule.MAX_AGE, Rule.IN_USE, Rule.IN_USE), (Status.REMOVED, Status.KEPT, Status.KEPT)),
    (mapped_by_another_process, (Rule.MAX_AGE, Rule.IN_USE, Rule.IN_USE), (Status.REMOVED, Status.KEPT, Status.KEPT)),
    (open_under_another_name, (Rule.MAX_AGE, Rule.IN_USE, Rule.IN_USE), (Status.REMOVED, Status.KEPT, Status.KEPT)),
    (a_link_to_an_open_file, (Rule.MAX_AGE,) * 3, (Status.REMOVED,) * 3),
    (gone, (Rule.GONE,) * 3, (Status.GONE,) * 3),
    (gone_with_its_directory, (Rule.GONE,) * 3, (Status.GONE,) * 3),
    (claimed, (Rule.CLAIM,) * 3, (None,) * 3),
]
DURABLE: list[tuple[Callable[[Case], None], Rule, Status]] = [
    (replaced, Rule.REPLACED, Status.REPLACED),
    (a_directory_in_its_place, Rule.REPLACED, Status.REPLACED),
    (in_another_directory, Rule.DIRECTORY_REPLACED, Status.KEPT),
    (its_birth_unknown, Rule.DOUBT, Status.KEPT),
    (never_completed, Rule.DOUBT, Status.KEPT),
]


def test_a_claim_is_told_of_however_much_is_due_before_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Excludes code that looks for it through the head of what is due, page by page."""
    claimed(case)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("it walks through what is due")

    monkeypatch.setattr(case.manager.registry, "page", fail)
    assert case.why().rule is Rule.CLAIM


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("prepare", "rules", "statuses"), TABLE, ids=lambda value: getattr(value, "__name__", ""))
def test_each_rule_decides_and_the_sweep_agrees(
    case: Case, kind: str, prepare: Callable[[Case], None], rules: tuple[Rule, ...], statuses: tuple[Status | None, ...]
) -> None:
    prepare(case)
    before = case.manager.registry.get([str(case.path)])
    story = case.why()
    assert tuple(getattr(story, kind).rule for kind in KINDS) == rules
    assert tuple(getattr(story, kind).status for kind in KINDS) == statuses
    assert story.rule is rules[2]
    assert case.manager.registry.get([str(case.path)]) == before
    assert_agree(getattr(story, kind), case.swept(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("prepare", "rule", "status"), DURABLE, ids=lambda value: getattr(value, "__name__", ""))
def test_identities_decide_where_they_are_kept(
    tmp_path: Path, kind: str, prepare: Callable[[Case], None], rule: Rule, status: Status
) -> None:
    with ExitStack() as stack:
        case = Case(tmp_path, "sqlite:", stack)
        prepare(case)
        story = case.why()
        assert [(getattr(story, one).rule, getattr(story, one).status) for one in KINDS] == [(rule, status)] * 3
        assert_agree(getattr(story, kind), case.swept(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_in_its_place_fails_in_memory(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        case = Case(tmp_path, "memory:", stack)
        a_directory_in_its_place(case)
        story = case.why()
        assert (story.rule, story.kind) == (Rule.OBSTACLE, "a directory")
        assert_agree(getattr(story, kind), case.swept(kind))


@pytest.mark.parametrize("kind", ["command_line", "scheduled"])
def test_what_nothing_can_tell(case: Case, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "take_lease", lambda _: None)
    monkeypatch.setattr(processes, "sees_all_processes", lambda: False)
    case.old()
    story = case.why()
    assert (story.cleanup.rule, story.command_line.rule, story.scheduled.rule) == (
        Rule.MAX_AGE,
        Rule.UNKNOWN,
        Rule.UNKNOWN,
    )
    assert not story.users.complete
    assert_agree(getattr(story, kind), case.swept(kind))


def test_settings_count(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``protect_open`` off, and an age at which what nothing can tell about goes."""
    monkeypatch.setattr(leases, "take_lease", lambda _: None)
    monkeypatch.setattr(processes, "sees_all_processes", lambda: False)
    path = tmp_path / "file"
    path.touch()
    for settings, status in (
        (Settings(protect_open=False), Status.REMOVED),
        (Settings(if_unknown=10), Status.REMOVED),
        (Settings(if_unknown=1000), Status.KEPT),
    ):
        clock = FakeClock()
        manager = TempFileManager(tmp_path / "base", AGE, registry=registry, settings=settings, clock=clock)
        manager.register_file(path)
        clock.advance(AGE + 1)
        assert (why(manager.context, path).command_line.status, why(manager.context, path).scheduled.status) == (
            status,
            status,
        )
        manager.close()


def test_a_clock_that_jumped_keeps_from_scheduled_sweeps(case: Case) -> None:
    case.swept("scheduled")
    case.clock.advance(10)
    case.clock.set(wall=case.clock.wall() + 5000)
    mark = last_line(case.manager.registry, "clock")
    story = case.why()
    assert (story.cleanup.status, story.scheduled.status, story.rule) == (Status.REMOVED, None, Rule.CLOCK)
    assert "ahead of the time that has passed" in story.scheduled.reason
    assert last_line(case.manager.registry, "clock") == mark  # why looks, and sets nothing
    assert_agree(story.scheduled, case.swept("scheduled"))
    ClockGuard(case.manager.registry, case.clock).accept()
    assert case.why().scheduled.status is Status.REMOVED
    assert_agree(case.why().scheduled, case.swept("scheduled"))


def test_a_change_of_settings_that_would_take_much_holds_up_scheduled_sweeps(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LargeSweepGuard.__init__, "__kwdefaults__", {"files": 0, "share": 0.0})
    context = replace(case.manager.context, large_sweep_guard=LargeSweepGuard(case.manager.registry))
    case.manager = TempFileManager.from_context(context)
    case.swept("scheduled")
    case.clock.advance(50)
    case.manager.max_age = 10
    story = case.why()
    assert (story.cleanup.status, story.scheduled.status, story.rule) == (Status.REMOVED, None, Rule.LARGE_SWEEP)
    assert_agree(story.scheduled, case.swept("scheduled"))


# -- times


def test_from_when(case: Case) -> None:
    begun = case.clock.wall()
    case.clock.advance(10)
    story = case.why()
    assert (story.due_at, story.asof) == (begun + AGE, begun + 10)
    assert [getattr(story, kind).at for kind in KINDS] == [begun + AGE] * 3
    case.manager.pin(case.path, ttl=500)
    assert case.why().scheduled.at == begun + 510
    case.manager.pin(case.path)
    assert case.why().scheduled.at == float("inf")
    case.manager.unpin(case.path)
    with case.manager.hold(case.path):
        assert case.why().scheduled.at is None


def test_back_off_delays_scheduled_sweeps_alone(case: Case) -> None:
    backing_off(case)
    story = case.why()
    assert story.due_at == story.cleanup.at == story.asof - 1
    assert story.scheduled.at == story.asof + 60
    assert story.last == "the last sweep that took it up kept it"


def test_failures_are_told(case: Case) -> None:
    failed_before(case)
    story = case.why()
    assert story.record is not None
    assert (story.record.failures, story.last) == (1, "its removal has failed once")


# -- who has it


def test_who_has_it_open_is_named(case: Case) -> None:
    reader = case.held_by_another("file = open(sys.argv[1], 'rb')")
    writer = case.held_by_another("file = open(sys.argv[1], 'ab')")
    mapper = case.held_by_another("with open(sys.argv[1], 'r+b') as file: m = mmap.mmap(file.fileno(), 0)")
    found = {holder.pid: holder for holder in case.why().users.processes}
    assert {pid: holder.ways for pid, holder in found.items()} == {
        reader.pid: ("open for reading",),
        writer.pid: ("open for writing",),
        mapper.pid: ("open for reading and writing", "mapped into its memory"),  # mmap keeps a descriptor of its own
    }
    assert all(found[one.pid].command.startswith(sys.executable) for one in (reader, writer, mapper))
    assert {len(one.command) for one in found.values()} == {processes.LONGEST_COMMAND + 1}
    assert case.why().users.read > 3


@pytest.mark.parametrize(
    "argument",
    [
        "://" * 30_000,  # a search for what is to be masked took 20 s, and held up every other thread
        "mysql://me:" + "secret" * 20_000 + "@host/db",  # what ends a password may be cut off
    ],
    ids=["what takes long", "a secret"],
)
def test_a_long_command_line_is_cut_before_it_is_masked(case: Case, argument: str) -> None:
    program = [sys.executable, "-c", "input()", argument]
    with (
        case.path.open("a") as file,
        subprocess.Popen(program, stdin=subprocess.PIPE, stdout=file) as reader,
    ):
        try:
            found = {one.pid: one.command for one in case.why().users.processes}[reader.pid]
            assert found.endswith("://…@")
            assert "secret" not in found
        finally:
            reader.communicate(b"\n", timeout=PATIENCE)


def test_a_mapping_alone_is_named(case: Case) -> None:
    with case.path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0, trackfd=False) if sys.version_info >= (3, 13) else None
    program = (
        "import ctypes; libc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_void_p\n"
        "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY); libc.mmap(None, 4096, 1, 1, fd, 0); os.close(fd)"
    )
    holder = case.held_by_another(program)
    ways = {one.pid: one.ways for one in case.why().users.processes}
    assert ways[holder.pid] == ("mapped into its memory",)
    del mapped
    case.old()
    assert case.why().rule is Rule.IN_USE


@pytest.mark.skipif(not ROOT, reason="becomes another user")
def test_another_user_sees_how_much_cannot_be_seen(open_case: Case) -> None:
    open_case.held_by_another("file = open(sys.argv[1])")
    told = as_another_user(lambda: processes.file_users(str(open_case.path)))
    assert told.startswith("FileUsers(processes=(), read=")
    assert told.endswith(", complete=False)")
    assert "unread=0" not in told


@pytest.mark.skipif(not ROOT, reason="gives a file away")
@pytest.mark.parametrize("kind", KINDS)
def test_another_users_file_that_it_has_open(open_case: Case, kind: str) -> None:
    os.chown(open_case.path, 65534, 65534)
    open_case.manager.register_file(open_case.path)
    holder = open_case.held_by_another("os.setuid(65534); file = open(sys.argv[1], 'r+b')")
    open_case.old()
    story = open_case.why()
    assert [one.pid for one in story.users.processes] == [holder.pid]
    assert_agree(getattr(story, kind), open_case.swept(kind))


def test_kernel_threads_and_the_dead_are_no_programs(tmp_path: Path) -> None:
    for number, (line, expected) in enumerate(
        {
            "2 (kthreadd) S 0 0 0 0 -1 2129984 0": True,
            "9 (a) b) Z 1 9 9 0 -1 4194560 0": True,
            "9 (bash) S 1 9 9 0 -1 4194560 0": False,
            "9 (bash": False,
        }.items()
    ):
        process = tmp_path / str(number)
        process.mkdir()
        (process / "stat").write_text(line)
        assert processes.is_kernel_thread(str(process)) is expected
    assert not processes.is_kernel_thread(str(tmp_path / "none"))


# -- what the directory and the file system say


@pytest.mark.skipif(not ROOT, reason="marks a file as immutable")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["file", "directory"])
@pytest.mark.parametrize("mark", ["i", "a"])
def test_what_is_marked_as_never_to_be_changed(case: Case, kind: str, what: str, mark: str) -> None:
    target = case.path if what == "file" else case.folder
    if subprocess.run(["chattr", f"+{mark}", target], capture_output=True, check=False).returncode:
        pytest.skip("not tried: this file system has no such marks")
    try:
        case.old()
        story = case.why()
        assert story.rule is Rule.OBSTACLE
        assert "chattr -i" in story.scheduled.reason
        assert_agree(getattr(story, kind), case.swept(kind))
    finally:
        subprocess.run(["chattr", f"-{mark}", target], check=True)


@pytest.mark.skipif(not ROOT, reason="mounts")
@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_mount(case: Case, kind: str) -> None:
    folder = str(case.folder)
    with mounted(case.folder, ["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder]):
        case.old()
        story = case.why()
        assert (story.rule, story.scheduled.reason) == (Rule.OBSTACLE, "its directory may not be written to")
        assert_agree(getattr(story, kind), case.swept(kind))
    assert case.why().cleanup.status is Status.REMOVED


@pytest.mark.skipif(not ROOT, reason="mounts")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("opened", [True, False])
def test_on_tmpfs(case: Case, kind: str, opened: bool) -> None:
    with mounted(case.folder, ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(case.folder)]):
        case.path.write_text("x")
        case.manager.register_file(case.path)
        case.old()
        with case.path.open() if opened else contextlib.nullcontext():
            story = case.why()
            assert story.rule is (Rule.IN_USE if opened else Rule.MAX_AGE)
            assert [one.pid for one in story.users.processes] == ([os.getpid()] if opened else [])
            assert_agree(getattr(story, kind), case.swept(kind))


@pytest.mark.skipif(not ROOT, reason="becomes another user")
def test_a_sticky_directory(open_case: Case) -> None:
    os.chmod(open_case.folder, 0o1777)
    told = as_another_user(lambda: file_flags.obstacle(str(open_case.path)))
    assert "only a file's owner may remove it" in told
    assert file_flags.obstacle(str(open_case.path)) == ""
    assert "not permitted" in as_another_user(lambda: _removal(open_case.path))


def _removal(path: Path) -> str:
    try:
        path.unlink()
    except OSError as error:
        return str(error)
    return "removed"


# -- the property


@pytest.mark.parametrize("seed", range(60))
def test_it_never_disagrees_with_the_sweep_that_follows(tmp_path: Path, registry: str, seed: int) -> None:
    chance = random.Random(seed)
    prepared = [young, old, with_a_ttl, past_its_ttl, pinned, pinned_until_now, held, backing_off, open_here]
    prepared += [open_under_another_name, gone, replaced, in_another_directory, its_birth_unknown, appended_to]
    with ExitStack() as stack:
        case = Case(tmp_path, registry, stack)
        for prepare in chance.sample(prepared, 3):
            # What an earlier step has taken away, a later one need not find.
            with contextlib.suppress(FileNotFoundError, InvalidArgumentError, FileExistsError, AssertionError):
                prepare(case)
        for kind in chance.sample(KINDS, 3):
            story = case.why()
            for one in KINDS:
                forecast = getattr(story, one)
                assert (story.record is None) == (forecast.rule is Rule.NOT_REGISTERED)
            assert_agree(getattr(story, kind), case.swept(kind))


def test_times_are_read_as_the_rules_read_them(case: Case) -> None:
    """The rule that is named is the part of ``rules.verdict`` that speaks."""
    for advance in (0, AGE - 1, 1, 0.5):
        case.clock.advance(advance)
        record = case.manager.status(case.path).record
        assert record is not None
        found = verdict(record, Selection(case.clock.wall(), AGE))
        assert (case.why().cleanup.status is Status.REMOVED) == found.due
        assert case.why().cleanup.reason == found.reason


# -- garbage


@pytest.mark.parametrize("path", ["", b""])
def test_no_path_names_no_file(case: Case, path: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="an empty path"):
        why(case.manager.context, path)


@pytest.mark.parametrize("path", [None, 5, 1.5, object(), ["x"]])
def test_what_is_no_path_is_a_type_error(case: Case, path: Any) -> None:
    with pytest.raises(TypeError):
        why(case.manager.context, path)


def test_a_name_that_no_file_can_have(case: Case) -> None:
    with pytest.raises(InvalidArgumentError, match="no file can be called"):
        why(case.manager.context, "/tmp/\ud800")


@pytest.mark.parametrize("name", ["new\nline", "\x1b[2J", "\udcff\udcfe", "tab\t (deleted)", "back\\slash", "-"])
def test_any_name(case: Case, name: str) -> None:
    path = case.folder / name
    path.write_text("x")
    case.manager.register_file(path)
    case.old()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        story = why(case.manager.context, os.fsencode(path))
        assert (story.path, story.rule) == (str(path), Rule.IN_USE)
        assert [one.ways[-1] for one in story.users.processes] == ["mapped into its memory"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_nul_in_a_name(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        case = Case(tmp_path, "memory:", stack)
        for case.path in (Path(f"{case.path}\0x"), Path("/nowhere\0x")):  # noqa: B020 - the case is asked about that path
            case.manager.files[str(case.path)] = 0.0
            story = case.why()
            assert (story.kind, story.found) == ("nothing", None)
            assert_agree(getattr(story, kind), case.swept(kind))


def test_what_is_not_registered(case: Case) -> None:
    for path, kind in ((case.folder, "a directory"), (case.folder / "none", "nothing"), ("/dev/null", "a device")):
        story = why(case.manager.context, path)
        assert (story.rule, story.record, story.kind, story.due_at) == (Rule.NOT_REGISTERED, None, kind, None)
        assert story.users.processes == ()
    assert why(case.manager.context, "relative").path == os.path.abspath("relative")


def test_another_clock(case: Case) -> None:
    later = FakeClock(case.clock.wall() + AGE + 1)
    assert case.why().cleanup.status is None
    assert why(timed(case.manager, later), case.path).cleanup.status is Status.REMOVED


def test_nothing_of_it_is_left_open(case: Case) -> None:
    case.old()
    case.why()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        case.why()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_capabilities_are_read(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nCapEff:\t0000000010080004\n")
    assert probe.capabilities(str(status)) == {"CAP_LEASE", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"}
    status.write_text("CapEff:\t0000000000000000\n")
    assert probe.capabilities(str(status)) == set()
    for text in ("", "CapEff:", "CapEff:\tnone\n"):
        status.write_text(text)
        assert probe.capabilities(str(status)) is None


class TestSessions:
    """Files that live as long as their session."""

    def session(self, case: Case, *, ends_at: float = math.inf, owner: Owner = THIS_PROCESS) -> int:
        session = case.manager.registry.begin("request 42", now=case.clock.wall(), ends_at=ends_at, owner=owner)
        case.manager.context.registrar.one(case.path, None, (), session.number)
        return session.number

    def reasons(self, case: Case, status: Status | None) -> str:
        """Return why, which is the same for every kind of sweep; say that it is what sweeps do."""
        story = case.why()
        assert [getattr(story, kind).rule for kind in KINDS] == [Rule.SESSION] * 3
        (reason,) = {getattr(story, kind).reason for kind in KINDS}
        assert {getattr(story, kind).status for kind in KINDS} == {status}
        return str(reason)

    def test_it_lives(self, case: Case) -> None:
        self.session(case)
        case.old()
        assert self.reasons(case, None) == (
            'its session "request 42" lives with this process since 1970-01-12 13:46:40Z'
        )
        assert case.why().scheduled.at == math.inf
        assert [case.swept(kind) for kind in KINDS] == [None] * 3

    def test_its_time_is_its_end(self, case: Case) -> None:
        self.session(case, ends_at=NOW + 60, owner=None)
        assert self.reasons(case, None).endswith("lives since 1970-01-12 13:46:40Z, at most until 1970-01-12 13:47:40Z")
        assert case.why().scheduled.at == NOW + 60
        case.clock.advance(60)
        assert self.reasons(case, Status.REMOVED) == (
            'its session "request 42" ends with the next sweep: its time is up'
        )
        assert case.swept("scheduled")

    def test_its_process_is_gone(self, case: Case) -> None:
        with subprocess.Popen(["sleep", "60"]) as process:
            owner = identity_of(process.pid)
            number = self.session(case, owner=owner)
            assert f"lives with process {process.pid} since" in self.reasons(case, None)
            (status,) = sessions(case.manager.context)
            assert (status.number, status.owner, status.alive) == (number, f"process {process.pid}", True)
            assert status.records == 1
            process.kill()
        assert self.reasons(case, Status.REMOVED) == (
            'its session "request 42" ends with the next sweep: its process is gone'
        )
        (status,) = sessions(case.manager.context)
        assert status.alive is False
        case.manager.registry.end((number,), NOW)
        assert sessions(case.manager.context) == ()
        assert self.reasons(case, Status.REMOVED) == (
            'its session "request 42" ended at 1970-01-12 13:46:40Z: its process is gone'
        )
        assert case.swept("command_line")

    def test_pins_and_holds_come_first(self, case: Case) -> None:
        self.session(case)
        case.manager.pin(case.path, ttl=5)
        assert case.why().rule is Rule.PIN
        with case.manager.hold(case.path):
            assert case.why().rule is Rule.HOLD
