"""Commands that look write nothing: no base directory, no registry, and nothing on a disk that cannot be written."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

import command_line
from command_line import Say, files
from mounts import mounted
from temp_file_manager import TempFileManager

bare, folder, say = command_line.bare, command_line.folder, command_line.say

LOOKING = (
    ("list",),
    ("list", "--due", "--json"),
    ("stats",),
    ("status", "a"),
    ("why", "a"),
    ("top", "--once"),
    ("export",),
    ("check",),
    ("sweep", "-n"),
    ("sweep", "--dry-run", "--all"),
    ("health",),
    ("limits", "--max-bytes", "1GiB"),
    ("rules",),
    ("rules", "test", "a"),
    ("session", "list"),
    ("config",),
    ("help",),
)
looking = pytest.mark.parametrize("words", LOOKING, ids=" ".join)


def seen(place: Path) -> dict[str, bytes]:
    """Return everything below a place: a directory as nothing, a file with what it holds."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(place.rglob("*"))}


@looking
@pytest.mark.parametrize("base", [True, False])
def test_where_nothing_is_nothing_is_made(say: Say, folder: Path, words: tuple[str, ...], base: bool) -> None:
    if base:
        (folder / "base").mkdir()
    before = seen(folder)
    said = say(*words)
    assert said.code in (0, 1, 2)
    assert "Traceback" not in said.err
    assert seen(folder) == before
    if words[0] in ("list", "export"):
        assert (said.code, said.out) == (0, "")


@looking
def test_what_is_there_stays_as_it_is(say: Say, folder: Path, words: tuple[str, ...]) -> None:
    with closing(TempFileManager(folder / "base", registry="sqlite:")) as manager:
        manager.register_files(files(folder, "a", "b"))
    before = seen(folder)
    assert say(*words).code in (0, 1)
    assert seen(folder) == before


def test_what_makes_still_makes(say: Say, folder: Path) -> None:
    (one,) = files(folder, "a")
    assert say("register", one).code == 0
    assert (folder / "base" / ".temp-file-manager" / "registry.db").exists()


def test_a_log_that_was_left_on_such_a_disk_can_be_looked_at_in_a_copy(say: Say, folder: Path) -> None:
    disk, copy = folder / "disk", folder / "copy"
    for made in (disk, copy):
        made.mkdir(mode=0o700)
    with closing(TempFileManager(folder / "base", registry="sqlite:")) as manager:
        manager.register_files(files(folder, "a"))
        for name in ("registry.db", "registry.db-wal"):  # as somebody who was killed leaves them
            shutil.copy(folder / "base" / ".temp-file-manager" / name, disk / name)
    with mounted(disk, ["mount", "--bind", str(disk), str(disk)], ["mount", "-o", "remount,bind,ro", str(disk)]):
        said = say("list", "--registry", f"sqlite://{disk}/registry.db")
        assert said.code == 2
        assert "copy both to a directory of your own, and name the copy by --registry sqlite:///ABSOLUTE" in said.err
        for file in disk.iterdir():
            shutil.copy(file, copy)
    said = say("list", "--registry", f"sqlite://{copy}/registry.db")
    assert said.out.rstrip().endswith("/a")


@looking
@pytest.mark.parametrize("in_use", [True, False])
def test_on_a_disk_that_is_mounted_for_reading(
    say: Say, folder: Path, words: tuple[str, ...], in_use: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with the log of somebody who is still writing to it by another way."""
    disk = folder / "disk"
    disk.mkdir()
    monkeypatch.setenv("TEMP_FILE_BASE_DIR", str(disk / "base"))
    manager = TempFileManager(disk / "base", registry="sqlite:")
    manager.register_files(files(disk, "a", "b"))
    if not in_use:
        manager.close()
    with mounted(disk, ["mount", "--bind", str(disk), str(disk)], ["mount", "-o", "remount,bind,ro", str(disk)]):
        monkeypatch.chdir(disk)
        said = say(*words)
        assert "Traceback" not in said.err
        if words[0] in ("list", "export", "stats", "why", "status", "check"):
            assert said.code == 0, said
        if words == ("list",):
            assert [line.rpartition("/")[2] for line in said.lines] == ["a", "b"]
        monkeypatch.chdir(folder)
    manager.close()
