"""Files that are put on record under a rule, by every way there is."""

import os
from pathlib import Path

import pytest

from contexts import MakeManager
from temp_file_manager import Settings, SettingsError, TempFileManager
from temp_file_manager.adopt.plan import adopt, plan
from temp_file_manager.adopt.survey import Wanted
from temp_file_manager.cli import main
from temp_file_manager.records import TempFile
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.testing import NOW, FakeClock

RULES = (
    Rule("charts", match=("*.svg",), age=10.0),
    Rule("tagged", tags=("x",), age=20.0, by=By.USE),
    Rule("models", match=("models/*",), keep=True),
    Rule("others", match=("**/*.tmp",)),
)


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, make_manager: MakeManager) -> TempFileManager:
    return make_manager(registry=request.param, settings=Settings(rules=RULES), max_age=50)


def record(manager: TempFileManager, path: str) -> TempFile:
    return manager.registry.get((path,))[path]


def terms(manager: TempFileManager, path: str) -> tuple[str, float | None]:
    found = record(manager, path)
    return found.rule, found.due_at


def make(folder: Path, name: str, size: int = 5) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"1" * size)
    return str(path)


def file(manager: TempFileManager, name: str) -> str:
    return make(Path(manager.base_dir), name)


@pytest.mark.parametrize("many", [False, True])
def test_registered(manager: TempFileManager, many: bool) -> None:
    """One by one and in bulk: by name, tag, place, by max_age as it is then, and by none."""
    expected = {
        "a.svg": ("charts", NOW + 10),
        "models/a": ("models", float("inf")),
        "d/a.tmp": ("others", NOW + 50),
        "a.csv": ("", None),
    }
    paths = {file(manager, name): name for name in expected}
    for some in [list(paths)] if many else [[path] for path in paths]:
        if many:
            assert manager.register_files(some).registered == len(expected)
        else:
            manager.register_file(some[0])
    assert {name: terms(manager, path) for path, name in paths.items()} == expected
    tagged = file(manager, "b.csv")
    manager.register_file(tagged, tags=("w", "x"))
    assert terms(manager, tagged) == ("tagged", NOW + 20)


def test_an_end_of_its_own_wins(manager: TempFileManager) -> None:
    """A ttl, and a session."""
    path, other = file(manager, "a.svg"), file(manager, "b.svg")
    manager.register_file(path, ttl=100)
    assert terms(manager, path) == ("", NOW + 100)
    with manager.session("s") as session:
        session.register_file(other)
        assert terms(manager, other) == ("", float("inf"))
        session.keep(other)
        assert terms(manager, other) == ("charts", NOW + 10), "it has left the session"
    manager.register_file(path)
    assert terms(manager, path) == ("charts", NOW + 10)


def test_made(manager: TempFileManager) -> None:
    """Under its name."""
    descriptor, path = manager.mkstemp(suffix=".svg")
    os.close(descriptor)
    assert terms(manager, path) == ("charts", NOW + 10)
    with manager.open(suffix=".svg") as opened:
        assert terms(manager, opened.name) == ("charts", NOW + 10)
    descriptor, path = manager.mkstemp(suffix=".svg", ttl=5)
    os.close(descriptor)
    assert terms(manager, path) == ("", NOW + 5)


def test_of_its_size(make_manager: MakeManager) -> None:
    """As it is on the disk when it is registered."""
    manager = make_manager(registry="sqlite:", settings=Settings(rules=(Rule("large", larger=1 << 16, age=5.0),)))
    large, small = (make(Path(manager.base_dir), name, size) for name, size in (("l", 1 << 16), ("s", 10)))
    manager.register_files([large, small])
    assert (terms(manager, large), terms(manager, small)) == (("large", NOW + 5), ("", None))


def test_adopted(tmp_path: Path, make_manager: MakeManager, clock: FakeClock) -> None:
    """From when it was there; what is given a ttl keeps that."""
    manager = make_manager(registry="sqlite:", settings=Settings(rules=RULES), max_age=50)
    path, other = make(tmp_path / "found", "a.svg"), make(tmp_path / "found", "a.csv")
    clock.set(wall=os.stat(path).st_mtime + 1000)
    for ttl in (None, 30.0):
        planned = plan(Wanted(str(tmp_path / "found"), ttl=ttl), now=clock.wall(), max_age=50)
        assert adopt(manager.context, planned).registered == 2
        since = record(manager, path).registered_at
        expected = [("charts", since + 10), ("", None)] if ttl is None else [("", since + 30), ("", since + 30)]
        assert [terms(manager, one) for one in (path, other)] == expected
        manager.registry.forget((path, other))


def test_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What has no end of its own comes under the rules there are."""
    flags = ["--base-dir", str(tmp_path / "base")]
    path, other = make(tmp_path / "base", "a.svg"), make(tmp_path / "base", "b.svg")
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "charts"\nmatch = ["*.svg"]\nage = 10')
    assert main(["register", *flags, path]) == main(["register", *flags, "--ttl", "90", other]) == 0
    capsys.readouterr()
    assert main(["export", *flags]) == 0
    (tmp_path / "exported").write_text(capsys.readouterr().out)
    assert main(["forget", *flags, path, other]) == 0
    assert main(["import", *flags, "--rules", str(rules), str(tmp_path / "exported")]) == 0
    with TempFileManager(tmp_path / "base", registry="sqlite:") as manager:
        found = record(manager, path)
        assert (found.rule, found.due_at) == ("charts", found.registered_at + 10)
        assert record(manager, other).rule == ""
        manager.registry.forget((path, other))


def test_what_a_registry_cannot_do_is_refused_at_once(make_manager: MakeManager) -> None:
    """In memory, where nobody knows which file is meant; all of it is told."""
    rules = (
        Rule("a", larger=1, quarantine=5.0),
        Rule("b", compress=5.0),
        Rule("c", age=5.0, by=By.USE),
    )
    with pytest.raises(SettingsError) as caught:
        make_manager(registry="memory:", settings=Settings(rules=rules))
    assert [problem.partition(" keeps no sizes")[0] for problem in caught.value.problems] == [
        'rule "a": memory:',
        'rule "b": memory:',
    ]
    assert caught.value.problems[0].endswith("set registry to sqlite: for larger and quarantine")
