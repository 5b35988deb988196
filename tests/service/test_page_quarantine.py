"""Quarantine on the page, in a real browser: what can be had back, by whoever has the token."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import temp_file_manager.service.api.events as live_module
from browser import PHONE, Visitor, browser, readable, visit
from quarantines import AGE, away, made, quarantining
from serving import TOKEN, Client, service
from temp_file_manager import TempFileManager
from temp_file_manager.testing import FakeClock

__all__ = ["browser", "visit"]

HOSTILE = "<img src=x onerror=alert(1)>\u202e"
SHOWN = r"<img src=x onerror=alert(1)>\u202e"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "PAUSE", 0.1)


@pytest.fixture
def manager(tmp_path: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    manager = quarantining(tmp_path / "base", clock)
    yield manager
    manager.close()


@pytest.fixture
def client(manager: TempFileManager) -> Iterator[Client]:
    with service(manager) as client:
        yield client


def quarantined(manager: TempFileManager, clock: FakeClock, *names: str) -> list[Path]:
    files = made(Path(manager.base_dir), *names)
    manager.register_files(files)
    clock.advance(AGE + 1)
    assert manager.sweep().quarantined == len(files)
    return files


def names(page: Page) -> list[str]:
    return page.locator("#quarantined .path").all_inner_texts()


def restore(page: Page, name: str, token: str = TOKEN) -> None:
    page.get_by_role("button", name=f"{name}").click()
    expect(page.locator(".restore input:focus")).to_have_count(1)
    page.keyboard.type(token)
    page.keyboard.press("Enter")


def test_it_is_shown_as_it_comes_and_is_brought_back(
    client: Client, manager: TempFileManager, visit: Visitor, clock: FakeClock
) -> None:
    page = visit(client)
    expect(page.locator("#line")).to_have_text("live")
    expect(page.locator("#quarantine-panel")).to_be_hidden()
    first, second = quarantined(manager, clock, "a", HOSTILE)
    expect(page.get_by_role("heading", name="Quarantine")).to_be_visible()
    assert names(page) == ["a", SHOWN]
    expect(page.locator("#sweeps .tag", has_text="2 quarantined")).to_be_visible()
    expect(page.locator("#quarantined .until").first).to_have_text("in 2 min")

    restore(page, str(second).replace(HOSTILE, SHOWN))
    expect(page.locator("#restored")).to_contain_text(f"Restored: {manager.base_dir}/{SHOWN}")
    expect(page.locator("#restored")).to_be_focused()
    expect(page.locator("#quarantined tbody")).to_have_count(1)
    assert second.read_text() == HOSTILE
    assert not first.exists()
    assert page.locator("main img").count() == 0
    restore(page, str(first))
    expect(page.locator("#quarantined")).to_be_hidden()
    assert (first.read_text(), away(manager)) == ("a", [])


def test_it_takes_the_token_itself(manager: TempFileManager, visit: Visitor, clock: FakeClock) -> None:
    """The cookie of who has signed in reads, and changes nothing; what was typed is kept nowhere."""
    (file,) = quarantined(manager, clock, "a")
    with service(manager, http_host="0.0.0.0") as client:
        page = visit(client, expected=("401",))
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        restore(page, str(file), f"{TOKEN}\N{SNOWMAN}")
        expect(page.get_by_role("alert").filter(has_text="This is not the token.")).to_be_visible()
        expect(page.locator(".restore input:focus")).to_have_count(1)
        assert not file.exists()
        page.keyboard.type(TOKEN)  # what was wrong is selected
        page.keyboard.press("Enter")
        expect(page.locator("#restored")).to_contain_text("Restored")
        assert file.read_text() == "a"
        assert TOKEN not in page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")


@pytest.mark.parametrize(
    ("token", "words"), [(TOKEN, "something is in its place"), (None, "none is set: set TEMP_FILE_API_TOKEN")]
)
def test_it_is_refused_with_the_reason(
    manager: TempFileManager, visit: Visitor, clock: FakeClock, token: str | None, words: str
) -> None:
    (file,) = quarantined(manager, clock, "a")
    file.write_text("new")
    with service(manager, token=token) as client:
        page = visit(client, expected=("403", "409"))
        restore(page, str(file))
        expect(page.locator(".restore .refusal")).to_contain_text(f"This did not work: {words}" if token else words)
    assert (file.read_text(), len(away(manager))) == ("new", 1)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_on_a_phone_it_fits_and_can_be_read(
    client: Client, manager: TempFileManager, visit: Visitor, clock: FakeClock, scheme: str
) -> None:
    files = quarantined(manager, clock, "n" * 200, *(f"file {number:02}" for number in range(20)))
    page = visit(client, expected=("401",), viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=scheme)
    expect(page.locator("#quarantine-note")).to_have_text("more than 20, here those that came first")
    expect(page.locator("#quarantined tbody")).to_have_count(20)
    restore(page, str(files[0]), "wrong")
    expect(page.locator(".restore .refusal").first).to_have_text("This is not the token.")
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    assert page.locator("#quarantined").evaluate("table => table.getBoundingClientRect().right <= 390")
    assert {"Quarantine", "Restore", "Bring it back"} <= set(readable(page))
