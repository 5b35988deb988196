"""The recipes of ``docs/rules.md``: each rules a real folder, and takes what the page says, when the page says."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from places import DOCS
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.records import Kind, TempFile
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.life import Action, Step, Used, first_look, step
from temp_file_manager.settings.rules import rules as read_rules
from temp_file_manager.testing import FakeClock

PAGE = (DOCS / "rules.md").read_text()
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
LARGE = 1 << 16


def recipe(heading: str) -> str:
    """Return the tables under a heading."""
    (section,) = (part for part in re.split("^### ", PAGE, flags=re.MULTILINE) if part.startswith(f"{heading}\n"))
    return "\n".join(re.findall(r"```toml\n(.*?)```", section, re.DOTALL))


class Place:
    """A base directory under a recipe, and a clock.

    Args:
        folder: Where to work.
        tables: The recipe.
    """

    def __init__(self, folder: Path, tables: str) -> None:
        file = folder / "settings.toml"
        file.write_text(f'[manager]\nbase_dir = "{folder / "base"}"\nprotect_open = false\n\n{tables}')
        self.clock = FakeClock(wall=time.time())
        self.manager = TempFileManager.from_settings(Settings.from_file(file), registry="sqlite:", clock=self.clock)
        self.base = Path(self.manager.base_dir)

    def make(self, *names: str, tags: tuple[str, ...] = (), content: bytes = b"12345") -> None:
        """Make files, and register them."""
        for name in names:
            path = self.base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self.touch(name)
            self.manager.register_file(path, tags=tags)

    def touch(self, name: str, *, read_only: bool = False) -> None:
        """Use a file now: write it, or only read it."""
        now, path = self.clock.wall(), self.base / name
        os.utime(path, (now, path.stat().st_mtime if read_only else now))

    def after(self, seconds: float) -> set[str]:
        """Let time go by, sweep, and return what is there."""
        self.clock.advance(seconds)
        self.manager.sweep()
        return self.there()

    def there(self) -> set[str]:
        paths = (path.relative_to(self.base) for path in self.base.rglob("*") if path.is_file())
        return {str(path) for path in paths if path.parts[0] != ".temp-file-manager"}


Open = Callable[..., Place]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Open]:
    """Opens a base directory under the recipe of a heading; some words of it may be exchanged."""
    opened: list[Place] = []

    def open_(heading: str, **exchanged: str) -> Place:
        tables = recipe(heading)
        for old, new in exchanged.items():
            assert old.replace("_", " ") in tables
            tables = tables.replace(old.replace("_", " "), new)
        opened.append(Place(tmp_path, tables))
        return opened[-1]

    yield open_
    for one in opened:
        one.manager.close()


def test_charts_for_an_hour(place: Open) -> None:
    here = place("Charts for an hour")
    here.manager.max_age = DAY
    here.make("charts/a", "charts/deep/b", "c.svg", "elsewhere/d.svg", "e.png", "other/charts.txt")
    own = here.base / "own.svg"
    own.touch()
    here.manager.register_file(own, ttl=2 * DAY)
    assert len(here.after(HOUR - 1)) == 7
    assert here.after(2) == {"e.png", "other/charts.txt", "own.svg"}
    assert here.after(DAY) == {"own.svg"}


def test_uploads_for_a_day(place: Open) -> None:
    here = place("Uploads for a day")
    here.make("uploads/a", "uploads/b", "c")
    assert here.after(20 * HOUR) == {"uploads/a", "uploads/b"}
    here.touch("uploads/a")
    here.touch("uploads/b", read_only=True)
    assert here.after(5 * HOUR) == {"uploads/a"}
    assert here.after(20 * HOUR) == set()


def test_the_last_twenty_of_a_kind(place: Open) -> None:
    here = place("The last twenty of a kind")
    for number in range(25):
        here.make(f"{number}", tags=("preview",))
        here.clock.advance(1)
    here.make("other")
    assert here.after(1) == {f"{number}" for number in range(5, 25)} | {"other"}
    assert here.after(365 * DAY) == {f"{number}" for number in range(5, 25)}
    here.make("new", tags=("preview",))
    assert here.after(1) == {f"{number}" for number in range(6, 25)} | {"new"}


def test_build_caches_by_use_and_by_size(place: Open) -> None:
    here = place("Build caches, by use and by size", **{'"20_GB"': f'"{4 * LARGE}"'})
    for name in ("a", "b", "c"):
        here.make(name, tags=("build",), content=bytes(LARGE))
        here.clock.advance(HOUR)
    assert here.after(20 * DAY) == {"a", "b", "c"}
    here.touch("a", read_only=True)
    here.manager.context.measuring.slice(lambda: False)
    assert here.after(11 * DAY) == {"a"}
    here.make("d", "e", "f", tags=("build",), content=bytes(LARGE))
    here.clock.advance(2 * MINUTE)
    here.make("g", tags=("build",), content=bytes(LARGE))
    left = here.after(2 * MINUTE)
    assert "a" not in left
    assert "g" in left
    assert len(left) == 3


def test_failed_runs_for_a_week_others_for_a_day(place: Open) -> None:
    here = place("Failed runs for a week, others for a day")
    here.make("good", tags=("run",))
    here.make("bad", tags=("run", "failed"))
    assert here.after(DAY - 1) == {"good", "bad"}
    assert here.after(2) == {"bad"}
    assert here.after(6 * DAY - 2) == {"bad"}
    assert here.after(2) == set()


def test_logs_compressed(tmp_path: Path) -> None:
    """What is decided; that files are compressed, tests of the storage show."""
    file = tmp_path / "rules.toml"
    file.write_text(recipe("Logs, compressed"))
    book = Book(read_rules(str(file)), "/base")
    rule = book.decide("/base/logs/deep/a.log")
    assert rule is not None
    assert book.decide("/base/a.log") is None
    first = TempFile("/base/logs/a.log", 0.0, due_at=first_look(rule, 0.0, HOUR), rule=rule.name)
    assert first.due_at == 10 * MINUTE

    def after(seconds: float, *, written: float, read: float, record: TempFile = first) -> Step:
        return step(rule, record, Used(written, read), seconds, HOUR)

    assert after(10 * MINUTE, written=5 * MINUTE, read=5 * MINUTE) == Step(Action.KEEP, 15 * MINUTE)
    assert after(15 * MINUTE, written=5 * MINUTE, read=8 * MINUTE) == Step(Action.KEEP, 18 * MINUTE)
    assert after(18 * MINUTE, written=5 * MINUTE, read=8 * MINUTE) == Step(Action.COMPRESS, 7 * DAY + 5 * MINUTE)
    compressed = first._replace(path="/base/logs/a.log.zst", origin=first.path, kind=Kind.COMPRESSED)
    week = 7 * DAY + 5 * MINUTE
    assert after(week - 1, written=5 * MINUTE, read=week - 2, record=compressed) == Step(Action.KEEP, week)
    assert after(week, written=5 * MINUTE, read=week - 2, record=compressed) == Step(Action.REMOVE)


def test_reports_with_a_day_of_undo(place: Open) -> None:
    here = place("Reports with a day of undo")
    here.make("reports/a", "reports/b")
    assert here.after(12 * HOUR - 1) == {"reports/a", "reports/b"}
    assert here.after(2) == set()
    origins = [str(here.base / "reports" / name) for name in "ab"]
    kept = here.manager.registry.successors(origins)
    assert {origin: [one.kind for one in found] for origin, found in kept.items()} == {
        origin: [Kind.QUARANTINED] for origin in origins
    }
    assert all(os.path.exists(one.path) for found in kept.values() for one in found)
    here.manager.restore(origins[0])
    assert here.there() == {"reports/a"}
    assert here.after(DAY) == set()  # it was due again
    assert not any(os.path.exists(one.path) for found in kept.values() for one in found)
    assert set(here.manager.registry.successors(origins)) == {origins[0]}


def test_huge_files_after_an_hour(place: Open) -> None:
    here = place("Huge files after an hour", **{'"1_GiB"': f'"{LARGE}"'})
    here.make("huge", content=os.urandom(LARGE))
    here.make("small")
    with (here.base / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    here.manager.register_file(here.base / "sparse")
    assert here.after(HOUR - 1) == {"huge", "small", "sparse"}
    assert here.after(2) == {"small", "sparse"}
    assert here.after(7 * DAY) == set()


def test_checkpoints_of_notebooks_while_they_are_used(place: Open) -> None:
    here = place("Checkpoints of notebooks, while they are used")
    here.make(".ipynb_checkpoints/a", "work/.ipynb_checkpoints/b", "work/c")
    assert here.after(1.5 * DAY) == {".ipynb_checkpoints/a", "work/.ipynb_checkpoints/b"}
    here.touch("work/.ipynb_checkpoints/b", read_only=True)
    assert here.after(DAY) == {"work/.ipynb_checkpoints/b"}
    assert here.after(DAY + 1) == set()


def test_nothing_but_what_is_tagged(place: Open) -> None:
    here = place("Nothing but what is tagged")
    here.make("a", "b")
    here.make("c", tags=("keep",))
    assert here.after(2 * MINUTE) == {"c"}
    assert here.after(365 * DAY) == {"c"}
    assert here.manager.clear_all() == 1  # who forces asks no rule


def test_all_recipes_are_tried() -> None:
    headings = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    tried = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert [re.sub(r"\W+", "_", heading.lower()) for heading in headings] == tried[:-1]
    assert len(headings) == 10
