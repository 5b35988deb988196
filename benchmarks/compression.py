"""Compressing idle files, beside the bare library that does no more than that."""

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from time import perf_counter

from benchmarks.measures import Plan
from benchmarks.tables import Table, compared, interleaved, unmeasured
from temp_file_manager import TempFileManager
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import Settings
from temp_file_manager.storage.zstd import LEVEL, MISSING, library

OURS = "ours, sweep by a rule that compresses"
BARE = "the bare library: read, compressed, written, removed"
SAFE = "the same, written to the disk before the file goes"
IDLE = 0.01  # seconds
_SHARE = 25
"""A file is compressed for so many that are cleaned in other measures: 2,000 of 50,000."""
_SMALLEST, _LARGEST = 1 << 16, 1 << 20


def compressing(plan: Plan) -> Table:
    """Compress files of 64 KiB to 1 MiB, half of them CSV and half JSON, each contestant its own."""
    count = max(plan.files // _SHARE, 20)
    ways: dict[str, Callable[[str], float]] = {OURS: _ours, BARE: _bare, SAFE: lambda folder: _bare(folder, safe=True)}
    samples = unmeasured(ways, plan.rounds)
    notes = dict.fromkeys(ways, "" if library() else MISSING)
    for turn, name in interleaved(list(ways), plan.rounds) if library() else ():
        folder = _filled(plan.scratch, count)
        samples[name][turn] = ways[name](folder) / count * 1e6
        left = [file for file in os.listdir(f"{folder}/files") if not file.endswith(".zst")]
        if left:
            notes[name] = f"left {len(left)} files in round {turn + 1}"
        shutil.rmtree(folder)
    title = f"Compressing {count:,} files of 64 KiB to 1 MiB, CSV and JSON"
    return compared("compressing", title, "µs a file", samples, notes, ours=OURS)


def _filled(scratch: str, count: int) -> str:
    folder = tempfile.mkdtemp(prefix="compressing-", dir=scratch)
    os.mkdir(f"{folder}/files")
    dice = random.Random(count)
    texts = [_text(dice, row) for row in (_csv, _json)]
    for number in range(count):
        with open(f"{folder}/files/{number:05}", "wb") as file:
            begin = dice.randrange(_LARGEST)
            file.write(texts[number % 2][begin : begin + dice.randrange(_SMALLEST, _LARGEST)])
    os.sync()  # its write-back belongs to the filling
    return folder


def _csv(dice: random.Random) -> str:
    day = f"2026-11-{dice.randint(1, 30):02}"
    return f"{dice.randrange(10**6)},{day},{dice.choice(('alpha', 'beta', 'gamma'))},{dice.random():.6f}\n"


def _json(dice: random.Random) -> str:
    return json.dumps({"id": dice.randrange(10**6), "name": dice.choice(("alpha", "beta")), "on": True}) + "\n"


def _text(dice: random.Random, row: Callable[[random.Random], str]) -> bytes:
    rows, size = [], 0
    while size < 2 * _LARGEST:
        rows.append(row(dice))
        size += len(rows[-1])
    return "".join(rows).encode()


def _ours(folder: str) -> float:
    rule = Rule("idle", age=86400.0, compress=IDLE)
    manager = TempFileManager.from_settings(Settings(base_dir=folder, registry="sqlite:", rules=(rule,)))
    try:
        manager.register_files(f"{folder}/files/{name}" for name in os.listdir(f"{folder}/files"))
        time.sleep(2 * IDLE)
        began = perf_counter()
        manager.sweep()
        return perf_counter() - began
    finally:
        manager.close()


def _bare(folder: str, *, safe: bool = False) -> float:
    zstd = library()
    assert zstd is not None
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: LEVEL, parameter.checksum_flag: 1}
    began = perf_counter()
    for name in os.listdir(f"{folder}/files"):
        path = f"{folder}/files/{name}"
        with open(path, "rb") as file:
            packed = zstd.compress(file.read(), options=options)
        with open(f"{path}.zst", "wb", buffering=0) as file:
            file.write(packed)
            if safe:
                os.fsync(file.fileno())
        os.remove(path)
    return perf_counter() - began
