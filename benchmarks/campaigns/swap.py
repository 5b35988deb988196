"""A swap campaign: sweeps while somebody swaps what lies above the files, over and over, and victims nobody may touch.

The swapper is the hostile kit's. It swaps the directory of the files, or the one above it, with another directory or
with a link to one, in which files of the same names lie.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.campaigns.campaign import Campaign
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.testing import swapper

FILES = 200
BATCH = 10
"""Records a claim: each opens the directories anew."""
SWEEPS = 4
KINDS = ("a directory", "a link", "the directory above")


@dataclass(frozen=True)
class Scene:
    """Our files, the victims, the two names that are swapped, and files to put in the place of those that go."""

    mine: str
    victims: str
    pair: tuple[str, str]
    spare: str

    def refill(self) -> list[str]:
        """Put the same files back under their names: new ones take ext4 a millisecond each after many removals."""
        there, names = set(os.listdir(self.mine)), sorted(os.listdir(self.spare))
        for name in names:
            if name not in there:
                os.link(f"{self.spare}/{name}", f"{self.mine}/{name}")
        return [f"{self.mine}/{name}" for name in names]

    def witness(self) -> list[tuple[str, int, int, int, int]]:
        """Return what would show that a victim was touched."""
        with os.scandir(self.victims) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        return sorted((name, s.st_ino, s.st_nlink, s.st_size, s.st_ctime_ns) for name, s in found)


def _scene(root: str, kind: str) -> Scene:
    mine, victims, spare = f"{root}/mine", f"{root}/victims", f"{root}/spare"
    if kind == "the directory above":
        mine, victims = f"{root}/above/mine", f"{root}/elsewhere/mine"
    for directory in (mine, victims, spare):
        os.makedirs(directory)
    for directory in (victims, spare):
        for number in range(FILES):
            with open(f"{directory}/{number:04}", "wb") as file:
                file.write(b"x")
    if kind == "a link":
        os.symlink(victims, f"{root}/link")
        return Scene(mine, victims, (mine, f"{root}/link"), spare)
    pair = (os.path.dirname(mine), os.path.dirname(victims)) if kind == "the directory above" else (mine, victims)
    return Scene(mine, victims, pair, spare)


def _swept(manager: TempFileManager, scene: Scene, campaign: Campaign) -> None:
    """Sweep some times while the swapper is at work, and once when it is not."""
    counts = campaign.counts
    manager.register_files(scene.refill())
    with swapper(*scene.pair) as swapping:
        for _ in range(SWEEPS):
            report = manager.sweep(force=True)
            counts["removed"] += report.removed
            counts["met another directory, and kept"] += report.kept
            for status, count in (("failed", report.failed), ("gone", report.gone), ("replaced", report.replaced)):
                if count:
                    campaign.problems.append(f"{count} files {status}: what comes back is not to be forgotten")
    counts["swaps"] += swapping.counts["swaps"]
    counts["atomic swappers"] += swapping.counts["atomic"]
    manager.clear_all()
    if os.listdir(scene.mine) or manager.registry.stats().records:
        campaign.problems.append("not everything went once the swapping had stopped")


def swap(swaps: int, directory: str | None, told: Callable[[str], None]) -> Campaign:
    """Sweep until so many swaps have been made; keep the directory if something was wrong, and end there.

    Args:
        swaps: How many.
        directory: Where; None: the system's temporary directory.
        told: Hears how far it has come.
    """
    root = os.path.realpath(tempfile.mkdtemp(prefix="tfm-swap-", dir=directory))
    campaign, settings = Campaign(), Settings(cleanup_batch_size=BATCH)
    manager = TempFileManager(f"{root}/base", registry="sqlite:", settings=settings)
    scenes = {kind: _scene(f"{root}/{kind}", kind) for kind in KINDS}
    before = {kind: scene.witness() for kind, scene in scenes.items()}
    try:
        while campaign.counts["swaps"] < swaps:
            for kind, scene in scenes.items():
                _swept(manager, scene, campaign)
                if scene.witness() != before[kind]:
                    campaign.problems.append(f"victims were touched: {scene.victims}")
                if campaign.problems:
                    return campaign
                told(f"{campaign.counts['swaps']:,} of {swaps:,} swaps")
    finally:
        manager.close()
    if not campaign.counts["met another directory, and kept"]:
        campaign.problems.append("the swapper was never met: this has tried nothing")
    shutil.rmtree(root)
    return campaign
