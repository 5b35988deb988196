"""What a manager makes, and how it, its sessions, settings, records and reports show themselves."""

import copy
import io
import os
import pickle
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from temp_file_manager import Outcome, Settings, Status, SweepReport, TempFile, TempFileManager, aio
from temp_file_manager.inspection import pages
from temp_file_manager.testing import FakeClock


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", 100, registry=request.param)) as manager:
        yield manager


def test_an_outcome_has_the_path_of_its_record(manager: TempFileManager) -> None:
    path = manager.path()
    assert [outcome.path for outcome in manager.sweep(force=True).outcomes] == [str(path)]


def test_a_path_is_an_empty_file_that_is_on_record_and_closed(manager: TempFileManager) -> None:
    path = manager.path(".csv", "report-", tags=["a", "b"], ttl=5)
    assert not any(os.path.realpath(f"/proc/self/fd/{fd}") == str(path) for fd in os.listdir("/proc/self/fd"))
    assert (path.name.startswith("report-"), path.suffix, path.read_bytes()) == (True, ".csv", b"")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    record = manager.status(path).record
    assert record is not None
    assert record.tags == ("a", "b")
    assert record.due_at == pytest.approx(record.registered_at + 5)


@pytest.mark.parametrize("in_session", [False, True])
def test_whatever_is_made_takes_a_prefix_and_tags(manager: TempFileManager, in_session: bool) -> None:
    session = manager.session("s")
    maker = session if in_session else manager
    fd, stemp = maker.mkstemp(".x", "pre-", tags=["t"])
    os.close(fd)
    with maker.open("w", ".x", "pre-", tags=["t"]) as file:
        pass
    made = [stemp, file.name, str(maker.path(".x", "pre-", tags=["t"]))]
    if manager.registry.properties.keeps_identity:
        made.append(maker.mkdtemp(".x", "pre-", unit=True, tags=["t"]))
    for path in made:
        record = manager.status(path).record
        assert record is not None
        assert record.tags == ("t",)
        assert (os.path.basename(path)[:4], path[-2:]) == ("pre-", ".x")
        assert bool(record.session) == in_session
    session.end()
    assert [os.path.exists(path) for path in made] == [not in_session] * len(made)


def test_a_directory_on_no_record_has_no_tags_and_no_ttl(manager: TempFileManager, tmp_path: Path) -> None:
    """A ttl was taken once, and meant nothing."""
    for make in (manager.mkdtemp, manager.session().mkdtemp):
        with pytest.raises(ValueError, match=r"has tags as a unit alone: give unit=True, or give tags to the files"):
            make(tags=["t"])
    for ttl in (0, "2h"):
        with pytest.raises(ValueError, match=r"has a ttl as a unit alone: give unit=True, or give a ttl to the files"):
            manager.mkdtemp(ttl=ttl)
    assert [name for name in os.listdir(tmp_path / "base") if not name.startswith(".")] == []


def test_the_mode_tells_what_is_open(manager: TempFileManager) -> None:
    """That checkers see these types ``test_types`` says; that they are true, this test."""
    with manager.open() as updated, manager.open("xb") as written, manager.open("w") as text:
        assert (type(updated), type(written), type(text)) == (io.BufferedRandom, io.BufferedWriter, io.TextIOWrapper)
    with manager.reopen(text.name) as read, manager.reopen(text.name, "r", encoding="utf-8") as words:
        assert isinstance(read, io.BufferedReader)
        assert isinstance(words, io.TextIOWrapper)


def test_reprs_say_what_is_not_as_by_default(tmp_path: Path) -> None:
    with TempFileManager(tmp_path, 60) as manager:
        assert repr(manager) == f"TempFileManager({str(tmp_path)!r}, max_age=60, registry='memory:')"
        assert repr(aio.TempFileManager(manager)) == f"aio.{manager!r}"
        session = manager.session("job")
        assert repr(session) == "<ManagedSession 'job': not begun>"
        with session:
            assert repr(session) == f"<ManagedSession 'job': number {session.number}>"
        assert repr(session) == "<ManagedSession 'job': ended>"
    record = TempFile("/a", 1.0, tags=("t",))
    assert repr(record) == "TempFile(path='/a', registered_at=1.0, tags=('t',))"
    outcome = Outcome(record, Status.REMOVED)
    assert repr(outcome) == f"Outcome(record={record!r}, status={Status.REMOVED!r})"
    assert repr(SweepReport(removed=2, outcomes=(outcome,))) == "SweepReport(removed=2)"
    assert repr(Settings(max_age=60)) == "Settings(max_age=60)"


def test_a_repr_shows_no_password() -> None:
    settings = Settings(registry="postgresql://user:secret@host/db", api_token="x" * 32)
    assert "secret" not in repr(settings)
    assert "xxx" not in repr(settings)


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy])
def test_to_pickle_a_manager_says_what_to_do(manager: TempFileManager, attempt: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="hand over its base_dir and settings"):
        attempt(manager)


def test_records_are_found_by_what_they_are(manager: TempFileManager, tmp_path: Path) -> None:
    tagged, brief = manager.path(tags=["a", "b"]), manager.path(ttl=0)
    (tmp_path / "other").touch()
    manager.register_file(tmp_path / "other")
    manager.files[str(tmp_path / "other")] -= 50

    def found(**which: Any) -> set[str]:
        return {record.path for record in manager.files_where(**which)}

    assert found() == {str(tagged), str(brief), str(tmp_path / "other")}
    assert found(tag="b") == {str(tagged)}
    assert found(tag="ab") == set()
    assert found(under=tmp_path / "base") == {str(tagged), str(brief)}
    assert found(older_than="40s") == {str(tmp_path / "other")}
    assert found(tag="a", older_than=40) == set()
    with pytest.raises(ValueError, match="older_than"):
        manager.files_where(older_than=-1)


def test_what_is_due_is_what_a_cleanup_would_take(tmp_path: Path) -> None:
    """Each for a reason of its own, what waits the longest first; and after the cleanup nothing."""
    clock = FakeClock()
    with closing(TempFileManager(tmp_path / "base", 100, registry="sqlite:", clock=clock)) as manager:
        brief, long = manager.path("-brief", ttl=10, tags=["t"]), manager.path("-long", ttl=1000)
        common, pinned, held = manager.path("-common"), manager.path("-pinned"), manager.path("-held")
        manager.pin(pinned)
        session = manager.session()
        owned = session.path()

        def due(**which: Any) -> list[str]:
            return [record.path for record in manager.files_where(due=True, **which)]

        with manager.hold(held):
            assert due() == []
            clock.advance(10)
            assert due() == [str(brief)]
            clock.advance(91)
            recent = manager.path("-recent")
            assert due() == [str(brief), str(common)]
            assert (due(tag="t"), due(older_than=101), due(under=tmp_path / "other")) == ([str(brief)], [], [])
            manager.max_age = 1e6
            assert due() == [str(brief)]
            manager.max_age = 100
            would = {
                outcome.path for outcome in manager.sweep(dry_run=True).outcomes if outcome.status is Status.REMOVED
            }
            assert would == set(due())
            assert manager.cleanup() == 2
            assert due() == []
        assert due() == [str(held)], "nobody holds it any more"
        manager.unpin(pinned)
        session.end()
        assert set(due()) == {str(held), str(pinned)}
        assert [path.exists() for path in (long, recent, owned)] == [True, True, False]


def test_more_that_is_due_than_a_page_has_is_found(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(TempFileManager(tmp_path / "base", 100, clock=clock)) as manager:
        many = {f"/tmp/{number:04}": clock.wall() - 2 * pages.PAGE + number for number in range(pages.PAGE + 1)}
        manager.files |= many
        manager.files["/tmp/new"] = clock.wall()
        assert [record.path for record in manager.files_where(due=True)] == list(many)
