"""Tests for the book of rules: the first that is about a file decides."""

import re

from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager.rules.book import Book
from temp_file_manager.rules.patterns import Scope, expression, scope
from temp_file_manager.rules.rule import Rule

BASE = "/base"

PATTERNS = st.sampled_from(
    ("*.svg", "a*", "charts/**", "**/a", "charts/?", "/out/*", "/base/charts/*", "/**/a.svg", "**")
)
RULES = st.builds(
    Rule,
    name=st.just(""),
    match=st.lists(PATTERNS, max_size=3).map(tuple),
    tags=st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
    larger=st.none() | st.integers(1, 5),
)
PATHS = st.builds(
    "/".join,
    st.tuples(
        st.sampled_from(("/base", "/out", "/basement")),
        st.lists(st.sampled_from(("charts", "a", "a.svg", "b")), min_size=1, max_size=3).map("/".join),
    ),
)


def is_about(rule: Rule, path: str, tags: tuple[str, ...], room: int | None) -> bool:
    """Say whether a rule is about a file, one question after the other."""
    if rule.tags and not set(rule.tags) & set(tags):
        return False
    if rule.larger is not None and (room is None or room < rule.larger):
        return False
    return not rule.match or any(matches(pattern, path) for pattern in rule.match)


def matches(pattern: str, path: str) -> bool:
    """Say whether a pattern matches a path."""
    if scope(pattern) is Scope.LOCAL:
        return path.startswith(f"{BASE}/") and fits(pattern, path.removeprefix(f"{BASE}/"))
    return fits(pattern, path if scope(pattern) is Scope.WHOLE else path.rpartition("/")[2])


def fits(pattern: str, text: str) -> bool:
    """Say whether a pattern matches a text."""
    return re.fullmatch(expression(pattern), text, re.DOTALL) is not None


@given(
    st.lists(RULES, max_size=6),
    st.lists(st.tuples(PATHS, st.lists(st.sampled_from("wxyz"), max_size=2).map(tuple), st.none() | st.integers(0, 6))),
)
def test_the_first_that_is_about_a_file_decides(
    rules: list[Rule], files: list[tuple[str, tuple[str, ...], int | None]]
) -> None:
    """Of any rules, and any files, one after the other."""
    named = [Rule(str(place), rule.match, rule.tags, rule.larger) for place, rule in enumerate(rules)]
    book = Book(named, BASE)
    for path, tags, room in files:
        expected = next((rule for rule in named if is_about(rule, path, tags, room)), None)
        assert book.decide(path, tags, room) == expected


def test_no_rules_decide_about_nothing() -> None:
    """Whatever the file."""
    book = Book((), BASE)
    assert not len(book)
    assert book.decide("/base/a", ("x",), 5) is None


def test_any_number_of_tags_may_be_asked_about() -> None:
    """Callers have words of their own for each file; and the answers stay right."""
    book = Book([Rule("tagged", tags=("x",)), Rule("charts", match=("*.svg",))], BASE)
    for number in range(1000):
        assert book.decide("/base/a.svg", (str(number),)) == book.named("charts")
        assert book.decide("/base/a.svg", (str(number), "x")) == book.named("tagged")


def test_rules_are_found_by_name_and_have_a_place() -> None:
    """The first is the first."""
    book = Book([Rule("a"), Rule("b")], BASE)
    second = book.named("b")
    assert second is not None
    assert (book.place(second), book.named("c"), len(book)) == (2, None, 2)


def test_a_base_directory_has_no_wildcards() -> None:
    """It is a path, whatever its characters; also the root."""
    book = Book([Rule("charts", match=("charts/*",))], "/b[a]se*")
    assert book.decide("/b[a]se*/charts/a") is not None
    assert book.decide("/base/charts/a") is None
    assert Book([Rule("charts", match=("charts/*",))], "/").decide("/charts/a") is not None


def test_only_rules_with_a_size_ask_for_sizes() -> None:
    """So nobody looks for the others."""
    assert not Book([Rule("a", age=1.0)], BASE).asks_for_sizes
    assert Book([Rule("a", larger=1)], BASE).asks_for_sizes
