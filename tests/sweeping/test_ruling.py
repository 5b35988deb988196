"""Rules put in force: on records that came without them, when they change, and for what is not among the newest."""

import logging
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from contexts import MakeManager
from temp_file_manager import LargeSweepError, Settings, TempFileManager, jobs
from temp_file_manager.inspection.health import Grade, examine
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.sweeping.large_sweep_guard import IN_FORCE, LargeSweepGuard
from temp_file_manager.sweeping.rule_notes import HELD, RULED, held, read_note
from temp_file_manager.sweeping.ruling import REST, SLICE, RulesInForce
from temp_file_manager.sweeping.walk import PAGE
from temp_file_manager.testing import NOW, FakeClock

DAY = 86400.0
CHARTS = Rule("charts", match=("*.svg",), age=10.0)

Make = Callable[..., TempFileManager]


@pytest.fixture(params=["memory:", "sqlite:"])
def ruled(request: pytest.FixtureRequest, make_manager: MakeManager) -> Make:
    """Makes managers with rules, of either kind."""

    def make(*rules: Rule, **how: object) -> TempFileManager:
        return with_rules(make_manager, *rules, registry=request.param, **how)

    return make


def with_rules(make_manager: MakeManager, *rules: Rule, registry: str = "sqlite:", **how: object) -> TempFileManager:
    return make_manager(registry=registry, settings=Settings(rules=rules), max_age=DAY, **how)


def asking(manager: TempFileManager, files: int) -> TempFileManager:
    """Return a manager of the same parts that asks before a change of rules takes more than so many files."""
    known = manager.context
    guard = LargeSweepGuard(known.registry, files=files, share=0.0)
    ruling = known.registrar.ruling
    in_force = RulesInForce(known.registry, known.clock, known.clock.wall, lambda: known.max_age, ruling, guard)
    return TempFileManager.from_context(replace(known, ruling=in_force))


def made(manager: TempFileManager, *names: str, **how: object) -> list[str]:
    """Make files, and register them."""
    paths = []
    for name in names:
        path = Path(manager.base_dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
        paths.append(str(path))
    manager.register_files(paths, **how)  # type: ignore[arg-type]  # see there
    return paths


def names(paths: Iterable[str]) -> list[str]:
    return sorted(os.path.basename(path) for path in paths)


def there(manager: TempFileManager) -> list[str]:
    """Return the names of the files that are on record, and of those on the disk, which are the same."""
    known = names(manager.files)
    assert known == sorted(name for name in os.listdir(manager.base_dir) if not name.startswith("."))
    return known


def record(manager: TempFileManager, path: str) -> TempFile:
    return manager.registry.get((path,))[path]


def removed(outcomes: Iterable[Outcome]) -> list[str]:
    return names(outcome.record.path for outcome in outcomes if outcome.retired)


def never() -> bool:
    return False


# -- what comes without rules


def test_what_came_through_files(ruled: Make, clock: FakeClock) -> None:
    """Comes under a rule with the next sweep."""
    manager = ruled(CHARTS)
    for name in ("a.svg", "a.csv"):
        (Path(manager.base_dir) / name).write_bytes(b"1")
        manager.files[str(Path(manager.base_dir) / name)] = NOW
    clock.advance(9)
    assert manager.cleanup() == 0
    clock.advance(1)
    assert removed(manager.sweep(dry_run=True).outcomes) == ["a.svg"]
    assert manager.cleanup() == 1
    assert there(manager) == ["a.csv"]


REGISTER = """
import sys
from temp_file_manager import TempFileManager
TempFileManager(sys.argv[1], registry="sqlite:").register_files(sys.argv[2:])
"""


def test_what_a_process_registered_that_knows_no_rules(make_manager: MakeManager, clock: FakeClock) -> None:
    """Scheduled sweeps put them in force, too, and only look at what has come."""
    manager = with_rules(make_manager, CHARTS)
    manager.cleanup()
    base = Path(manager.base_dir)
    (base / "stay").mkdir()
    others = [str(base / name) for name in ("a.svg", "a.csv", "stay/a.svg")]
    for path in others:
        Path(path).write_bytes(b"1")
    subprocess.run([sys.executable, "-c", REGISTER, manager.base_dir, *others], check=True)
    assert {found.rule for found in manager.registry.get(others).values()} == {""}
    clock.set(wall=record(manager, others[0]).registered_at + 5)  # that process has another clock
    jobs.sweep(manager.context, never)
    assert {path: found.rule for path, found in manager.registry.get(others).items()} == {
        others[0]: "charts",
        others[1]: "",
        others[2]: "charts",
    }
    assert read_note(manager.registry).upto == max(found.generation for found in manager.registry.get(others).values())


def test_a_sweep_without_rules_leaves_it_at_those_of_others(make_manager: MakeManager, clock: FakeClock) -> None:
    """Until nobody has told of them for a week: then they are in force no more."""
    manager = with_rules(make_manager, Rule("stay", match=("*.svg",), keep=True))
    (path,) = made(manager, "a.svg")
    manager.cleanup()
    bare = make_manager(registry="sqlite:", max_age=DAY)
    clock.advance(IN_FORCE - 1)
    assert bare.cleanup() == 0
    jobs.sweep(bare.context, never)
    assert record(bare, path).rule == "stay"
    clock.advance(1)
    assert removed(bare.sweep(dry_run=True).outcomes) == ["a.svg"]
    assert record(bare, path).rule == "stay"
    assert bare.cleanup() == 1
    assert bare.registry.read(RULED, limit=1)[0].text == "", "and that is all"


@pytest.mark.parametrize(
    "rule",
    [
        Rule("pack", age=DAY, compress=10.0),
        Rule("used", age=10.0, by=By.USE),
        Rule("undo", age=10.0, quarantine=DAY),
    ],
    ids=lambda rule: rule.name,
)
def test_a_sweep_without_rules_leaves_what_is_to_be_looked_at_by_them(
    make_manager: MakeManager, clock: FakeClock, rule: Rule
) -> None:
    """Its end is when to look: what is removed then would be gone before its time, or could not be had back."""
    manager = with_rules(make_manager, rule)
    (path,) = made(manager, "a.svg")
    bare = make_manager(registry="sqlite:", max_age=DAY)
    clock.advance(11)
    for dry_run in (True, False):
        (outcome,) = bare.sweep(dry_run=dry_run).outcomes
        assert (outcome.status, f'rule "{rule.name}" of another process' in outcome.reason) == (Status.KEPT, True)
    jobs.sweep(bare.context, never)
    assert os.path.exists(path)
    assert record(bare, path).rule == rule.name
    assert [one.status for one in manager.sweep().outcomes] != [], "whoever knows the rule goes on"
    assert bare.clear_all() == 1, "by force no rule is asked"


def test_rules_that_are_swept_by_stay_in_force(make_manager: MakeManager, clock: FakeClock) -> None:
    manager = with_rules(make_manager, Rule("stay", match=("*.svg",), keep=True))
    (path,) = made(manager, "a.svg")
    for _ in range(10):
        jobs.sweep(manager.context, never)
        clock.advance(IN_FORCE / 2)
    bare = make_manager(registry="sqlite:", max_age=DAY)
    assert bare.cleanup() == 0
    assert record(bare, path).rule == "stay"


# -- changes


def test_changed_rules_are_in_force_for_all(make_manager: MakeManager, clock: FakeClock) -> None:
    """Added, dropped, changed, in another order; what has an end of its own keeps it."""
    manager = with_rules(make_manager, CHARTS)
    charts, csv = made(manager, "a.svg", "a.csv")
    (timed,) = made(manager, "b.svg", ttl=500)

    def rules(*rules: Rule) -> list[tuple[str, float | None]]:
        changed = with_rules(make_manager, *rules)
        changed.cleanup()
        found = changed.registry.get((charts, csv, timed))
        return [(found[path].rule, found[path].due_at) for path in (charts, csv, timed)]

    own = ("", NOW + 500)
    tables = Rule("tables", match=("*.csv",), age=30.0)
    all_of_them = Rule("all", keep=True)
    assert rules(CHARTS, tables) == [("charts", NOW + 10), ("tables", NOW + 30), own]
    assert rules(replace(CHARTS, age=20.0), tables) == [("charts", NOW + 20), ("tables", NOW + 30), own]
    assert rules(all_of_them, CHARTS) == [("all", math.inf), ("all", math.inf), own]
    assert rules(CHARTS, all_of_them) == [("charts", NOW + 10), ("all", math.inf), own]
    assert rules(CHARTS) == [("charts", NOW + 10), ("", None), own]
    assert rules(replace(CHARTS, match=("*.png",))) == [("", None), ("", None), own]


def test_a_rule_without_an_age_follows_max_age(ruled: Make, clock: FakeClock) -> None:
    """Also when that is changed while a manager works."""
    manager = ruled(Rule("charts", match=("*.svg",)))
    made(manager, "a.svg")
    clock.advance(20)
    assert manager.cleanup() == 0
    manager.max_age = 10
    assert manager.cleanup() == 1


def test_what_was_found_used_is_not_looked_at_anew_when_another_rule_changes(
    make_manager: MakeManager, clock: FakeClock
) -> None:
    used = Rule("used", match=("*.svg",), age=10.0, by=By.USE)
    manager = with_rules(make_manager, used)
    (path,) = made(manager, "a.svg")
    os.utime(path, (NOW + 9, NOW + 9))
    clock.advance(10)
    assert manager.cleanup() == 0
    assert record(manager, path).due_at == NOW + 19
    with_rules(make_manager, used, Rule("more", match=("*.csv",), age=5.0)).cleanup()
    assert record(manager, path).due_at == NOW + 19


def test_a_change_that_takes_too_much_is_held_up(
    make_manager: MakeManager, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Scheduled sweeps go on by the former rules, and say so; an asked one raises, unless it is allowed."""
    with_rules(make_manager, CHARTS).cleanup()
    manager = with_rules(make_manager, CHARTS)
    made(manager, "a.svg", *(f"{number}.csv" for number in range(5)))
    clock.advance(10)
    changed = asking(with_rules(make_manager, CHARTS, Rule("tables", match=("*.csv",), age=5.0)), 4)
    assert removed(changed.sweep(dry_run=True).outcomes) == [*(f"{number}.csv" for number in range(5)), "a.svg"]
    for _ in range(3):
        jobs.sweep(changed.context, never)
        clock.advance(REST)
    assert there(changed) == [f"{number}.csv" for number in range(5)]
    told = [entry.message for entry in caplog.records if "former rules" in entry.message]
    assert len(told) == 1, "once"
    assert "more than 4 of 6 registered files" in told[0]
    assert "(tables is new)" in told[0]
    assert "(tables is new)" in held(changed.registry)
    with pytest.raises(LargeSweepError, match=r"more than 4 of 5 .*tables is new"):
        changed.sweep(allow_large=0)
    assert len(there(changed)) == 5
    assert changed.sweep(allow_large=5).removed == 5
    assert held(changed.registry) == ""


def test_a_change_that_is_undone_is_held_up_no_more(make_manager: MakeManager, clock: FakeClock) -> None:
    manager = with_rules(make_manager, CHARTS)
    manager.cleanup()
    made(manager, *(f"{number}.csv" for number in range(5)))
    clock.advance(10)
    changed = asking(with_rules(make_manager, Rule("tables", match=("*.csv",), age=5.0)), 4)
    jobs.sweep(changed.context, never)
    assert held(manager.registry)
    jobs.sweep(with_rules(make_manager, CHARTS).context, never)
    assert held(manager.registry) == ""
    assert len(there(manager)) == 5


@pytest.mark.parametrize(
    ("rule", "counts"),
    [
        (Rule("x", match=("*.csv",), age=5.0), 5),
        (Rule("x", match=("*.csv",), age=5.0, quarantine=5.0), 5),
        (Rule("x", match=("*.csv",), age=5.0, by=By.WRITE), 3),
        (Rule("x", match=("*.csv",), age=500.0, compress=5.0), 0),
        (Rule("x", match=("*.csv",), age=11.0), 0),
        (Rule("x", match=("*.csv",), keep_last=2), 4),
        (Rule("x", match=("*.csv",), keep_last=2, age=11.0), 0),
        (Rule("x", match=("*.csv",), keep=True), 0),
    ],
)
def test_what_counts(make_manager: MakeManager, clock: FakeClock, rule: Rule, counts: int) -> None:
    """What would go because of a change: not what was used since, is compressed, is due already, or pinned."""
    manager = with_rules(make_manager, CHARTS)
    manager.cleanup()
    paths = made(manager, *(f"{number}.csv" for number in range(5)))
    for number, path in enumerate(paths):
        os.utime(path, (NOW, NOW + 9 if number < 2 else NOW))
    (pinned,) = made(manager, "pinned.csv", ttl=None)
    manager.pin(pinned)
    made(manager, "due.csv", ttl=5)
    made(manager, "due.svg")
    clock.advance(10)
    for allowed in {counts, max(counts - 1, 0)}:
        changed = asking(with_rules(make_manager, CHARTS, rule), 0)
        before = changed.registry.read(RULED, limit=1)
        if allowed < counts:
            with pytest.raises(LargeSweepError):
                changed.sweep(allow_large=allowed)
            assert changed.registry.read(RULED, limit=1) == before
        elif not rule.quarantine:
            changed.sweep(allow_large=allowed)
            assert changed.registry.read(RULED, limit=1) != before


# -- slices


class SlowRegistry:
    """A registry whose pages take time."""

    def __init__(self, manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        page, kind = type(manager.registry).page, type(manager.registry)
        self.pages = 0

        def slow(registry: object, *args: object, **how: object) -> object:
            self.pages += 1
            clock.advance(SLICE)
            return page(registry, *args, **how)  # type: ignore[arg-type]  # as they come

        monkeypatch.setattr(kind, "page", slow)


def test_a_change_over_many_records_keeps_no_sweep_waiting(
    make_manager: MakeManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put in force a page at a time, by a job that rests; another process goes on where one has stopped."""
    manager = with_rules(make_manager, CHARTS)
    manager.cleanup()
    paths = made(manager, *(f"{number}.csv" for number in range(2 * PAGE)))
    slow = SlowRegistry(manager, clock, monkeypatch)
    rules = CHARTS, Rule("tables", match=("*.csv",), keep=True)
    first, other = (with_rules(make_manager, *rules).context for _ in range(2))

    def under() -> int:
        return sum(found.rule == "tables" for found in manager.registry.get(paths).values())

    seen = []
    for context in (first, other, other, first):
        slow.pages = 0
        context.ruling.slice(never)
        assert slow.pages <= 1
        seen.append(under())
    assert seen == [PAGE, 2 * PAGE, 2 * PAGE, 2 * PAGE]
    assert first.ruling.rest == REST
    slow.pages = 0
    jobs.sweep(first, never)
    assert slow.pages <= 2, "one for what has come, and a sweep's own"


def test_what_a_change_would_take_is_counted_in_slices_too(
    make_manager: MakeManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is changed before; it goes on where it stopped, and counts no further than it must."""
    manager = with_rules(make_manager, CHARTS)
    manager.cleanup()
    paths = made(manager, *(f"{number}.csv" for number in range(5 * PAGE)))
    changed = with_rules(make_manager, CHARTS, Rule("tables", match=("*.csv",), keep=True))
    slow = SlowRegistry(manager, clock, monkeypatch)
    seen = []
    for _ in range(9):
        changed.context.ruling.slice(never)
        seen.append(sum(found.rule == "tables" for found in manager.registry.get(paths).values()) // PAGE)
    assert seen == [0, 0, 0, 1, 2, 3, 4, 5, 5]
    assert slow.pages == 3 + 5 + 1


def test_a_slice_rests_so_that_it_takes_a_part_of_the_time(
    make_manager: MakeManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rules(make_manager, CHARTS).cleanup()
    manager = with_rules(make_manager, Rule("tables", match=("*.csv",), keep=True))
    made(with_rules(make_manager, CHARTS), *(f"{number}.csv" for number in range(2 * PAGE)))
    SlowRegistry(manager, clock, monkeypatch)
    assert manager.context.ruling.slice(never) == pytest.approx(4 * SLICE)
    assert manager.context.ruling.slice(lambda: True) == pytest.approx(0.0)


def test_an_asked_sweep_catches_up_whole_within_its_budget(
    make_manager: MakeManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = with_rules(make_manager, CHARTS)
    manager.cleanup()
    paths = made(manager, *(f"{number}.csv" for number in range(2 * PAGE)))
    changed = with_rules(make_manager, CHARTS, Rule("tables", match=("*.csv",), keep=True))
    SlowRegistry(manager, clock, monkeypatch)
    changed.sweep(budget=SLICE)
    assert sum(found.rule == "tables" for found in manager.registry.get(paths).values()) == PAGE
    changed.sweep()
    assert sum(found.rule == "tables" for found in manager.registry.get(paths).values()) == 2 * PAGE


def test_a_full_disk_leaves_it_for_later(
    make_manager: MakeManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the sweep goes on."""
    from temp_file_manager.errors import RegistryFullError

    manager = with_rules(make_manager, CHARTS)
    made(make_manager(registry="sqlite:", max_age=DAY), "a.svg", ttl=5)
    (path,) = made(make_manager(registry="sqlite:", max_age=DAY), "b.svg")
    clock.advance(10)

    def full(*_: object, **__: object) -> None:
        raise RegistryFullError("full")

    with monkeypatch.context() as patch:
        patch.setattr(type(manager.registry), "ruled", full)
        assert manager.cleanup() == 1
    assert record(manager, path).rule == ""


# -- the newest of a rule


def test_the_newest_stay(ruled: Make, clock: FakeClock) -> None:
    """The others go at once, or when they are old enough; the dry run says so."""
    manager = ruled(Rule("last", match=("*.log",), keep_last=2), Rule("old", match=("*.bak",), keep_last=1, age=30.0))
    for number in range(4):
        made(manager, f"{number}.log", f"{number}.bak")
        clock.advance(10)
    assert removed(manager.sweep(dry_run=True).outcomes) == ["0.bak", "0.log", "1.bak", "1.log"]
    assert removed(manager.sweep().outcomes) == ["0.bak", "0.log", "1.bak", "1.log"]
    clock.advance(1000)
    assert removed(manager.sweep(dry_run=True).outcomes) == ["2.bak"]
    assert removed(manager.sweep().outcomes) == ["2.bak"]
    assert there(manager) == ["2.log", "3.bak", "3.log"]


def test_an_end_of_a_former_rule_is_no_word_about_the_newest(make_manager: MakeManager, clock: FakeClock) -> None:
    """As long as it is not in force for all: another process is at that, or it takes its time."""
    former = with_rules(make_manager, Rule("x", age=10))
    made(former, "a", "b", "c")
    clock.advance(20)
    changed = with_rules(make_manager, Rule("x", keep_last=2))
    with former.registry.exclusive(RULED):
        report = jobs.sweep(changed.context, never)
    assert (report.removed, there(changed)) == (0, ["a", "b", "c"])
    assert (removed(changed.sweep(dry_run=True).outcomes), changed.sweep().removed) == (["a"], 1)
    assert there(changed) == ["b", "c"]


def test_more_than_a_page_beyond_the_newest(ruled: Make, clock: FakeClock) -> None:
    manager = ruled(Rule("last", match=("*.log",), keep_last=3))
    made(manager, *(f"{number}.log" for number in range(PAGE + 10)))
    assert manager.sweep(dry_run=True).removed == manager.sweep().removed == PAGE + 7


# -- what measuring finds


def test_what_has_grown_comes_under_a_rule_about_sizes(make_manager: MakeManager, clock: FakeClock) -> None:
    manager = with_rules(make_manager, Rule("large", larger=1 << 16, age=10.0))
    grown, small = made(manager, "a", "b")
    assert record(manager, grown).rule == ""
    Path(grown).write_bytes(b"1" * (1 << 17))
    os.utime(grown, (NOW, NOW))
    manager.context.measuring.slice(never)
    assert (record(manager, grown).rule, record(manager, grown).due_at) == ("large", NOW + 10)
    assert record(manager, small).rule == ""


def test_nobody_is_told_who_has_no_such_rule(make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = with_rules(make_manager, CHARTS)
    made(manager, "a.svg")
    monkeypatch.setattr(type(manager.registry), "ruled", lambda *_: pytest.fail("for nothing"))
    manager.context.measuring.slice(never)


# -- what no rule is asked about


def test_forced_sweeps_ask_no_rule(ruled: Make) -> None:
    manager = ruled(Rule("stay", keep=True))
    made(manager, "a", "b")
    assert manager.cleanup() == 0
    assert manager.sweep(force=True, dry_run=True).removed == 2
    assert manager.clear_all() == 2


def test_a_pin_and_a_session_win(ruled: Make, clock: FakeClock) -> None:
    manager = ruled(CHARTS)
    pinned, ends = made(manager, "a.svg", "b.svg")
    manager.pin(pinned)
    with manager.session("s") as session:
        (Path(manager.base_dir) / "c.svg").write_bytes(b"1")
        session.register_file(Path(manager.base_dir) / "c.svg")
        clock.advance(10)
        assert removed(manager.sweep(dry_run=True).outcomes) == ["b.svg"] == removed(manager.sweep().outcomes)
    assert not os.path.exists(ends)
    assert there(manager) == ["a.svg"]


def test_without_rules_nothing_is_written(make_manager: MakeManager) -> None:
    manager = make_manager(registry="sqlite:")
    made(manager, "a.svg")
    manager.cleanup()
    jobs.sweep(manager.context, never)
    assert manager.registry.read(RULED, limit=1) == [] == manager.registry.read(HELD, limit=1)
    assert "rules" not in [job.name for job in jobs.jobs(manager.context)]


def test_the_rules_that_are_in_force_are_told(make_manager: MakeManager, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            with_rules(make_manager, CHARTS, Rule("stay", keep=True)).cleanup()
    assert [entry.message for entry in caplog.records if "in force" in entry.message] == [
        "Rules in force: charts, stay"
    ]


# -- what is said of it


def test_what_is_said_of_a_record_under_a_rule(ruled: Make, clock: FakeClock) -> None:
    manager = ruled(CHARTS, Rule("stay", match=("*.csv",), keep=True))
    charts, stays = made(manager, "a.svg", "a.csv")

    def said(path: str) -> tuple[bool, str]:
        status = manager.status(path)
        return status.due, status.reason

    clock.advance(4)
    assert said(charts) == (False, 'rule "charts" keeps it for another 6 s, or longer')
    assert said(stays) == (False, 'rule "stay" keeps it')
    clock.advance(8)
    assert said(charts) == (True, 'rule "charts" made it due 2 s ago')


def test_health_is_degraded_while_new_rules_are_held_up(make_manager: MakeManager, clock: FakeClock) -> None:
    manager = with_rules(make_manager, CHARTS)
    manager.cleanup()
    made(manager, *(f"{number}.csv" for number in range(5)))
    clock.advance(10)
    assert examine(manager.context).status is Grade.HEALTHY
    changed = asking(with_rules(make_manager, Rule("tables", match=("*.csv",), age=5.0)), 4)
    jobs.sweep(changed.context, never)
    found = examine(manager.context)
    assert found.status is Grade.DEGRADED
    assert found.reasons[0].startswith("new rules are not in force: more than 4 of 5 registered files would be removed")
    changed.sweep(allow_large=5)
    assert examine(manager.context).status is Grade.HEALTHY
