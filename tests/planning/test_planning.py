"""Plans: a dry run, the run, and the plan that is applied do the same; and what is not as planned is left, and said."""

import io
import json
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from io import FileIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histories import histories
from limited import BLOCK, Place, limit
from quarantines import away
from temp_file_manager import RecordsSettled, SweepFinished, TempFileManager
from temp_file_manager.errors import LargeSweepError, PlanError
from temp_file_manager.limits import Limit, Measure
from temp_file_manager.planning.apply import LASTS, apply
from temp_file_manager.planning.plan import plan
from temp_file_manager.planning.plan_file import NOTHING_DONE, Asked, lines
from temp_file_manager.records import Order, Outcome, Selection, Status
from temp_file_manager.reports import SweepReport
from temp_file_manager.rules.rule import Rule
from temp_file_manager.sessions import THIS_PROCESS, ProcessIdentity
from temp_file_manager.storage.kernel.process_identity import identity_of
from temp_file_manager.sweeping.large_sweep_guard import LargeSweepGuard
from temp_file_manager.sweeping.ruling import RulesInForce
from temp_file_manager.sweeping.sweep import Bounds
from temp_file_manager.testing import FakeClock

HOUR = 3600.0
BEFORE, AFTER = 20, 20
"""Seconds from the first registration until files are really made, which no clock of a test changes, and from the last
one to the sweep, at least. So what was rewritten was so after all were registered, and before the sweep."""


@cache
def ended() -> ProcessIdentity:
    """Return a process that has ended."""
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = identity_of(process.pid)
        process.kill()
    return identity


# -- whatever there is ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """A file or a unit, and what becomes of it after it was registered."""

    is_unit: bool
    ttl: int | None
    blocks: int
    tags: tuple[str, ...]
    kept_by: str
    fate: str
    session: str


FILES = st.lists(
    st.builds(
        File,
        is_unit=st.sampled_from([False, False, False, True]),
        ttl=st.sampled_from([None, 0, 0, 5, 10_000]),
        blocks=st.integers(0, 3),
        tags=st.lists(st.sampled_from("xy"), unique=True, max_size=1).map(tuple),
        kept_by=st.sampled_from(["", "", "", "pin", "hold", "use"]),
        fate=st.sampled_from(["", "", "", "gone", "replaced", "rewritten"]),
        session=st.sampled_from(["", "", "", "living", "dead"]),
    ),
    min_size=1,
    max_size=12,
)
LIMITS = st.none() | st.builds(
    lambda measure, mark, order, first, spare: limit(
        measure, mark * (BLOCK if measure is Measure.BYTES else 1), order=order, first=first, spare=spare
    ),
    st.sampled_from([Measure.FILES, Measure.BYTES]),
    st.integers(1, 6),
    st.sampled_from([Order.OLDEST, Order.LEAST_USED, Order.LARGEST]),
    st.sampled_from([(), ("x",)]),
    st.sampled_from([0.0, AFTER + 10]),
)
RULES = st.lists(
    st.one_of(
        st.builds(dict, age=st.sampled_from([0.0, 5.0]), quarantine=st.sampled_from([None, 1e5])),
        st.builds(
            dict, keep_last=st.just(1), age=st.sampled_from([None, 5.0]), quarantine=st.sampled_from([None, 1e5])
        ),
        st.builds(
            dict,
            age=st.sampled_from([AFTER + 10, 1e5]),
            compress=st.sampled_from([5.0, AFTER + 5]),
            quarantine=st.sampled_from([None, 1e5]),
        ),
        st.just({"keep": True}),
    ).flatmap(
        lambda what: st.builds(
            lambda name, tags: Rule(name, tags=tags, **what), st.uuids().map(str), st.sampled_from([(), ("x",), ("y",)])
        )
    ),
    max_size=2,
).map(tuple)


class Rules(NamedTuple):
    """Rules that a sweep finds, and whether they have come after its files."""

    rules: tuple[Rule, ...]
    late: bool


class World:
    """Some files, a manager, and what a sweep of it has done."""

    def __init__(self, stack: ExitStack, files: list[File], limited: Limit | None, registry: str, ruled: Rules) -> None:
        folder = tempfile.mkdtemp()
        stack.callback(shutil.rmtree, folder)
        self.clock = FakeClock(float(int(time.time())) - BEFORE)
        place = Place(Path(folder), self.clock, registry)
        stack.callback(place.close)
        self.done: list[tuple[str, Status]] = []
        limits = [limited] if limited else []
        self.manager = place.manager(*limits, hooks=[self.hear], rules=() if ruled.late else ruled.rules)
        begin = self.manager.registry.begin
        now = self.clock.wall()
        sessions = {
            "": 0,
            "living": begin("living", now=now, ends_at=float("inf"), owner=THIS_PROCESS).number,
            "dead": begin("dead", now=now, ends_at=float("inf"), owner=ended()).number,
        }
        for number, file in enumerate(files):
            # What was rewritten stays on record in the base directory alone, and there alone are units.
            in_base = file.is_unit or file.fate == "rewritten"
            folder = self.manager.base_dir if in_base else str(place.folder)
            self.make(os.path.join(folder, f"f{number}"), file, sessions[file.session], stack)
        self.clock.advance(BEFORE + AFTER)
        if ruled.late and registry != "memory:":
            self.manager = place.manager(*limits, hooks=[self.hear], rules=ruled.rules)

    def make(self, path: str, file: File, session: int, stack: ExitStack) -> None:
        ttl = None if session else file.ttl
        self.write(path, file)
        context = self.manager.context
        (context.units if file.is_unit else context.registrar).one(path, ttl, file.tags, session=session)
        self.clock.advance(1)
        if file.kept_by == "pin":
            self.manager.pin(path)
        inner = os.path.join(path, "in") if file.is_unit else path
        if file.kept_by == "hold":
            if file.is_unit:  # only files are held
                self.manager.register_file(inner)
            stack.enter_context(self.manager.hold(inner))
        elif file.kept_by == "use":
            stack.enter_context(FileIO(inner))
        if file.fate:
            os.rename(path, f"{path}.before")
            if file.fate != "gone":
                self.write(path, file)

    def write(self, path: str, file: File) -> None:
        if file.is_unit:
            os.mkdir(path)
            path = os.path.join(path, "in")
        Path(path).write_bytes(bytes(file.blocks * BLOCK))
        now = self.clock.wall()
        os.utime(path, (now, now))

    def hear(self, event: object) -> None:
        if isinstance(event, RecordsSettled):
            self.done += map(said, event.outcomes)


def said(outcome: Outcome) -> tuple[str, Status]:
    return os.path.basename(outcome.record.origin or outcome.record.path), outcome.status


def is_done(outcome: tuple[str, Status]) -> bool:
    return outcome[1] not in NOTHING_DONE


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
@settings(max_examples=histories(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=FILES,
    limited=LIMITS,
    force=st.booleans(),
    protect_open=st.booleans(),
    most=st.none() | st.integers(0, 6),
    ruled=st.builds(Rules, RULES, st.booleans()),
)
def test_a_dry_run_a_run_and_a_plan_that_is_applied_do_the_same(
    registry: str,
    files: list[File],
    limited: Limit | None,
    force: bool,
    protect_open: bool,
    most: int | None,
    ruled: Rules,
) -> None:
    if registry == "memory:":
        plain = {"quarantine": None, "compress": None}
        ruled = Rules(tuple(replace(rule, **plain) for rule in ruled.rules), late=False)
        files = [replace(file, is_unit=False) for file in files]
    if limited is not None and registry == "memory:":
        limited = replace(limited, measure=Measure.FILES, order=Order.OLDEST)
    if limited is not None and any(rule.compress for rule in ruled.rules):
        # How small a file becomes nobody knows before.
        order = limited.order if limited.order is not Order.LARGEST else Order.OLDEST
        limited = limit(Measure.FILES, limited.mark.value, order=order, first=limited.first, spare=limited.spare)
    with ExitStack() as stack:
        swept = World(stack, files, limited, registry, ruled)
        how: dict[str, Any] = {"force": force, "protect_open": protect_open, "limit": most, "trust_clock": False}
        dry = swept.manager.sweep(dry_run=True, **how)
        run = swept.manager.sweep(**how)
        assert sorted(map(said, dry.outcomes)) == sorted(swept.done)
        numbers = ("removed", "quarantined", "compressed", "gone", "replaced", "kept", "failed", "evicted", "stopped")
        assert [getattr(dry, name) for name in numbers] == [getattr(run, name) for name in numbers]

        applied = World(stack, files, limited, registry, ruled)
        asked, file = Asked(1e6, force, protect_open, most), io.BytesIO()
        if registry == "memory:":
            for refused in (plan, lambda context, _, file: apply(context, file)):
                with pytest.raises(PlanError, match=r"memory: does not keep .*: set registry to sqlite:"):
                    refused(applied.manager.context, asked, file)
            return
        assert sorted(map(said, plan(applied.manager.context, asked, file).outcomes)) == sorted(swept.done)
        file.seek(0)
        skipped = list[Outcome]()
        report = apply(applied.manager.context, file, skipped.extend)
        lives = {f"f{number}" for number, one in enumerate(files) if one.session == "living"}
        # What an earlier line has compressed is another file by then.
        others = [(name, Status.REMOVED) for name, status in swept.done if status is Status.COMPRESSED]
        expected = [one for one in swept.done if is_done(one) and one[0] not in lives and one not in others]
        assert sorted(filter(is_done, applied.done)) == sorted(expected)
        assert report.failed == 0
        # A plan is forced into nothing that a living session has, although a forced sweep is.
        assert {os.path.basename(one.record.path) for one in skipped} == {
            one[0] for one in filter(is_done, swept.done) if one[0] in lives or one in others
        }


# -- one by one ----------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time())


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Iterator[Place]:
    made = Place(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def manager(place: Place) -> TempFileManager:
    """With three files that are due, and one that is not."""
    made = place.manager(max_age=HOUR)
    place.add(made, "a", "b", "c", ttl=0)
    place.add(made, "young")
    return made


def planned(manager: TempFileManager, **asked: Any) -> IO[bytes]:
    file = io.BytesIO()
    plan(manager.context, Asked(**{"max_age": manager.max_age, "protect_open": True, **asked}), file)
    file.seek(0)
    return file


def applied(manager: TempFileManager, file: IO[bytes]) -> tuple[SweepReport, dict[str, str]]:
    """Apply a plan; return the report, and what was skipped with the reasons."""
    skipped = list[Outcome]()
    report = apply(manager.context, file, skipped.extend)
    assert {one.status for one in skipped} <= {Status.SKIPPED}
    assert report.skipped == len(skipped)
    return report, {os.path.basename(one.record.path): one.reason for one in skipped}


def test_a_plan_has_a_line_for_each_record(manager: TempFileManager, place: Place, clock: FakeClock) -> None:
    with open(place.path("b"), "rb"):
        first, *middle, last = map(json.loads, planned(manager).read().splitlines())
    assert (first["plan"], first["base_dir"], first["asof"]) == (1, manager.context.base_dir, clock.wall())
    assert first["registry"] == manager.registry.number != ""
    assert first["asked"] == {"max_age": HOUR, "force": False, "protect_open": True, "limit": None, "budget": None}
    record = manager.registry.get([place.path("a")])[place.path("a")]
    assert record.identity is not None
    assert middle[0] == {
        "path": place.path("a"),
        "generation": record.generation,
        "identity": list(record.identity),
        "status": "removed",
        "reason": "",
        "bytes": BLOCK,
        "limit": "",
    }
    assert [(line["status"], line["reason"]) for line in middle[1:]] == [
        ("kept", "in use: somebody has it open"),
        ("removed", ""),
    ]
    assert last["counts"] == {"removed": 2, "kept": 1}
    assert place.left() == ["a", "b", "c", "young"]


def test_a_plan_has_more_lines_than_a_report_has_outcomes(
    manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("temp_file_manager.sweeping.tally.OUTCOMES_IN_A_REPORT", 1)
    monkeypatch.setattr("temp_file_manager.planning.apply.CHUNK", 2)
    file = planned(manager)
    assert len(list(lines(file))) == 3
    file.seek(0)
    assert applied(manager, file)[0].removed == 3


def test_a_path_of_any_bytes_is_planned(manager: TempFileManager, place: Place) -> None:
    name = os.fsdecode(b"\xff\n\x1b\"'")
    place.add(manager, name, ttl=0)
    assert applied(manager, planned(manager))[0].removed == 4
    assert place.left() == ["young"]


def test_what_has_changed_is_skipped_and_said(manager: TempFileManager, place: Place, clock: FakeClock) -> None:
    names = ("pinned", "held", "again", "other", "forgotten", "gone", "used", "later", "session", "kept")
    place.add(manager, *names, ttl=0)
    with open(place.path("kept"), "rb"):
        file = planned(manager)
    manager.pin(place.path("pinned"))
    manager.register_file(place.path("again"), ttl=0)
    os.rename(place.path("other"), place.path("other.before"))
    Path(place.path("other")).write_text("another")
    manager.registry.forget([place.path("forgotten")])
    os.rename(place.path("gone"), place.path("gone.before"))
    manager.files[place.path("later")] = clock.wall() + HOUR
    session = manager.session("work")
    session.register_file(place.path("session"))
    clock.advance(1)
    with manager.hold(place.path("held")), open(place.path("used"), "rb"):
        report, skipped = applied(manager, file)
    assert skipped == {
        "pinned": "pinned for another endless time",
        "held": "held: a process has asked to keep it while it works with it",
        "again": "it was registered again, or given another time, since the plan was made",
        "other": "the plan says removed, and it would be replaced: another file has been put in its place since it was "
        "registered",
        "forgotten": "it is on record no more",
        "gone": "the plan says removed, and it would be gone: already gone",
        "used": "the plan says removed, and it would be kept: in use: somebody has it open",
        "later": "it was registered again, or given another time, since the plan was made",
        "session": "it was registered again, or given another time, since the plan was made",
    }
    assert report.removed == 3
    assert place.left() == sorted([*set(names) - {"gone"}, "gone.before", "other.before", "young"])


def test_what_was_rewritten_is_another_file(manager: TempFileManager, place: Place, clock: FakeClock) -> None:
    """The record is the same, and stands for another file since the sweep that found it so."""
    descriptor, path = manager.mkstemp(ttl=5)
    os.close(descriptor)
    clock.advance(6)
    file = planned(manager)
    os.rename(path, place.path("before"))
    Path(path).write_text("another")
    os.utime(path, (clock.wall() + 5, clock.wall() + 5))
    record = manager.registry.get([path])[path]
    storage = manager.context.storage_for(protect_open=False)
    manager.context.sweeper.part(Selection(clock.wall(), HOUR, only=(record,)), Bounds(), storage)
    clock.advance(10)
    assert applied(manager, file)[1] == {os.path.basename(path): "another file is on record by now"}
    assert os.path.exists(path)


UNDO = Rule("undo", match=("/**",), age=0.0, quarantine=HOUR)


def test_what_rules_have_quarantined_is_planned_and_done(place: Place, clock: FakeClock) -> None:
    """Under rules that are new, and with a limit that takes one of the files from there at once."""
    place.add(place.manager(), "a", "b", "c", "d")
    manager = place.manager(limit(Measure.FILES, 3, name="few"), rules=(UNDO,))
    with open(place.path("d"), "rb"):
        file = planned(manager)
        assert [(os.path.basename(one.path), one.status, one.limit) for one in lines(file)] == [
            ("a", "quarantined", ""),
            ("b", "quarantined", ""),
            ("c", "quarantined", ""),
            ("d", "kept", ""),
            ("a", "removed", "few"),
        ]
        file.seek(0)
        report, skipped = applied(manager, file)
    assert (report.quarantined, report.evicted, report.removed, skipped) == (3, 1, 1, {})
    assert [os.path.basename(one.origin) for one in away(manager)] == ["b", "c"]
    assert place.left() == ["d"]


def test_what_rules_say_no_more_is_skipped(place: Place, clock: FakeClock) -> None:
    manager = place.manager(rules=(UNDO,))
    place.add(manager, "a")
    file = planned(manager)
    others = place.manager(rules=(replace(UNDO, quarantine=None),))
    assert applied(others, file)[1] == {"a": "the plan says quarantined, and it would be removed"}
    assert place.left() == ["a"]
    file.seek(0)
    keeping = place.manager(rules=(Rule("stay", match=("/**",), keep=True),))
    assert list(applied(keeping, file)[1]) == ["a"]
    assert place.left() == ["a"]


def test_a_plan_asks_about_rules_that_would_take_more_than_it_says(place: Place, clock: FakeClock) -> None:
    manager = place.manager()
    place.add(manager, *"abc", ttl=0)
    file, names = planned(manager), "defghijk"
    place.add(manager, *names)
    context = place.manager(rules=(replace(UNDO, quarantine=None),)).context
    guard = LargeSweepGuard(context.registry, files=0, share=0.0)
    parts = context.registry, clock, clock.wall, lambda: context.max_age, context.registrar.ruling, guard
    changed = TempFileManager.from_context(replace(context, ruling=RulesInForce(*parts)))
    with pytest.raises(LargeSweepError, match=r"more than 3 of 11 .* only because of a change of rules"):
        applied(changed, file)
    assert place.left() == sorted("abc" + names)
    file = planned(changed)  # which has them all
    assert applied(changed, file)[0].removed == 11


def test_rules_go_by_the_age_that_was_asked(place: Place, clock: FakeClock) -> None:
    """So has what no rule is about, whatever is set where the plan is applied."""
    manager = place.manager(rules=(Rule("else", tags=("else",), age=5.0),))
    place.add(manager, "a")
    clock.advance(10)
    file = planned(manager, max_age=5.0)
    assert applied(manager, file)[0].removed == 1
    assert manager.max_age == 1e6


def test_what_another_sweep_has_is_skipped(manager: TempFileManager, place: Place, clock: FakeClock) -> None:
    file, registry = planned(manager), manager.registry
    claim = registry.claim(manager.context.due(), now=clock.elapsed(), lease=60, limit=1)
    assert claim.records[0].path == place.path("a")
    report, skipped = applied(manager, file)
    assert skipped == {"a": "it is in another sweep, or has changed at this very moment"}
    assert report.removed == 2


def test_what_goes_for_a_limit_goes_whatever_is_passed_by_now(place: Place) -> None:
    manager = place.manager(limit(Measure.FILES, 4, 2, name="few"))
    place.add(manager, *"abcde")
    file = planned(manager)
    assert [(os.path.basename(line.path), line.limit) for line in lines(file)] == [
        ("a", "few"),
        ("b", "few"),
        ("c", "few"),
    ]
    manager.registry.forget([place.path("e"), place.path("d")])
    manager.pin(place.path("a"))
    session = manager.session("work")
    session.register_file(place.path("b"))
    file.seek(0)
    report, skipped = applied(manager, file)
    assert (report.removed, report.evicted, set(skipped)) == (1, 1, {"a", "b"})
    assert place.left() == ["a", "b", "d", "e"]
    counters = manager.registry.stats().counters
    assert (counters["evicted"], counters["evicted_bytes"]) == (1, BLOCK)


def test_bounds_are_of_the_whole(place: Place) -> None:
    manager = place.manager(limit(Measure.FILES, 2))
    place.add(manager, *"abcd")
    place.add(manager, "e", ttl=0)
    dry = manager.sweep(dry_run=True, limit=2)
    assert [os.path.basename(one.record.path) for one in dry.outcomes] == ["e", "a"]
    assert (dry.removed, dry.evicted) == (2, 1)


def test_what_is_foretold_for_one_limit_goes_for_no_other(place: Place) -> None:
    manager = place.manager(limit(Measure.FILES, 4, name="all"), limit(Measure.FILES, 1, name="x", tags=("x",)))
    place.add(manager, *"abc", tags=("x",))
    place.add(manager, *"de")
    goes = [(os.path.basename(line.path), line.limit) for line in lines(planned(manager))]
    assert goes == [("a", "all"), ("b", "x")]


def test_what_goes_for_a_limit_is_protected_in_any_case(place: Place) -> None:
    manager = place.manager(limit(Measure.FILES, 1))
    place.add(manager, *"ab")
    file = planned(manager, protect_open=False)
    with open(place.path("a"), "rb"):
        report, skipped = applied(manager, file)
    assert list(skipped) == ["a"]
    assert (report.removed, report.kept) == (0, 0)


def test_what_a_living_session_has_stays_where_everything_goes(place: Place, clock: FakeClock) -> None:
    manager = place.manager()
    place.add(manager, "a", "b")
    manager.session("work").register_file(place.path("b"))
    file = planned(manager, force=True)
    assert [os.path.basename(line.path) for line in lines(file)] == ["a", "b"]
    file.seek(0)
    report, skipped = applied(manager, file)
    assert (report.removed, skipped) == (1, {"b": "its session lives"})


def test_what_a_session_that_was_renewed_has_stays(place: Place, clock: FakeClock) -> None:
    manager = place.manager()
    place.add(manager, "a")
    session = manager.registry.begin("work", now=clock.wall(), ends_at=clock.wall() + 5, owner=None)
    manager.context.registrar.one(place.path("a"), None, (), session.number)
    clock.advance(6)
    file = planned(manager)
    manager.registry.renew(session.number, clock.wall() + 60)
    report, skipped = applied(manager, file)
    assert (report.removed, skipped) == (0, {"a": "its session ends in 1 min 0 s"})


def test_what_is_planned_for_an_age_is_applied_for_it(place: Place, clock: FakeClock) -> None:
    """What the sweep was asked is a part of the plan."""
    manager = place.manager(max_age=HOUR)
    place.add(manager, "a", "b")
    clock.advance(60)
    file = planned(manager, max_age=30.0)
    manager.files[place.path("b")] = clock.wall()
    report, skipped = applied(manager, file)
    assert (report.removed, skipped) == (
        1,
        {"b": "it was registered again, or given another time, since the plan was made"},
    )


def test_a_failed_removal_is_told(
    manager: TempFileManager, place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file, unlink = planned(manager), os.unlink

    def refuse(name: Any, **where: Any) -> None:
        if os.fsdecode(name) == "b":
            raise PermissionError(1, "Operation not permitted", place.path("b"))
        unlink(name, **where)

    monkeypatch.setattr("temp_file_manager.storage.local.os.unlink", refuse)
    with caplog.at_level(logging.INFO):
        report, skipped = applied(manager, file)
    assert (report.removed, report.failed, skipped) == (2, 1, {})
    assert "Cleaned up 2 temporary files (force=False), 1 failed" in caplog.messages


def test_hooks_and_the_history_hear_of_one_sweep(place: Place) -> None:
    heard: list[object] = []
    manager = place.manager(hooks=[heard.append])
    place.add(manager, "a", "b", ttl=0)
    heard.clear()
    file = planned(manager)
    assert heard == []
    report, _ = applied(manager, file)
    assert [type(event) for event in heard] == [RecordsSettled, SweepFinished]
    assert heard[-1] == SweepFinished(report)
    assert [sweep.removed for sweep in manager.context.history.sweeps(9)] == [2]


def test_it_stops_between_chunks(manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("temp_file_manager.planning.apply.CHUNK", 1)
    answers = iter([False, False, True])
    report = apply(manager.context, planned(manager), stop=lambda: next(answers, True))
    assert (report.stopped, report.removed, report.skipped) == ("stopped", 1, 0)
    answers = iter([False, True])
    report = apply(manager.context, planned(manager), stop=lambda: next(answers, True))
    assert (report.stopped, report.removed, report.skipped) == ("stopped", 0, 0)


# -- what is refused -----------------------------------------------------------------------------------------


def refused(manager: TempFileManager, content: bytes) -> str:
    before = dict(manager.files)
    with pytest.raises(PlanError) as error:
        apply(manager.context, io.BytesIO(content))
    assert dict(manager.files) == before
    return str(error.value)


def test_what_is_no_whole_plan_is_refused(manager: TempFileManager) -> None:
    whole = planned(manager).read()
    all_lines = whole.splitlines(keepends=True)
    again = "make it again with: temp-file-manager sweep --plan FILE"
    for content in (b"", b"no plan\n", b"[1]\n", b"{}\n", b'{"plan": true}\n', b"[" * 100_000, all_lines[1]):
        assert refused(manager, content) == f"this is no plan: {again}"
    broken = [whole[:-1], whole[:-20], b"".join(all_lines[:-1]), all_lines[0], whole + b"\n", whole + all_lines[1]]
    broken += [b"".join([*all_lines[:1], *all_lines[2:]]), whole.replace(b'"removed"', b'"gone"', 1)]
    broken += [whole.replace(b'"removed": 3', b'"removed": 2')]
    for content in broken:
        assert refused(manager, content) == f"the plan was cut off or edited since it was made: {again}"


def test_a_newer_format_is_refused(manager: TempFileManager) -> None:
    content = planned(manager).read().replace(b'"plan": 1', b'"plan": 2')
    assert refused(manager, content).startswith(
        "the plan has format 2, and this version knows 1 at most: apply it with the version that made it, or make it"
    )


def test_another_registrys_plan_is_refused(manager: TempFileManager, tmp_path: Path, clock: FakeClock) -> None:
    """Also one that has been put in the place of the one that it is of, and another base directory of the same."""
    content, address = planned(manager).read(), manager.registry.properties.address
    others = [(str(tmp_path / "other"), "sqlite:"), (str(tmp_path / "other"), address)]
    for base, registry in others:
        other = TempFileManager(base, registry=registry, clock=clock)
        message = refused(other, content)
        assert message.startswith(f"the plan is of {manager.context.base_dir} in {address}, and this is {base} in ")
        assert message.endswith("apply it with the plan's --base-dir and --registry")
        other.close()
    manager.close()
    os.rename(tmp_path / "base" / ".temp-file-manager", tmp_path / "before")
    with_new = TempFileManager(tmp_path / "base", registry="sqlite:", clock=clock)
    assert "apply it with the plan's" in refused(with_new, content)
    with_new.close()


def test_a_plan_lasts_a_day(manager: TempFileManager, clock: FakeClock) -> None:
    file = planned(manager)
    content = file.read()
    clock.advance(LASTS + 1)
    assert refused(manager, content).startswith("the plan is 1 d 0 h old, and a plan lasts 1 d 0 h: make it again")
    clock.advance(-LASTS - 2)
    assert refused(manager, content).startswith("the plan is from the future by this clock: make it again")
    clock.advance(1 + LASTS)
    assert applied(manager, io.BytesIO(content))[0].removed == 3
