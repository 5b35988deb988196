"""One question, one answer: whatever is asked, commands, library and sweeps say the same."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import command_line
from command_line import Say
from temp_file_manager import TempFileManager, cli
from temp_file_manager.context import Context
from temp_file_manager.inspection import doctor, health
from temp_file_manager.inspection.doctor import Level
from temp_file_manager.inspection.health import Grade
from temp_file_manager.inspection.why import why
from temp_file_manager.settings import Settings
from temp_file_manager.storage.wrappers import overwrite
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.testing import FakeClock

NOBODY = 65534
SECRET = b"secret"


bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager


class TestSweepingOnce:
    """``adopt --once --yes`` removed as if no setting said how."""

    def sweep_once(self, file: Path, *words: str) -> int:
        """Sweep a directory of one file, a minute from now: a file found is as young as its last second."""
        file.parent.mkdir(0o700)
        file.write_bytes(SECRET)
        clock = FakeClock(time.time() + 60)
        return cli.main(["adopt", str(file.parent), "--once", "--yes", "--max-age", "1", *words], clock=clock)

    def test_secure_delete_overwrites(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file, copy = folder / "tree" / "file", folder / "copy"

        def keep_a_look(descriptor: int, wrote: object) -> None:
            copy.write_bytes(os.pread(descriptor, 100, 0))

        monkeypatch.setattr(overwrite, "overwrite", keep_a_look)
        assert self.sweep_once(file, "--secure-delete", "true") == 0
        assert (file.exists(), copy.read_bytes()) == (False, SECRET), "it was handed to what overwrites"

    def test_paranoid_sets_aside_first(self, folder: Path) -> None:
        file = folder / "tree" / "file"
        assert self.sweep_once(file, "--paranoid", "true") == 0
        assert not file.exists()
        assert (folder / "base" / ".temp-file-manager" / "aside").is_dir(), "it went by way of the private folder"

    def test_a_removal_that_hangs_is_abandoned(self, tmp_path: Path) -> None:
        """What a sweep of found files removes by is what every sweep does."""
        context = Context.beside(Settings(base_dir=str(tmp_path), cleanup_timeout=5))
        assert isinstance(context.storage_for(protect_open=True), Abandoning)


def test_status_says_of_anothers_file_what_why_and_sweep_do(say: Say, manager: TempFileManager, folder: Path) -> None:
    """It said that it would be removed."""
    if os.geteuid() != 0:
        print("not tried: takes two users")
        return
    (path,) = command_line.files(folder, "file")
    manager.register_file(path)
    os.chown(path, NOBODY, NOBODY)
    asked = ("--owner-check", "true", "--max-age", "0")
    foreign = f"kept: it belongs to user {NOBODY}, not to user 0"
    assert foreign in say("status", path, *asked).out
    assert foreign in say("why", path, *asked).out
    assert "kept" in say("sweep", *asked).out
    assert os.path.exists(path)


@pytest.mark.parametrize(
    "words",
    [("doctor",), ("health",), ("top", "--once"), ("adopt", "."), ("list",), ("stats",)],
    ids=lambda words: words[0],
)
def test_what_is_no_address_is_refused_by_every_command(say: Say, folder: Path, words: tuple[str, ...]) -> None:
    """Four of them took it for a file of that name."""
    said = say(*words, "--registry", "sqlite:foo.db")
    assert (said.code, said.out) == (2, "")
    assert "sqlite: names no file" in said.err


def test_doctor_and_health_judge_a_disk_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """593 of 600 inodes free is a small disk, and no full one: doctor warned of it."""
    context = Context.open(Settings(base_dir=str(tmp_path / "base")))
    for free, level, grade in ((593, Level.OK, Grade.HEALTHY), (6, Level.WARNING, Grade.DEGRADED)):
        found = SimpleNamespace(f_bavail=1000, f_blocks=1000, f_frsize=1 << 20, f_favail=free, f_files=600)
        with monkeypatch.context() as patched:
            patched.setattr(os, "statvfs", lambda _, found=found: found)
            checks = {check.name: check for check in doctor.examine(tmp_path, registry="memory:")}
            assert (checks["room"].level, health.examine(context).status) == (level, grade)


def test_nobody_pins_what_is_not_there_any_more(say: Say, manager: TempFileManager, folder: Path) -> None:
    """The command refused it, the library did not."""
    (path,) = command_line.files(folder, "file")
    manager.register_file(path)
    os.rename(path, f"{path}.moved")
    with pytest.raises(FileNotFoundError, match="not there any more"):
        manager.pin(path)
    said = say("pin", path)
    assert (said.code, f"{path}: it is not there any more" in said.err) == (1, True)
    assert why(manager.context, path).record is not None
    assert manager.status(path).record is not None
    assert manager.status(path).record.pinned_until is None  # type: ignore[union-attr]  # see above
