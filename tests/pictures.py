"""Pictures of the page: ``python -m pictures FOLDER`` makes them with each font, in both schemes, at each width.

With ``tests`` and the repository on the ``PYTHONPATH``. One of them goes into the documentation.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from browser import ARGUMENTS, chromium
from places import DOCS
from scenes import MANY, scene
from serving import service

WIDTHS = (320, 390, 1024, 1440)
SCHEMES = ("light", "dark")
COUNTS = (0, 50, MANY)
FONTS = ("DejaVu Sans", "Liberation Sans")
FOR_DOCS = DOCS / "pictures" / "page.png"

OVERLAPS = """() => {
    const found = [];
    const box = (one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        const inner = range.getBoundingClientRect();
        const outer = one.getBoundingClientRect();
        const clips = getComputedStyle(one).overflow !== "visible";
        return clips ? outer : { left: inner.left, right: inner.right, width: inner.width };
    };
    const shown = (one) => one.checkVisibility({ visibilityProperty: true }) && one.textContent.trim();
    for (const row of document.querySelectorAll("tr")) {
        const cells = [...row.cells].filter(shown).map((cell) => [cell.textContent.trim().slice(0, 30), box(cell)]);
        for (let at = 1; at < cells.length; at += 1) {
            const [[before, left], [after, right]] = [cells[at - 1], cells[at]];
            if (left.right > right.left + 1) found.push(`${before} is on ${after}`);
        }
    }
    const apart = ".scroll, .uplot, .unseen, svg, pre";
    for (const panel of document.querySelectorAll(".panel, #figures > div, header, .heading")) {
        if (!panel.checkVisibility()) continue;
        const bound = panel.getBoundingClientRect();
        for (const one of panel.querySelectorAll("*")) {
            if (one.closest(apart) || !one.checkVisibility({ visibilityProperty: true })) continue;
            const mine = one.getBoundingClientRect();
            const leaves = mine.width > 1 && mine.right > bound.right + 1;
            if (leaves) found.push(`${one.tagName}.${one.className} leaves ${panel.id}`);
        }
    }
    const page = document.scrollingElement;
    if (page.scrollWidth > page.clientWidth) found.push(`sideways: ${page.scrollWidth} in ${page.clientWidth}`);
    return [...new Set(found)];
}"""
"""What lies on what must be beside it, or leaves its panel; and whether the page scrolls sideways."""


HAS_FONT = """font => {
    const text = document.createElement("span");
    text.textContent = "illimitable WWW";
    document.body.append(text);
    const width = (family) => {
        text.style.fontFamily = family;
        return text.getBoundingClientRect().width;
    };
    const [found, other] = [width(`"${font}", monospace`), width("monospace")];
    text.remove();
    return found !== other;
}"""
"""Whether a font is there: else its text would be as wide as the next one's."""


def write_in(page: Page, font: str) -> None:
    """Let a page be written in a font, whatever the machine has for its own."""
    page.evaluate('font => { document.body.style.fontFamily = `"${font}", sans-serif` }', font)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def settled(page: Page, count: int) -> None:
    """Wait until a page shows all there is."""
    page.locator("#line").filter(has_text="live").wait_for()
    if count:
        page.locator("#makers tbody").first.wait_for()
        page.locator("#oldest-files tbody").first.wait_for()


def pictures(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Make all pictures; yield each with what lies on what in it."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="my-app-") as place:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        for count in COUNTS:
            base = Path(place, str(count), "temp")
            with closing(scene(base, count)) as manager, service(manager) as client:
                for scheme in SCHEMES:
                    for width in WIDTHS:
                        settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
                        context = browser.new_context(**settings, locale="en-GB", reduced_motion="reduce")
                        page = context.new_page()
                        page.goto("http://{}:{}/".format(*client.address))
                        settled(page, count)
                        for font in FONTS:
                            write_in(page, font)
                            path = folder / f"{count}-{width}-{scheme}-{font.split()[0].lower()}.png"
                            page.screenshot(path=path, full_page=True)
                            yield path, page.evaluate(OVERLAPS)
                        if (count, width, scheme) == (50, 1440, "light"):
                            FOR_DOCS.parent.mkdir(exist_ok=True)
                            page.screenshot(path=FOR_DOCS)
                        context.close()
        browser.close()


def main() -> None:
    """Make the pictures, and say where they are and what is wrong in them."""
    parser = argparse.ArgumentParser(prog="python -m pictures", description="Make pictures of the page.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for path, wrong in pictures(folder):
        print(path, *wrong, sep="\n    ")


if __name__ == "__main__":
    main()
