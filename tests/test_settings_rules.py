"""Rules in settings: the tables of the settings file, a file of their own, and every problem at once."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from temp_file_manager import Settings, SettingsError
from temp_file_manager.cli import main
from temp_file_manager.rules.rule import By, Rule

MIB = 1 << 20

ALL = """
[[rule]]
name  = "charts"
match = ["charts/**", "*.svg"]
tags  = ["charts"]
larger = "100 MiB"
age   = "1 h"
by    = "Use"
compress   = "10 min"
quarantine = 86400

[[rule]]
name = "models"
match = ["models/*"]
keep = true

[[rule]]
name = "logs"
keep_last = 5
"""

CHARTS = Rule("charts", ("charts/**", "*.svg"), ("charts",), 100 * MIB, 3600, By.USE, compress=600, quarantine=86400)
RULES = (CHARTS, Rule("models", ("models/*",), keep=True), Rule("logs", keep_last=5))


def written(folder: Path, text: str, name: str = "settings.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def placed_problems(folder: Path, text: str) -> list[str]:
    """Return the problems, each with its line."""
    file = written(folder, text)
    with pytest.raises(SettingsError) as caught:
        Settings.from_file(file)
    return [problem.removeprefix(f"{file}:").lstrip() for problem in caught.value.problems]


def problems(folder: Path, text: str) -> list[str]:
    return [re.sub(r"^\d+: ", "", problem) for problem in placed_problems(folder, text)]


def test_tables_with_everything(tmp_path: Path) -> None:
    """In the settings file, or in a file of their own that any source may name."""
    assert Settings.from_file(written(tmp_path, f"[manager]\nmax_age = 5\n{ALL}")).rules == RULES
    own = written(tmp_path, ALL, "rules.toml")
    assert Settings.from_env({"TEMP_FILE_RULES": str(own)}).rules == RULES
    assert Settings.from_file(written(tmp_path, f'[manager]\nrules = "{own}"')).rules == RULES
    assert replace(Settings(), rules=RULES).rules == RULES
    assert Settings().rules == ()


def test_a_file_of_rules_that_is_a_pipe(tmp_path: Path) -> None:
    """It is refused at once: to open one that nobody writes to would take for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match=r"pipe.*: it is no regular file"):
        Settings.from_env({"TEMP_FILE_RULES": str(tmp_path / "pipe")})
    with pytest.raises(SettingsError, match=r"null.*: it is no regular file"):
        Settings.from_env({"TEMP_FILE_RULES": "/dev/null"})


def test_every_problem_at_once(tmp_path: Path) -> None:
    told = placed_problems(
        tmp_path,
        """
        [manager]
        max_age = -1
        [[rule]]
        name = "a"
        ages = "1 h"
        match = "*.svg"
        larger = 0
        [[rule]]
        age = "soon"
        by = "reading"
        [[rule]]
        name = "a"
        keep = "yes"
        keep_last = 0
        tags = []
        quarantine = 0
        """,
    )
    assert told == [
        '6: rule "a": ages is no key of a rule: did you mean age?',
        "7: rule \"a\": match is '*.svg': give a list of patterns, or leave it out for any path",
        '8: rule "a": larger is 0: give bytes, 1 or more, or a text such as "100 MiB"',
        "9: rule 2: give it a name, which the log and why call it by",
        "10: rule 2: age is 'soon': give seconds, 0 or more, or a text such as 90s, 2h30m or 7d",
        "11: rule 2: by is 'reading': give registration, write, use",
        '16: rule "a": tags is []: give a list of tags, or leave it out for any',
        "14: rule \"a\": keep is 'yes': give true or false",
        '15: rule "a": keep_last is 0: give a whole number, 1 or more, 1000000000 at most',
        '17: rule "a": quarantine is 0: give seconds, more than 0, or a text such as 90s, 2h30m or 7d',
        'rule "a": 2 rules have that name: give each its own',
        "3: max_age is -1: give seconds, 0 or more, or a text such as 90s, 2h30m or 7d",
    ]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("keep = true\nage = 5", "keep means that age never makes its files due, and it has age: choose"),
        (
            'keep = true\nkeep_last = 5\nquarantine = 5\nby = "use"',
            "keep means that age never makes its files due, and it has keep_last and quarantine and by: choose",
        ),
        ('by = "use"', "by is use without an age that counts from there: give age, too"),
        (
            'age = "1 h"\ncompress = "1 h"',
            "compress is 1 h and age 1 h, so its files are gone before: give less to compress, or more to age",
        ),
        (
            'match = ["charts/"]',
            "'charts/' in match matches nothing: it ends with a slash, and no path does: give charts/** for all that "
            "is in there",
        ),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, body: str, problem: str) -> None:
    """From a file, and made by hand."""
    assert problems(tmp_path, f'[[rule]]\nname = "x"\n{body}\n') == [f'rule "x": {problem}']
    with pytest.raises(SettingsError, match="age never makes"):
        Settings(rules=(Rule("x", keep=True, age=5.0),))


def test_more_than_a_registry_can_count_to_is_refused(tmp_path: Path) -> None:
    """However it was made; else each sweep failed."""
    (told,) = problems(tmp_path, f'[[rule]]\nname = "x"\nkeep_last = {2**63}')
    assert "1000000000 at most" in told
    with pytest.raises(SettingsError, match="1000000000 at most"):
        Settings(rules=(Rule("x", keep_last=2**63),))


@pytest.mark.parametrize("name", ["a b", "a", "Charts-2.old", "Bücher"])
def test_names(tmp_path: Path, name: str) -> None:
    assert Settings.from_file(written(tmp_path, f'[[rule]]\nname = "{name}"\nkeep = true')).rules[0].name == name


@pytest.mark.parametrize("name", [" a", "a ", "a\nb", "a/b", "\u202eb", "x" * 65, '"'])
def test_names_that_forge_lines(tmp_path: Path, name: str) -> None:
    (told,) = problems(tmp_path, f"[[rule]]\nname = {json.dumps(name)}\nkeep = true")
    assert told.endswith("its name is not of letters, digits, and spaces, points or dashes between them, 64 at most")


def test_the_last_are_not_compressed(tmp_path: Path) -> None:
    """Or the newest would go like all others, as the end of each would be when to compress it."""
    (told,) = problems(tmp_path, '[[rule]]\nname = "x"\nkeep_last = 5\nage = "1 d"\ncompress = "1 h"')
    assert "keep_last says of files" in told
    with pytest.raises(SettingsError, match="keep_last says of files"):
        Settings(rules=(Rule("x", keep_last=5, compress=60.0),))


def test_quarantine_leaves_what_secure_delete_destroys(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='rule "charts": quarantine leaves the content, and secure_delete is on'):
        Settings(rules=RULES, secure_delete=True)


def test_rules_come_from_one_place(tmp_path: Path) -> None:
    own = written(tmp_path, ALL, "rules.toml")
    (told,) = problems(tmp_path, f'[manager]\nrules = "{own}"\n{ALL}')
    assert told.endswith("choose one")


def test_a_file_of_rules_has_nothing_else(tmp_path: Path) -> None:
    def told(text: str) -> str:
        file = written(tmp_path, text, "rules.toml")
        with pytest.raises(SettingsError, match=rf"^TEMP_FILE_RULES is '{re.escape(str(file))}': ") as caught:
            Settings.from_env({"TEMP_FILE_RULES": str(file)})
        return str(caught.value)

    assert told("[[rules]]\nname = 'x'").endswith("rules is no table of rules: did you mean rule?")
    assert told("[manager]\n").endswith("manager is no table of rules")
    assert told("").endswith("it has no rules: head each with [[rule]]")
    assert told("[rule]\nname = 'x'").endswith("rule is a list of tables: head each with [[rule]]")
    assert "give a file that is TOML" in told("[[")
    assert told("[[rule]]\nage = 5").endswith("rule 1: give it a name, which the log and why call it by")


def test_a_misspelt_table_does_not_pass(tmp_path: Path) -> None:
    assert problems(tmp_path, '[manager]\n[[rules]]\nname = "x"\n') == ["rules is no table of ours: did you mean rule?"]


def test_config_shows_where_they_came_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, f"[manager]\n{ALL}")
    assert main(["config", "--config", str(file)]) == 0
    lines = [re.split("  +", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert ["rules", "charts,models,logs", f"file {file}"] in lines
    assert [line for line in lines if line[0].startswith("rule ")] == [
        ['rule "charts"', RULES[0].words(), f"file {file}:3"],
        ['rule "models"', "models/*: stays", f"file {file}:13"],
        ['rule "logs"', "every file: goes unless it is one of the newest 5", f"file {file}:18"],
    ]
    assert main(["config", "--config", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["rules"]
    assert (told["source"], told["source_name"], told["line"]) == ("file", str(file), None)
    assert [(rule["source_name"], rule["line"]) for rule in told["value"]] == [(str(file), n) for n in (3, 13, 18)]
    own = written(tmp_path, '[[rule]]\nname = "x"\nage = 5', "rules.toml")
    assert main(["config", "--config", str(file), "--rules", str(own), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["rules"]
    assert (told["source"], told["source_name"]) == ("flag", "--rules")
    assert [(rule["name"], rule["age"], rule["by"]) for rule in told["value"]] == [("x", 5, "registration")]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (CHARTS, "charts/** or *.svg, with a tag of charts, 100.0 MiB or more: compressed 10 min after its last use, "
         "goes 1 h after its last use, can be had back for 1 d"),
        (Rule("x"), "every file: goes max_age after its registration"),
        (Rule("x", tags=("a", "b"), age=90, by=By.WRITE),
         "with a tag of a, b: goes 1 min 30 s after its last change"),
        (Rule("x", keep_last=3, age=3600),
         "every file: goes 1 h after its registration unless it is one of the newest 3"),
    ],
)  # fmt: skip
def test_rules_in_words(rule: Rule, words: str) -> None:
    assert rule.words() == words
