"""New files: for their maker alone from the first moment, and in nobody's place."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from temp_file_manager.storage.new_files import create_exclusively, create_nameless, give_name


def named(path: Path) -> int:
    """Make a file without a name, and give it one."""
    descriptor = create_nameless(str(path.parent))
    if descriptor is None:
        print("not tried: a file without a name, which cannot be made here")
        return create_exclusively(str(path))
    try:
        give_name(descriptor, str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def exclusive(path: Path) -> int:
    return create_exclusively(str(path))


@pytest.mark.parametrize("made", [named, exclusive])
def test_a_new_file_is_its_maker_s_alone_whatever_the_umask(tmp_path: Path, made: Callable[[Path], int]) -> None:
    before, descriptors = os.umask(0), len(os.listdir("/dev/fd"))
    try:
        descriptor = made(tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o600
    os.write(descriptor, b"what was written")
    assert os.pread(descriptor, 99, 0) == b"what was written"
    os.close(descriptor)
    assert len(os.listdir("/dev/fd")) <= descriptors


@pytest.mark.parametrize("made", [named, exclusive])
@pytest.mark.parametrize("kind", ["file", "link", "link to nowhere"])
def test_no_new_file_takes_the_place_of_anything(tmp_path: Path, made: Callable[[Path], int], kind: str) -> None:
    (tmp_path / "other").write_text("somebody else's")
    path = tmp_path / "new"
    if kind == "file":
        path.write_text("somebody else's")
    else:
        path.symlink_to("other" if kind == "link" else "nowhere")
    before = {path: path.lstat() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError):
        made(path)
    assert {path: path.lstat() for path in tmp_path.iterdir()} == before


def test_where_no_file_can_be_without_a_name_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create_nameless("/proc") is None
    with pytest.raises(FileNotFoundError):
        create_nameless(str(tmp_path / "missing"))

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="No space left"):
        create_nameless(str(tmp_path))
