"""The campaigns run, and their judge tells what is wrong with a round."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from places import ROOT


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
    assert list(judge.of_removals(told, [[early, *diary]], forced=True)) == ["a-1 was removed, and was not to be"]


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
