"""The campaigns run, and their judge tells what is wrong with a round."""

import importlib
import math
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from monitoring import tool
from places import ROOT
from temp_file_manager import RegisterReport, RegistryError, TempFileManager
from temp_file_manager.events import Hooks
from temp_file_manager.records import Selection
from temp_file_manager.registry import Claim, Settlement
from temp_file_manager.registry.postgres.registry import PostgresRegistry
from temp_file_manager.registry.spool.file import SpoolFile
from temp_file_manager.sweeping import sweep

OPERATIONS = 1500
"""Of the storm. ``python -m benchmarks.campaigns storm`` does 100,000."""
HOSTS = 600
"""Operations of the chaos on PostgreSQL. ``python -m benchmarks.campaigns chaos`` does 100,000."""
TRIES = 15
"""Of the faults at system calls. ``python -m benchmarks.campaigns faults`` makes them all, some thousands."""


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def judge() -> ModuleType:
    return importlib.import_module("benchmarks.campaigns.judge")


def lines(*words: str) -> list[Any]:
    """Return a diary about one file: a line a second, from the first on."""
    line = importlib.import_module("benchmarks.campaigns.diary").Line
    parts = [word.partition(" ") for word in words]
    return [line(at, word, "a-1", detail) for at, (word, _, detail) in enumerate(parts, 1)]


DUE = ("making", "made", "registering due", "registered")
LATER = (*DUE, "registering later", "registered")


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (("making",), []),
        (("making", "made"), ["stay"]),
        (DUE[:3], []),
        (DUE, []),
        ((*DUE[:3], "refused"), []),
        ((*DUE, "registering later"), []),
        (LATER, ["stay", "record"]),
        ((*DUE, "registering later", "refused"), []),
        ((*DUE, "pinning"), []),
        ((*DUE, "pinning", "pinned"), ["stay", "record"]),
        ((*DUE, "pinning", "pinned", "unpinning"), []),
        ((*DUE, "forgetting", "forgot"), ["stay"]),
        ((*DUE, "making", "made"), ["stay"]),
    ],
)
def test_what_is_gone_and_was_to_stay_is_told(judge: ModuleType, told: tuple[str, ...], wrong: list[str]) -> None:
    found = list(judge.of_files(judge.stories([lines(*told)]), set(), set(), forced=False))
    assert [word for word in wrong if any(word in problem for problem in found)] == wrong
    assert len(found) == len(wrong)


@pytest.mark.parametrize(
    ("told", "wrong"),
    [(DUE[:3], 0), (DUE, 1), (LATER, 1), ((*DUE, "forgetting"), 0), ((*DUE, "forgetting", "forgot"), 0)],
)
def test_a_file_without_its_record_is_told(judge: ModuleType, told: tuple[str, ...], wrong: int) -> None:
    assert len(list(judge.of_files(judge.stories([lines(*told)]), {"a-1"}, set(), forced=False))) == wrong


def removal(first: int, last: int) -> list[Any]:
    line = importlib.import_module("benchmarks.campaigns.diary").Line
    return [line(first, "unlinking", "a-1", "1"), line(last, "unlinked", "a-1", "1")]


@pytest.mark.parametrize(
    ("first", "last", "due", "everything"),
    [
        (2, 2, False, False),  # nobody had begun to register it
        (3, 3, True, True),
        (4, 5, True, True),
        (5, 7, True, True),  # the registration for longer was not acknowledged when this began
        (6, 7, False, True),  # a sweep of everything that begins later takes it
    ],
)
def test_a_removal_of_what_was_not_due_is_told(
    judge: ModuleType, first: int, last: int, due: bool, everything: bool
) -> None:
    told = judge.stories([lines(*LATER)])
    for forced, right in ((False, due), (True, everything)):
        assert bool(list(judge.of_removals(told, [removal(first, last)], forced=forced))) is not right, forced


def test_a_sweep_of_everything_takes_nothing_that_is_registered_after_it_began(judge: ModuleType) -> None:
    told, diary = judge.stories([lines(*LATER)]), removal(8, 9)
    assert list(judge.of_removals(told, [diary], forced=True)) == []
    early = diary[0]._replace(at=4, name="a-2")  # the same sweep had begun before
    told |= judge.stories([[line._replace(name="a-2") for line in lines(*DUE)]])
    assert list(judge.of_removals(told, [[early, *diary]], forced=True)) == [
        "a-1 was removed, and was not to be: later"
    ]


def test_a_removal_that_is_reported_twice_is_told(judge: ModuleType) -> None:
    told = judge.stories([lines(*DUE)])
    once, other = lines("settled removed 17.0", "settled removed 18.0")
    assert list(judge.of_removals(told, [[once], [other]], forced=False)) == []
    assert list(judge.of_removals(told, [[once], [once]], forced=False)) == ["a-1 removed 17.0: reported 2 times"]


def test_what_a_sweep_has_left_is_told(judge: ModuleType) -> None:
    for told, wrong in ((DUE, 1), (LATER, 0), ((*DUE, "pinning"), 0), ((*DUE, "pinning", "refused"), 1)):
        found = judge.of_a_sweep(judge.stories([lines(*told)]), {"due"}, set(), {"a-1"})
        assert len(list(found)) == wrong, told


def test_a_kill_campaign_meets_what_it_is_for(tmp_path: Path) -> None:
    kill = importlib.import_module("benchmarks.campaigns.kill").kill
    campaign = kill(4, str(tmp_path), 1, lambda _: None)
    assert campaign.problems == []
    assert campaign.counts["rounds"] == 4
    assert min(campaign.counts[what] for what in ("registered", "pinned", "unlinked")) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_swap_campaign_meets_what_it_is_for(tmp_path: Path) -> None:
    swap = importlib.import_module("benchmarks.campaigns.swap").swap
    campaign = swap(1, str(tmp_path), lambda _: None)
    assert campaign.problems == []
    assert campaign.counts["swaps"] > 0
    assert list(tmp_path.iterdir()) == []


def test_an_overflow_campaign_meets_what_it_is_for() -> None:
    overflow = importlib.import_module("benchmarks.campaigns.overflow").overflow
    campaign = overflow(17_000, lambda _: None)
    assert campaign.problems == []
    assert campaign.counts["files on record, events read as they came"] == 17_000
    assert campaign.counts["files on record, events not read"] == 17_000
    assert campaign.counts["times everything was looked at, events not read"] > 0


def test_a_fill_campaign_meets_what_it_is_for() -> None:
    fill = importlib.import_module("benchmarks.campaigns.fill").fill
    campaign = fill(100, 10_000, lambda _: None)
    for problem in campaign.problems:
        print(problem)
        assert problem.startswith("not tried: ")
    assert campaign.problems or campaign.counts["files"] == 100


HELD = (*DUE, "holding", "held")


@pytest.mark.parametrize(
    ("told", "there", "recorded", "wrong"),
    [
        (HELD, False, False, 2),
        ((*HELD, "dying"), False, False, 0),  # it may have died, and a sweep have come
        ((*HELD, "dying", "dead"), False, False, 0),
        ((*HELD, "releasing"), False, False, 0),
        ((*HELD, "replacing", "replaced"), False, True, 1),
        ((*DUE, "replacing", "replaced"), False, False, 0),
        ((*DUE, "taking", "taken"), False, False, 0),
        ((*LATER, "taking"), False, False, 0),
        ((*LATER, "taking", "refused"), False, True, 1),
    ],
)
def test_what_is_held_replaced_or_taken_away_is_judged(
    judge: ModuleType, told: tuple[str, ...], there: bool, recorded: bool, wrong: int
) -> None:
    stories = judge.stories(
        [[line._replace(name="") if line.word in ("dying", "dead") else line for line in lines(*told)]]
    )
    found = judge.of_files(stories, {"a-1"} if there else set(), {"a-1"} if recorded else set(), forced=False)
    assert len(list(found)) == wrong


@pytest.mark.parametrize(("sweeping", "right"), [(5, True), (6, True), (7, False)])
def test_another_file_is_removed_only_by_a_sweep_that_may_have_looked_before_it_was_there(
    judge: ModuleType, sweeping: int, right: bool
) -> None:
    told = judge.stories([lines(*DUE, "replacing", "replaced")])
    began = removal(1, 1)[0]._replace(at=sweeping, word="sweeping", name="")
    assert bool(list(judge.of_removals(told, [[began, *removal(8, 9)]], forced=False))) is not right


def test_a_file_that_nobody_has_on_record_stays_whatever_is_swept(judge: ModuleType) -> None:
    told = judge.stories([lines(*DUE, "forgetting", "forgot")])
    assert list(judge.of_others(told, {"a-1"})) == []
    assert len(list(judge.of_others(told, set()))) == 1


def test_a_storm_meets_what_it_is_for(tmp_path: Path) -> None:
    storm = importlib.import_module("benchmarks.campaigns.storm").storm
    campaign = storm(OPERATIONS, str(tmp_path), 1, lambda _: None)
    assert campaign.problems == []
    assert campaign.counts["operations"] >= OPERATIONS
    met = ("interrupts", "processes stopped and continued", "processes killed")
    done = (
        "registered",
        "refused",
        "pinned",
        "unpinned",
        "held",
        "released",
        "forgot",
        "replaced",
        "taken",
        "unlinked",
    )
    assert min(campaign.counts[what] for what in met + done) > 0
    assert list(tmp_path.iterdir()) == []


def pins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TempFileManager, "pin", lambda *_: None)


def records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TempFileManager, "register_files", lambda _, paths, **__: RegisterReport(len(paths), 0, ()))


def takes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    cleanup = TempFileManager.cleanup
    monkeypatch.setattr(TempFileManager, "cleanup", lambda self, **_: cleanup(self, force=True))


def tells_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    emit = Hooks.emit

    def twice(self: Hooks, event: Any) -> None:
        emit(self, event)
        emit(self, event)

    monkeypatch.setattr(Hooks, "emit", twice)


def hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("benchmarks.campaigns.storm"), "HUNG", 0.5)

    def hung(*_: object) -> None:
        while True:
            with suppress(KeyboardInterrupt):
                threading.Event().wait()

    monkeypatch.setattr(TempFileManager, "hold", hung)


def raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def raised(self: TempFileManager, path: str) -> None:
        raise TypeError("not to be met")

    monkeypatch.setattr(TempFileManager, "unpin", raised)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (pins_nothing, "pinned"),
        (records_nothing, "not on record"),
        (takes_everything, "was not to be"),
        (tells_twice, "reported 2 times"),
        (hangs, "has done nothing"),
        (raises, "not to be met"),
    ],
)
def test_a_storm_finds_a_fault_that_is_made_on_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None], word: str
) -> None:
    storm = importlib.import_module("benchmarks.campaigns.storm").storm
    fault(monkeypatch)
    problems = storm(500, str(tmp_path), 1, lambda _: None).problems
    assert any(word in problem for problem in problems), problems


def test_chaos_meets_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens meanwhile is a matter of the machine's speed: it is played until all has been met."""
    monkeypatch.setattr(importlib.import_module("benchmarks.campaigns.storm"), "WORLDLY", 0.3)  # more weather sooner
    chaos = importlib.import_module("benchmarks.campaigns.chaos").chaos
    met = ("processes stopped and continued", "processes killed", "server restarts", "times all connections were cut")
    met += ("failovers to a synchronous standby",)
    done = ("registered", "unlinked", "changes of delay", "transactions held open")
    counts: Counter[str] = Counter()
    for seed in range(2, 8):
        campaign = chaos(HOSTS, str(tmp_path), seed, lambda _: None)
        assert campaign.problems == []
        counts += campaign.counts
        if min(counts[what] for what in met + done) > 0:
            break
    assert min(counts[what] for what in met + done) > 0, counts
    assert list(tmp_path.iterdir()) == []


def test_chaos_finds_claims_that_keep_nobody_out(tmp_path: Path) -> None:
    chaos, actors = (importlib.import_module(f"benchmarks.campaigns.{name}") for name in ("chaos", "actors"))

    def unfenced(random: Random) -> None:
        """Let go of each claim at once, and go on when an owner has registered some of it for longer."""
        claim, sweep.LEASE = PostgresRegistry.claim, math.inf
        nobody = threading.Event()

        def free_at_once(self: PostgresRegistry, due: Selection, **how: Any) -> Claim:
            made = claim(self, due, **{**how, "lease": chaos.LEASE})
            self.settle(Settlement(made, 0, {}, due.asof))
            for _ in range(200 if made.records else 0):
                if any((record.due_at or 0) > due.asof + 100 for record in self.get(made.records.paths()).values()):
                    break
                nobody.wait(0.01)
            return made

        patch.object(PostgresRegistry, "claim", free_at_once).start()  # for good, in a process of its own

    roles = (*[actors.renew] * 3, *[actors.sweep] * 2)
    problems = chaos.chaos(60, str(tmp_path), 1, lambda _: None, roles, unfenced, calm=True).problems
    assert any("is gone, and was to stay" in problem for problem in problems), problems


def test_chaos_finds_a_spool_that_loses_what_waits(tmp_path: Path) -> None:
    chaos = importlib.import_module("benchmarks.campaigns.chaos")

    def forgetful(random: Random) -> None:
        del random
        patch.object(SpoolFile, "add", lambda *_, **__: None).start()  # for good, in a process of its own

    problems: list[str] = []
    for seed in range(1, 7):  # until the server was away while one registered
        problems += chaos.chaos(200, str(tmp_path), seed, lambda _: None, (chaos.spool,) * 2, forgetful).problems
        if problems:
            break
    assert any("is not on record" in problem for problem in problems), problems


def test_a_sample_of_faults_at_system_calls_loses_nothing(tmp_path: Path) -> None:
    tool("strace")
    faults = importlib.import_module("benchmarks.campaigns.faults").faults
    campaign = faults(TRIES, str(tmp_path), 3, lambda _: None)
    assert campaign.problems == []
    assert campaign.counts["tries"] == TRIES
    assert sum(campaign.counts[kind] for kind in ("EIO", "ENOSPC", "SIGKILL", "SIGINT")) > TRIES / 2
    assert list(tmp_path.iterdir()) == []


def test_a_fault_at_a_system_call_that_is_hidden_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("strace")
    faults = importlib.import_module("benchmarks.campaigns.faults").faults
    register = TempFileManager.register_files

    def hidden(self: TempFileManager, paths: list[str], **how: Any) -> RegisterReport:
        try:
            return register(self, paths, **how)
        except RegistryError:
            return RegisterReport(len(paths), 0, ())

    monkeypatch.setattr(TempFileManager, "register_files", hidden)
    problems = faults(8, str(tmp_path), 1, lambda _: None, only="register: EIO at pwrite64").problems
    assert any("is not on record" in problem for problem in problems), problems
