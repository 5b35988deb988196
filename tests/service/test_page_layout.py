"""The layout of the page, in a real browser: nothing lies on anything, at any width, in either font."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from browser import Visitor, browser, visit
from pictures import FONTS, HAS_FONT, OVERLAPS, WIDTHS, settled, write_in
from scenes import MANY, scene
from serving import Client, service

__all__ = ["browser", "visit"]

FEW = 50


@pytest.fixture(scope="module", params=[0, FEW, MANY])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Client]]:
    """A service with so many files."""
    base = tmp_path_factory.mktemp("scene") / "app"
    with closing(scene(base, request.param)) as manager, service(manager) as client:
        yield request.param, client


@pytest.mark.parametrize("font", FONTS)
def test_nothing_lies_on_anything(told: tuple[int, Client], visit: Visitor, font: str) -> None:
    count, client = told
    page = visit(client)
    settled(page, count)
    write_in(page, font)
    if not page.evaluate(HAS_FONT, font):
        missing = f"the font {font} is not here: nothing was tried with it"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        write_in(page, font)
        assert page.evaluate(OVERLAPS) == [], width


def test_what_overlaps_is_found(tmp_path: Path, visit: Visitor) -> None:
    """A column of a fixed width, which is too little in one of the fonts, as it was."""
    with closing(scene(tmp_path / "app", FEW)) as manager, service(manager) as client:
        page = visit(client, viewport={"width": 390, "height": 900})
        settled(page, FEW)
        page.evaluate(
            """() => {
                const table = document.querySelector("#oldest-files");
                table.style.tableLayout = "fixed";
                table.style.width = "120px";
                for (const cell of table.querySelectorAll("th, td")) cell.style.width = "20px";
            }"""
        )
        assert page.evaluate(OVERLAPS) != []
