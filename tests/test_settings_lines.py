"""The lines that headings and keys of a settings file stand in, as ``config`` and messages tell them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager import Settings
from temp_file_manager.errors import SettingsError
from temp_file_manager.settings import file_layer, resolve
from temp_file_manager.settings.lines import lines

TEXT = """# max_age = 1
[other]
max_age = 2
words = '''
[manager]
max_age = 3
'''
list = [
  "]", # max_age = 4

  "[manager]",
]
[ "manager" ]  # here

'max_age' = "5 h"
[manager.inner]
team = "x"
[[rule]]
name = "a"
match = [
    "a",
    "b[0-9]",
]
keep = true
[[rule]]
name = "b"
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_only_looks_like_a_key_is_none(end: str) -> None:
    found = lines(TEXT.replace("\n", end))
    assert found["manager",] == 13
    assert found["manager", "max_age"] == 15
    assert ("manager", "team") not in found
    assert [found["rule", 1, key] for key in ("name", "match", "keep")] == [19, 20, 24]
    assert (found["rule",], found["rule", 1], found["rule", 2], found["rule", 2, "name"]) == (18, 18, 25, 26)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("\nmanager.team = 'x'", ("manager", "team"), 2),
        ("\nmanager = { max_age = 5, team = 'x' }", ("manager", "team"), 2),
        ("rule = [\n  { name = 'x', age = 5 },\n  { name = 'y' },\n]", ("rule", 2, "name"), 1),
        ('[manager]\n"te\\u0061m" = 2', ("manager", "team"), 2),
    ],
)
def test_other_ways_to_write_them(text: str, path: tuple[str | int, ...], line: int) -> None:
    assert lines(text)[path] == line


ABOVE = st.sampled_from(["", "# ]", "  # '''"])
VALUES = st.sampled_from(["1", "'x'", '"""\n[manager]\n"""', "[\n1,\n'a]',\n]", "'''\nteam = 1'''", "[ [ ], [\n] ]"])


@given(st.lists(st.tuples(ABOVE, VALUES), max_size=8))
def test_each_key_is_found_where_it_was_written(values: list[tuple[str, str]]) -> None:
    text, expected = "[manager]\n", {}
    for number, (above, value) in enumerate(values):
        text += f"{above}\n"
        expected["manager", f"key{number}"] = text.count("\n") + 1
        text += f"key{number} = {value}\n"
    assert lines(text) == {("manager",): 1, **expected}


def test_a_value_that_cannot_be_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[manager]\n\nmax_age = -1\nteem = 'x'\n")
    with pytest.raises(SettingsError) as caught:
        Settings.from_file(file)
    told = [problem.removeprefix(f"{file}:") for problem in caught.value.problems]
    assert told[0].startswith("4: teem is no setting")
    assert told[1].startswith("3: max_age is -1")


def test_a_rule_that_wins_is_shown_where_it_stands(tmp_path: Path) -> None:
    below, above = tmp_path / "below.toml", tmp_path / "above.toml"
    below.write_text("[manager]\n[[rule]]\nname = 'a'\nage = 5\n[[rule]]\nname = 'b'\nage = 5\n")
    above.write_text("[[rule]]\nname = 'a'\nage = 6\n")
    settings, sources = resolve(file_layer(above), file_layer(below))
    assert [rule.age for rule in settings.rules] == [6]
    assert str(sources['rule "a"']) == f"file {above}:1"
    assert 'rule "b"' not in sources
