"""A plugin of pytest: writes down how many seconds each test that passes takes."""

import json
from collections import defaultdict

import pytest

_taken: defaultdict[str, float] = defaultdict(float)
_failed: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _taken[report.nodeid] += report.duration
    if not report.passed:
        _failed.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    with open(session.config.rootpath / "durations.json", "w", encoding="utf-8") as file:
        json.dump({name: seconds for name, seconds in _taken.items() if name not in _failed}, file)
