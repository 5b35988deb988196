"""A plugin of pytest: writes down how many seconds each test takes."""

import json
from collections import Counter

import pytest

_taken: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _taken[report.nodeid] += report.duration  # type: ignore[assignment]


def pytest_sessionfinish(session: pytest.Session) -> None:
    with open(session.config.rootpath / "durations.json", "w", encoding="utf-8") as file:
        json.dump(_taken, file)
