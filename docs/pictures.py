"""The picture of ``top`` in the README and on these pages, of an hour that is made up; see ``make pictures``.

The base directory is a real one, and so are files, records and sweeps; only the clock is turned.
"""

import os
import re
import tempfile
from contextlib import closing
from io import StringIO
from pathlib import Path

from rich.console import Console

from temp_file_manager import Settings, TempFileManager, jobs
from temp_file_manager.cli.top.choices import Question
from temp_file_manager.cli.top.look import Lookout, Scene
from temp_file_manager.cli.top.view import draw
from temp_file_manager.clock import SystemClock
from temp_file_manager.testing import FakeClock

FOLDER = Path(__file__).with_name("pictures")
MINUTES, SWEEP_EVERY = 60, 5
MOST = 200 * 2**20
COLUMNS, LINES = 112, 34

# Name, bytes, minutes that it may live, how many a minute, and its tag.
KINDS = (
    ("chart-{}.svg", 18_000, 20, 3, "charts"),
    ("upload-{}.csv", 240_000, 45, 1, "uploads"),
    ("stage-{}.parquet", 900_000, 12, 1, "stages"),
    ("report-{}.pdf", 120_000, 24 * 60, 1, "reports"),
)


def made_up(base: str, clock: FakeClock) -> None:
    """Let an hour pass, in which a service makes files, and sweeps every five minutes."""
    settings = Settings(base_dir=base, registry="sqlite:", max_bytes=MOST)
    with closing(TempFileManager.from_settings(settings, clock=clock)) as manager:
        open_file = manager.open(suffix="-film.mp4", ttl=1800)  # due, and still played
        for minute in range(MINUTES):
            for name, size, minutes, many, tag in KINDS:
                for number in range(many + (minute // 7 + len(name)) % 3):
                    path = os.path.join(base, name.format(f"{minute:02}{number}"))
                    Path(path).write_bytes(bytes(size))
                    manager.register_file(path, ttl=minutes * 60, tags=(tag,))
            clock.advance(60)
            manager.context.history.sample()
            if minute % SWEEP_EVERY == 0:
                jobs.sweep(manager.context, lambda: False)
        open_file.close()


def top(base: str, clock: FakeClock) -> str:
    """Return what ``top`` shows as an SVG that fetches nothing."""
    settings = Settings(base_dir=base, registry="sqlite:", max_bytes=MOST)
    console = Console(record=True, width=COLUMNS, height=LINES, file=StringIO(), force_terminal=True)
    with closing(Lookout(settings, clock)) as lookout:
        *_, picture = lookout.look()
        scene = Scene(picture, listing=lookout.list(Question()))
    console.print(draw(console, scene, 2.0))
    svg = console.export_svg(title="temp-file-manager top", unique_id="top")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # rich's font would come from elsewhere


def main() -> None:
    """Take it."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tfm-") as folder:
        base = os.path.join(folder, "my_app")
        now = SystemClock()
        clock = FakeClock(now.wall() - MINUTES * 60, now.elapsed() - MINUTES * 60)
        made_up(base, clock)
        (FOLDER / "top.svg").write_text(top(base, clock))


if __name__ == "__main__":
    main()
