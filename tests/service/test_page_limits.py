"""Limits and living sessions on the page, in a real browser."""

import math
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import serving as kit
import temp_file_manager.service.api.events as live_module
from browser import PHONE, Visitor, browser, readable, visit
from serving import TOKEN, Client
from temp_file_manager import TempFileManager
from temp_file_manager.inspection import overview
from temp_file_manager.inspection.limits import LimitReading
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.sessions import THIS_PROCESS

manager, client = kit.manager, kit.client

__all__ = ["browser", "visit"]

GIB = 2.0**30
MARKUP = '<img src=x onerror="alert(1)">\u202e\x1b'
SHOWN = r'<img src=x onerror="alert(1)">\u202e\x1b'


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "PAUSE", 0.1)


def status(
    measure: Measure, mark: float | None, to: float | None, value: float | None, *, unmet: str = "", **limit: object
) -> LimitReading:
    over = value is not None and mark is not None and (value < mark if measure.is_room else value > mark)
    told = {"name": str(measure), "mark": Mark(mark or 0.5), "to": Mark(to or 0.5)} | limit
    return LimitReading(Limit(measure=measure, **told), value, None, mark, to, over, unmet)


GROUNDS = "bars => bars.map(bar => getComputedStyle(bar).backgroundColor)"
EACH = (
    status(Measure.BYTES, 20 * GIB, 18 * GIB, 5 * GIB),
    status(Measure.FREE, 50 * GIB, 55 * GIB, 400 * GIB),
    status(Measure.FILES, 5000, 4500, 5203, tags=("preview", MARKUP)),
    status(Measure.FREE_INODES, 1000, 1100, 0, unmet=f"12 files are in use: {MARKUP}", refuse=True),
    status(Measure.MEMORY, None, None, None, name=MARKUP),
)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[LimitReading]:
    """What the service finds of limits, to be changed."""
    found = list(EACH)
    monkeypatch.setattr(overview, "readings", lambda _: tuple(found))
    return found


def told(page: Page) -> list[list[str]]:
    """Return what is said of each limit: name and tags, now, room, the sentence below."""
    bodies = page.locator("#limits tbody").all()
    return [
        [re.sub(r"\s+", " ", cell.inner_text()).strip() for cell in body.locator("th, .now, .left, .told").all()]
        for body in bodies
    ]


def test_without_limits_and_sessions_nothing_is_shown(client: Client, visit: Visitor) -> None:
    page = visit(client)
    expect(page.locator("#line")).to_have_text("live")
    expect(page.locator("#limits-panel")).to_be_hidden()
    expect(page.locator("#sessions-panel")).to_be_hidden()


def test_limits_are_told_in_words(client: Client, visit: Visitor, limits: list[LimitReading]) -> None:
    page = visit(client)
    expect(page.get_by_role("heading", name="Limits")).to_be_visible()
    expect(page.locator("#limits tbody")).to_have_count(len(limits))
    assert told(page) == [
        [
            "bytes",
            "5.0 GiB",
            "15.0 GiB left",
            "● within at most 20.0 GiB of files on record; beyond that files are removed, down to 18.0 GiB",
        ],
        [
            "free",
            "400 GiB",
            "350 GiB to spare",
            "● within at least 50.0 GiB free on the disk; below that files are removed, up to 55.0 GiB",
        ],
        [
            f"files preview {SHOWN}",
            "5,203",
            "203 too much",
            "▲ passed at most 5,000 files on record; beyond that files are removed, down to 4,500",
        ],
        [
            "free_inodes",
            "0",
            "1,000 too little",
            f"✖ not met: 12 files are in use: {SHOWN} at least 1,000 more files possible on the disk; "
            "below that files are removed, up to 1,100, and none are made",
        ],
        [SHOWN, "\N{EN DASH}", "", "? not known of memory in use"],
    ]
    assert page.locator("main img").count() == 0


def test_a_bar_is_as_long_as_its_mark_is_near(client: Client, visit: Visitor, limits: list[LimitReading]) -> None:
    page = visit(client)
    expect(page.locator("#limits tbody")).to_have_count(len(limits))

    def part(body: int, kind: str) -> float | None:
        """Return how far something reaches, where the mark is at 1; None if it is not shown."""
        one = page.locator("#limits tbody").nth(body).locator(f".{kind}")
        if not one.is_visible():
            return None
        side = "width" if kind == "bar" else "left"
        percent: float = one.evaluate(f"one => parseFloat(one.style.{side})")
        return percent / 100 * 1.1

    for body, (bar, to) in enumerate([(0.25, 0.9), (0.125, 50 / 55), (5203 / 5000, 0.9), (1.1, 1000 / 1100)]):
        assert (part(body, "bar"), part(body, "mark"), part(body, "to")) == (
            pytest.approx(bar, abs=1e-4),
            pytest.approx(1, abs=1e-4),
            pytest.approx(to, abs=1e-4),
        )
    assert (part(4, "bar"), part(4, "mark"), part(4, "to")) == (None, None, None)
    wide = page.locator(".track").first.bounding_box()
    assert wide is not None
    assert wide["width"] > 300


def test_limits_change_while_it_is_open(client: Client, visit: Visitor, limits: list[LimitReading]) -> None:
    page = visit(client)
    body = page.locator("#limits tbody").first
    expect(body).to_have_attribute("data-state", "within")
    limits[0] = status(Measure.BYTES, 20 * GIB, 18 * GIB, 21 * GIB)
    expect(body).to_have_attribute("data-state", "over")
    expect(body.locator(".left")).to_have_text("1.0 GiB too much")
    limits[0] = status(Measure.BYTES, 20 * GIB, 18 * GIB, 21 * GIB, unmet="all are pinned")
    expect(body.locator(".word")).to_have_text("not met: all are pinned")
    limits.clear()
    expect(page.locator("#limits-panel")).to_be_hidden()


def test_how_old_the_sizes_are(
    manager: TempFileManager,
    client: Client,
    visit: Visitor,
    limits: list[LimitReading],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = visit(client)
    note = page.locator("#limits-note")
    expect(note).to_have_text("not all sizes have been looked at yet")
    monkeypatch.setattr(type(manager.context.measuring), "age", lambda _: 754.2)
    expect(note).to_have_text("sizes are at most 12 min 34 s old")
    del limits[0]  # nothing else goes by sizes
    expect(note).to_have_text("")


def test_sessions_come_and_go(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    page = visit(client)
    registry, now = manager.registry, manager.context.clock.wall()
    first = registry.begin(MARKUP, now=now - 7200, ends_at=now + 3600, owner=None)
    registry.begin("", now=now, ends_at=math.inf, owner=THIS_PROCESS)
    rows = page.locator("#living tbody tr")
    expect(rows).to_have_count(2)
    expect(page.locator("#sessions-note")).to_have_text("2 sessions")
    expect(rows.nth(0).locator(".path")).to_have_text(SHOWN)
    expect(rows.nth(0).locator(".until")).to_have_text(re.compile("in (60|59) min"))
    expect(rows.nth(0)).to_contain_text("2 h ago")
    expect(rows.nth(0).locator(".owner")).not_to_be_empty()
    expect(rows.nth(1).locator("th")).to_contain_text(re.compile(r"session \d+"))
    expect(rows.nth(1).locator(".until")).to_have_text("its owner ends")
    expect(rows.nth(0).locator(".files")).to_have_text("0")

    path = Path(manager.base_dir, "a")
    path.write_bytes(b"")
    assert client.post("/v1/files", {"paths": [str(path)], "session": first.number}).json["registered"] == 1
    expect(rows.nth(0).locator(".files")).to_have_text("1")
    registry.renew(first.number, now + 86400 * 3)
    expect(rows.nth(0).locator(".until")).to_have_text(re.compile("in (3 d|2 d 23 h)"))
    assert client.ask("DELETE", f"/v1/sessions/{first.number}", token=TOKEN).json == {"due": 1}
    expect(rows).to_have_count(1)
    registry.end([session.number for session in registry.sessions()], now)
    expect(page.locator("#sessions-panel")).to_be_hidden()


def test_of_many_sessions_the_first_are_shown(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    now = time.time()
    for number in range(overview.SESSIONS + 5):
        manager.registry.begin(f"session {number}", now=now, ends_at=now + 3600, owner=None)
    page = visit(client)
    expect(page.locator("#living tbody")).to_have_count(overview.SESSIONS)
    expect(page.locator("#sessions-note")).to_have_text(f"{overview.SESSIONS + 5} sessions, here the first 20")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_states_are_told_apart_without_colours_and_can_be_read(
    manager: TempFileManager, client: Client, visit: Visitor, limits: list[LimitReading], scheme: str
) -> None:
    manager.registry.begin("request 42", now=0, ends_at=math.inf, owner=THIS_PROCESS)
    page = visit(client, color_scheme=scheme)
    expect(page.locator("#limits tbody")).to_have_count(len(limits))
    signs = page.locator("#limits .sign").all_inner_texts()
    assert signs == ["●", "●", "▲", "✖", "?"]
    assert page.locator("#limits .sign[aria-hidden=true]").count() == len(limits)
    colours = page.locator("#limits .bar").evaluate_all(
        "bars => bars.map(bar => getComputedStyle(bar).backgroundColor)"
    )
    assert len(set(colours[:4])) == 3
    assert {"Limits", "within", "passed", "Living sessions", "request 42"} <= set(readable(page))


def test_on_a_phone_they_fit(
    manager: TempFileManager, client: Client, visit: Visitor, limits: list[LimitReading]
) -> None:
    limits.append(status(Measure.BYTES, GIB, GIB, GIB, name="long " * 50, tags=("t" * 200, "u" * 200)))
    now = time.time()
    manager.registry.begin("n" * 900, now=now, ends_at=math.inf, owner=THIS_PROCESS)
    page = visit(client, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("#limits tbody")).to_have_count(len(limits))
    expect(page.locator("#living tbody")).to_have_count(1)
    page.wait_for_function("document.querySelector('#living .path').getBoundingClientRect().width > 60")
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    for element in ("#limits", "#living"):
        assert page.locator(element).evaluate("table => table.getBoundingClientRect().right <= 390"), element
