"""Tests for patterns of paths, against a matcher that tries all ways."""

import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager.rules.patterns import Scope, expression, scope, why_not


def matches(pattern: str, text: str) -> bool:
    """Say whether the expression of a pattern matches the whole of a text."""
    return re.fullmatch(expression(pattern), text, re.DOTALL) is not None


def matches_plainly(pattern: str, text: str) -> bool:
    """Say the same by trying every way to share a text among the wildcards; of patterns without sets."""

    @cache
    def rest(at: int, begin: int) -> bool:
        if at == len(pattern):
            return begin == len(text)
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            ends = [end + 1 for end in range(begin, len(text)) if text[end] == "/"]
            return any(rest(at + 3, end) for end in (begin, *ends))
        if pattern.startswith("**", at):
            after = next((i for i in range(at, len(pattern)) if pattern[i] != "*"), len(pattern))
            return any(rest(after, end) for end in range(begin, len(text) + 1))
        if pattern[at] == "*":
            name = text[begin:].split("/", maxsplit=1)[0]
            return any(rest(at + 1, begin + length) for length in range(len(name) + 1))
        if begin == len(text):
            return False
        one = pattern[at] == text[begin] or (pattern[at] == "?" and text[begin] != "/")
        return one and rest(at + 1, begin + 1)

    return rest(0, 0)


@given(st.text("ab*?/", max_size=12), st.text("ab/", max_size=14))
def test_a_pattern_matches_as_trying_all_ways_does(pattern: str, text: str) -> None:
    """Whatever wildcards stand beside each other."""
    assert matches(pattern, text) == matches_plainly(pattern, text)


@given(st.text(max_size=8))
def test_what_is_no_wildcard_stands_for_itself(text: str) -> None:
    """Expressions' own signs, too."""
    plain = re.sub(r"[*?\[]", "", text)
    assert matches(plain, plain)
    assert not matches(plain, plain + "x")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.svg", ("a.svg", ".svg", "a\nb.svg"), ("a.svgz", "d/a.svg")),
        ("charts/**", ("charts/a", "charts/a/b"), ("charts", "x/charts/a")),
        ("**/cache/*.bin", ("cache/a.bin", "x/y/cache/a.bin"), ("xcache/a.bin", "cache/x/a.bin")),
        ("a/**/b", ("a/b", "a/x/y/b"), ("ab", "a/xb")),
        ("a**b", ("ab", "a/x/b"), ("ba",)),
        ("[a-c]x", ("ax", "cx"), ("dx", "/x", "x")),
        ("[!a-c]x", ("dx",), ("ax", "/x")),
        ("[^a]x", ("bx",), ("ax",)),
        ("[]a]", ("]", "a"), ("b",)),
        ("[*]", ("*",), ("a", "")),
        ("[a-]", ("a", "-"), ("b",)),
        ("[c-a]", (), ("a", "b", "c")),
        ("[!c-a]", ("a", "b"), ("/",)),
        ("[^]", ("[^]",), ("a",)),
        ("[a/b]", ("[a/b]",), ("a", "b")),
        ("[open", ("[open",), ("o",)),
        ("a\\*", ("a\\", "a\\b"), ("a*",)),
        ("a.b", ("a.b",), ("axb",)),
    ],
)
def test_wildcards(pattern: str, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    """What each matches, and what it does not."""
    assert [text for text in yes if not matches(pattern, text)] == []
    assert [text for text in no if matches(pattern, text)] == []


@pytest.mark.parametrize(
    "pattern", ["*a" * 30 + "b", "**a" * 30 + "b", "**/a" * 30 + "b", "*a**" * 15 + "b", "?*" * 40 + "b"]
)
def test_no_path_takes_long(pattern: str) -> None:
    """Of those that an attacker may register; by trying all ways, this would not end."""
    assert not matches(pattern, "a" * 250)
    assert not matches(pattern, "a/" * 2000 + "c")


def test_scopes() -> None:
    """A slash at the beginning, another one, none."""
    assert [scope(pattern) for pattern in ("/a", "a/b", "**/a", "*.svg")] == [
        *(Scope.WHOLE, Scope.LOCAL, Scope.LOCAL, Scope.NAME)
    ]


def test_patterns_that_match_no_path() -> None:
    """Each with the reason; and those that match some have none."""
    assert [why_not(pattern) for pattern in ("*", "/**", "/a/b", "a/...", "**/*.b")] == [""] * 5
    assert "charts/**" in why_not("charts/")
    for pattern in ("", "/", "a//b", "//a", "./a", "a/../b", "..", "a\0"):
        assert why_not(pattern), pattern
