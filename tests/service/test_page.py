"""The page, in a real browser, of a real service on a real port."""

import errno
import math
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import serving as kit
import temp_file_manager.service.api.events as live_module
import temp_file_manager.service.api.status as looks_module
from browser import PHONE, Visitor, browser, readable, visit
from command_line import MODULE, environment, free_port, tfm
from contexts import removing_by
from serving import TOKEN, Client, service, until
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError
from temp_file_manager.inspection import overview
from temp_file_manager.records import Measured
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.history import History
from temp_file_manager.testing import FakeClock
from temp_file_manager.testing.hostile.faults import FailingStorage

manager, client = kit.manager, kit.client

__all__ = ["browser", "visit"]

BROKEN = ("net::ERR_",)
MARKUP = b'<img src=x onerror="alert(1)"><script>alert(2)<'
HOSTILE = {  # a name, and how it is to be read
    MARKUP: MARKUP.decode(),
    b"<b>bold<b>&amp;": "<b>bold<b>&amp;",
    b"esc\x1b[2Jape": r"esc\x1b[2Jape",
    b"two\nlines\r\tand a tab": r"two\nlines\r\tand a tab",
    "evil\u202egpj.exe".encode(): r"evil\u202egpj.exe",
    "zero\u200bwidth\u2066isolate".encode(): r"zero\u200bwidth\u2066isolate",
    b"not-utf8-\xff\xfe": r"not-utf8-\udcff\udcfe",
    b"javascript:alert(3)": "javascript:alert(3)",
    b"n" * 255: "n" * 255,
}
LARGEST = 1 << 24
"""Bytes that are really written of a file; what lies behind them takes nothing on the disk."""

BLOCK = 1 << 16
"""Bytes that take just as much on the disk, whatever the file system."""

FAILED_ONCE = "failed 1\N{MULTIPLICATION SIGN}"
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service looks more often than it does for people."""
    monkeypatch.setattr(live_module, "PAUSE", 0.1)
    monkeypatch.setattr(looks_module, "LEAST_REST", 0.05)
    monkeypatch.setattr(overview, "REST", 1)


def make(manager: TempFileManager, name: str | bytes, size: int = 5, *, age: float = 0, **register: Any) -> str:
    """Make a file, and put it on record as one that is so many seconds old."""
    path = os.path.join(manager.base_dir, os.fsdecode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(bytes(min(size, LARGEST)))
        file.truncate(size)
    manager.register_file(path, **register)
    manager.registry.measured([Measured(record, size) for record in manager.registry.get([path]).values()])
    if age:
        manager.files[path] = time.time() - age
    return path


SECOND_CELLS = "rows => rows.map(row => row.cells[1].textContent)"


def file_names(page: Page, table: str) -> list[str]:
    return page.locator(f"#{table}-files .path").all_text_contents()


def figures(page: Page) -> dict[str, str]:
    return {name: page.locator(f"#{name}").inner_text() for name in ("records", "registered", "cleaned", "failed")}


def values(page: Page) -> Locator:
    """Fold the chart's values open, and return the rows."""
    page.locator("#values").evaluate("details => { details.open = true }")
    return page.locator("#values tbody tr")


# -- what it shows


def test_the_figures(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    make(manager, "small", 100, age=600)
    make(manager, "large", 5 * 2**20)
    page = visit(client)
    expect(page.locator("#line")).to_have_text("live")
    expect(page.locator("#grade")).to_have_text("● healthy")
    expect(page.locator("#base-dir")).to_have_text(manager.base_dir)
    assert figures(page) == {"records": "2", "registered": "2", "cleaned": "0", "failed": "0"}
    assert page.locator("#bytes").inner_text() == "5.0 MiB"
    assert page.locator("#oldest").inner_text().startswith("10 min")
    expect(page.locator("#free")).to_have_text(re.compile(r"^[\d.,]+ [KMGTP]iB$"))
    expect(page).to_have_title("temp-file-manager")
    for hidden in ("#reasons", "#empty", "#login", "#sign-out"):
        expect(page.locator(hidden)).to_be_hidden()


def test_the_forecast_and_the_files(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    make(manager, "old", BLOCK, age=3000)
    make(manager, "sub/largest", 4 * BLOCK, ttl=200, tags=["job:7", "<b>x</b>"])
    make(manager, "kept", 3 * BLOCK, ttl=math.inf)
    make(manager, "overdue", 2 * BLOCK, age=9000)
    page = visit(client)
    rows = page.locator("#forecast tbody tr")
    expect(rows).to_have_count(8)
    told = [re.split(r"\s*\t\s*", row.strip())[:3] for row in rows.all_inner_texts()]
    assert [row for row in told if row[1] != "0"] == [
        ["now", "1", "128 KiB"],
        ["in 5 min", "1", "256 KiB"],
        ["in 5 min to 15 min", "1", "64.0 KiB"],
        ["after 7 d", "1", "192 KiB"],
    ]
    expect(page.locator("#forecast-note")).to_have_text("4 files")
    assert file_names(page, "oldest")[:2] == ["overdue", "old"]
    assert file_names(page, "largest") == ["sub/largest", "kept", "overdue", "old"]
    due = page.locator("#largest-files td.due").all_inner_texts()
    assert due[1:3] == ["never", "now"]
    assert due[0].startswith("in 3 min")

    fold = page.locator("#largest-files .fold").first
    more = page.locator("#largest-files .more").first
    expect(more).to_be_hidden()
    fold.click()
    expect(more).to_be_visible()
    expect(fold).to_have_attribute("aria-expanded", "true")
    for words in (f"{manager.base_dir}/sub/largest", "262,144 bytes", "job:7", "<b>x</b>"):
        expect(more).to_contain_text(words)
    fold.click()
    expect(more).to_be_hidden()


def test_ranges(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    now = time.time()
    for name, back in (("years", 400 * 86400), ("month", 20 * 86400), ("day", 5 * 3600), ("hour", 1800)):
        make(manager, name, 100)
        History(manager.registry, FakeClock(wall=now - back)).sample()
    page = visit(client)
    # How many files there were, in what is on record of each range; what is heard live comes on top.
    for choice, seen in (
        ("hour", {"4"}),
        ("day", {"3", "4"}),
        ("month", {"2", "3", "4"}),
        ("years", {"1", "2", "3", "4"}),
    ):
        page.locator(f"[data-range={choice}]").click()
        rows = values(page)
        until(lambda rows=rows, seen=seen: set(rows.evaluate_all(SECOND_CELLS)) == seen)
        pressed = page.locator("#ranges [aria-pressed=true]")
        expect(pressed).to_have_count(1)
        expect(pressed).to_have_attribute("data-range", choice)
    assert page.locator("#chart canvas").count() == 1


def test_sweeps_say_why(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    bad = make(manager, "bad", age=9000)
    busy = make(manager, "busy", age=9500)
    make(manager, "good", age=9000)
    manager = removing_by(manager, FailingStorage(errno.EIO, [bad], storage=manager.context.storages.protecting))
    with open(busy, "rb"):
        report = manager.sweep(protect_open=True)
    assert (report.removed, report.kept, report.failed) == (1, 1, 1)
    page = visit(client)
    row = page.locator("#sweeps tbody tr").first
    expect(page.locator("#sweeps tbody")).to_have_count(1)
    told = [cell.strip() for cell in row.locator("td.number").all_inner_texts()]
    assert told[1:] == ["1", "0", "0", "1", "1"]
    expect(row).to_contain_text("asked for")
    gist = row.locator(".gist").inner_text()
    assert gist.startswith("1 failed: ")
    assert "; 1 kept: " in gist
    more = page.locator("#sweeps .more")
    expect(more).to_be_hidden()
    row.locator(".fold").click()
    expect(more.locator("li")).to_have_count(2)
    for reason in report.reasons:
        expect(more).to_contain_text(f"1 {reason.status}: {reason.reason} {os.path.basename(reason.example)}")
    expect(page.locator("#oldest-files td.due.bad")).to_have_text(FAILED_ONCE)


def test_no_sweep_yet(client: Client, visit: Visitor) -> None:
    page = visit(client)
    expect(page.get_by_text("No sweep has ended yet.")).to_be_visible()
    expect(page.locator("#sweeps")).to_be_hidden()
    expect(page.locator("#schedule")).to_have_text("this process sweeps nothing by itself")


# -- an empty registry


def test_the_empty_page_tells_how_to_begin(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    page = visit(client)
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#filled")).to_be_hidden()
    words = shlex.split(page.locator("#empty-command").inner_text())
    path = Path(manager.base_dir, "first")
    path.touch()
    assert (words[0], words[-1]) == ("temp-file-manager", "PATH")
    assert tfm(*words[1:-1], str(path)).returncode == 0
    expect(page.locator("#filled")).to_be_visible()
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#oldest-files .path")).to_have_text("first")


def test_records_in_memory_begin_by_the_api(tmp_path: Path, visit: Visitor) -> None:
    with closing(TempFileManager(tmp_path / "base")) as manager, service(manager) as client:
        page = visit(client)
        expect(page.locator("#empty")).to_be_visible()
        words = shlex.split(page.locator("#empty-command").inner_text().replace("$TEMP_FILE_API_TOKEN", TOKEN))
        headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
        path = Path(manager.base_dir, "first")
        path.touch()
        body = words[words.index("-d") + 1].replace("PATH", str(path)).encode()
        address = words[1].removeprefix("http://{}:{}".format(*client.address))
        assert client.ask("POST", address, body, **headers).status == 200
        expect(page.locator("#records")).to_have_text("1")
        expect(page.locator("#bytes")).to_have_text("not known")


# -- live


def test_what_happens_is_seen_at_once(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    due = make(manager, "due", age=9000)
    make(manager, "stays", age=100)
    page = visit(client)
    expect(page.locator("#oldest-files .path")).to_have_text(["due", "stays"])
    page.evaluate("window.sameDocument = true")
    fold = page.locator("#oldest-files .fold").nth(1)
    fold.click()

    make(manager, "new")
    expect(page.locator("#records")).to_have_text("3")
    expect(page.locator("#oldest-files .path")).to_have_text(["due", "stays", "new"])

    assert manager.cleanup() == 1
    assert not os.path.exists(due)
    expect(page.locator("#cleaned")).to_have_text("1")
    expect(page.locator("#sweeps tbody tr").first).to_contain_text("1")
    expect(page.locator("#oldest-files .path")).to_have_text(["stays", "new"])
    # What was above it went, and neither the fold nor the focus was lost.
    fold = page.locator("#oldest-files .fold").first
    expect(fold).to_be_focused()
    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#oldest-files .more").first).to_be_visible()
    assert page.evaluate("window.sameDocument")


@contextmanager
def running(base: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """A service as people start it."""
    words = ("run", "--base-dir", str(base), "--http-port", str(port), "--cleanup-interval", "1")
    with subprocess.Popen([*MODULE, *words], env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            until(lambda: "Page and API" in (process.stderr.readline() if process.stderr else ""))
            yield process
        finally:
            process.kill()
            process.communicate()


def test_a_service_that_dies_and_comes_back(tmp_path: Path, visit: Visitor) -> None:
    base, port = tmp_path / "base", free_port()
    with closing(TempFileManager(base, registry="sqlite:")) as manager:
        make(manager, "a", 100)
        History(manager.registry, FakeClock(wall=time.time() - 1800)).sample()
        make(manager, "b", 100)
    with running(base, port) as process:
        page = visit(f"http://127.0.0.1:{port}", expected=BROKEN)
        expect(page.locator("#line")).to_have_text("live")
        expect(page.locator("#schedule")).to_contain_text("every 1 s")
        until(lambda: len(values(page).all_inner_texts()) >= 2)
        process.send_signal(signal.SIGKILL)
        line = page.locator("#line")
        expect(line).to_have_text(re.compile(r"not connected since \d\d:\d\d:\d\d .*trying again"))
        expect(line.locator("time")).to_have_attribute("aria-hidden", "true")  # it changes each second
        expect(page.locator("#grade")).to_have_text("? was healthy")
        expect(page).to_have_title("not connected: temp-file-manager")
        expect(page.locator("#records")).to_have_text("2")  # what was known stays to be read
    with closing(TempFileManager(base, registry="sqlite:")) as manager:
        make(manager, "c", 100)
    with running(base, port):
        expect(line).to_have_text("live")
        expect(page.locator("#records")).to_have_text("3")
        expect(page.locator("#grade")).to_have_text("● healthy")
        expect(page.locator("#largest-files .path")).to_have_count(3)
        # Somebody who comes only now sees what was noted before.
        other = visit(f"http://127.0.0.1:{port}", expected=BROKEN)
        expect(values(other).filter(has=other.get_by_role("cell", name="1", exact=True))).to_have_count(1)
        page.context.close()
        other.context.close()


# -- health


def test_degraded(tmp_path: Path, visit: Visitor) -> None:
    settings = Settings(base_dir=str(tmp_path / "base"), max_files=1)
    with closing(TempFileManager.from_settings(settings, registry="sqlite:")) as manager, service(manager) as client:
        make(manager, MARKUP, age=90000)
        page = visit(client)
        expect(page.locator("#grade")).to_have_text("▲ degraded")
        expect(page).to_have_title("degraded: temp-file-manager")
        reasons = page.locator("#reasons li")
        expect(reasons).to_have_count(1)
        expect(reasons).to_contain_text(MARKUP.decode())
        expect(reasons).to_contain_text("should have been gone")
        make(manager, "b")
        expect(reasons).to_have_count(2)
        expect(reasons.first).to_contain_text("more than MAX_TEMP_FILES (1)")
        expect(page.locator("#records-note")).to_have_text("fine up to 1")
        manager.clear_all()
        expect(page.locator("#reasons")).to_be_hidden()
        expect(page.locator("#grade")).to_have_text("● healthy")


def test_unhealthy(manager: TempFileManager, client: Client, visit: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(manager.context.scheduler), "alive", False)
    page = visit(client)
    expect(page.locator("#grade")).to_have_text("✖ unhealthy")
    expect(page).to_have_title("unhealthy: temp-file-manager")
    expect(page.locator("#reasons-title")).to_have_text("Sweeps cannot do their work: act now")
    expect(page.locator("#reasons li")).to_contain_text("the scheduler's thread has ended")
    expect(page.locator("#schedule")).to_have_text("the scheduler has ended")


def test_a_registry_that_cannot_be_read(
    manager: TempFileManager, client: Client, visit: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RegistryError("disk I/O error")

    make(manager, "a")
    page = visit(client, expected=("503",))
    expect(page.locator("#records")).to_have_text("1")
    with monkeypatch.context() as patch:
        patch.setattr(type(manager.registry), "forecast", broken)
        make(manager, "b")
        expect(page.locator("#forecast-trouble")).to_contain_text(
            "This cannot be told now: the registry cannot be used"
        )
        expect(page.locator("#line")).to_have_text("live")
        patch.setattr(type(manager.registry), "stats", broken)
        page.reload()
        expect(page.locator("#grade")).to_have_text("✖ unhealthy")
        expect(page.locator("#reasons li")).to_have_text("the registry cannot be used: disk I/O error")
        expect(page.locator("#line")).to_contain_text("the figures cannot be read since")
        expect(values(page)).to_have_count(0)  # nothing is known, and nothing goes wrong
        page.locator("#chart").press("Home")
    expect(page.locator("#line")).to_have_text("live")
    expect(page.locator("#records")).to_have_text("2")
    expect(page.locator("#forecast-note")).to_have_text("2 files")
    expect(page.locator("#forecast-trouble")).to_be_hidden()


# -- names


def test_hostile_names_are_text(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    paths = [make(manager, name, age=9000 - place) for place, name in enumerate(HOSTILE)]
    manager = removing_by(manager, FailingStorage(errno.EIO, paths))
    manager.cleanup()
    deep = "/".join(["deep" * 20] * 20)
    make(manager, f"{deep}/leaf", tags=[os.fsdecode(name)[:100] for name in HOSTILE])
    page = visit(client)
    expect(page.locator("#oldest-files .path")).to_have_count(10)
    assert file_names(page, "oldest") == [*HOSTILE.values(), f"{deep[:150]}…{deep[-149:]}/leaf"]
    for button in page.locator("#oldest-files .fold, #sweeps .fold").all():
        button.click()
    whole = page.locator("#oldest-files p > .whole").all_inner_texts()
    assert whole[-1] == f"{manager.base_dir}/{deep}/leaf"
    assert whole[:-1] == [f"{manager.base_dir}/{name}" for name in HOSTILE.values()]
    assert page.locator("#oldest-files .tag").all_inner_texts() == [name[:100] for name in HOSTILE.values()]
    expect(page.locator("#sweeps .more")).to_contain_text(MARKUP.decode())

    assert page.locator("main img, main script, main a, main iframe, td b > b").count() == 0
    shown = page.evaluate("""() => {
        const told = [...document.querySelectorAll("main *")];
        return [document.body.innerText, ...told.flatMap((one) => [...one.attributes].map(({ name, value }) =>
            name.startsWith("data-") ? "" : value))];
    }""")
    # Among them the titles, which the browser shows; tabs and line breaks of innerText are the tables' own.
    assert [text for text in shown if UNSEEN.search(text.replace("\t", ""))] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_watch_sees(client: Client, visit: Visitor) -> None:
    """Or nothing found means nothing."""
    page = visit(client)
    page.evaluate("""() => {
        document.body.insertAdjacentHTML("beforeend", '<img src="data:,x" onerror="alert(1)">');
        document.body.append(Object.assign(document.createElement("script"), { textContent: "alert(2)" }));
        fetch("http://127.0.0.2:9/").catch(() => {});
        setTimeout(() => { alert(3); throw new Error("thrown"); });
    }""")
    kinds = (
        "console: .*inline event handler",
        "console: .*inline script",
        "console: .*127.0.0.2",
        "dialog: 3",
        "error: .*thrown",
    )
    until(lambda: page.title() and all(any(re.match(kind, one) for one in visit.problems) for kind in kinds))
    visit.watches[0].problems.clear()


# -- strangers


def test_signing_in_and_out(manager: TempFileManager, visit: Visitor) -> None:
    make(manager, "secret-name")
    with service(manager, http_host="0.0.0.0") as client:
        page = visit(client, expected=("401",))
        token = page.get_by_label("Token")
        expect(token).to_be_focused()
        expect(page.locator("main")).to_be_hidden()
        expect(page.locator("#line")).to_have_text("not signed in")
        assert "secret-name" not in page.content()
        assert manager.base_dir not in page.content()

        page.keyboard.type(f"{TOKEN}x")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This is not the token.")
        expect(token).to_be_focused()
        expect(token).to_have_attribute("aria-invalid", "true")

        page.keyboard.type(TOKEN)  # what was wrong is selected
        page.keyboard.press("Enter")
        expect(page.locator("#oldest-files .path")).to_have_text("secret-name")
        expect(page.locator("#line")).to_have_text("live")
        expect(page.locator("#login")).to_be_hidden()
        kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href])")
        assert TOKEN not in kept
        assert "temp_file_manager" not in page.evaluate("document.cookie")

        other = page.context.new_page()
        other.goto(page.url)
        expect(other.locator("#records")).to_have_text("1")
        expect(other.get_by_role("button", name="Sign out")).to_be_visible()
        other.close()

        page.get_by_role("button", name="Sign out").click()
        expect(token).to_be_focused()
        expect(page.locator("main")).to_be_hidden()
        expect(page.locator("#sign-out")).to_be_hidden()
        assert page.context.cookies() == []


# -- whoever reads it, however


def tabbed(page: Page, last: str, most: int = 60) -> list[str]:
    """Press Tab until an element has the focus, and return what had it on the way."""
    names = []
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        names.append(focused.evaluate("one => one.id || one.dataset.range || one.className || one.tagName"))
        if names[-1] == last:
            return names
    raise AssertionError(f"{last} was not reached: {names}")


def test_by_keyboard_alone(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    now = time.time()
    for back, name in ((1800, "a"), (1200, "b"), (600, "c")):
        make(manager, name, BLOCK, age=9000)
        History(manager.registry, FakeClock(wall=now - back)).sample()
    manager = removing_by(manager, FailingStorage(errno.EIO))
    manager.cleanup()
    page = visit(client)
    expect(page.locator("#largest-files .path")).to_have_count(3)
    expect(page.locator("#sweeps .fold")).to_have_count(1)

    assert tabbed(page, "skip") == ["skip"]
    expect(page.get_by_text("Skip to the figures")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert tabbed(page, "chart") == ["hour", "day", "month", "years", "chart"]
    page.keyboard.press("Home")
    expect(page.locator("#legend-files")).to_have_text("1")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#legend-files")).to_have_text("2")
    expect(page.locator("#chart-said")).to_have_text(re.compile(r"^\d+ \w+ \d{4}, [\d:]{8}: 2 files, 128 KiB$"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#legend-files")).to_have_text("1")
    page.keyboard.press("End")
    expect(page.locator("#legend-files")).to_have_text("3")
    page.keyboard.press("Home")
    assert tabbed(page, "SUMMARY") == ["SUMMARY"]
    expect(page.locator("#legend-at")).to_have_text("now")  # a value of the past does not stay for news
    expect(page.locator("#legend-files")).to_have_text("3")

    # Who makes the files, by what; those that failed; search.
    assert tabbed(page, "wanted") == [*(["BUTTON"] * 3), *(["fold"] * 3), "wanted"]
    assert tabbed(page, "fold") == ["fold"]
    page.keyboard.press("Enter")
    expect(page.locator("#oldest-files .more").first).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator("#oldest-files .more").first).to_be_hidden()
    assert tabbed(page, "scroll") == ["fold"] * 5 + ["scroll"]
    assert tabbed(page, "fold") == ["fold"]
    page.keyboard.press("Enter")
    expect(page.locator("#sweeps .more")).to_be_visible()

    page.locator("[data-range=day]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-range=day]")).to_have_attribute("aria-pressed", "true")
    outline = page.locator("[data-range=day]").evaluate("one => getComputedStyle(one).outlineStyle")
    assert outline == "solid"


def test_on_a_phone_nothing_is_off_to_the_side(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    paths = [make(manager, name, 10**12, age=9000) for name in HOSTILE]
    manager = removing_by(manager, FailingStorage(errno.EIO, paths))
    manager.cleanup()
    make(manager, "/".join(["d" * 200] * 5), age=90000)
    page = visit(client, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("#sweeps .fold")).to_have_count(1)
    fits = "[document.documentElement.scrollWidth, document.body.scrollWidth].every((width) => width <= 390)"
    assert page.evaluate(fits)
    for element in ("#oldest-files", "#largest-files", "#sweeps", "#forecast"):
        assert page.locator(element).evaluate("table => table.getBoundingClientRect().right <= 390"), element
    before = page.locator("#oldest-files .path").first.bounding_box()
    for fold in page.locator(".fold").all():
        fold.tap()
    values(page)
    expect(page.locator("#sweeps .more")).to_be_visible()
    assert page.evaluate(fits)
    sideways = "all => all.filter(one => one.scrollWidth > one.clientWidth).length"
    assert page.locator(".scroll").evaluate_all(sideways) == 0
    after = page.locator("#oldest-files .path").first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] == before["width"]  # what folds open takes no room from the columns


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_contrast(tmp_path: Path, visit: Visitor, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(base_dir=str(tmp_path / "base"), max_files=3)
    with closing(TempFileManager.from_settings(settings, registry="sqlite:")) as made:
        manager = removing_by(made, FailingStorage(errno.EIO))
        for name in HOSTILE:
            make(manager, name, age=9000, tags=["a tag"])
        manager.cleanup()
        with service(manager, http_host="0.0.0.0") as client:
            page = visit(client, color_scheme=scheme, expected=("401",))
            page.get_by_label("Token").fill("wrong")
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("alert")).not_to_be_empty()
            assert "This is not the token." in readable(page)
        with service(manager) as client:
            page = visit(client, color_scheme=scheme, expected=BROKEN)
            expect(page.locator("#oldest-files .path")).to_have_count(len(HOSTILE))
            for fold in page.locator(".fold").all():
                fold.click()
            assert {"degraded", "Last sweeps", r"\x1b", "a tag", FAILED_ONCE, "Hour"} <= set(readable(page))
            monkeypatch.setattr(type(manager.context.scheduler), "alive", False)
            expect(page.locator("#grade")).to_have_text("✖ unhealthy")
            assert "Sweeps cannot do their work: act now" in readable(page)
            grounds = page.evaluate("getComputedStyle(document.body).backgroundColor")
            dark = sum(map(int, re.findall(r"\d+", grounds)[:3])) < 3 * 128
            assert dark == (scheme == "dark")
        expect(page.locator("#grade")).to_have_text("? was unhealthy")
        readable(page)


def test_colours_change_while_it_is_open(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    make(manager, "a")
    page = visit(client, color_scheme="light")
    expect(page.locator("#line")).to_have_text("live")
    axes = "document.querySelector('#chart canvas').toDataURL().length"
    assert page.evaluate(axes) > 1000
    canvas = page.locator("#chart canvas").element_handle()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("canvas => !canvas.isConnected", arg=canvas)  # it was drawn anew
    expect(page.locator("#chart canvas")).to_have_count(1)
    assert page.evaluate(axes) > 1000


# -- at scale


def test_a_hundred_thousand_files(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    files = [(f"{manager.base_dir}/{n % 100}/file-{n}", None, n, (), None, None) for n in range(100_000)]
    manager.registry.add(files, time.time() - 60)
    page = visit(client)
    expect(page.locator("#records")).to_have_text("100,000")
    expect(page.locator("#largest-files .path")).to_have_count(10)
    expect(page.locator("#largest-files .path").first).to_have_text("99/file-99999")
    expect(page.locator("#oldest-files .path")).to_have_count(10)
    expect(page.locator("#forecast-note")).to_have_text("100,000 files")
    assert page.locator("*").count() < 1500
    asked = {url.partition("?")[0] for url in visit.watches[0].asked if url.startswith("/v1/")}
    assert asked == {
        f"/v1/{one}" for one in ("overview", "outlook", "samples", "rules", "quarantine", "events")
    }  # and not for a fleet, which is not set up
