"""The documentation says what there is, and nothing that there is not; its examples run."""

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docs import reference

from pages import PAGES, blocks, matches, program, run, run_tests, shown, slug, spans
from places import DOCS, ROOT, TESTS
from temp_file_manager import TempFileManager, cli
from temp_file_manager.inspection.metrics import ManagerCollector
from temp_file_manager.service.app import build
from temp_file_manager.settings import FIELDS, PREFIX, Settings, variable
from temp_file_manager.settings.toml_file import CONFIG, SYSTEM_CONFIG

# Decisions tell of what was, and the style guide how things would be called.
FOR_USERS = [page for page in PAGES if page.parent.name != "decisions" and page.name != "style.md"]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: str(page.relative_to(ROOT))
)
def test_examples_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    told, printed = shown(page), run(page, tmp_path)
    assert len(told) == len(printed), printed
    assert [pair for pair in zip(told, printed, strict=True) if not matches(*pair)] == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "\nclass Test" in program(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_tests_on_a_page_pass(page: Path, tmp_path: Path) -> None:
    assert re.match(r"\d+ passed in ", run_tests(page, tmp_path))


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text()):
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), (target, anchor)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tests_that_it_names_are_there(page: Path) -> None:
    for file, name in re.findall(r"`(test_\w+)::(test_\w+)`", page.read_text()):
        (there,) = TESTS.rglob(f"{file}.py")
        assert f"def {name}(" in there.read_text(), (file, name)


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    return {slug(name) for name in re.findall(r"^#+ (.+)$", text, re.MULTILINE)} | set(re.findall(r'id="(.+?)"', text))


# -- what there is


def settings() -> set[str]:
    return set(map(variable, FIELDS))


def commands() -> set[str]:
    return set(cli.parsers()[1])


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path)) as manager:
        yield manager


def metrics(manager: TempFileManager) -> set[str]:
    described = ManagerCollector(manager.context).describe()
    return {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in described}


def paths(manager: TempFileManager) -> set[str]:
    return set(build(manager, Settings(), token=None).resources)


# -- what is documented


def documented(pattern: str) -> set[str]:
    """Return what matches in code on the pages for users."""
    return {found for page in FOR_USERS for code in spans(page) for found in re.findall(pattern, code)}


def documented_commands() -> set[str]:
    return documented(r"(?<![\w./-])(?:temp-file-manager|tfm) ([a-z]+)")


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_says_what_the_code_says(name: str) -> None:
    """Or: ``python -m docs.reference``."""
    assert (DOCS / name).read_text() == reference.PAGES[name]()


def test_the_reference_says_more_of_settings_that_there_are() -> None:
    assert set(reference.MORE) - set(FIELDS) == set()


def test_the_reference_shows_the_same_as_the_code() -> None:
    """Whatever a parser says of its flags, Markdown takes for text."""
    parser = argparse.ArgumentParser("tfm x", usage="%(prog)s [--size N]", formatter_class=reference.Markdown)
    parser.add_argument(
        "--size", metavar="N", default=7, help="a * of <b> | `a_b --c`, --d; the default is %(default)s, 10 %%"
    )
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    parser.add_argument("path", nargs="*", metavar="PATH", help="a file")
    said = parser.format_help()
    assert "```text\ntfm x [--size N]\n```" in said
    assert r"| `--size N` | a \* of \<b\> \| `a_b --c`, `--d`; the default is 7, 10 % |" in said
    assert "| `PATH` | a file |" in said
    assert "hidden" not in said


def test_settings() -> None:
    assert settings() - documented(r"\b[A-Z_]{4,}\b") == set()
    # A field with an alias may also be set by its own variable.
    known = settings() | {PREFIX + name.upper() for name in FIELDS} | {CONFIG, SYSTEM_CONFIG}
    assert documented(rf"\b{PREFIX}[A-Z_]*[A-Z]\b") - known == set()


def test_commands() -> None:
    assert documented_commands() == commands()


def test_metrics(manager: TempFileManager) -> None:
    told = documented(r"\btemp_files?_(?!manager\b)[a-z_]*[a-z]\b")
    assert metrics(manager) - told == set()
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in told} - metrics(manager) == set()


def test_paths(manager: TempFileManager) -> None:
    assert paths(manager) - documented(r"(?<![\w.])/[\w./{}]*") == set()
    assert documented(r"/v1/[a-z/]*[a-z]") - paths(manager) == set()


@pytest.mark.parametrize(
    ("code", "find", "found"),
    [
        ("tfm why x && temp-file-manager sweep --all", documented_commands, {"why", "sweep"}),
        ("restart deploy/temp-file-manager now", documented_commands, set()),
    ],
)
def test_words_are_found(
    code: str, find: Callable[[], set[str]], found: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the tests above look for the wrong thing."""
    page = tmp_path / "page.md"
    page.write_text(f"Type temp-file-manager nothing or `{code}`.\n")
    monkeypatch.setitem(globals(), "FOR_USERS", [page])
    assert find() == found
