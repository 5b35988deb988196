"""Files on the page, in a real browser: who makes them, which are looked for, and which sweeps have left."""

import errno
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import serving as kit
import temp_file_manager.service.api.events as live_module
import temp_file_manager.service.api.files as files_module
import temp_file_manager.service.api.status as looks_module
from browser import Visitor, browser, visit
from contexts import removing_by
from serving import TOKEN, Client
from temp_file_manager import TempFileManager
from temp_file_manager.inspection import makers as makers_module
from temp_file_manager.inspection import overview
from temp_file_manager.records import Kind, Measured, Nature
from temp_file_manager.reports import SweepReport
from temp_file_manager.service.app import build
from temp_file_manager.service.http.server import Server
from temp_file_manager.service.http.sockets import listen_at_port
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.history import History
from temp_file_manager.testing import FakeClock
from temp_file_manager.testing.hostile.faults import FailingStorage

manager, client = kit.manager, kit.client

__all__ = ["browser", "visit"]

MARKUP = '<img src=x onerror="alert(1)">'


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "PAUSE", 0.1)
    monkeypatch.setattr(looks_module, "LEAST_REST", 0.05)
    monkeypatch.setattr(overview, "REST", 1)


def make(
    manager: TempFileManager, name: str, size: int = 5, ttl: float | None = None, tags: tuple[str, ...] = ()
) -> str:
    path = Path(manager.base_dir, name)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(bytes(size))
    manager.register_file(path, ttl=ttl, tags=tags)
    manager.registry.measured([Measured(record, size) for record in manager.registry.get([str(path)]).values()])
    return str(path)


def rows(page: Page, table: str) -> list[str]:
    return [re.sub(r"\s+", " ", row.inner_text()).strip() for row in page.locator(f"#{table} tbody").all()]


def test_who_makes_the_files(
    manager: TempFileManager, client: Client, visit: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(manager, "cache/a", 3000, tags=("x", MARKUP))
    make(manager, "cache/b", 1000, tags=("x",))
    make(manager, "top", 100)
    page = visit(client)
    buttons = page.locator("#makers-sorts button")
    expect(page.locator("#makers tbody")).to_have_count(2)
    assert rows(page, "makers") == ["cache 2 3.9 KiB 98 %", "the base directory itself 1 100 B 2 %"]
    expect(page.locator("#makers-note")).to_have_text("")
    expect(page.locator("#makers th[aria-sort=descending]")).to_have_text("Size")
    buttons.nth(1).click()
    expect(page.locator("#makers tbody").first).to_contain_text("x")
    assert rows(page, "makers") == [
        "x 2 3.9 KiB 56 %", f"{MARKUP} 1 2.9 KiB 42 %", "without a tag 1 100 B 1 %",
    ]  # fmt: skip
    expect(page.locator("#makers-note")).to_have_text("a file with two tags counts under both")
    expect(buttons.nth(1)).to_have_attribute("aria-pressed", "true")
    buttons.nth(2).click()
    expect(page.locator("#makers tbody")).to_have_count(1)
    assert rows(page, "makers") == ["in no session 3 4.0 KiB 100 %"]

    monkeypatch.setattr(makers_module, "LARGEST", 1)
    make(manager, "new")
    expect(page.locator("#makers-note")).to_have_text("the largest groups: 1 of 4 files")


def test_counts_of_what_is_in_quarantine_or_compressed(
    manager: TempFileManager, client: Client, visit: Visitor
) -> None:
    folder, base = manager.context.restorer.folder, manager.base_dir
    natures = {
        f"{folder}/1": Nature("undo", Kind.QUARANTINED, f"{base}/desk/draft"),
        f"{base}/log.zst": Nature("", Kind.COMPRESSED, f"{base}/log"),
    }
    for path in natures:
        manager.registry.add([(path, time.time() + 9000, 2048, (), None, 2048)], time.time(), natures=natures)
    page = visit(client)
    expect(page.locator("#makers-note")).to_have_text("1 in quarantine, 2.0 KiB; 1 compressed, 2.0 KiB")
    expect(page.locator("#oldest-files .path")).to_have_text(["desk/draft", "log.zst"])  # by where it was
    expect(page.locator("#oldest-files .tag")).to_have_text(["quarantined", "compressed"])


def test_what_is_kept_is_not_now(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    pinned, held = make(manager, "pinned", ttl=0), make(manager, "held", ttl=0)
    make(manager, "due", ttl=0)
    manager.registry.keep([pinned], time.time() + 1000)
    with manager.hold(held):
        page = visit(client)
        expect(page.locator("#oldest-files td.due")).to_have_text(["pinned", "held", "now"])
        expect(page.locator("#forecast tbody").first.locator("td").first).to_have_text("1")


def test_due_and_not_removed(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    bad, busy = make(manager, MARKUP, ttl=0), make(manager, "busy", ttl=0)
    page = visit(client)
    expect(page.locator("#oldest-files tbody")).to_have_count(2)
    expect(page.locator("#unremoved-panel")).to_be_hidden()
    storage = FailingStorage(errno.EIO, [bad], storage=manager.context.storages.protecting)
    with open(busy, "rb"):
        removing_by(manager, storage).sweep(protect_open=True)
        make(manager, "news")
        expect(page.locator("#unremoved tbody")).to_have_count(2)
        assert rows(page, "unremoved") == [
            f"{MARKUP} Input/output error failed 1\N{MULTIPLICATION SIGN}", "busy in use: somebody has it open kept",
        ]  # fmt: skip
        page.locator("#unremoved .fold").nth(1).click()
        expect(page.locator("#unremoved .because").nth(1)).to_contain_text("A sweep now")


# -- search


def test_search(manager: TempFileManager, client: Client, visit: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service looks at some records for an answer, and is asked again."""
    monkeypatch.setattr(files_module, "SEARCHED", 1000)
    files = [(f"{manager.base_dir}/{n % 7}/file-{n}", None, n, (), None, None) for n in range(5000)]
    manager.registry.add(files, time.time() - 60)
    make(manager, "sub/Needle-1", tags=("pin",))
    make(manager, MARKUP)
    page = visit(client)
    field, note = page.get_by_role("searchbox", name="Search"), page.locator("#found-note")
    field.fill("needle")
    expect(note).to_have_text("1 file found")
    expect(page.locator("#found .path")).to_have_text(["sub/Needle-1"])
    field.fill("file-4")
    expect(note).to_have_text("more than 30, here the first")
    expect(page.locator("#found tbody")).to_have_count(30)
    field.fill("PIN")
    expect(note).to_have_text("1 file found")
    field.fill("onerror")
    expect(page.locator("#found .path")).to_have_text([MARKUP])
    field.fill("not there")
    expect(note).to_have_text("0 files found")
    expect(page.locator("#found")).to_be_hidden()
    field.fill("")
    expect(note).to_have_text("")


# -- sweeps and the chart


def test_idle_sweeps_are_one_line(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    make(manager, "a")
    now = time.time()
    for ago, removed in ((70, 0), (60, 0), (50, 3), (40, 0), (30, 0), (20, 0)):
        History(manager.registry, FakeClock(wall=now - ago)).swept(SweepReport(removed=removed), scheduled=True)
    page = visit(client)
    expect(page.locator("#sweeps tbody")).to_have_count(3)
    idle = page.locator("#sweeps .idle")
    expect(idle).to_have_text([re.compile("^3 sweeps with nothing to do"), re.compile("^2 sweeps with nothing to do")])


def test_the_chart_begins_where_the_data_begin(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    make(manager, "a")
    History(manager.registry, FakeClock(wall=time.time() - 2 * 3600)).sample()
    page = visit(client)
    page.locator("[data-range=day]").click()
    page.locator("#values").evaluate("details => { details.open = true }")
    expect(page.locator("#values tbody tr")).to_have_count(2)
    chart = page.locator("#chart")
    chart.focus()
    page.keyboard.press("Home")
    place = page.locator("#chart .u-cursor-x").evaluate("line => new DOMMatrix(getComputedStyle(line).transform).m41")
    assert 0 <= place < 0.05 * chart.bounding_box()["width"]  # type: ignore[index]  # it is shown


# -- from another machine


def test_by_address_it_is_the_way_in_that_is_seen(manager: TempFileManager, visit: Visitor) -> None:
    """Of a service at all addresses, by any of them: 127.0.0.2 is this machine's, and no name that is built in."""
    make(manager, "a")
    listening = listen_at_port("0.0.0.0", 0)
    app = build(manager, Settings(base_dir=manager.base_dir, http_host="0.0.0.0"), token=TOKEN)
    server = Server([(listening, app)], app.stop)
    server.start()
    try:
        page = visit(f"http://127.0.0.2:{listening.getsockname()[1]}", expected=("401",))
        expect(page.locator("#login")).to_be_visible()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#oldest-files .path")).to_have_text(["a"])
        page.context.close()
    finally:
        server.stop()
