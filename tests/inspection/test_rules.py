"""What is known of rules: how many records each decides about, and what may not be as it was meant."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from temp_file_manager import TempFileManager
from temp_file_manager.inspection.doctor import Level
from temp_file_manager.inspection.rules import Counts, checks, rules, unread
from temp_file_manager.records import Nature
from temp_file_manager.registering.identify import identify
from temp_file_manager.rules.patterns import literal
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.settings import Settings
from temp_file_manager.storage.kernel import mounts
from temp_file_manager.storage.kernel.mounts import Reading
from temp_file_manager.testing import FakeClock

BASE = "/srv/base"


def doubts(*found: Rule, base_dir: str = BASE, adopted: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    return [one.warnings for one in unread(found, base_dir, adopted)]


def is_behind(rule: Rule, *before: Rule) -> bool:
    """Say whether a rule is told to decide about nothing."""
    return any("decides about nothing" in warning for warning in doubts(*before, rule)[-1])


# -- a rule behind another


@pytest.mark.parametrize(
    ("before", "rule"),
    [
        (Rule("a"), Rule("b")),
        (Rule("a"), Rule("b", ("x/*",), ("t",), larger=5)),
        (Rule("a", ("**",)), Rule("b", ("/elsewhere/x",))),
        (Rule("a", ("*",)), Rule("b", ("x/**",))),
        (Rule("a", ("/**",)), Rule("b", ("*.svg", "x/y"))),
        (Rule("a", ("x/**",)), Rule("b", ("x/**",))),
        (Rule("a", ("x/**",)), Rule("b", ("x/y/*.svg", "x/z"))),
        (Rule("a", ("x/**",)), Rule("b", (f"{BASE}/x/y",))),
        (Rule("a", (f"{BASE}/**",)), Rule("b", ("x/y",))),
        (Rule("a", ("x/**", "y/**")), Rule("b", ("y/1", "x/1"))),
        (Rule("a", ("*.svg",)), Rule("b", ("x/*.svg",))),
        (Rule("a", ("*.svg",)), Rule("b", ("x/y.svg",))),
        (Rule("a", tags=("s", "t")), Rule("b", tags=("t",))),
        (Rule("a", larger=5), Rule("b", larger=5)),
    ],
)
def test_what_a_rule_before_leaves_nothing_to(before: Rule, rule: Rule) -> None:
    assert is_behind(rule, before)
    assert not is_behind(before) or before == rule


@pytest.mark.parametrize(
    ("before", "rule"),
    [
        (Rule("a", ("x/**",)), Rule("b")),
        (Rule("a", ("x/*",)), Rule("b", ("x/**",))),
        (Rule("a", ("x/y/**",)), Rule("b", ("x/**",))),
        (Rule("a", ("x/**",)), Rule("b", ("xy/z",))),
        (Rule("a", ("x/**",)), Rule("b", ("*.svg",))),
        (Rule("a", ("*.svg",)), Rule("b", ("x/**",))),
        (Rule("a", ("x/**",)), Rule("b", ("x/1", "z/1"))),
        (Rule("a", ("x/**",), tags=("t",)), Rule("b", ("x/**",))),
        (Rule("a", tags=("s",)), Rule("b", tags=("s", "t"))),
        (Rule("a", larger=5), Rule("b")),
        (Rule("a", larger=5), Rule("b", larger=4)),
    ],
)
def test_what_is_left_to_a_rule(before: Rule, rule: Rule) -> None:
    assert not is_behind(rule, before)


def test_a_base_directory_with_wildcards_in_its_name_is_no_pattern() -> None:
    odd = "/srv/[ab]"
    behind = doubts(Rule("a", ("x/**",)), Rule("b", ("/srv/[ab]/x/y",)), base_dir=odd)
    assert "decides about nothing" not in " ".join(behind[1])


def test_it_says_which_rule_is_before() -> None:
    assert doubts(Rule("a", ("y/1",)), Rule("b", ("x/**",)), Rule("c", ("x/1",)))[2] == (
        'it decides about nothing: all that it is about comes under "b", rule 2, before',
    )


# -- a pattern where nothing is


@pytest.mark.parametrize(
    "pattern", ["/**", "/srv/**", "/srv/b**", "/srv/base/x", "/srv/*/x", "/*/base/x", "/adopted/here/*", "x/*", "*.svg"]
)
def test_patterns_that_may_match(pattern: str) -> None:
    assert doubts(Rule("a", (pattern,)), adopted=("/adopted/here",)) == [()]


@pytest.mark.parametrize("pattern", ["/srv/other/**", "/srv/base", "/srv/bas/x", "/adopted/other/*", "/x", "/srv/*"])
def test_patterns_of_elsewhere(pattern: str) -> None:
    (told,) = doubts(Rule("a", ("x", pattern)), adopted=("/adopted/here",))
    assert told == (f"{pattern} lies neither in the base directory nor in one that is adopted",)


@pytest.mark.parametrize("pattern", ["[a", "x/[!a-z", "[", "[]", "[a/b]", "[ab][c"])
def test_a_bracket_that_nothing_closes(pattern: str) -> None:
    (told,) = doubts(Rule("a", ("x", pattern)))
    assert told == (f"{pattern} has a [ that no ] closes, so that stands for itself: close it, or write [[] for it",)


@pytest.mark.parametrize("pattern", ["[a]", "[[]", "[]a]", "[!]]", "a]", literal("[a*")])
def test_brackets_that_are_closed(pattern: str) -> None:
    assert doubts(Rule("a", (pattern,))) == [()]


# -- beside records

Make = Callable[..., TempFileManager]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes managers of the same records with rules."""
    made: list[TempFileManager] = []

    def make(*found: Rule) -> TempFileManager:
        settings = Settings(base_dir=str(tmp_path / "base"), rules=found)
        made.append(TempFileManager.from_settings(settings, registry="sqlite:", clock=FakeClock()))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


def put(manager: TempFileManager, name: str, *tags: str, rule: str = "") -> None:
    path = os.path.join(manager.base_dir, name)
    Path(path).touch()
    row = (path, None, 0, tags, identify(path), 0)
    manager.registry.add([row], manager.context.clock.wall(), natures={path: Nature(rule=rule)} if rule else {})


def test_records_are_counted_by_the_rule_that_they_are_under(make: Make) -> None:
    manager = make(Rule("a", ("a*",)), Rule("b", ("b*",)), Rule("c"))
    for name, rule in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("x", "of another process")):
        put(manager, name, rule=rule)
    assert [(one.rule.name, one.place, one.records) for one in rules(manager.context)] == [
        ("a", 1, 2),
        ("b", 2, 1),
        ("c", 3, 0),
    ]
    assert Counts(manager.context).read() == {"a": 2, "b": 1, "c": 0}


def test_a_tag_that_no_file_has_is_told_where_there_are_files(make: Make) -> None:
    manager = make(Rule("a", tags=("chart", "cart")), Rule("b", tags=("none",)))
    assert [one.warnings for one in rules(manager.context)] == [(), ()]
    put(manager, "1", "chart", "other")
    assert [one.warnings for one in rules(manager.context)] == [
        ("no file on record has the tag cart",),
        ("no file on record has the tag none",),
    ]


def test_a_rule_that_decides_about_files_is_in_no_doubt(make: Make) -> None:
    """An application may register files that lie wherever it wants."""
    manager = make(Rule("a", ("/elsewhere/**",), ("t",)))
    assert "/elsewhere/** lies neither" in rules(manager.context)[0].warnings[0]
    put(manager, "1", rule="a")
    assert rules(manager.context)[0].warnings == ()


def test_an_answer_that_took_long_is_kept(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = make(Rule("a"))
    clock, asked = manager.context.clock, []
    assert isinstance(clock, FakeClock)

    def slow() -> dict[str, int]:
        asked.append(1)
        clock.advance(2)
        return {"a": len(asked)}

    monkeypatch.setattr(manager.registry, "rules", slow)
    counts = Counts(manager.context)
    assert [counts.read()["a"], counts.read()["a"]] == [1, 1]
    clock.advance(199)
    assert counts.read()["a"] == 1
    clock.advance(2)
    assert counts.read()["a"] == 2


def test_without_rules_nobody_is_asked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = make()
    monkeypatch.delattr(type(manager.registry), "rules")
    assert rules(manager.context) == ()
    assert Counts(manager.context).read() == {}


# -- the machine


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (os.ST_RELATIME, Reading.DAILY),
        (os.ST_NOATIME, Reading.NEVER),
        (os.ST_NOATIME | os.ST_RELATIME, Reading.NEVER),
        (os.ST_RDONLY, Reading.EXACT),
    ],
)
def test_how_a_mount_notes_reading(flags: int, expected: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        f_flag = flags

    monkeypatch.setattr(os, "statvfs", lambda _: Found)
    assert mounts.reading("/anywhere") is expected


def test_of_what_is_not_there_nothing_tells(tmp_path: Path) -> None:
    assert mounts.reading(str(tmp_path / "missing")) is Reading.UNKNOWN
    assert mounts.reading("/\0") is Reading.UNKNOWN
    assert mounts.reading(str(tmp_path)) is not Reading.UNKNOWN


@pytest.mark.parametrize("rule", [Rule("a", age=5, by=By.USE), Rule("a", age=500, compress=5)])
def test_where_reading_is_not_noted_rules_about_use_say_so(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "reading", lambda _: Reading.NEVER)
    assert doubts(rule, Rule("b", ("x/y",))) == [
        (f"it asks when files were read, and {Reading.NEVER.words}",),
        ('it decides about nothing: all that it is about comes under "a", rule 1, before',),
    ]
    assert doubts(Rule("a", age=5, by=By.WRITE)) == [()]


def test_doctor_says_what_is_doubtful_and_how_reading_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "reading", lambda _: Reading.DAILY)
    found = unread((Rule("a", age=5, by=By.USE), Rule("b")), str(tmp_path))
    doubtful, reading = checks(found, str(tmp_path / "missing"))
    assert (doubtful.name, doubtful.level) == ('rule "b"', Level.WARNING)
    assert (reading.name, reading.level, reading.found) == ("reading", Level.OK, Reading.DAILY.words)
    assert "up to a day early" in reading.follows
    (fine,) = checks(unread((Rule("a"),), str(tmp_path)), str(tmp_path))
    assert (fine.name, fine.level, fine.found) == ("rules", Level.OK, "1, as they seem to be meant")
    assert list(checks((), str(tmp_path))) == []
