"""The pages of the documentation, and the code in them."""

import re
import subprocess
import sys
from pathlib import Path

from command_line import environment
from patience import PATIENCE
from places import DOCS, ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
SECONDS = PATIENCE

# ``print(…)  # what it shows``; what further lines show stands alone behind a #, in the lines below.
_SHOWN = re.compile(r"^ *print\(.*\)  # (.*)\n((?: +# .*\n)*)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return the code of a page that is written in a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def spans(page: Path) -> list[str]:
    """Return all the code of a page: its blocks, whatever they are written in, and what stands between backticks."""
    text = page.read_text()
    fenced = re.findall(r"^```.*?^```$", text, re.DOTALL | re.MULTILINE)
    for block in fenced:
        text = text.replace(block, "")
    indented = re.findall(r"^    \S.*$", text, re.MULTILINE)
    return [*fenced, *indented, *re.findall(r"`([^`]+)`", text)]


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def program(page: Path) -> str:
    """Return the Python of a page as one program."""
    return "\n".join(blocks(page, "python"))


def shown(page: Path) -> list[str]:
    """Return the lines that the Python of a page is said to print; ``…`` is anything."""
    lines = []
    for first, more in _SHOWN.findall(program(page)):
        lines += [first, *(line.strip().removeprefix("# ") for line in more.splitlines())]
    return lines


def run(page: Path, folder: Path) -> list[str]:
    """Run the Python of a page in a folder, where ``/tmp/my_app`` is another one; return the lines it prints."""
    code = program(page).replace("/tmp/my_app", str(folder / "my_app"))
    return _python(folder, "-c", code)


def run_tests(page: Path, folder: Path) -> str:
    """Run the tests in the Python of a page; return the line that sums them up."""
    file = folder / "test_of_page.py"
    file.write_text(program(page))
    return _python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", file.name)[-1]


def _python(folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def matches(told: str, printed: str) -> bool:
    """Say whether a line is what a page says; ``…`` is anything."""
    return re.fullmatch(re.escape(told).replace("…", ".*"), printed) is not None
