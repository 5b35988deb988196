"""What is published: the wheel, the sources, and what an index of packages shows of them."""

import os
import re
import subprocess
import sys
import tarfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from places import ROOT
from temp_file_manager.version import VERSION
from wheels import build, contents

SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(published: Path) -> dict[str, bytes]:
    return contents(published)


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    (found,) = (content for name, content in wheel.items() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(found)


def test_the_index_takes_both(published: Path) -> None:
    files = sorted(map(str, published.iterdir()))
    assert [os.path.basename(file) for file in files] == [
        f"temp_file_manager-{VERSION}-py3-none-any.whl",
        f"temp_file_manager-{VERSION}.tar.gz",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_is_the_package_and_nothing_else(wheel: dict[str, bytes]) -> None:
    """Page, SQL and ``py.typed`` included."""
    there = {
        str(path.relative_to(SOURCE))
        for top in ("temp_file_manager", "aiecs")
        for path in (SOURCE / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel if ".dist-info/" not in name} == there
    for name in ("py.typed", "registry/sqlite/sql/002_totals.sql", "service/page/static/index.html"):
        assert f"temp_file_manager/{name}" in wheel
    assert "aiecs/__init__.py" not in wheel
    assert "aiecs/tools/__init__.py" not in wheel


def test_the_core_needs_the_standard_library_alone(metadata: Message) -> None:
    needed = metadata.get_all("Requires-Dist") or []
    assert needed
    assert all(" extra == " in line for line in needed)


def test_the_commands(wheel: dict[str, bytes]) -> None:
    (points,) = (content.decode() for name, content in wheel.items() if name.endswith(".dist-info/entry_points.txt"))
    assert points.split()[1:] == [
        *("temp-file-manager", "=", "temp_file_manager.cli:main"),
        *("tfm", "=", "temp_file_manager.cli:main"),
    ]


def test_the_sources_build_the_same_wheel(published: Path, wheel: dict[str, bytes], tmp_path: Path) -> None:
    with tarfile.open(next(published.glob("*.tar.gz"))) as sources:
        sources.extractall(tmp_path, filter="data")
    build(tmp_path / f"temp_file_manager-{VERSION}", tmp_path / "dist")
    assert contents(tmp_path / "dist") == wheel


def test_the_sources_have_what_tests_and_documents_them(published: Path) -> None:
    with tarfile.open(next(published.glob("*.tar.gz"))) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    for name in ("tests/conftest.py", "docs/conf.py", "docs/pictures/top.svg", "Makefile", "CHANGELOG.md", "LICENSE"):
        assert name in names
    assert not [name for name in names if name.endswith(".pyc") or name.startswith((".venv", "build/", ".git/"))]


def test_what_the_index_shows_leads_nowhere_that_it_has_not(metadata: Message) -> None:
    """A link to a file of the repository is text there, and there are no pictures."""
    shown = str(metadata.get_payload())
    assert re.findall(r"\]\((?!https?://)[^)]*\)", shown) == []
    assert "![" not in shown
    assert "## When not to use it" in shown
    assert "Getting started takes five" in " ".join(shown.split())


def test_the_classifiers_are_of_the_index_and_true(metadata: Message) -> None:
    from trove_classifiers import classifiers

    told = metadata.get_all("Classifier") or []
    assert set(told) - classifiers == set()
    assert "Typing :: Typed" in told
    assert [name for name in told if name.startswith("Operating System")] == ["Operating System :: POSIX :: Linux"]
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_changes_of_this_version_are_told() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION
