"""The site of the documentation: it is built without a complaint, fetches nothing, and its links lead somewhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from command_line import environment
from places import DOCS

pytest.importorskip("sphinx", reason="the site was not built: pip install --group docs")

FETCHED = {
    ("script", "src"),
    ("img", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
}
"""Attributes whose addresses a browser asks without being asked."""


class Links(HTMLParser):
    """Where a page leads, what it fetches, and what can be led to in it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.fetched: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.ids.add(value)
            elif (tag, name) in FETCHED and value:
                self.fetched.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.leads.append(value)


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build a site as ``make docs`` does."""
    words = ["--fail-on-warning", "--keep-going", "--quiet", "-d", f"{site}.doctrees", source, site]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *words], env=environment(), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Links]:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(DOCS, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return {page: Links(page) for page in folder.rglob("*.html")}


def of_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).scheme or urlsplit(address).netloc) and not address.startswith("data:")


def test_each_page_is_in_it(site: dict[Path, Links]) -> None:
    built = {page.stem for page in site}
    assert {page.stem for page in DOCS.rglob("*.md")} - built == set()


def test_it_fetches_nothing_from_elsewhere(site: dict[Path, Links]) -> None:
    assert {address for links in site.values() for address in links.fetched if of_elsewhere(address)} == set()
    root = min(site, key=lambda page: len(page.parts)).parent
    styles = "".join(path.read_text() for path in root.rglob("*.css"))
    addresses = re.findall(r"url\([\"']?([^)\"']+)", styles) + re.findall(r"@import\s+[\"']([^\"']+)", styles)
    assert [address for address in addresses if of_elsewhere(address)] == []


def test_its_pictures_fetch_nothing() -> None:
    for picture in (DOCS / "pictures").glob("*.svg"):
        assert re.findall(r"(?:href|src)=.https?:|url\(.?https?:|@import", picture.read_text()) == [], picture.name


def dead(site: dict[Path, Links]) -> Iterator[tuple[str, str]]:
    """Yield links within the site that lead nowhere."""
    for page, links in site.items():
        for address in links.leads:
            if of_elsewhere(address) or address.startswith("data:"):
                continue
            parts = urlsplit(address)
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = unquote(parts.fragment)
            if not there.exists() or (anchor and there in site and anchor not in site[there].ids):
                yield page.name, address


def test_its_links_lead_somewhere(site: dict[Path, Links]) -> None:
    assert sorted(set(dead(site))) == []


def test_it_describes_each_public_name(site: dict[Path, Links]) -> None:
    (api,) = (links for page, links in site.items() if page.name == "api.html")
    import temp_file_manager

    public = {f"temp_file_manager.{name}" for name in temp_file_manager.__all__ if not name.startswith("__")}
    aliases = {"temp_file_manager.Event", "temp_file_manager.Hook"}
    assert public - api.ids <= aliases


@pytest.mark.parametrize("wrong", ["[nowhere](nowhere.md)", "[nowhere](index.md#nowhere)", "[nowhere](../nowhere)"])
def test_a_link_that_leads_nowhere_is_an_error(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(DOCS.parent)!r})\nfrom docs.conf import *\n"
    )
    (tmp_path / "docs" / "index.md").write_text(f"# Page\n\n{wrong}\n")
    done = build(tmp_path / "docs", tmp_path / "site")
    assert done.returncode != 0
    assert "nowhere" in done.stderr
