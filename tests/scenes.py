"""Scenes: registries with so many files as a page is to be looked at with, all told anew from the same numbers."""

import errno
import json
import math
import os
import random
import time
from pathlib import Path

from contexts import removing_by
from temp_file_manager import TempFileManager
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Kind, Nature, NewFile
from temp_file_manager.reports import SweepReport
from temp_file_manager.rules.rule import Rule
from temp_file_manager.sessions import THIS_PROCESS
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.history import History
from temp_file_manager.testing import FakeClock
from temp_file_manager.testing.hostile.faults import FailingStorage

HOUR = 3600.0
AGE = 24 * HOUR
MANY = 100_000

PLACES = (
    ("spark/shuffle", "shuffle_0_{}_0.data", ("team:data", "job:nightly"), 24_000_000),
    ("etl/2026-11-27/staging/incoming", "part-{:05}.snappy.parquet", ("team:data",), 8_000_000),
    ("previews", "thumb_{}.webp", ("team:web",), 60_000),
    ("uploads", "upload-{}.part", ("team:web",), 3_000_000),
    ("render/shot-0420", "frame.{:04}.exr", ("team:video", "farm"), 48_000_000),
    ("reports", "quarterly-report-{}-final-version-with-all-the-appendices.pdf", (), 900_000),
)


def scene(base: Path, count: int) -> TempFileManager:
    """Return a manager that has so many files on record, and whatever else a page shows; with none, nothing at all."""
    now = time.time()
    settings = Settings(
        rules=(
            Rule("previews go early", age=HOUR, tags=("team:web",)),
            Rule("undo", age=AGE, quarantine=7 * AGE),
        ),
        limits=(
            Limit("all files", Measure.BYTES, Mark(count * 32e6), Mark(count * 28e6)),
            Limit("disk", Measure.FREE, Mark(2.0**30), Mark(1.5 * 2.0**30)),
        ),
    )
    settings = settings if count else Settings()
    manager = TempFileManager(base, AGE, registry="sqlite:", settings=settings)
    if count:
        _swept(manager, now)
        _left(manager)
        _registered(manager, count, now)
        _in_quarantine(manager, now)
        _sampled(manager, now)
    return manager


def _registered(manager: TempFileManager, count: int, now: float) -> None:
    chance = random.Random(count)
    session = manager.registry.begin("nightly export", now=now - HOUR, ends_at=math.inf, owner=THIS_PROCESS).number
    waves: dict[int, list[NewFile]] = {}
    for number in range(count):
        directory, name, tags, size = PLACES[min(int(chance.expovariate(0.6)), len(PLACES) - 1)]
        path = f"{manager.base_dir}/{directory}/{name.format(number)}"
        room = int(size * chance.lognormvariate(0, 0.8))
        ends = now + chance.choice((600, 3 * HOUR, 6 * HOUR, 26 * HOUR)) if number % 3 == 0 else None
        waves.setdefault(int(chance.triangular(0, 22, 3)), []).append((path, ends, room, tags, None, room))
    for ago, files in sorted(waves.items(), reverse=True):
        at = now - ago * HOUR - 1800
        manager.registry.add(files, at)
    mine = [
        (f"{manager.base_dir}/exports/table-{n}.csv", None, 5_000_000, ("export",), None, 5_000_000) for n in range(4)
    ]
    manager.registry.add(mine, now - 1200, session=session)
    paths = [path for files in waves.values() for path, *_ in files]
    manager.registry.keep(paths[:2], now + 5 * AGE)


def _sampled(manager: TempFileManager, now: float) -> None:
    """Write down how much there was, from where the service began, with a sweep now and then."""
    stats = manager.registry.stats()
    for back in range(40, 0, -1):
        part = 1 - back / 90 + 0.05 * math.sin(back / 2) - 0.12 * (back in range(12, 17))
        line = json.dumps([int(stats.records * part), int((stats.bytes or 0) * part**1.3)])
        manager.registry.write("samples.60", line, now - 60 * back, keep=1440)


def _in_quarantine(manager: TempFileManager, now: float) -> None:
    folder = manager.context.restorer.folder
    names = ("invoice-draft.docx", "session-dump.json", "old-model.ckpt")
    files = [(f"{folder}/{number}", now + 6 * AGE, 40_000_000, (), None, 40_000_000) for number in range(len(names))]
    natures = {
        file[0]: Nature("undo", Kind.QUARANTINED, f"{manager.base_dir}/desk/{name}")
        for file, name in zip(files, names, strict=True)
    }
    manager.registry.add(files, now - 23 * HOUR, natures=natures)
    packed = f"{manager.base_dir}/logs/import.log.zst"
    manager.registry.add(
        [(packed, None, 2_000_000, (), None, 2_000_000)],
        now - 3 * HOUR,
        natures={packed: Nature("", Kind.COMPRESSED, packed.removesuffix(".zst"))},
    )


def _left(manager: TempFileManager) -> None:
    """Let a sweep fail for some files, and keep one that is in use."""
    bad = [_made(manager, f"mounted/{name}") for name in ("lock.tmp", "a-rather-long-name-of-a-temporary-file.dat")]
    busy = _made(manager, "uploads/still-being-written.part")
    storage = FailingStorage(errno.EIO, bad, storage=manager.context.storages.protecting)
    with open(busy, "rb"):
        removing_by(manager, storage).sweep(protect_open=True)


def _made(manager: TempFileManager, name: str) -> str:
    path = os.path.join(manager.base_dir, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(bytes(4096))
    manager.register_file(path, ttl=0)
    return path


def _swept(manager: TempFileManager, now: float) -> None:
    """Write down what sweeps did before: most of them nothing."""
    for number in range(14):
        history = History(manager.registry, FakeClock(wall=now - 300 * (14 - number)))
        busy = number in (4, 9)
        report = SweepReport(duration=0.004 * (number + 1), removed=1812 * busy, gone=3 * busy, quarantined=2 * busy)
        history.swept(report, scheduled=True)
