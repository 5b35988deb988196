"""What a manager makes, and how it, its sessions, settings, records and reports show themselves."""

import copy
import io
import os
import pickle
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, assert_type

import pytest

from temp_file_manager import Outcome, Settings, Status, SweepReport, TempFile, TempFileManager


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


def test_a_directory_on_no_record_has_no_tags(manager: TempFileManager, tmp_path: Path) -> None:
    for make in (manager.mkdtemp, manager.session().mkdtemp):
        with pytest.raises(ValueError, match="give unit=True"):
            make(tags=["t"])
    assert [name for name in os.listdir(tmp_path / "base") if not name.startswith(".")] == []


def test_the_mode_tells_what_is_open(manager: TempFileManager) -> None:
    """The types are mypy's to judge; that they are true, this test's."""
    with manager.open() as updated, manager.open("xb") as written, manager.open("w") as text:
        assert_type(updated, io.BufferedRandom)
        assert_type(written, io.BufferedWriter)
        assert_type(text, io.TextIOWrapper)
        assert (type(updated), type(written), type(text)) == (io.BufferedRandom, io.BufferedWriter, io.TextIOWrapper)
    with manager.reopen(text.name) as read, manager.reopen(text.name, "r", encoding="utf-8") as words:
        assert_type(read, io.BufferedReader)
        assert_type(words, io.TextIOWrapper)
        assert isinstance(read, io.BufferedReader)
        assert isinstance(words, io.TextIOWrapper)


def test_reprs_say_what_is_not_as_by_default(tmp_path: Path) -> None:
    with TempFileManager(tmp_path, 60) as manager:
        assert repr(manager) == f"TempFileManager({str(tmp_path)!r}, max_age=60, registry='memory:')"
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
    assert found(due=True) <= {str(brief)}
    assert found(tag="a", older_than=40) == set()
    with pytest.raises(ValueError, match="older_than"):
        manager.files_where(older_than=-1)
