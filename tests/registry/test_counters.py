"""Totals and journals: of every process, after kill -9, over a new schema, on a full disk, for each scope apart."""

import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import small_disk
from command_line import tfm
from histories import histories
from patience import PATIENCE
from small_disk import fill, make, manager_of, register_until_full
from temp_file_manager import TempFileManager
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.inspection.check import check
from temp_file_manager.inspection.overview import oldest
from temp_file_manager.records import NewFile, Order, Selection, Status, TempFile
from temp_file_manager.registry import MemoryRegistry, Registry, Settlement, counters
from temp_file_manager.registry.sqlite import migration
from temp_file_manager.registry.sqlite.database import Database
from temp_file_manager.registry.sqlite.registry import SqliteRegistry
from temp_file_manager.sweeping.history import History
from temp_file_manager.testing import NOW, FakeClock

disk = small_disk.disk
ALL = Selection(1e10, 0, force=True)
OLDEST, LARGEST = (Selection(0.0, 0.0, order=order) for order in (Order.OLDEST, Order.LARGEST))
BASES = ("/base/one", "/base/two")
RETIRED = ("removed", "gone", "replaced")


def new(path: str, size: int | None = None, due_at: float | None = None) -> NewFile:
    return (path, due_at, size, (), None, None)


def sqlite_at(place: Path, base: str | None = None) -> SqliteRegistry:
    return SqliteRegistry(str(place / "registry.db"), base or str(place))


def room_of(path: str | Path) -> int:
    return 512 * os.stat(path).st_blocks


def remove_all(registry: Registry) -> int:
    claim = registry.claim(ALL, now=0, lease=60, limit=1000)
    registry.settle(Settlement(claim, len(claim.records), {}, NOW))
    return len(claim.records)


def is_balanced(registry: Registry) -> bool:
    """Say whether what was registered once, and is not there, was retired; and the bytes are those that are there."""
    stats, records = registry.stats(), registry.get(list(registry.files)).values()
    retired = sum(stats.counters.get(name, 0) for name in RETIRED)
    assert counters.ages(stats.counters).counts[-1] == retired - stats.counters.get("replaced", 0)
    assert stats.bytes == sum(record.room or 0 for record in records)
    return stats.counters["registered"] - retired == stats.records == len(records)


# -- several processes

TOGETHER = """
import os, sys, time
from temp_file_manager import TempFileManager
base, name = sys.argv[1:]
manager = TempFileManager(base, registry="sqlite:")
while not os.path.exists(f"{base}/go"):
    time.sleep(0.001)
if name == "sweep":
    while manager.cleanup():
        pass
else:
    for number in range(0, 600, 6):
        paths = [f"{base}/{name}-{number + more}" for more in range(6)]
        for path in paths:
            with open(path, "w") as file:
                file.write("12345")
        manager.register_files(paths[:5])
        manager.register_file(paths[5])
        manager.register_file(paths[5])
"""

ALONE = """
import os, sys
from temp_file_manager import TempFileManager
base, name = sys.argv[1:]
manager = TempFileManager(base, registry="sqlite:")
for number in range(0, 600, 20):
    paths = [f"{base}/{name}-{number + more}" for more in range(20)]
    for path in paths:
        with open(path, "w") as file:
            file.write("12345")
    manager.register_files(paths[:19])
    manager.register_file(paths[19])
    if number % 60 == 0:
        manager.clear_all()
    os.write(1, b".")
"""


def program(text: str, base: Path, name: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", text, str(base), name], stdout=subprocess.PIPE)


def test_what_several_processes_do_is_summed(tmp_path: Path) -> None:
    """Two sweep what is due beside two that register what is not."""
    (tmp_path / "files").mkdir()
    paths = [str(tmp_path / "files" / str(number)) for number in range(2000)]
    for path in paths:
        Path(path).write_bytes(b"123")
    room = room_of(paths[0])
    with closing(TempFileManager(tmp_path, registry="sqlite:")) as manager:
        manager.register_files(paths, ttl=0)
        processes = [program(TOGETHER, tmp_path, name) for name in ("sweep", "sweep", "a", "b")]
        (tmp_path / "go").touch()
        assert [process.communicate(timeout=PATIENCE) for process in processes] == [(b"", None)] * 4
        assert {process.returncode for process in processes} == {0}
        manager.cleanup()  # what one sweep had claimed when the other found no more
        found = manager.registry.stats()
        assert (found.records, found.bytes) == (1200, 1200 * room)
        counted = [found.counters[name] for name in ("registered", "removed", "freed_bytes")]
        assert counted == [3400, 2000, 2000 * room]
        assert counters.ages(found.counters).counts[-1] == 2000
        assert check(manager.context) == ()


def test_totals_fit_the_records_after_kill_9(tmp_path: Path) -> None:
    """At whatever point: what was counted was done, and what was done was counted."""
    random = Random(7)
    cut = 0
    with closing(TempFileManager(tmp_path, registry="sqlite:")) as manager:
        for turn in range(15):
            process = program(ALONE, tmp_path, str(turn))
            assert process.stdout is not None
            with process.stdout as told:
                for _ in range(random.randrange(1, 25)):
                    told.read(1)
                for _ in range(random.randrange(2000)):
                    pass
                process.send_signal(signal.SIGKILL)
                killed = process.wait(PATIENCE) == -signal.SIGKILL  # else it was done before
            assert is_balanced(manager.registry)
            cut += killed and manager.registry.stats().records > 0
        assert cut > 5, "most kills came too late, or with nothing on record: this test no longer tries what it says"
        manager.clear_all()
        assert is_balanced(manager.registry)
        assert manager.registry.stats().bytes == 0
        assert {finding.kind for finding in check(manager.context, fix=True)} <= {"leftover lock file"}


def test_each_scope_has_its_own(tmp_path: Path) -> None:
    """Two base directories that share a file: neither sees the other's totals, bytes, oldest or journals."""
    one, two = (sqlite_at(tmp_path, base) for base in BASES)
    one.add([new("/f/a", 5)], NOW)
    two.add([new("/f/a", 70), new("/f/b", 700, NOW + 1)], NOW + 1)
    one.write("sweeps", "one", NOW, keep=1, counters={"x": 1})
    two.write("sweeps", "two", NOW, keep=1)
    two.write("sweeps", "more", NOW, keep=1)
    assert remove_all(two) == 2
    assert (one.stats().records, one.stats().bytes, one.stats().counters) == (1, 5, {"registered": 1, "x": 1})
    assert (two.stats().records, two.stats().bytes, two.stats().counters["removed"]) == (0, 0, 2)
    assert (oldest(one), oldest(two)) == (NOW, None)
    assert sum(one.forecast(ALL, (1.0, 2.0)).files) == 1
    assert [registry.read("sweeps", limit=9)[0].text for registry in (one, two)] == ["one", "more"]
    one.replace([("/f/a", NOW)])
    assert (one.stats().bytes, is_balanced(two)) == (5, True)
    one.close()
    two.close()


def test_they_outlive_every_process(tmp_path: Path) -> None:
    registry = sqlite_at(tmp_path)
    registry.add([new("/f/a", 5), new("/f/b", 70)], NOW)
    remove_all(registry)
    registry.write("sweeps", "line", NOW, keep=9)
    before = registry.stats()
    registry.close()
    assert registry.stats() == before
    with closing(sqlite_at(tmp_path)) as again:
        assert again.stats() == before
        assert again.read("sweeps", limit=9) == [(NOW, "line")]


# -- commands that put files on record


def test_commands_count_as_applications_do(tmp_path: Path) -> None:
    base, files = tmp_path / "base", [tmp_path / "files" / name for name in "abc"]
    files[0].parent.mkdir(mode=0o700)
    for file in files:
        file.write_bytes(b"12345")

    def typed(*words: str) -> str:
        done = tfm(*words, TEMP_FILE_BASE_DIR=str(base))
        assert done.returncode == 0, done.stderr
        return done.stdout

    with closing(TempFileManager(base, registry="sqlite:")) as manager:

        def told() -> tuple[float, int, int | None]:
            stats = manager.registry.stats()
            return stats.counters["registered"], stats.records, stats.bytes

        room = room_of(files[0])
        typed("register", str(files[0]))
        assert told() == (1, 1, room)
        typed("register", str(files[0]))
        assert told() == (2, 1, room), "registered again"
        exported = tmp_path / "exported"
        exported.write_text(typed("export"))
        typed("forget", str(files[0]))
        assert told() == (2, 0, 0)
        typed("import", str(exported))
        assert told() == (3, 1, room)
        typed("adopt", str(files[0].parent), "--yes")
        assert told() == (5, 3, 3 * room), "what was known is left alone"
        typed("sweep", "--all")
        assert manager.registry.stats().counters["removed"] == 3


# -- what was there before, and what is wrong


@pytest.fixture
def former(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the first schema, filled as its version did: two scopes, sizes, a ttl, a size that is not known."""
    with monkeypatch.context() as patch:
        patch.setattr(migration, "MIGRATIONS", migration.MIGRATIONS[:1])
        Database(str(tmp_path / "registry.db"), "NORMAL", lambda: None).close()
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection, connection:
        for scope, base in enumerate(BASES, 1):
            connection.execute("INSERT INTO scopes (id, base, records) VALUES (?, ?, ?)", (scope, base.encode(), 3))
            connection.execute("INSERT INTO directories VALUES (?, ?, ?)", (scope, scope, b"/f"))
            for number, size in enumerate((5 * scope, None, 70)):
                row = (scope * 10 + number, scope, scope, b"%d" % number, NOW + number, None if number else NOW, size)
                connection.execute(
                    "INSERT INTO files (id, scope, directory, name, registered_at, due_at, size, inode, born, changed, "
                    "parent_inode, parent_born, owner) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 1)",
                    row,
                )
        connection.execute("UPDATE numbers SET last = 100")
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT name FROM sqlite_master WHERE name IN ('totals', 'notes')").fetchall() == []
    return tmp_path


def test_a_file_of_the_first_schema_is_counted_when_it_is_opened(former: Path) -> None:
    for base, size in zip(BASES, (75, 80), strict=True):
        with closing(sqlite_at(former, base)) as registry:
            stats = registry.stats()
            assert (stats.records, stats.bytes, dict(stats.counters)) == (3, size, {"registered": 3})
            assert oldest(registry) == NOW
            assert [record.path for record in registry.page(OLDEST, now=0.0, limit=2).records] == ["/f/0", "/f/1"]
            assert registry.check(now=0, fix=False) == ()
            registry.add([new("/f/2", 1), new("/f/new", 9)], NOW)
            assert registry.stats().bytes == size - 60
            assert remove_all(registry) == 4
            assert (registry.stats().bytes, registry.stats().counters["registered"]) == (0, 5)
            registry.write("sweeps", "line", NOW, keep=9)
            assert len(registry.read("sweeps", limit=9)) == 1


def test_one_process_migrates_for_all(former: Path) -> None:
    programs = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from temp_file_manager.registry.sqlite.registry import SqliteRegistry\n"
                "print(SqliteRegistry(*sys.argv[1:]).stats().bytes)",
                str(former / "registry.db"),
                BASES[number % 2],
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    assert [program.communicate(timeout=PATIENCE)[0] for program in programs] == ["75\n", "80\n"] * 2


@pytest.mark.parametrize(("column", "kept"), [("records", 2), ("bytes", 75)])
def test_a_wrong_count_is_found_and_put_right(tmp_path: Path, column: str, kept: int) -> None:
    with closing(sqlite_at(tmp_path)) as registry, closing(sqlite_at(tmp_path, "/other")) as other:
        registry.add([new("/f/a", 5), new("/f/b", 70)], NOW)
        other.add([new("/f/a", 5)], NOW)
        assert registry.check(now=0, fix=True) == ()
        change = f"UPDATE scopes SET {column} = {column} + 9 WHERE id = {registry.transactions.scope}"
        registry.transactions.database.write(lambda connection: connection.execute(change))
        for fix in (False, True):
            (found,) = registry.check(now=0, fix=fix)
            assert (found.kind, found.fixed) == ("wrong count", fix)
            assert found.explanation == f"{kept + 9} by its counter, {kept} by counting"
        stats = registry.stats()
        assert (stats.records, stats.bytes, stats.counters["registered"]) == (2, 75, 2)
        assert registry.check(now=0, fix=False) == other.check(now=0, fix=False) == ()


# -- sizes, and a full disk


@pytest.mark.parametrize("disk", ["size=4m"], indirect=True)
def test_files_with_holes_are_swept(disk: Path | None) -> None:
    """Real ones, of which two are more bytes than 64 bits count; they take no room, and free none."""
    if disk is None:
        return
    manager = manager_of(disk)
    paths = make(disk, 3, 0)
    for path in paths:
        os.truncate(path, (1 << 63) - 4096)
    assert manager.register_files(paths).registered == 3
    assert manager.register_files(paths).registered == 3
    assert manager.registry.stats().bytes == 0
    assert {record.size for record in manager.registry.get(paths).values()} == {(1 << 63) - 4096}
    report = manager.sweep(force=True)
    assert (report.removed, os.listdir(disk / "files")) == (3, [])
    stats = manager.registry.stats()
    assert (stats.bytes, stats.counters.get("freed_bytes", 0)) == (0, 0)
    assert check(manager.context) == ()
    manager.close()


def test_a_full_disk_is_swept_and_counted(disk: Path | None) -> None:
    """Notes may be missing, which is no error; what was removed is counted, now or with the next settlement."""
    if disk is None:
        return
    manager = manager_of(disk)
    paths = make(disk, 120)
    manager.register_files(paths)
    fill(disk)
    register_until_full(manager, paths[:1])
    before = manager.registry.stats().counters["registered"]
    clock = FakeClock()
    history = History(manager.registry, clock)
    for _ in range(3000):  # until no page is left that could be written again
        history.sample()
        clock.advance(60)
    sampled = len(history.samples(60))
    assert manager.clear_all() == 120
    assert os.listdir(disk / "files") == []
    (disk / "filler").unlink()
    manager.register_files(paths := make(disk, 2))
    assert manager.clear_all() == 2
    stats = manager.registry.stats()
    assert (stats.records, stats.bytes) == (0, 0)
    assert stats.counters["registered"] == before + 2
    assert sum(stats.counters.get(name, 0) for name in RETIRED) == 122
    assert sampled < 1440, "the disk was not full: this test no longer tries what it says"
    assert history.sweeps(1)[0].removed == 2
    assert check(manager.context) == ()
    manager.close()


# -- an outlook, and histograms, beside plain computations

TIMES = st.one_of(st.integers(-30, 30).map(float), st.floats(-100, 100), st.sampled_from([math.inf, -math.inf]))


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[NewFile, float]]:
    """Files with and without a ttl and a size, each with its time of registration."""
    count = draw(st.integers(0, 25))
    sizes = st.none() | st.integers(0, 5)
    dues = st.none() | TIMES.map(lambda when: NOW + when)
    files = [new(f"/f/{number}", draw(sizes), draw(dues)) for number in range(count)]
    return [(file, NOW + draw(TIMES)) for file in files]


@pytest.fixture(params=["memory", "sqlite"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    made = MemoryRegistry() if request.param == "memory" else sqlite_at(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=histories(150), deadline=None)
@given(
    files=rows(),
    max_age=st.sampled_from([0.0, 7.0, 20.5, math.inf]),
    bounds=st.lists(st.integers(-20, 50).map(float), min_size=1, max_size=9, unique=True).map(sorted),
    top=st.integers(0, 6),
)
def test_a_forecast_and_orders_are_what_a_plain_look_at_every_record_tells(
    kind: str, files: list[tuple[NewFile, float]], max_age: float, bounds: list[float], top: int
) -> None:
    place = Path(tempfile.mkdtemp())
    registry = MemoryRegistry() if kind == "memory" else sqlite_at(place)
    for file, when in files:
        registry.add([file], when)
    found = registry.forecast(Selection(NOW, max_age), bounds)
    records = list(registry.get([file[0] for file, _ in files]).values())

    def until(record: TempFile) -> int:
        when = record.registered_at + max_age if record.due_at is None else record.due_at
        return next((number for number, bound in enumerate(bounds) if when <= NOW + bound), len(bounds))

    by_bound: list[list[TempFile]] = [[r for r in records if until(r) == number] for number in range(len(bounds) + 1)]
    assert found.files == tuple(map(len, by_bound))
    first = registry.page(OLDEST, now=0.0, limit=top).records
    assert [r.registered_at for r in first] == sorted(r.registered_at for r in records)[:top]
    assert set(first) <= set(records)
    if kind == "sqlite":
        assert found.bytes == tuple(sum(r.size or 0 for r in those) for those in by_bound)
        largest = registry.page(LARGEST, now=0.0, limit=top).records
        assert [r.size for r in largest] == sorted([f[2] for f, _ in files if f[2] is not None], reverse=True)[:top]
    registry.close()
    shutil.rmtree(place)


@given(
    ages=st.lists(st.sampled_from([-1.0, 0.0, *counters.AGES]) | st.floats(-1e5, 1e7), max_size=80),
    chunk=st.integers(1, 50),
)
def test_ages_are_counted_alike_in_whatever_chunks(ages: list[float], chunk: int) -> None:
    told: dict[str, float] = {}
    for first in range(0, len(ages), chunk):
        for name, value in counters.of_settled(ages[first : first + chunk], 0, ()).items():
            told[name] = told.get(name, 0) + value
    found = counters.ages(told)
    real = [max(0.0, age) for age in ages]
    assert found.counts == tuple(sum(age <= bound for age in real) for bound in (*counters.AGES, math.inf))
    assert math.isclose(found.sum, sum(real), abs_tol=1e-3)


def test_what_was_not_simply_removed_is_told_apart() -> None:
    statuses = (Status.REMOVED, Status.GONE, Status.REPLACED, Status.KEPT, Status.FAILED, Status.SKIPPED)
    others = [Other(status, Cause.NONE) for status in statuses]
    others += [Other(Status.KEPT, cause) for cause in (Cause.IN_USE, Cause.IN_USE, Cause.USE_UNKNOWN)]
    unproven = (Cause.IDENTITY_UNKNOWN, Cause.PENDING, Cause.OTHER_DIRECTORY, Cause.ABSENT_DIRECTORY)
    others += [Other(Status.KEPT, cause) for cause in unproven]
    told = counters.of_settled([1.0, math.inf, 3.0, 4.0, -5.0], 70, others)
    found = counters.ages(told)
    assert (found.counts[0], found.counts[-1]) == (4, 5)
    assert math.isfinite(found.sum)
    assert {name: value for name, value in told.items() if not name.startswith("age")} == {
        "removed": 4,
        "gone": 1,
        "replaced": 1,
        "kept": 8,
        "failed": 1,
        "freed_bytes": 70,
        "kept_in_use": 2,
        "kept_unknown": 1,
        "kept_unproven": 4,
    }


@given(durations=st.lists(st.sampled_from(counters.DURATIONS) | st.floats(0, 1000), max_size=40))
def test_durations_are_counted_by_bounds(durations: list[float]) -> None:
    registry = MemoryRegistry()
    for duration in durations:
        registry.write("sweeps", None, NOW, keep=9, counters=counters.of_sweep(duration))
    found = counters.durations(registry.stats().counters)
    assert found.counts == tuple(sum(one <= bound for one in durations) for bound in (*counters.DURATIONS, math.inf))


def test_bytes_of_a_batch_of_every_kind(registry: Registry) -> None:
    """More than are asked about at a time, known and new and twice in one, in any order."""
    random = Random(3)
    sizes: dict[str, int | None] = {}
    for _ in range(30):
        files = [
            new(f"/{random.randrange(3)}/{random.randrange(200)}", random.choice([None, 0, 1, 50]))
            for _ in range(random.randrange(300))
        ]
        registry.add(files, NOW)
        sizes |= {file[0]: file[2] for file in files}
        stats = registry.stats()
        assert stats.records == len(sizes)
        assert stats.bytes in {None, sum(size or 0 for size in sizes.values())}
    assert registry.check(now=0, fix=False) == ()


@pytest.mark.parametrize("bounds", [counters.AGES, counters.DURATIONS])
def test_each_bound_of_a_histogram_is_above_the_one_before(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted({bound for bound in bounds if bound > 0})
