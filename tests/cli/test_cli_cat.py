"""The command ``cat``: either form of a file, as it is."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import MODULE, environment
from packed import TEXT, Folder
from temp_file_manager.testing import FakeClock

NOISE = bytes(range(256)) * 64


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A base directory with a file that is compressed, and one that is not."""
    folder = Folder(tmp_path / "base", FakeClock(time.time()))
    manager = folder.manager()
    folder.add(manager, "packed")
    manager.sweep()
    (folder.base / "plain").write_bytes(NOISE)
    manager.register_file(folder.base / "plain")
    folder.close()
    assert folder.left() == ["packed.zst", "plain"]
    return folder.base


def cat(base: Path, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    known = environment(TEMP_FILE_BASE_DIR=str(base), TEMP_FILE_REGISTRY="sqlite:")
    return subprocess.run([*MODULE, "cat", *words], env=known, input=stdin, capture_output=True, check=False)


def test_it_prints_what_files_hold(base: Path) -> None:
    said = cat(base, str(base / "packed"), str(base / "plain"))
    assert (said.returncode, said.stdout, said.stderr) == (0, TEXT + NOISE, b"")


def test_what_cannot_be_read_costs_no_other(base: Path) -> None:
    whole = (base / "packed.zst").read_bytes()
    (base / "packed.zst").write_bytes(whole[:-20])
    (base / "other").touch()
    said = cat(base, str(base / "packed"), str(base / "other"), str(base / "none"), str(base / "plain"))
    assert said.returncode == 1
    assert said.stdout.endswith(NOISE)
    lines = said.stderr.decode().splitlines()
    assert [line.partition(": ")[2].partition(": ")[2] for line in lines] == [
        "it is cut short, and stays as it is",
        f"{str(base / 'other')!r} is not registered: open it as any other file",
        os.strerror(2),
    ]


def test_paths_come_from_standard_input_too(base: Path) -> None:
    assert cat(base, "-0", "-", stdin=os.fsencode(base / "packed") + b"\0").stdout == TEXT


def test_as_json_it_says_where_the_content_is(base: Path) -> None:
    said = cat(base, "--json", str(base / "packed"))
    assert json.loads(said.stdout) == {
        "path": str(base / "packed"),
        "content_in": str(base / "packed.zst"),
        "bytes": len(TEXT),
    }


def test_whoever_reads_may_have_enough(base: Path) -> None:
    known = environment(TEMP_FILE_BASE_DIR=str(base), TEMP_FILE_REGISTRY="sqlite:")
    words = [*MODULE, "cat", *([str(base / "packed")] * 50)]
    with subprocess.Popen(words, env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.read(10)
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 1


def test_status_and_why_say_that_it_is_compressed(base: Path) -> None:
    known = environment(TEMP_FILE_BASE_DIR=str(base), TEMP_FILE_REGISTRY="sqlite:")
    for command in ("status", "why"):
        said = subprocess.run([*MODULE, command, str(base / "packed")], env=known, capture_output=True, check=False)
        told = said.stdout.decode().splitlines()
        assert said.returncode == 1
        assert told[0] == (f"{base}/packed: what was there is compressed: tfm cat reads it, tfm restore brings it back")
        assert "Nobody registered it" not in said.stdout.decode()
    assert told[-1].strip().startswith(f"compressed     is {base}/packed.zst, ")
