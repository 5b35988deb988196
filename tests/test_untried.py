"""What a machine cannot try: it is printed, and where everything can be tried it is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.fixture
def place():
    print("not tried: mounting")

def test_that_prints():
    print("not tried: other users")

def test_whose_fixture_prints(place): ...

def test_that_skips():
    pytest.skip("takes two disks")

@pytest.mark.skipif(True, reason="takes root")
def test_that_is_skipped(): ...

@pytest.mark.xfail
def test_that_is_known_to_fail():
    assert False

def test_that_tries(): ...
"""

WHAT = ("other users", "mounting", "takes two disks", "takes root")


@pytest.mark.parametrize("ci", [False, True])
def test_what_cannot_be_tried_is_printed_and_fails_in_ci(tmp_path: Path, ci: bool) -> None:
    """Excludes tests that pass on a machine on which they have done nothing."""
    (tmp_path / "test_untried.py").write_text(TESTS)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "PYTEST_"))}
    environ |= {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])} | ({"CI": "1"} if ci else {})
    words = ["-p", "conftest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path, "-q", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert all(f": {what}\n" in done.stdout or f": Skipped: {what}\n" in done.stdout for what in WHAT), done.stdout
    assert (done.returncode, "1 xfailed" in done.stdout) == (int(ci), True)
    counted = "2 skipped" if not ci else "failed"
    assert counted in done.stdout
    if ci:
        assert done.stdout.count("in CI everything is tried, but: ") >= len(WHAT)
        assert "1 passed" in done.stdout, "what tries something is as good as ever"
