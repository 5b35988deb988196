"""Writers fill a small disk of memory while a limit keeps some of it free: none may ever see a full disk."""

import errno
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

from benchmarks.campaigns.campaign import Campaign
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.limits import Limit, Mark, Measure

DISK, FREE, UNTIL = 64 << 20, 24 << 20, 32 << 20
"""Bytes of the disk; those to be kept free; where removing ends."""
SIZE = 8 << 10
BATCH = 20
"""Files that are registered at a time."""


def fill(files: int, rate: int, told: Callable[[str], None]) -> Campaign:
    """Write so many files, so many a second at most, and count what went and what was refused.

    Args:
        files: How many.
        rate: Files a second, 8 KiB each.
        told: Is told how far it is.
    """
    campaign = Campaign()
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", folder]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            campaign.problems.append("not tried: it takes the right to mount")
            return campaign
        try:
            _written(Path(folder), files, rate, campaign, told)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
    return campaign


def _written(folder: Path, files: int, rate: int, campaign: Campaign, told: Callable[[str], None]) -> None:
    limit = Limit("free", Measure.FREE, Mark(FREE), Mark(UNTIL), spare=0.0)
    settings = Settings(base_dir=str(folder / "base"), max_age=1e6, limits=(limit,))
    with closing(TempFileManager.from_settings(settings, registry="sqlite:")) as manager:
        manager.start()
        began, least = monotonic(), DISK
        for number in range(0, files, BATCH):
            paths = [folder / "base" / f"{number + more:07}" for more in range(BATCH)]
            try:
                for path in paths:
                    path.write_bytes(bytes(SIZE))
                manager.register_files(paths)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                campaign.problems.append(f"file {number}: the disk is full")
                return
            found = os.statvfs(folder)
            least = min(least, found.f_bavail * found.f_frsize)
            told(f"{number + BATCH:,} of {files:,}, {least >> 20} MiB were free at least")
            threading.Event().wait(max(0.0, began + (number + BATCH) / rate - monotonic()))
        manager.stop()
        campaign.counts["files"] = files
        campaign.counts["files a second"] = round(files / (monotonic() - began))
        campaign.counts["evicted"] = int(manager.registry.stats().counters.get("evicted", 0))
        campaign.counts["MiB that were free at least"] = least >> 20
