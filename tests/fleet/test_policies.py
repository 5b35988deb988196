"""Policies in force: caps, marks and pauses as sweeps heed them, also over outages and restarts."""

import json
import logging
import math
import os
from pathlib import Path

import pytest

from contexts import MakeManager as MakeHost
from temp_file_manager import TempFileManager, jobs
from temp_file_manager.errors import LargeSweepError, PausedError, RegistryUnavailableError, SettingsError
from temp_file_manager.fleet.centre import BY_OVERDUE, Centre
from temp_file_manager.fleet.in_force import NAME
from temp_file_manager.fleet.policy import NONE, Policies, Policy, policies_text, read_policies
from temp_file_manager.inspection.fleet import INTERVAL, Reporter
from temp_file_manager.inspection.health import examine
from temp_file_manager.limits import Measure
from temp_file_manager.reports import SweepReport
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.scheduler import FLEET
from temp_file_manager.testing import FakeClock

LINES = logging.getLogger("aiecs.tools.temp_file_manager")


def report(manager: TempFileManager) -> None:
    Reporter(manager.context).work()


def sweep(manager: TempFileManager) -> SweepReport:
    return jobs.sweep(manager.context, lambda: False)


def files(manager: TempFileManager, count: int = 1, **others: float) -> list[str]:
    made = []
    for _ in range(count):
        number, path = manager.mkstemp(**others)  # type: ignore[arg-type]
        os.close(number)
        made.append(path)
    return made


# -- which are in force


def test_of_several_policies_the_strictest_counts() -> None:
    policies = Policies(
        (
            Policy("scope:*", max_age=600, max_files=5),
            Policy("team:a", max_age=60, max_bytes=100, max_files=9, paused=True),
            Policy("team:b", max_bytes=50),
        )
    )
    assert (policies.cap, policies.capping) == (60, policies.all[1])
    assert policies.pausing == policies.all[1]
    found = [(limit.name, limit.measure, limit.mark.value) for limit in policies.limits()]
    assert found == [("policy team:b, bytes", Measure.BYTES, 50), ("policy scope:*, files", Measure.FILES, 5)]
    assert (NONE.cap, NONE.pausing, [*NONE.limits()]) == (math.inf, None, [])


def test_a_cap_of_nothing_is_the_strictest() -> None:
    assert Policies((Policy("a", max_age=5), Policy("b", max_age=0))).cap == 0


@pytest.mark.parametrize("text", ["", "{", "3", "[3]", '[{"target": "team:a", "more": 1}]'])
def test_policies_that_cannot_be_read(text: str) -> None:
    assert read_policies(text) is None


def test_policies_are_read_as_they_were_written() -> None:
    policies = Policies((Policy("team:a", 1.5, 2, 3, paused=True, set_by="anna", set_at=9.0),))
    assert read_policies(policies_text(policies)) == policies


# -- a cap


def test_a_cap_shortens_max_age_and_ends_with_its_policy(host: TempFileManager, centre: Centre) -> None:
    centre.set(Policy("team:build", max_age=60))
    assert host.max_age == 3600
    report(host)
    assert host.max_age == 60
    host.max_age = 30
    assert host.max_age == 30
    host.max_age = 500
    centre.clear("team:build")
    report(host)
    assert host.max_age == 500


def test_a_cap_takes_what_is_older_and_spares_ttls_pins_and_sessions(
    host: TempFileManager, centre: Centre, clock: FakeClock
) -> None:
    (plain,) = files(host)
    (own,) = files(host, ttl=5000)
    (pinned,) = files(host)
    host.pin(pinned)
    centre.set(Policy("team:build", max_age=60))
    report(host)
    clock.advance(61)
    assert sweep(host).removed == 1
    assert [os.path.exists(path) for path in (plain, own, pinned)] == [False, True, True]


def test_a_rules_own_age_wins_over_a_cap_and_a_rule_without_takes_it(
    make_host: MakeHost, centre: Centre, clock: FakeClock
) -> None:
    from temp_file_manager.rules.rule import Rule

    rules = (Rule("logs", match=("*.log",), age=5000), Rule("parts", match=("*.part",)))
    host = make_host(rules=rules)
    kept, gone = (host.mkstemp(suffix=suffix) for suffix in (".log", ".part"))
    for number, _ in (kept, gone):
        os.close(number)
    centre.set(Policy("team:build", max_age=60))
    report(host)
    clock.advance(61)
    sweep(host)
    sweep(host)
    assert [os.path.exists(path) for _, path in (kept, gone)] == [True, False]


def test_a_cap_is_a_change_that_the_guard_of_large_sweeps_judges(
    host: TempFileManager, centre: Centre, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    base = Path(host.context.base_dir)
    made = [base / f"{number}" for number in range(1500)]
    for path in made:
        path.touch()
    host.register_files(made)
    assert sweep(host).removed == 0  # by 3600: noted
    clock.advance(100)
    centre.set(Policy("team:build", max_age=60))
    report(host)
    with caplog.at_level(logging.WARNING, LINES.name):
        assert sweep(host).removed == 0
    assert "max_age was 3600 and is 60" in caplog.text
    with pytest.raises(LargeSweepError):
        host.sweep(trust_clock=False, allow_large=0)
    assert host.sweep(trust_clock=False, allow_large=1500).removed == 1500


# -- marks


def test_a_mark_takes_the_oldest_first(host: TempFileManager, centre: Centre, clock: FakeClock) -> None:
    made = []
    for _ in range(4):
        made += files(host)
        clock.advance(100)
    centre.set(Policy("team:build", max_files=2))
    assert [limit.name for limit in host.context.evictor.states.limits] == []
    report(host)
    assert [limit.name for limit in host.context.evictor.states.limits] == ["policy team:build, files"]
    assert sweep(host).evicted == 3  # to a tenth below the mark, which is one file
    assert [os.path.exists(path) for path in made] == [False, False, False, True]
    centre.clear("team:build")
    report(host)
    assert host.context.evictor.states.limits == ()


def test_marks_stand_beside_the_settings_own(make_host: MakeHost, centre: Centre) -> None:
    host = make_host(max_bytes=10_000)
    centre.set(Policy("team:build", max_bytes=5000))
    report(host)
    names = [limit.name for limit in host.context.evictor.states.limits]
    assert names == ["max_bytes", "policy team:build, bytes"]


def test_a_mark_of_bytes_that_memory_cannot_keep_is_told(
    make_host: MakeHost, centre: Centre, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host(registry="memory:")
    centre.set(Policy("team:build", max_bytes=5000, max_files=7))
    with caplog.at_level(logging.WARNING, LINES.name):
        report(host)
        report(host)
    assert caplog.text.count("Fleet policy not kept") == 1
    assert [limit.measure for limit in host.context.evictor.states.limits] == [Measure.FILES]


# -- a pause


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_a_pause_stops_scheduled_sweeps(
    make_host: MakeHost, centre: Centre, clock: FakeClock, registry: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host(registry=registry)
    (path,) = files(host)
    centre.set(Policy("scope:local:*", paused=True))
    report(host)
    clock.advance(4000)
    with caplog.at_level(logging.INFO, LINES.name):
        assert sweep(host).removed == 0
    assert "No sweep: paused by fleet policy scope:local:*: paused, set by postgres" in caplog.text
    assert os.path.exists(path)
    with pytest.raises(PausedError, match="paused by fleet policy"):
        host.context.policies.refuse_paused()
    assert any("paused by fleet policy" in reason for reason in examine(host.context).reasons)
    centre.clear("scope:local:*")
    report(host)
    host.context.policies.refuse_paused()
    assert sweep(host).removed == 1


def test_what_an_application_asks_for_itself_goes_on(host: TempFileManager, centre: Centre, clock: FakeClock) -> None:
    files(host)
    centre.set(Policy("team:build", paused=True))
    report(host)
    clock.advance(4000)
    assert host.cleanup() == 1


def test_a_pause_outlasts_an_outage_and_a_restart(
    make_host: MakeHost, centre: Centre, clock: FakeClock, nowhere: str
) -> None:
    host = make_host()
    centre.set(Policy("team:build", paused=True, max_age=60))
    report(host)
    host.close()
    again = make_host(fleet=nowhere)
    Reporter(again.context).try_once()
    clock.advance(1e7)
    assert again.context.policies.pausing is not None
    assert again.max_age == 60


def test_another_process_heeds_what_one_has_heard(make_host: MakeHost, centre: Centre, nowhere: str) -> None:
    deaf = make_host(fleet=nowhere)
    files(deaf)
    centre.set(Policy("team:build", paused=True))
    report(make_host())
    assert deaf.context.policies.pausing is None
    sweep(deaf)
    assert deaf.context.policies.pausing is not None


def test_without_a_fleet_no_policy_is_in_force(make_host: MakeHost, centre: Centre) -> None:
    centre.set(Policy("team:build", paused=True))
    report(make_host())
    alone = make_host(fleet=None)
    assert alone.context.policies.pausing is None
    assert FLEET not in [job.name for job in jobs.jobs(alone.context)]


def test_what_is_on_record_and_cannot_be_read_changes_nothing(host: TempFileManager, centre: Centre) -> None:
    centre.set(Policy("team:build", paused=True))
    report(host)
    host.registry.write(NAME, "of a newer version", 0.0, keep=10)
    sweep(host)
    assert host.context.policies.pausing is not None


def test_the_journal_has_a_line_for_each_change(host: TempFileManager, centre: Centre) -> None:
    report(host)
    assert host.registry.read(NAME, limit=9) == []
    centre.set(Policy("team:build", max_age=60))
    report(host)
    report(host)
    centre.clear("team:build")
    report(host)
    cleared, made = host.registry.read(NAME, limit=9)
    assert json.loads(cleared.text) == []
    assert [one["max_age"] for one in json.loads(made.text)] == [60]


# -- reports


def test_a_report_tells_how_it_is(host: TempFileManager, centre: Centre, clock: FakeClock) -> None:
    files(host, 3)
    clock.advance(4500)
    centre.set(Policy("team:build", max_age=600))
    report(host)
    report(host)
    (row,) = centre.hosts(BY_OVERDUE, 9)
    assert row.scope.endswith(f":{host.context.base_dir}")
    assert (row.team, row.records, row.overdue, row.max_age, row.policy) == ("build", 3, 3900.0, 600.0, "team:build")
    assert (row.failures, row.swept_ago, row.health) == (0, None, "degraded")


def test_a_base_directory_of_any_bytes_is_told(make_host: MakeHost, centre: Centre, tmp_path: Path) -> None:
    report(make_host(base_dir=os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    assert centre.hosts(BY_OVERDUE, 9)[0].scope.endswith("/\\xff")


def test_a_row_in_memory_is_its_process_and_ends_with_it(make_host: MakeHost, centre: Centre) -> None:
    host = make_host(registry="memory:")
    (job,) = (job for job in jobs.jobs(host.context) if job.name == FLEET)
    job.work(lambda: False)
    (row,) = centre.hosts(BY_OVERDUE, 9)
    assert row.host.endswith(f"/{os.getpid()}")
    job.finish()
    assert centre.hosts(BY_OVERDUE, 9) == ()


def test_a_row_of_what_stays_stays(host: TempFileManager, centre: Centre) -> None:
    (job,) = (job for job in jobs.jobs(host.context) if job.name == FLEET)
    job.work(lambda: False)
    job.finish()
    assert len(centre.hosts(BY_OVERDUE, 9)) == 1
    assert INTERVAL * 0.9 <= job.rest() <= INTERVAL * 1.1


def test_an_outage_is_told_once_and_so_is_its_end(
    make_host: MakeHost, address: str, nowhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host(fleet=nowhere)
    reporter = Reporter(host.context)
    with caplog.at_level(logging.INFO, LINES.name):
        for _ in range(3):
            with pytest.raises(RegistryUnavailableError) as caught:
                reporter.work()
            reporter.failed(caught.value)
    assert caplog.text.count("The fleet's server cannot be asked") == 1
    assert sweep(host).stopped == ""


def test_an_outage_that_ends_is_told(host: TempFileManager, caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter(host.context)
    with caplog.at_level(logging.INFO, LINES.name):
        reporter.failed(RegistryUnavailableError("no"))
        reporter.work()
        reporter.work()
    assert caplog.text.count("The fleet's server answers again") == 1


def test_a_started_manager_reports(make_host: MakeHost, centre: Centre, clock: FakeClock) -> None:
    host = make_host()
    host.start()
    clock.until_waiting(len(jobs.jobs(host.context)))
    assert len(centre.hosts(BY_OVERDUE, 9)) == 1
    assert host.stop(20)


def test_what_nobody_waits_for_any_more_changes_nothing(host: TempFileManager, centre: Centre) -> None:
    centre.set(Policy("team:build", paused=True))
    Reporter(host.context).work(lambda: True)
    assert host.context.policies.pausing is None
    assert host.registry.read(NAME, limit=1) == []


# -- settings


@pytest.mark.parametrize("address", ["mysql://h/d", "h", "postgresql:", "memory:"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="fleet is "):
        Settings(fleet=address)


@pytest.mark.parametrize("address", ["postgresql://anna:s3cret@h/d", "postgresql://h/d?password=s3cret"])
def test_an_address_with_a_password_is_refused(make_host: MakeHost, address: str) -> None:
    with pytest.raises(SettingsError, match=r"fleet cannot be used: .* holds no password") as caught:
        make_host(fleet=address)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("team", ["", "a b", "x" * 64, "a:b"])
def test_a_team_that_is_none_is_refused(team: str) -> None:
    with pytest.raises(ValueError, match="team is "):
        Settings(team=team)
