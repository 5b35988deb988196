"""Two processes make files in a watched directory, faster than anybody hears of it: none may be missed."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic

from benchmarks.campaigns.campaign import Campaign
from temp_file_manager import TempFileManager
from temp_file_manager.adopt import survey
from temp_file_manager.adopt.changed_directories import ChangedDirectories
from temp_file_manager.adopt.watched import watch
from temp_file_manager.storage.changes.changes import Changes
from temp_file_manager.storage.changes.hints import Changed

DIRECTORIES = 100
"""Of each process: what is told of one says nothing of the others."""
PATIENCE = 240.0
"""Seconds that the next event may take."""

MAKER = """
import os, sys
place, count, directories = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(count):
    os.close(os.open(f"{place}/{number * directories // count}/{number}", os.O_CREAT | os.O_WRONLY))
"""


class _Counting(Changes):
    """Counts how often everything was to be looked at."""

    wholes = 0

    def take(self) -> list[Changed]:
        """Return what is to be looked at."""
        taken = super().take()
        self.wholes += sum(one.whole and not one.path for one in taken)
        return taken


def overflow(files: int, told: Callable[[str], None]) -> Campaign:
    """Make so many files while events are read as they come, and as many while nobody reads any.

    Args:
        files: How many each time.
        told: Is told how far it is.
    """
    campaign = Campaign()
    for reads in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            _made(Path(folder), files, campaign, told, reads=reads)
    return campaign


def _made(folder: Path, files: int, campaign: Campaign, told: Callable[[str], None], *, reads: bool) -> None:
    tree, rung, reading = folder / "tree", threading.Event(), threading.Event()
    for number in range(2 * DIRECTORIES):
        (tree / str(number % 2) / str(number // 2)).mkdir(parents=True)

    def ring() -> None:
        rung.set()
        reading.wait()

    with closing(TempFileManager(folder / "base", registry="sqlite:")) as manager:
        changes = _Counting(ring)
        context = replace(manager.context, changes=changes)
        watch(context, survey.wanted(tree, watch=True))
        looks = ChangedDirectories(context)
        looks.look(lambda: False)
        if reads:
            reading.set()
        began = monotonic()
        command = [sys.executable, "-c", MAKER]
        makers = [
            subprocess.Popen([*command, str(tree / name), str(files // 2), str(DIRECTORIES)]) for name in ("0", "1")
        ]
        if not reads:
            for maker in makers:
                maker.wait()
            reading.set()
        while (known := manager.registry.stats().records) < files // 2 * 2 and rung.wait(PATIENCE):
            rung.clear()
            looks.look(lambda: False)
            told(f"{known:,} of {files:,} are on record")
        if any(maker.wait() for maker in makers) or known < files // 2 * 2:
            campaign.problems.append(f"{files - known:,} files are not on record")
        how = "read as they came" if reads else "not read"
        campaign.counts[f"files on record, events {how}"] = known
        campaign.counts[f"times everything was looked at, events {how}"] = changes.wholes
        campaign.counts[f"milliseconds to the last record, events {how}"] = round((monotonic() - began) * 1000)
        changes.close()
