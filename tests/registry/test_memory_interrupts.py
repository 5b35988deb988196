"""Ctrl-C and signal handlers in the middle of the registry in memory: no lock, claim or record is left halfway."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from contexts import MakeManager
from interrupts import everywhere, interrupted, stop
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RegistryBusyError
from temp_file_manager.records import Kind, Nature, Ruled, Selection, Status
from temp_file_manager.registry import THIS_PROCESS, MemoryRegistry, Settlement
from temp_file_manager.testing import NOW
from temp_file_manager.testing.threads import Work

MEMORY = "registry/memory/"
DUE = Selection(NOW + 1000, 100)


def made() -> MemoryRegistry:
    registry = MemoryRegistry()
    registry.add([(f"/m/{number}", None, None, (), None, None) for number in range(3)], NOW)
    registry.add([("/m/timed", NOW + 1, 5, ("x",), None, None)], NOW)
    return registry


def swept(registry: MemoryRegistry) -> None:
    claim = registry.claim(DUE, now=NOW, lease=60, limit=2)
    registry.settle(Settlement(claim, 1, {}, NOW))


def kept(registry: MemoryRegistry) -> None:
    claim = registry.claim(DUE, now=NOW, lease=60, limit=2)
    by_rules = [Other(Status.KEPT, Cause.RULE, due_at=NOW + 50, rule=rule) for rule in ("charts", "")]
    registry.settle(Settlement(claim, 2, dict(enumerate(by_rules)), NOW))


STEPS: dict[str, Callable[[MemoryRegistry], object]] = {
    "add_one": lambda registry: registry.add_one("/m/new", NOW, registry.settlements),
    "add_one of what came before": lambda registry: registry.add_one("/m/new", NOW - 1, registry.settlements),
    "add": lambda registry: registry.add(
        [("/m/0", NOW + 1, 1, (), None, None), ("/m/new", None, 1, (), None, None)], NOW
    ),
    "files": lambda registry: registry.files.__setitem__("/m/new", NOW),
    "files of the known": lambda registry: registry.files.__setitem__("/m/timed", NOW),
    "setdefault": lambda registry: registry.files.setdefault("/m/new", NOW),
    "update": lambda registry: registry.files.update({"/m/new": NOW, "/m/0": NOW}),
    "replace": lambda registry: registry.replace([("/m/0", NOW), ("/m/new", NOW)]),
    "amend": lambda registry: registry.amend("/m/0", NOW - 5),
    "forget": lambda registry: registry.forget(["/m/0"]),
    "keep": lambda registry: registry.keep(["/m/0"], NOW + 5),
    "release": lambda registry: registry.release(["/m/0"]),
    "a sweep": swept,
    "add of what is not plain": lambda registry: registry.add(
        [("/m/0", NOW + 1, None, (), None, None), ("/m/new", None, None, (), None, None)],
        NOW,
        natures={"/m/0": Nature("charts"), "/m/new": Nature(kind=Kind.COMPRESSED, origin="/m/was")},
    ),
    "ruled": lambda registry: registry.ruled(
        Ruled(record, "charts", NOW + 5) for record in registry.get(("/m/0", "/m/1")).values()
    ),
    "a sweep that keeps by a rule": kept,
}


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupt_leaves_every_record_to_be_found(step: str) -> None:
    """Once, one in ``add_one`` left a record in the dict and in no queue: only ``clear_all`` found it."""

    def at(point: int) -> bool:
        registry = made()
        with suppress(KeyboardInterrupt), interrupted(point, MEMORY, stop) as reached:
            STEPS[step](registry)
        assert registry.lock.acquire(blocking=False), "the lock is free"
        registry.lock.release()
        registry.claim(DUE, now=NOW + 1000, lease=60, limit=0)  # ends what was claimed, by its lease
        late = Selection(NOW + 5000, 100)
        found = registry.claim(late, now=NOW + 1000, lease=60, limit=99).records
        assert sorted(found.paths()) == sorted(registry.files)
        return reached()

    assert everywhere(at) > 3


@pytest.mark.parametrize("step", STEPS)
def test_a_signal_handler_never_waits_for_its_own_thread(step: str) -> None:
    """Once, a handler that cleared while its thread registered waited for that thread's lock for ever."""

    def work() -> int:
        def at(point: int) -> bool:
            registry, refused = made(), []

            def handle() -> None:
                try:
                    claim = registry.claim(Selection(NOW, 0, force=True), now=NOW, lease=60, limit=9)
                    registry.settle(Settlement(claim, len(claim.records), {}, NOW))
                    registry.release(["/m/0"], THIS_PROCESS)
                except RegistryBusyError as error:
                    refused.append(str(error))

            with interrupted(point, MEMORY, handle) as reached:
                STEPS[step](registry)
            assert all("signal handler" in words for words in refused)
            assert registry.lock.acquire(blocking=False)
            registry.lock.release()
            return reached()

        return everywhere(at)

    assert Work(work).end() > 3


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_an_interrupted_sweep_leaves_no_claim(make_manager: MakeManager, tmp_path: Path, registry: str) -> None:
    """Once, between ``claim`` and the variable that it was to be in, one left the records claimed for their lease."""

    def at(point: int) -> bool:
        manager = make_manager(f"base{point}", registry=registry)
        paths = [tmp_path / f"{point}-{number}" for number in range(3)]
        for path in paths:
            path.touch()
        manager.register_files(paths, ttl=0)
        with suppress(KeyboardInterrupt), interrupted(point, "sweeping/sweep.py", stop) as reached:
            manager.cleanup()
        free(manager)
        left = len([path for path in paths if path.exists()])
        assert manager.cleanup() == left
        manager.close()
        return reached()

    def free(manager: TempFileManager) -> None:
        manager.registry.patience = 0.0
        for path in list(manager.files):
            if Path(path).exists():
                Work(manager.pin, path).end()
                manager.unpin(path)
            else:
                manager.registry.forget([path])

    assert everywhere(at) > 10
