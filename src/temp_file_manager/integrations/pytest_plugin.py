"""pytest: a manager and a session for each test.

Name it in the ``conftest.py`` at the root of your tests; it is no entry point, and so never loads itself::

    pytest_plugins = ["temp_file_manager.integrations.pytest_plugin"]
"""

from collections.abc import Iterator
from pathlib import Path

from temp_file_manager.integrations import requires
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.session import ManagedSession

with requires("pytest"):
    import pytest


@pytest.fixture
def temp_file_manager(tmp_path: Path) -> Iterator[TempFileManager]:
    """A manager in ``tmp_path``, with its records in memory. What the test registers goes with the test."""
    with TempFileManager(tmp_path / "temp_file_manager") as manager:
        yield manager


@pytest.fixture
def temp_session(temp_file_manager: TempFileManager, request: pytest.FixtureRequest) -> Iterator[ManagedSession]:
    """A session of ``temp_file_manager`` that ends with the test, and has its name."""
    with temp_file_manager.session(request.node.name) as session:
        yield session
