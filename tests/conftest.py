"""What every test file shares."""

import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import histories  # noqa: F401 - before --hypothesis-profile names one of its profiles
from contexts import MakeManager
from temp_file_manager import TempFileManager

if TYPE_CHECKING:
    from postgres_server import PostgresServer
    from temp_file_manager.testing import FakeClock

# Before anything imports it: its assertions are part of the tests.
pytest.register_assert_rewrite("temp_file_manager.testing")


# No test, and no program that one starts, reads the settings of whoever runs the tests, or of the machine.
os.environ["XDG_CONFIG_HOME"] = os.path.join(tempfile.gettempdir(), "no-settings-for-tests")
os.environ["TEMP_FILE_SYSTEM_CONFIG"] = os.path.join(os.environ["XDG_CONFIG_HOME"], "machine.toml")
os.environ.pop("TEMP_FILE_CONFIG", None)

# A shell's background, and nohup, start programs that ignore it, and so do those that these start.
signal.signal(signal.SIGINT, signal.default_int_handler)

UNTRIED = "not tried"
"""How a test's print or its reason for a skip begins that could not try something here."""


LONGEST = ("deploy_image", "benchmarks", "campaigns", "deploy", "site", "lockstep", "page", "counters")
"""What takes longest, and so begins first: else one process is at it still when the others have nothing left to do."""


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: a third of its time each waits for programs that it has started."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the ``LONGEST``."""
    first = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path.name, len(first)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what could not be tried. In CI, where all but ``beyond_ci`` can be, that is a failure."""
    report = yield
    told = report.capstdout.splitlines() if report.when == "call" else ()
    untried = [line for line in told if line.startswith(UNTRIED)]
    if report.skipped and not hasattr(report, "wasxfail"):
        untried.append(str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr))
    if untried and not report.failed:
        report.user_properties.append((UNTRIED, "; ".join(untried)))
        if os.environ.get("CI") and item.get_closest_marker("beyond_ci") is None:
            report.outcome, report.longrepr = "failed", f"in CI everything is tried, but: {'; '.join(untried)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what could not be tried."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for report in reports:
        for name, words in getattr(report, "user_properties", ()):
            if name == UNTRIED:
                terminalreporter.write_line(f"{UNTRIED} by {report.nodeid}: {words.removeprefix(f'{UNTRIED}: ')}")


@pytest.fixture
def clock() -> "FakeClock":
    from temp_file_manager.testing import FakeClock

    return FakeClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A server that the tests of this process share."""
    from postgres_server import PostgresServer

    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def database(postgres: "PostgresServer") -> str:
    """How libpq reaches a database of this test's own, with the schema in it."""
    return postgres.conninfo(postgres.new_database())


@pytest.fixture
def make_manager(tmp_path: Path, clock: "FakeClock") -> Iterator[MakeManager]:
    """Makes managers, by default of one base directory and durable, and closes them."""
    made = []

    def make(base: str = "base", **how: Any) -> TempFileManager:
        manager = TempFileManager(tmp_path / base, **{"max_age": 100, "registry": "sqlite:", "clock": clock, **how})
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close()


@pytest.fixture(params=["memory:", "sqlite:"])
def manager(request: pytest.FixtureRequest, make_manager: MakeManager) -> TempFileManager:
    """A manager with each of the registries; files are due after 100 s."""
    return make_manager(registry=request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a directory of its own, which nobody has registered."""
    path = tmp_path / "files" / "file"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that others get at. (``tmp_path`` is closed to them again by whatever pytest starts next.)"""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)
