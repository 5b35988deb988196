"""What tests of the page share: Debian's Chromium, and tabs that are watched for whatever a page must not do."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from serving import SECONDS, Client

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}

Visit = Callable[..., Page]

expect.set_options(timeout=SECONDS * 1000)


def chromium() -> str:
    """Return where Chromium is.

    Raises:
        LookupError: it is not on the PATH.
    """
    found = shutil.which("chromium")
    if found is None:
        raise LookupError("no chromium on the PATH: nothing of the page was tried")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests."""
    try:
        found = chromium()
    except LookupError as missing:
        pytest.fail(str(missing)) if os.environ.get("CI") else pytest.skip(str(missing))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Watch:
    """Writes down what a page did that it must not do.

    Args:
        context: Where it lives.
        origin: All that it may ask.
        expected: What may be in the complaints that the browser itself makes, such as ``401``.
    """

    def __init__(self, context: BrowserContext, origin: str, expected: tuple[str, ...]) -> None:
        self.problems: list[str] = []
        self.asked: list[str] = []
        self._origin = origin
        self._expected = expected
        context.on("request", lambda request: self._request(request.url))
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"error: {error.error.stack}"))
        context.on("dialog", self._dialog)

    def _request(self, url: str) -> None:
        self.asked.append(url.removeprefix(self._origin))
        if not url.startswith(f"{self._origin}/"):
            self.problems.append(f"asked elsewhere: {url}")

    def _console(self, message: ConsoleMessage) -> None:
        told = message.type in ("error", "warning") and not any(words in message.text for words in self._expected)
        if told:
            self.problems.append(f"console: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()


class Visitor:
    """Opens pages, each in a context of its own."""

    def __init__(self, browser: Browser, stack: ExitStack) -> None:
        self._browser = browser
        self._stack = stack
        self.watches: list[Watch] = []

    def __call__(self, where: Client | str, *, expected: tuple[str, ...] = (), **settings: Any) -> Page:
        """Open the page of a service.

        Args:
            where: The service, or its address.
            expected: See ``Watch``.
            settings: Of the context, such as ``color_scheme``.
        """
        origin = where if isinstance(where, str) else "http://{}:{}".format(*where.address)
        settings = {"viewport": DESK, "locale": "en-GB", "timezone_id": "UTC"} | settings
        context = self._stack.enter_context(self._browser.new_context(**settings))
        context.set_default_timeout(SECONDS * 1000)
        self.watches.append(Watch(context, origin, expected))
        page = context.new_page()
        page.goto(f"{origin}/")
        return page

    @property
    def problems(self) -> list[str]:
        """What all of them did."""
        return [problem for watch in self.watches for problem in watch.problems]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visitor]:
    """Opens pages, and at the end says what they did that they must not do."""
    with ExitStack() as stack:
        visitor = Visitor(browser, stack)
        yield visitor
        if visitor.problems:
            pytest.fail("\n".join(visitor.problems))


CONTRAST = """() => {
    const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
    const light = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const luminance = ([red, green, blue]) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
    const behind = (one) => {
        const colour = parse(getComputedStyle(one).backgroundColor);
        return colour[3] === 0 ? behind(one.parentElement) : colour;
    };
    const ratio = (one) => {
        const [dark, bright] = [parse(getComputedStyle(one).color), behind(one)].map(luminance).sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const own = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return [...document.body.querySelectorAll("*")]
        .filter((one) => own(one) && one.checkVisibility({ visibilityProperty: true }))
        .map((one) => [ratio(one), one.className || one.tagName, one.textContent.slice(0, 40)]);
}"""


def readable(page: Page) -> list[Any]:
    """Return what of the text is shown, having made sure that it can be read."""
    found = page.evaluate(CONTRAST)
    assert [one for one in found if one[0] < 4.5] == []
    return [text for _, _, text in found]
