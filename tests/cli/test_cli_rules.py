"""The command ``rules``, and what ``why``, ``doctor``, ``run``, ``list`` and ``status`` say of rules."""

import json
import math
import os
import re
from contextlib import closing
from pathlib import Path

import pytest

import command_line
from command_line import Say, files
from temp_file_manager import TempFileManager, cli
from temp_file_manager.records import Nature
from temp_file_manager.registering.identify import identify
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.rule_notes import HELD

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

RULES = """
[[rule]]
name = "charts"
match = ["charts/**", "*.svg"]
age = "1 h"
by = "use"
quarantine = "1 d"

[[rule]]
name = "large"
tags = ["run"]
larger = "1 MiB"
age = "5 min"

[[rule]]
name = "runs"
tags = ["run"]
keep_last = 20

[[rule]]
name = "logs"
match = ["logs/*.log"]
age = "7 d"
by = "write"

[[rule]]
name = "kept"
match = ["kept/**"]
keep = true
"""


CHARTS = "goes 1 h after its last use, can be had back for 1 d"


@pytest.fixture
def ruled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The base directory, with rules."""
    (folder / "rules.toml").write_text(RULES)
    monkeypatch.setenv("TEMP_FILE_RULES", str(folder / "rules.toml"))
    for name in ("charts", "logs", "kept"):
        (folder / "base" / name).mkdir(parents=True)
    return folder / "base"


def put(manager: TempFileManager, path: str, rule: str, due_at: float | None, *tags: str) -> None:
    """Put a file on record under a rule."""
    row = (path, due_at, 5, tags, identify(path), 4096)
    manager.registry.add([row], manager.context.clock.wall(), natures={path: Nature(rule=rule)})


# -- rules


def test_without_rules(say: Say, manager: TempFileManager) -> None:
    said = say("rules")
    assert (said.code, said.err) == (0, "")
    assert said.out == "There are no rules: write tables [[rule]], or name a file of them by the setting rules.\n"
    assert json.loads(say("rules", "--json").out) == []


def test_a_table_of_rules(say: Say, ruled: Path, manager: TempFileManager) -> None:
    put(manager, *files(ruled, "a.svg"), "charts", None)
    said = say("rules")
    assert said.code == 0
    assert [re.split(r"  +", line) for line in said.lines] == [
        ["", "RULE", "RECORDS", "ABOUT", "WHAT IT DOES"],
        ["1", "charts", "1", "charts/** or *.svg", CHARTS],
        ["2", "large", "0", "with a tag of run, 1.0 MiB or more", "goes 5 min after its registration"],
        ["3", "runs", "0", "with a tag of run", "goes unless it is one of the newest 20"],
        ["4", "logs", "0", "logs/*.log", "goes 7 d after its last change"],
        ["5", "kept", "0", "kept/**", "stays"],
        ['warning: rule "large": no file on record has the tag run'],
        ['warning: rule "runs": no file on record has the tag run'],
    ]
    told = json.loads(say("rules", "--json").out)
    assert [(one["name"], one["place"], one["records"], one["warnings"]) for one in told[:2]] == [
        ("charts", 1, 1, []),
        ("large", 2, 0, ["no file on record has the tag run"]),
    ]


def test_a_directory_that_is_adopted_is_a_place_for_files(say: Say, ruled: Path, folder: Path) -> None:
    (folder / "adopted").mkdir(mode=0o700)
    with (folder / "rules.toml").open("a") as file:
        file.write(f'\n[[rule]]\nname = "there"\nmatch = ["{folder}/adopted/**"]\nage = 5\n')
    assert 'warning: rule "there"' in say("rules").out
    assert say("adopt", str(folder / "adopted"), "--keep-adopting", "--yes").code == 0
    assert "warning" not in say("rules").out


# -- rules test


def test_a_path_that_is_not_on_record(say: Say, ruled: Path) -> None:
    (path,) = files(ruled, "logs/a.log")
    said = say("rules", "test", path)
    assert (said.code, said.err) == (0, "")
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    expected = (
        rf'{path}: rule "logs" \(4th of 5\) decides',
        r"  file        not on record: as if it were registered now, \d.* on the disk",
        r'  not         "charts": its path is none of charts/\*\*, \*\.svg',
        '  not         "large": it has no tag of run',
        '  not         "runs": it has no tag of run',
        r'  rule        "logs" \(4th of 5\): goes 7 d after its last change',
        rf"  used        last written {moment}, .* ago",
        rf"  goes        {moment}, in 7 d",
    )
    assert len(said.lines) == len(expected)
    for line, pattern in zip(said.lines, expected, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_it_need_not_be_there(say: Say, ruled: Path) -> None:
    said = say("rules", "test", "--tag", "run", "--tag", "x", str(ruled / "nothing"))
    assert said.code == 0
    assert said.lines[:4] == [
        f'{ruled / "nothing"}: rule "runs" (3rd of 5) decides',
        "  file        not on record: as if it were registered now, with the tags run, x",
        '  not         "charts": its path is none of charts/**, *.svg',
        '  not         "large": nobody knows how large it is',
    ]
    assert said.lines[-1] == "  goes        when 20 newer ones are on record"


def test_size_on_the_disk_counts(say: Say, ruled: Path) -> None:
    (sparse, full) = (ruled / "sparse", ruled / "full")
    with sparse.open("wb") as file:
        file.truncate(1 << 30)
    full.write_bytes(os.urandom(1 << 20))
    told = [json.loads(line) for line in say("rules", "test", str(sparse), str(full), "--tag", "run", "--json").lines]
    assert [one["rule"]["name"] for one in told] == ["runs", "large"]
    assert told[0]["passed"][1] == {"name": "large", "reason": "it is not so large"}
    assert told[1]["room"] >= 1 << 20


def test_what_is_on_record_has_its_own_tags_and_end(say: Say, ruled: Path, manager: TempFileManager) -> None:
    tagged, own, mine = files(ruled, "tagged", "own.svg", "mine.svg")
    manager.register_file(tagged, tags=["run"])
    manager.register_file(own, ttl=5)
    with manager.session("s") as session:
        session.register_file(mine)
        said = say("rules", "test", tagged, own, mine)
    heads = [line for line in said.lines if not line.startswith(" ")]
    assert heads == [
        f'{tagged}: rule "runs" (3rd of 5) decides',
        f"{own}: its own ttl decides",
        f"{mine}: its session decides",
    ]
    assert re.fullmatch(r"  file        on record, .* on the disk, with the tags run", said.lines[1])
    assert '  rule        none is asked, as its own ttl decides; else "charts" (1st of 5) would' in said.lines
    assert json.loads(say("rules", "test", own, "--json").out)["instead"] == "its own ttl"


def test_what_no_rule_is_about(say: Say, ruled: Path) -> None:
    said = say("rules", "test", "x")
    assert said.lines[0].endswith("/x: no rule decides, but max_age")
    assert said.lines[-1] == "  rule        none of 5 is about it: max_age decides"
    assert json.loads(say("rules", "test", "x", "--json").out)["rule"] is None


def test_paths_from_standard_input_and_those_that_cannot_be(say: Say, ruled: Path) -> None:
    said = say("rules", "test", "-", stdin=b"a.svg\n" + b"x" * 70000 + b"\nb\n")
    assert said.code == 1
    assert [line.partition(": ")[2] for line in said.lines if not line.startswith(" ")] == [
        'rule "charts" (1st of 5) decides',
        "no rule decides, but max_age",
    ]
    assert "longer than 65536 bytes" in said.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("test",), "rules test needs a PATH"),
        (("from-tmpfiles",), "rules from-tmpfiles needs a FILE"),
        (("--tag", "x"), "--tag is for rules test PATH..."),
        (("from-tmpfiles", "--tag", "x", "f"), "--tag is for rules test PATH..."),
        (("other",), "invalid choice: 'other'"),
        (("from-tmpfiles", "missing.conf"), "cannot read missing.conf: No such file or directory"),
        (("test", ""), "an empty PATH names no file"),
    ],
)
def test_bad_usage(say: Say, words: tuple[str, ...], expected: str) -> None:
    said = say("rules", *words)
    assert (said.code, said.out) == (2, "")
    assert expected in said.err


# -- rules from-tmpfiles


def test_tables_for_lines_of_tmpfiles(say: Say, folder: Path) -> None:
    (folder / "x.conf").write_bytes(b"d /srv/a 0755 - - 10d\nx /srv/a/\xc3\xa9*\nd /srv/b! - - - soon\n")
    (folder / "y.conf").write_bytes(b"d /srv/\xff - - - 1d\n")
    said = say("rules", "from-tmpfiles", "x.conf", "y.conf")
    assert said.code == 1
    assert said.lines == [
        "# x.conf:2: x /srv/a/é*",
        "[[rule]]",
        'name = "srv-a-é stays"',
        'match = ["/srv/a/é*", "/srv/a/é*/**"]',
        "keep = true",
        "",
        "# x.conf:1: d /srv/a 0755 - - 10d",
        "[[rule]]",
        'name = "srv-a"',
        'match = ["/srv/a/**"]',
        'age = "10 d"',
        'by = "use"',
        "",
    ]
    assert said.err.splitlines() == [
        "temp-file-manager: x.conf:3: d /srv/b! - - - soon: 'soon' is no age",
        "temp-file-manager: y.conf:1: d /srv/\\udcff - - - 1d: its path is no UTF-8, which TOML is",
    ]
    (folder / "rules.toml").write_text(said.out)
    assert [rule.name for rule in Settings(rules=str(folder / "rules.toml")).rules] == ["srv-a-é stays", "srv-a"]  # type: ignore[arg-type]


def test_lines_from_standard_input_as_json(say: Say) -> None:
    said = say("rules", "from-tmpfiles", "-", "--json", stdin=b"e /a - - - m:1h\nD! /b - - - 1d\n")
    assert said.code == 1
    told = json.loads(said.out)
    (rule,) = told["rules"]
    assert (rule["match"], rule["age"], rule["by"], rule["file"], rule["line"]) == (["/a/**"], 3600, "write", "-", 1)
    (refused,) = told["not_translated"]
    assert (refused["number"], refused["text"]) == (2, "D! /b - - - 1d")


def test_lines_that_say_nothing_of_age_are_no_failure(say: Say) -> None:
    assert say("rules", "from-tmpfiles", "-", stdin=b"d /a\nf /b - - - - text\n") == (0, "", "")


def test_all_that_it_writes_can_be_read(say: Say, folder: Path) -> None:
    """Whatever a machine has: the lines of this one."""
    confs = sorted(map(str, Path("/usr/lib/tmpfiles.d").glob("*.conf")))
    if not confs:
        pytest.skip("there is no /usr/lib/tmpfiles.d")
    said = say("rules", "from-tmpfiles", *confs)
    assert said.code in (0, 1)
    if said.out:
        (folder / "rules.toml").write_text(said.out)
        assert say("rules", "--rules", str(folder / "rules.toml")).code == 0


# -- why


def rows(said: command_line.Said) -> dict[str, str]:
    return {line[2:17].strip(): line[17:] for line in said.lines[1:] if line[2:17].strip()}


def test_why_names_the_rule_its_clock_and_what_happens_then(say: Say, ruled: Path, manager: TempFileManager) -> None:
    (path,) = files(ruled, "a.svg")
    now = manager.context.clock.wall()
    put(manager, path, "charts", now + 600)
    os.utime(path, (now - 60, now - 120))
    said = say("why", path)
    assert re.search(r'rule "charts" keeps it for another (10 min 0 s|9 min \d+ s), or longer', said.lines[0])
    told = rows(said)
    assert told["decided by"] == "rule"
    assert told["due"].endswith(', by rule "charts", which then looks at it')
    assert told["rule"] == f'"charts" (1st of 5): {CHARTS}'
    assert re.match(r"last written .*, 2 min.* ago, last read .*, 1 min.* ago; (reading is|each reading)", told["used"])
    assert told["goes"].endswith(("in 1 h", "in 59 min 59 s"))
    assert told["then"] == "in quarantine for 1 d: till then restore brings it back"
    story = json.loads(say("why", path, "--json").out)
    assert (story["rule"], story["nature"]["rule"]) == ("rule", "charts")
    ruling = story["ruling"]
    assert (ruling["name"], ruling["action"], ruling["used_at"]) == ("charts", "keep", pytest.approx(now - 60, abs=1))


def test_status_says_that_a_rule_decides_and_no_ttl(say: Say, ruled: Path, manager: TempFileManager) -> None:
    charts, kept = files(ruled, "a.svg", "b")
    put(manager, charts, "charts", manager.context.clock.wall() + 600)
    put(manager, kept, "kept", math.inf)
    assert 'ttl            none: rule "charts" decides' in say("status", charts).out
    assert rows(say("why", kept))["due"] == 'never, by rule "kept"'


def test_why_and_status_know_what_is_not_among_the_last(say: Say, ruled: Path, manager: TempFileManager) -> None:
    """As ``sweep --dry-run`` does, before a sweep has given it an end."""
    paths = files(ruled, *(f"run {number:02}" for number in range(21)))
    for number, path in enumerate(paths):
        put(manager, path, "runs", math.inf, "run")
        manager.files[path] = manager.context.clock.wall() - 100 + number
    assert say("sweep", "--dry-run").lines[0] == f"dry run: removed {paths[0]}"
    assert say("why", paths[0]).lines[0].startswith(f'{paths[0]}: goes with the next sweep: rule "runs" made it due')
    assert "if swept now   removed" in say("status", paths[0]).out
    assert say("why", paths[1]).lines[0] == f'{paths[1]}: stays: rule "runs" keeps it'


def test_of_directories_that_go_as_a_whole_no_rule_is_asked(say: Say, ruled: Path) -> None:
    (ruled / "kept" / "unit").mkdir(parents=True)
    assert say("register", "--unit", str(ruled / "kept" / "unit")).code == 0
    said = say("rules", "test", str(ruled / "kept" / "unit"))
    assert said.lines[0].endswith("kept/unit: max_age (for what goes as a whole) decides")
    told = rows(say("why", str(ruled / "kept" / "unit")))["rule"]
    assert told == 'none is asked, as max_age (for what goes as a whole) decides; else "kept" (5th of 5) would'


def test_why_says_that_an_own_end_wins(say: Say, ruled: Path, manager: TempFileManager) -> None:
    (path,) = files(ruled, "a.svg")
    manager.register_file(path, ttl=60)
    assert rows(say("why", path))["rule"] == 'none is asked, as its own ttl decides; else "charts" (1st of 5) would'
    manager.pin(path)
    assert rows(say("why", path))["decided by"] == "pin"


def test_why_without_rules_says_nothing_of_them(say: Say, folder: Path, manager: TempFileManager) -> None:
    (path,) = files(folder, "a")
    manager.register_file(path)
    said = say("why", path)
    assert "rule" not in rows(said)
    assert json.loads(say("why", path, "--json").out)["ruling"] is None


def test_a_file_that_was_used_is_kept_when_its_rule_looks(say: Say, ruled: Path, manager: TempFileManager) -> None:
    (path,) = files(ruled, "kept/file")
    now = manager.context.clock.wall()
    put(manager, path, "kept", now - 5)
    said = say("why", path)
    assert said.lines[0].startswith(f"{path}: stays: ")
    assert 'rule "kept"' in said.lines[0]
    assert rows(said)["decided by"] == "rule"


# -- the others


def test_list_and_status_have_it_in_json(say: Say, ruled: Path, manager: TempFileManager) -> None:
    (path,) = files(ruled, "a.svg")
    put(manager, path, "charts", None)
    for words in (("list", "--json"), ("status", path, "--json")):
        told = json.loads(say(*words).lines[0])
        assert (told["rule"], told["kind"], told["origin"]) == ("charts", "file", None), words


def test_doctor_tells_doubts(say: Say, ruled: Path, manager: TempFileManager, folder: Path) -> None:
    put(manager, *files(ruled, "a.svg"), "charts", None)
    said = say("doctor")
    assert 'warning  rule "runs": no file on record has the tag run' in said.out
    assert "reading: " in said.out
    elsewhere = say("doctor", str(folder)).out  # there are other records, if any
    assert 'rule "runs"' not in elsewhere


def test_doctor_makes_no_registry_for_it(say: Say, ruled: Path) -> None:
    assert "ok       reading: " in say("doctor").out
    assert not (ruled / ".temp-file-manager").exists()


def test_run_says_it_once_at_the_start(
    ruled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(TempFileManager(ruled, registry="sqlite:")) as manager:
        put(manager, *files(ruled, "a.svg"), "charts", None)
    monkeypatch.setattr("temp_file_manager.cli.commands.run._arrived", lambda *_: 15)
    assert cli.main(["run", "--http-port", "off"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "Rule " in line]
    assert len(told) == 2
    assert told[0].endswith('WARNING - Rule "large": no file on record has the tag run')


def test_why_tells_where_a_file_in_quarantine_is(say: Say, ruled: Path, manager: TempFileManager) -> None:
    (path,) = files(ruled, "a.svg")
    put(manager, path, "charts", manager.context.clock.wall() - 5)
    os.utime(path, (0, 0))
    manager.files[path] -= 86400
    due = say("why", path)
    assert due.lines[0].startswith(f'{path}: goes into quarantine with the next sweep: rule "charts" made it due ')
    assert say("sweep", "--quiet").code == 0
    said = say("why", path)
    assert said.code == 1
    assert said.lines[0].startswith(f"{path}: in quarantine until ")
    told = rows(said)["in quarantine"]
    assert re.fullmatch(r"until .*, in .*, or until a limit needs the room; as (/.*)", told)
    place = told.rpartition("; as ")[2]
    story = json.loads(say("why", path, "--json").out)
    assert [(one["path"], one["kind"]) for one in story["successors"]] == [(place, "quarantined")]
    there = say("why", place)
    assert rows(there)["was at"] == path
    assert rows(there)["rule"].startswith("none is asked, as the end of its time in quarantine decides")


def test_rules_that_are_not_in_force_are_told_and_an_exit_code(say: Say, ruled: Path, manager: TempFileManager) -> None:
    manager.registry.write(HELD, "more than 1000 of 1200 would go", manager.context.clock.wall(), keep=1)
    said = say("rules")
    assert said.code == 1
    assert "charts" in said.out
    assert said.err == "temp-file-manager: they are not in force: more than 1000 of 1200 would go\n"
