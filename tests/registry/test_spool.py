"""Registering while the server is out of reach."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from patience import PATIENCE
from registry.spools import SwitchedRegistry, named, registry_in, spooled
from temp_file_manager.errors import RegistryError, RegistryFullError, RegistryUnavailableError
from temp_file_manager.logs import logger
from temp_file_manager.records import PENDING, Identity, Kind, Nature, Selection
from temp_file_manager.registry import Looked, Registry, Settlement
from temp_file_manager.registry.spool import drain
from temp_file_manager.registry.spool.file import SpoolFile, usual_path
from temp_file_manager.registry.spool.registry import SpooledRegistry
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.testing import NOW, FakeClock, RegistryContract


class TestSpooledRegistry(RegistryContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.place = tmp_path

    def make_registry(self) -> SpooledRegistry:
        return spooled(registry_in(self.place), self.place)

    def make_other(self) -> SpooledRegistry:
        return self.make_registry()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SwitchedRegistry]:
    registry = registry_in(tmp_path)
    yield registry
    registry.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def registry(target: SwitchedRegistry, tmp_path: Path, clock: FakeClock) -> Iterator[SpooledRegistry]:
    made = spooled(target, tmp_path, clock)
    yield made
    target.down = False
    made.close()


def times(registry: SwitchedRegistry) -> dict[str, float]:
    return dict(registry.files)


def test_what_is_registered_in_an_outage_is_on_record_after_it(
    registry: SpooledRegistry, target: SwitchedRegistry
) -> None:
    nature = Nature("logs", Kind.UNIT, "/from/\udcff")
    target.down = True
    identity = Identity(7, -1, 3, 4, 5, 6)
    registry.add([("/a/\udcff", NOW + 9, 11, ("x", "y"), identity, 13)], NOW, natures={"/a/\udcff": nature})
    registry.add(named("/b"), NOW + 1)
    assert registry.spooled() == (2, NOW)
    target.down = False
    assert registry.drain.once() == 2
    assert registry.spooled() == (0, None)
    assert times(target) == {"/a/\udcff": NOW, "/b": NOW + 1}
    record = target.get(["/a/\udcff"])["/a/\udcff"]
    assert (record.due_at, record.size, record.tags, record.identity, record.disk) == (
        NOW + 9, 11, ("x", "y"), identity, 13
    )  # fmt: skip
    assert (record.rule, record.kind, record.origin) == nature


def test_the_server_is_not_asked_again_in_an_outage(registry: SpooledRegistry, target: SwitchedRegistry) -> None:
    target.down = True
    registry.add(named("/a"), NOW)
    asked = target.asked
    registry.add(named("/b"), NOW)
    assert not registry.add_one("/c", NOW, 0)
    assert target.asked == asked


def test_the_drain_finds_the_server_by_itself(
    registry: SpooledRegistry, target: SwitchedRegistry, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger.name)
    target.down = True
    registry.add(named("/a"), NOW)
    registry.add(named("/b"), NOW)
    for _ in range(3):
        clock.until_waiting()
        clock.advance(drain.PACE)
    clock.until_waiting()
    assert registry.drain.down
    target.down = False
    clock.advance(drain.PACE)
    clock.until_waiting()
    assert not registry.drain.down
    assert set(times(target)) == {"/a", "/b"}
    said = [record.getMessage() for record in caplog.records]
    assert [" is out of reach: " in line for line in said].count(True) == 1
    assert [" answers again, after 4 s" in line for line in said].count(True) == 1


def test_trouble_is_told_once_and_waited_out(
    registry: SpooledRegistry,
    target: SwitchedRegistry,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RegistryError("not today")

    target.down = True
    registry.add(named("/a"), NOW)
    target.down = False
    with monkeypatch.context() as patched:
        patched.setattr(target, "add", refuse)
        for _ in range(3):
            clock.until_waiting()
            clock.advance(drain.PACE)
        clock.until_waiting()
    assert [record.getMessage().endswith(": not today") for record in caplog.records].count(True) == 1
    clock.advance(drain.PACE)
    clock.until_waiting()
    assert set(times(target)) == {"/a"}


def test_what_needs_the_server_is_refused(registry: SpooledRegistry, target: SwitchedRegistry) -> None:
    session = target.begin("s", now=NOW, ends_at=NOW + 9, owner=None)
    target.down = True
    for files, number in ((named("/a"), session.number), (named("/a", identity=PENDING), 0)):
        with pytest.raises(RegistryUnavailableError):
            registry.add(files, NOW, session=number)
    registry.add(named("/a"), NOW)
    for call in (
        lambda: registry.get(["/a"]),
        lambda: registry.forget(["/a"]),
        lambda: registry.keep(["/a"], NOW),
        lambda: registry.amend("/a", NOW),
        registry.stats,
        lambda: registry.page(None, now=0, limit=1),
        lambda: registry.claim(Selection(NOW, 0), now=0, lease=1, limit=1),
        lambda: registry.add(named("/b"), NOW, session=session.number),
    ):
        with pytest.raises(RegistryUnavailableError):
            call()
    assert registry.spooled().records == 0  # somebody has asked to forget it


def test_files_are_looked_at_when_they_are_spooled(registry: SpooledRegistry, target: SwitchedRegistry) -> None:
    target.down = True
    registry.add(named("/a", "/b"), NOW, looked=Looked(0, lambda files: files[1:]))
    target.down = False
    registry.drain.once()
    assert set(times(target)) == {"/b"}


def test_closed_it_has_nothing_open(tmp_path: Path) -> None:
    registry = spooled(registry_in(tmp_path), tmp_path)
    registry.add(named("/a"), NOW)
    assert opened_in(tmp_path) >= {"registry.db", "spool.db"}
    registry.close()
    assert opened_in(tmp_path) == set()


def opened_in(place: Path) -> set[str]:
    """Return what this process has open in a folder."""
    links = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    paths = [link.readlink() for link in links if link.is_symlink()]
    return {path.name for path in paths if path.parent == place}


def test_a_full_spool_refuses_and_keeps_what_it_has(target: SwitchedRegistry, tmp_path: Path) -> None:
    registry = spooled(target, tmp_path, most=3)
    target.down = True
    registry.add(named("/a", "/b"), NOW)
    with pytest.raises(RegistryFullError, match="3 records wait"):
        registry.add(named("/c", "/d"), NOW)
    registry.add(named("/a", "/c"), NOW + 1)
    assert registry.spooled() == (3, NOW)
    target.down = False
    registry.drain.once()
    assert times(target) == {"/a": NOW + 1, "/b": NOW, "/c": NOW + 1}
    target.down = True
    registry.add(named("/d", "/e", "/f"), NOW)  # what was sent takes no room
    registry.close()


@pytest.mark.parametrize(("at_server", "left"), [(NOW - 5, NOW), (NOW, NOW), (NOW + 5, NOW + 5)])
def test_the_later_registration_wins(
    registry: SpooledRegistry, target: SwitchedRegistry, at_server: float, left: float
) -> None:
    target.add(named("/a"), at_server)
    target.keep(["/a"], NOW + 99)
    before = target.get(["/a"])["/a"].generation
    target.down = True
    registry.add(named("/a"), NOW)
    target.down = False
    registry.drain.once()
    record = target.get(["/a"])["/a"]
    assert (record.registered_at, record.pinned_until) == (left, NOW + 99)
    assert (record.generation == before) == (at_server >= NOW)


def test_a_registration_that_comes_between_look_and_change_wins(
    registry: SpooledRegistry, target: SwitchedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.add(named("/old"), NOW - 9)
    target.down = True
    registry.add(named("/old", "/new"), NOW)
    target.down = False
    look = target.get

    def overtaken(paths: list[str]) -> object:
        found = look(paths)
        target.add(named("/old", "/new"), NOW + 50)
        return found

    monkeypatch.setattr(target, "get", overtaken)
    registry.drain.once()
    assert times(target) == {"/old": NOW + 50, "/new": NOW + 50}


def test_what_is_only_for_unknown_paths_replaces_nothing(registry: SpooledRegistry, target: SwitchedRegistry) -> None:
    target.add(named("/a"), NOW - 9)
    target.down = True
    registry.add(named("/b"), NOW - 3)
    registry.add(named("/a", "/b", "/c"), NOW, only_new=True)
    target.down = False
    registry.drain.once()
    assert times(target) == {"/a": NOW - 9, "/b": NOW - 3, "/c": NOW}


def test_what_a_sweep_is_at_work_on_waits(registry: SpooledRegistry, target: SwitchedRegistry) -> None:
    target.patience = 0
    target.add(named("/a"), NOW - 9)
    claim = target.claim(Selection(NOW, 0), now=0, lease=60, limit=1)
    target.down = True
    registry.add(named("/a", "/b"), NOW)
    target.down = False
    assert registry.drain.once() == 1
    assert times(target) == {"/a": NOW - 9, "/b": NOW}
    assert registry.spooled() == (1, NOW)
    target.settle(Settlement(claim, 1, {}, NOW))
    assert registry.drain.once() == 1
    assert times(target) == {"/a": NOW, "/b": NOW}


def test_what_a_standby_has_not_seen_is_sent_again(
    registry: SpooledRegistry, target: SwitchedRegistry, tmp_path: Path, clock: FakeClock
) -> None:
    target.down = True
    registry.add(named("/a"), NOW)
    target.down = False
    registry.drain.once()
    for path in ("/b", "/c"):
        target.down = True
        registry.drain.lost()
        registry.add(named(path), NOW)
        target.down = False
        registry.drain.once()
    target.forget(["/a"])
    target.forget(["/b", "/c"])
    assert registry.drain.once() == 0  # nothing was lost: what is forgotten stays so
    assert times(target) == {}
    target.write(drained_into(tmp_path), "1", NOW, keep=1)  # as a standby that had seen the first batch alone
    assert registry.drain.once() == 2
    assert times(target) == {"/b": NOW, "/c": NOW}
    clock.advance(drain.KEPT)
    registry.drain.once()
    target.write(drained_into(tmp_path), "1", NOW, keep=1)
    target.forget(["/b"])
    assert registry.drain.once() == 0


def drained_into(place: Path) -> str:
    return "spool " + SpoolFile(str(place / "spool.db"), "server scope").name


def test_what_is_forgotten_does_not_come_back(
    registry: SpooledRegistry, target: SwitchedRegistry, tmp_path: Path
) -> None:
    target.down = True
    registry.add(named("/a", "/b"), NOW)
    target.down = False
    assert registry.forget(["/a"]) == 1
    assert registry.drain.once() == 1
    assert registry.forget(["/b"]) == 1
    target.write(drained_into(tmp_path), "0", NOW, keep=1)
    assert registry.drain.once() == 0
    assert times(target) == {}


def test_a_spool_belongs_to_one_registry_and_scope(tmp_path: Path) -> None:
    SpoolFile(str(tmp_path / "spool.db"), "one").close()
    with pytest.raises(RegistryError, match="is the spool of one: give each"):
        SpoolFile(str(tmp_path / "spool.db"), "other")
    assert usual_path("one") != usual_path("other")


def test_a_registry_is_no_spool(target: SwitchedRegistry, tmp_path: Path) -> None:
    target.add(named("/a"), NOW)
    with pytest.raises(RegistryError, match="another program's database"):
        SpoolFile(str(tmp_path / "registry.db"), "one")


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "kind", lambda _: "nfs4")
    with pytest.raises(RegistryError, match=r"network file system.*TEMP_FILE_SPOOL_FILE="):
        SpoolFile(str(tmp_path / "spool.db"), "one")


def test_two_spools_on_one_file_lose_nothing(target: SwitchedRegistry, tmp_path: Path) -> None:
    one, two = spooled(target, tmp_path), spooled(target, tmp_path)
    target.down = True
    one.add(named("/a"), NOW)
    two.add(named("/b"), NOW)
    target.down = False
    assert two.drain.once() == 2
    assert one.drain.once() == 0
    assert times(target) == {"/a": NOW, "/b": NOW}
    one.close()
    two.close()


def test_a_forked_child_spools_and_drains(registry: SpooledRegistry, target: SwitchedRegistry) -> None:
    target.down = True
    registry.add(named("/parent"), NOW)
    child = os.fork()
    if not child:
        try:
            registry.add(named("/child"), NOW)
            target.down = False
            os._exit(registry.drain.once() - 2)
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    target.down = False
    assert registry.drain.once() == 0
    assert set(times(target)) == {"/parent", "/child"}


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from registry.spools import named, registry_in, spooled
    from temp_file_manager.registry.spool import drain, forward
    from temp_file_manager.registry.spool.file import SpoolFile

    place, step = Path(sys.argv[1]), sys.argv[2]
    target = registry_in(place)
    registry = spooled(target, place)
    target.down = True
    registry.add(named("/a", "/old"), 100.0)
    print("acknowledged", flush=True)
    target.down = False
    killed = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    if step == "spooled":
        killed()
    owner = {"take": SpoolFile, "sent": SpoolFile, "expire": SpoolFile}.get(step, target)
    if step.startswith("after "):
        step = step[6:]
        work = getattr(target, step)
        setattr(target, step, lambda *a, **k: (work(*a, **k), killed()))
    else:
        setattr(owner, step, killed)
    registry.drain.once()
"""

STEPS = (
    "spooled",
    "take",
    "get",
    "forget",
    "after forget",
    "add_late",
    "after add_late",
    "write",
    "after write",
    "sent",
)


@pytest.mark.parametrize("step", [*STEPS, "expire"])
def test_nothing_acknowledged_is_lost_by_a_kill(target: SwitchedRegistry, tmp_path: Path, step: str) -> None:
    target.add(named("/old"), 50.0)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), step],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"acknowledged\n")
    registry = spooled(target, tmp_path)
    registry.drain.once()
    assert times(target) == {"/a": 100.0, "/old": 100.0}
    assert registry.spooled().records == 0
    registry.close()


def test_whatever_a_registry_can_be_asked_goes_on_to_it() -> None:
    """What it had from ``Registry`` alone would be answered as a registry does that has nothing of the kind."""
    asked = {name for name in dir(Registry) if not name.startswith("_")}
    assert asked - vars(SpooledRegistry).keys() == set()


def test_no_sweep_of_ours_goes_by_the_age_of_before(target: SwitchedRegistry, tmp_path: Path) -> None:
    """What was registered again in an outage reaches the server before anything is claimed."""
    target.add(named("/a"), 50.0)
    registry = spooled(target, tmp_path)
    target.down = True
    registry.add(named("/a"), 1000.0)
    target.down = False
    assert not registry.claim(Selection(1001.0, 100.0), now=0.0, lease=60.0, limit=10).records
    assert times(target) == {"/a": 1000.0}
    registry.close()
