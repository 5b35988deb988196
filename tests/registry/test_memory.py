"""What only a registry in memory promises."""

import copy
import json
import math
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.records import NewFile, Selection, Status, TempFile
from temp_file_manager.registry import MemoryRegistry, Settlement
from temp_file_manager.registry.memory import queue
from temp_file_manager.registry.memory.files import Stamp
from temp_file_manager.registry.schemes import is_durable
from temp_file_manager.testing import NOW, in_child


def new(path: str, due_at: float | None = None, size: int | None = None, tags: tuple[str, ...] = ()) -> NewFile:
    return (path, due_at, size, tags, None, None)


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail when what runs inside leaves more than 1 MB behind: the stale records of these tests are more."""
    tracemalloc.start()
    try:
        yield
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1e6


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


class TestMemory:
    def find_nothing_due(self, registry: MemoryRegistry) -> None:
        """Claim, as every scheduled sweep does: callers' writes to the dict cannot rebuild a heap themselves."""
        assert not registry.claim(Selection(NOW, 1e9), now=NOW, lease=60, limit=9).records

    @pytest.mark.parametrize(
        "again",
        [
            pytest.param(lambda r, now: r.add((new("/m/a"),), now), id="add"),
            pytest.param(lambda r, now: r.add((new("/m/a", now + 9.0),), now), id="add with ttl"),
            pytest.param(lambda r, now: r.add_one("/m/a", now, 0), id="add_one"),
            pytest.param(lambda r, now: r.files.__setitem__("/m/a", now), id="files"),
        ],
    )
    def test_heaps_stay_small_when_a_path_is_registered_over_and_over(
        self, registry: MemoryRegistry, again: Callable[[MemoryRegistry, float], None]
    ) -> None:
        with little_memory():
            for number in range(100_000):
                again(registry, NOW + number)
            self.find_nothing_due(registry)
        assert len(registry.claim(Selection(NOW + 1e6, 0), now=NOW, lease=60, limit=9).records) == 1

    @pytest.mark.parametrize(
        "add",
        [
            pytest.param(lambda r, path: r.add((new(path),), NOW), id="add"),
            pytest.param(lambda r, path: r.add((new(path, NOW + 9.0),), NOW), id="add with ttl"),
            pytest.param(lambda r, path: r.add_one(path, NOW, 0), id="add_one"),
            pytest.param(lambda r, path: r.files.__setitem__(path, NOW), id="files"),
        ],
    )
    def test_heaps_stay_small_when_files_come_and_go(
        self, registry: MemoryRegistry, add: Callable[[MemoryRegistry, str], None]
    ) -> None:
        with little_memory():
            for number in range(30_000):
                add(registry, f"/m/{number}")
                del registry.files[f"/m/{number}"]
            self.find_nothing_due(registry)

    def test_files_is_a_dict(self, registry: MemoryRegistry) -> None:
        files = registry.files
        assert isinstance(files, dict)
        assert files == {}
        files["/m/a"] = 5
        files.update({"/m/b": 6.0}, named=7.0)
        files.update([("/m/c", 8.0)])
        files |= {"/m/d": 9.0}
        files |= [("/m/e", 10.0)]
        assert files is registry.files
        assert files.setdefault("/m/f", 11.0) == 11.0
        assert files.setdefault("/m/f", 12.0) == 11.0
        expected = {
            "/m/a": 5.0, "/m/b": 6.0, "named": 7.0, "/m/c": 8.0, "/m/d": 9.0, "/m/e": 10.0, "/m/f": 11.0,
        }  # fmt: skip
        assert files == expected
        assert repr(files) == repr(expected)
        assert json.loads(json.dumps(files)) == expected
        assert files | {"x": 1.0} == {**expected, "x": 1.0}
        assert registry.files == expected, "a | b makes a new dict"
        # Every insertion counts, whichever method made it.
        claimed = registry.claim(Selection(100.0, 0), now=0, lease=60, limit=99).records
        assert [record.path for record in claimed] == list(expected)
        assert files.popitem() == ("/m/f", 11.0)
        assert files.pop("/m/a") == 5.0
        with pytest.raises(KeyError):
            files.pop("/m/a")
        del files["/m/b"]
        with pytest.raises(KeyError):
            del files["/m/b"]
        assert list(files) == ["named", "/m/c", "/m/d", "/m/e"]
        files.clear()
        assert (len(files), files) == (0, {})
        with pytest.raises(ValueError):
            files.update([("only",)])

    def test_copies_are_plain_and_nobodys_registry(self, registry: MemoryRegistry) -> None:
        registry.add((new("/m/a", NOW + 9, None, ("x",)),), NOW)
        files = registry.files
        for clone in (copy.copy(files), files.copy(), copy.deepcopy(files), pickle.loads(pickle.dumps(files))):
            assert type(clone) is dict
            assert clone == {"/m/a": NOW}
            clone["/m/b"] = 1.0
        for clone in (copy.deepcopy(files), pickle.loads(pickle.dumps(files))):
            assert [type(when) for when in clone.values()] == [float]
        assert files == {"/m/a": NOW}

    def test_a_time_is_a_number(self, registry: MemoryRegistry) -> None:
        files = registry.files
        files["/m/a"] = NOW
        with pytest.raises(InvalidArgumentError, match="NaN"):
            files["/m/a"] = math.nan
        with pytest.raises(InvalidArgumentError, match="NaN"):
            files.update({"/m/b": math.nan})
        with pytest.raises(InvalidArgumentError):
            files.setdefault("/m/b")
        with pytest.raises(InvalidArgumentError):
            registry.replace([("/m/c", NOW), ("/m/b", math.nan)])
        with pytest.raises(TypeError, match="number"):
            files["/m/b"] = "12"  # type: ignore[assignment]  # on purpose
        assert files == {"/m/a": NOW}

    def test_a_time_of_another_file_brings_nothing_of_that(self, registry: MemoryRegistry) -> None:
        registry.add([("/m/m", NOW + 5, None, ("x",), None, None)], NOW)
        registry.replace([(path, registry.files["/m/m"]) for path in ("/m/a", "/m/z")])
        for record in registry.get(("/m/a", "/m/z")).values():
            assert (record.registered_at, record.due_at, record.tags) == (NOW, None, ())

    def test_what_was_written_over_a_claimed_record_has_not_failed(self, registry: MemoryRegistry) -> None:
        registry.add((new("/m/a"),), NOW)
        claim = registry.claim(Selection(NOW + 1000, 100), now=NOW, lease=60, limit=9)
        registry.files["/m/a"] = NOW + 1
        registry.settle(Settlement(claim, 1, {0: Other(Status.FAILED, Cause.NOT_REGULAR)}, NOW))
        assert "failed" not in registry.stats().counters
        assert registry.get(("/m/a",))["/m/a"].failures == 0

    def test_a_forked_child_holds_no_claim_and_no_lock(self, registry: MemoryRegistry) -> None:
        registry.add((new("/m/a"),), NOW)
        due = Selection(NOW + 1000, 100)
        registry.claim(due, now=NOW, lease=60, limit=9)

        def child() -> list[object]:
            return [record.path for record in registry.claim(due, now=NOW, lease=60, limit=9).records]

        with registry.lock:
            assert in_child(child) == ["/m/a"]
        assert not registry.claim(due, now=NOW, lease=60, limit=9).records

    def test_an_interrupted_claim_loses_nothing(
        self, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.add([new(f"/m/{number}") for number in range(5)], NOW)
        real = queue.DueQueue.take

        def interrupted(*args: Any) -> list[Stamp]:
            real(*args)
            raise KeyboardInterrupt

        monkeypatch.setattr(queue.DueQueue, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            registry.claim(Selection(NOW + 1000, 100), now=NOW, lease=60, limit=9)
        monkeypatch.undo()
        assert len(registry.claim(Selection(NOW + 1000, 100), now=NOW, lease=60, limit=9).records) == 5


def test_a_stale_settlement_after_replacing_all_files_ends_no_new_claim() -> None:
    registry = MemoryRegistry()
    assert registry.add_one("/p", 0.0, 0)
    due = Selection(1000.0, 100.0)
    first = registry.claim(due, now=0, lease=60, limit=1)
    registry.replace(list(registry.files.items()))
    assert first.still is not None
    assert not first.still(0)
    second = registry.claim(due, now=60, lease=60, limit=1)
    registry.settle(Settlement(first, 0, {}, 0))
    assert not registry.claim(due, now=60, lease=60, limit=1).records
    registry.settle(Settlement(second, 0, {}, 0))
    assert len(registry.claim(due, now=60, lease=60, limit=1).records) == 1


@pytest.mark.parametrize("register", ["add", "add_one"])
def test_what_is_registered_while_all_is_replaced_is_on_record(
    registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch, register: str
) -> None:
    """Whoever assigns a new dict takes no lock. Excludes code that records in the dict of before."""
    real = queue.DueQueue.append

    def replaced(self: queue.DueQueue, stamp: Stamp) -> None:
        monkeypatch.setattr(queue.DueQueue, "append", real)
        real(self, stamp)
        registry.replace([("/m/other", NOW)])

    monkeypatch.setattr(queue.DueQueue, "append", replaced)
    if register == "add" or not registry.add_one("/m/a", NOW, 0):
        registry.add((new("/m/a"),), NOW)
    assert registry.files == {"/m/a": NOW, "/m/other": NOW}
    assert registry.stats().counters["registered"] == 2
    assert len(registry.claim(Selection(NOW + 1000, 0), now=NOW, lease=60, limit=9).records) == 2


def test_what_is_claimed_while_all_is_replaced_is_not_removed(
    registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add_one("/m/a", NOW, 0)
    real = queue.DueQueue.take

    def replaced(self: queue.DueQueue, *args: Any) -> list[Stamp]:
        found = real(self, *args)
        registry.replace([])
        return found

    monkeypatch.setattr(queue.DueQueue, "take", replaced)
    claim = registry.claim(Selection(NOW + 1000, 0), now=NOW, lease=60, limit=9)
    assert claim.still is not None
    assert (len(claim.records), claim.still(0)) == (1, False)


def test_what_callers_wrote_over_a_claimed_record_is_found_by_later_sweeps() -> None:
    """Sweeps pass it as long as its path is out, and it must not be lost for that."""
    registry = MemoryRegistry()
    registry.files["/p"] = 0.0
    due = Selection(1000.0, 100.0)
    first = registry.claim(due, now=0, lease=60, limit=1)
    registry.files["/p"] = 1.0
    assert not registry.claim(due, now=0, lease=60, limit=1).records
    registry.settle(Settlement(first, 0, {}, 0))
    assert registry.claim(due, now=0, lease=60, limit=1).records.paths() == ["/p"]


@pytest.mark.parametrize("order", [sorted, lambda times: sorted(times, reverse=True)], ids=["rising", "falling"])
def test_what_was_registered_in_any_order_is_taken_in_that_of_time(order: Callable[[range], list[int]]) -> None:
    """The list of those in order and the heap of the rest are one queue."""
    registry = MemoryRegistry()
    for number in order(range(0, 300, 2)):
        registry.add_one(f"/m/{number}", float(number), 0)
    registry.files.update({f"/m/{number}": float(number) for number in range(1, 300, 2)})
    found, after = [], None
    while (claim := registry.claim(Selection(200.5, 0), now=0, lease=60, limit=7, after=after)).records:
        found += [record.registered_at for record in claim.records]
        after = claim.cursor
    assert found == [float(number) for number in range(201)]


def test_one_that_the_clock_put_before_another_waits_for_none() -> None:
    registry = MemoryRegistry()
    for number, now in enumerate((1.0, 9.0, 5.0)):
        registry.add([(f"/{number}", None, 1, (), None, None)], now)
    claimed = registry.claim(Selection(16.0, 10.0), now=0.0, lease=60.0, limit=9)
    assert claimed.records.paths() == ["/0", "/2"]


def test_a_record_in_memory_is_what_was_registered() -> None:
    """Excludes code that says of a fresh record what no registration said: a failure, an end, a claim's number."""
    registry = MemoryRegistry()
    assert registry.add_one("/s/a", NOW, 0)
    assert registry.get(["/s/a"]) == {"/s/a": TempFile("/s/a", NOW)}


def test_a_registry_that_has_nothing_to_check_finds_nothing() -> None:
    """Excludes code whose answer to ``check`` cannot be gone through."""
    assert MemoryRegistry().check(now=NOW, fix=True) == ()


def test_a_registry_in_memory_outlives_nothing() -> None:
    """Excludes code that calls every registry durable, unless it says otherwise."""
    assert not is_durable(MemoryRegistry(), "/base")
    assert not is_durable("memory:", "/base")
