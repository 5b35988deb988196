"""A real Prometheus asks real services, of which one is well and each of the others has a fault that was really made.

One Prometheus and all services run together, for the whole of this file; the rules are the deployed ones, but for how
long a fault has to last.
"""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import small_disk
from command_line import SHIM, environment, free_port
from container import until
from monitoring import QUERIES, RULES, dashboard_queries, tool
from patience import PATIENCE
from temp_file_manager import TempFileManager
from temp_file_manager.clock import SystemClock, boot_id
from temp_file_manager.fleet.in_force import NAME as POLICIES
from temp_file_manager.fleet.policy import Policies, Policy, policies_text
from temp_file_manager.sweeping.clock_guard import NAME
from temp_file_manager.sweeping.watermark import Moment, Watermark

ROOT = os.geteuid() == 0
TTL = 4.0  # seconds: longer than it takes until they are asked for the first time

ALERTS = {
    "dead": "TempFileNothingSweeps",
    "gone": "TempFileNothingSweeps",
    "failing": "TempFileRemovalsFailing",
    "many": "TempFilesTooMany",
    "clock": "TempFileClockNotTrusted",
    "full": "TempFileDiskNearlyFull",
    "unmet": "TempFileLimitUnmet",
    "down": "TempFileRegistryDown",
    "paused": "TempFilePolicyPaused",
    "refused": "TempFileSettingsRefused",
}
ALSO = {("down", "TempFileNothingSweeps")}
"""What fires for a fault besides."""

NOBODY = "postgresql://sweeper@127.0.0.1:1/nothing"
SETTINGS = {
    "many": {"MAX_TEMP_FILES": "2"},
    "unmet": {"TEMP_FILE_MAX_BYTES": "1"},
    "paused": {"TEMP_FILE_FLEET": NOBODY},
}
"""What the services of some cases are told."""


@dataclass
class Service:
    """One case: a base directory, and what runs on it."""

    base: Path
    port: int
    process: "subprocess.Popen[bytes]"


@contextmanager
def serving(base: Path, **variables: str) -> Iterator[Service]:
    port, process = started(base, variables)
    try:
        yield Service(base, port, process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def started(base: Path, variables: dict[str, str], tries: int = 3) -> "tuple[int, subprocess.Popen[bytes]]":
    """Start a service, and return its port: another, where somebody has taken the first before it could."""
    port, path = free_port(), base.with_name(f"{base.name}.log")
    env = environment(
        TEMP_FILE_BASE_DIR=str(base),
        TEMP_FILE_CLEANUP_INTERVAL="0.5",
        TEMP_FILE_HTTP_PORT="off",
        ENABLE_TEMP_FILE_METRICS="true",
        PROMETHEUS_PORT=str(port),
        **variables,
    )
    with open(path, "wb") as log:
        process = subprocess.Popen([*SHIM], env=env, stdout=log, stderr=log, start_new_session=True)
    until(lambda: process.poll() is not None or b"Metrics: port" in path.read_bytes(), PATIENCE)
    if process.poll() is None:
        return port, process
    assert tries > 1, path.read_text()
    return started(base, variables, tries - 1)


def registered(base: Path, names: list[str], *, ttl: float | None = None) -> list[Path]:
    """Make files beside a base directory, and register them there."""
    folder = base.with_name(f"{base.name}.files")
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(b"12345")
    with closing(TempFileManager(base, registry="sqlite:")) as manager:
        assert manager.register_files(map(str, paths), ttl=ttl).registered == len(paths)
    return paths


def remembered_clock_of_an_hour_ago(base: Path) -> None:
    """As if the wall clock had jumped ahead by an hour since the last sweep looked at it."""
    clock = SystemClock()
    mark = Watermark(Moment(clock.wall() - 3600, clock.elapsed(), boot_id()))
    with closing(TempFileManager(base, registry="sqlite:")) as manager:
        manager.registry.write(NAME, json.dumps(asdict(mark)), 0.0, keep=1)


def paused_by_a_policy(base: Path) -> None:
    """As if the fleet's server, which cannot be asked now, had said so before."""
    policies = Policies((Policy("scope:*", paused=True, set_by="anna"),))
    with closing(TempFileManager(base, registry="sqlite:")) as manager:
        manager.registry.write(POLICIES, policies_text(policies), 0.0, keep=1)


def damaged(base: Path) -> None:
    """A registry that is there, and cannot be read any more."""
    registry = base / ".temp-file-manager" / "registry.db"
    registry.write_bytes(b"\xa5" * registry.stat().st_size)


@contextmanager
def unwritable(folder: Path) -> Iterator[bool]:
    """Let nothing be removed from a directory; not by root either."""
    if not ROOT:
        folder.chmod(0o500)
        try:
            yield True
        finally:
            folder.chmod(0o700)
        return
    if not small_disk.mount("--bind", str(folder), str(folder)):
        assert "CI" not in os.environ, "root, and cannot mount: this was not tried"
        yield False
        return
    try:
        yield small_disk.mount("-o", "remount,ro,bind", str(folder))
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Prometheus:
    """One that runs, and its API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, what: str, **parameters: str) -> Any:
        address = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def query(self, expression: str) -> dict[str, float]:
        """Return numbers by case; what is no number is left out."""
        found = self.ask("query", query=expression)["result"]
        values = {each["metric"].get("case", ""): float(each["value"][1]) for each in found}
        return {case: value for case, value in values.items() if value == value}  # noqa: PLR0124 - NaN

    def firing(self) -> set[tuple[str, str]]:
        """Return (case, alert) of all that fire."""
        alerts = self.ask("alerts")["alerts"]
        return {
            (each["labels"].get("case", ""), each["labels"]["alertname"])
            for each in alerts
            if each["state"] == "firing"
        }

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def prometheus(folder: Path, services: dict[str, Service]) -> Iterator[Prometheus]:
    rules, changed = re.subn(r"\bfor: \d+[mh]$", "for: 3s", RULES.read_text(), flags=re.MULTILINE)
    assert changed == len(set(ALERTS.values()))
    (folder / "rules.yml").write_text(rules)
    targets = [
        {"targets": [f"127.0.0.1:{service.port}"], "labels": {"case": case}} for case, service in services.items()
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "temp-file-manager", "static_configs": targets}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        tool("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with open(folder / "prometheus.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        one = Prometheus(port)
        until(one.ready)
        yield one
    finally:
        process.terminate()
        process.wait(PATIENCE)


@dataclass
class Scene:
    """Everything that runs, and the faults that could not be made."""

    prometheus: Prometheus
    services: dict[str, Service]
    not_made: set[str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    tool("prometheus")
    folder = tmp_path_factory.mktemp("scene")
    not_made: set[str] = set()
    with ExitStack() as stack:
        disk = False
        if ROOT:
            disk = stack.enter_context(small_disk.mounted(folder / "disk", "size=4m"))
        bases = {case: folder / case for case in ("well", *ALERTS)} | {"full": folder / "disk" / "base"}
        if not disk:
            del bases["full"]
            not_made.add("full")
        for case, base in bases.items():
            registered(base, [f"{case}{number}" for number in range(3)])
        remembered_clock_of_an_hour_ago(bases["clock"])
        with closing(TempFileManager(bases["unmet"], registry="sqlite:")) as manager:
            for path in list(manager.files):
                manager.pin(path)
        paused_by_a_policy(bases["paused"])
        rules = folder / "rules.toml"
        rules.write_text('[[rule]]\nname = "all"\nage = "1 d"\n')
        told = SETTINGS | {"refused": {"TEMP_FILE_RULES": str(rules)}}
        services = {case: stack.enter_context(serving(base, **told.get(case, {}))) for case, base in bases.items()}
        asking = stack.enter_context(prometheus(folder, services))
        until(lambda: set(asking.query("temp_files_active")) == set(services), PATIENCE)
        # From here on things happen that counters and histograms have to show.
        registered(bases["well"], [f"short{number}" for number in range(20)], ttl=TTL)
        (failing,) = registered(bases["failing"], ["failing"], ttl=TTL)
        if not stack.enter_context(unwritable(failing.parent)):
            not_made.add("failing")
        if disk:
            small_disk.fill(folder / "disk", leave=8 * small_disk.BLOCK)
        rules.write_text("[[rule]]\nname = 1")
        services["refused"].process.send_signal(signal.SIGHUP)
        damaged(bases["down"])
        bases["gone"].rename(folder / "gone.aside")
        services["dead"].process.kill()
        services["dead"].process.wait()
        yield Scene(asking, services, not_made)


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_of_the_specification_returns_a_number(scene: Scene, query: str) -> None:
    number = until(lambda: scene.prometheus.query(query).get("well", 0.0), PATIENCE)
    assert 0 < number < 1e9


def test_what_was_registered_and_swept_is_counted(scene: Scene) -> None:
    until(lambda: scene.prometheus.query("temp_files_cleaned_total").get("well") == 20, PATIENCE)
    until(lambda: scene.prometheus.query("temp_files_active").get("well") == 3, PATIENCE)
    assert scene.prometheus.query("temp_files_registered_total")["well"] == 23
    assert scene.prometheus.query("temp_file_age_seconds_count")["well"] == 20
    assert scene.prometheus.query("temp_file_age_seconds_sum / temp_file_age_seconds_count")["well"] >= TTL


def test_the_rules_are_loaded_and_can_be_evaluated(scene: Scene) -> None:
    def evaluated() -> bool:
        rules = [rule for group in scene.prometheus.ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in rules} == {"cleanup_duration_seconds_bucket", *ALERTS.values()}
        assert not [rule for rule in rules if rule["health"] == "err"]
        return all(rule["health"] == "ok" for rule in rules)

    until(evaluated, PATIENCE)


@pytest.mark.parametrize(("case", "alert"), ALERTS.items())
def test_an_alert_fires_when_its_fault_is_made(scene: Scene, case: str, alert: str) -> None:
    if case in scene.not_made:
        pytest.skip(f"{alert} was not tried: it takes the right to mount")
    until(lambda: (case, alert) in scene.prometheus.firing(), PATIENCE)


def test_no_alert_fires_but_for_its_fault(scene: Scene) -> None:
    expected = {(case, alert) for case, alert in ALERTS.items() if case not in scene.not_made} | ALSO
    until(lambda: scene.prometheus.firing() == expected, PATIENCE)


def test_the_dashboard_names_only_what_there_is(scene: Scene) -> None:
    there = set(scene.prometheus.ask("label/__name__/values"))
    words = {"rate", "histogram_quantile", "time", "and", "on", "job", "instance"}
    for query in dashboard_queries():
        named = set(re.findall(r"[a-z][a-z_]+", re.sub(r"\[\w+\]", "", query))) - words
        assert named
        assert named <= there, query
        scene.prometheus.query(query)
