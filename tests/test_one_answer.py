"""One question, one answer: whatever is asked, commands, library and sweeps say the same."""

import json
import os
import tempfile
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


class TestStatus:
    """``status`` looked with a storage of its own, and said *removed* where ``why`` and ``sweep`` said *kept*."""

    def told(self, say: Say, path: str, *flags: str) -> tuple[str, str]:
        """Return what would become of the file, once all three have said the same, and why."""
        would, _, reason = json.loads(say("status", path, "--json", *flags).out)["if_swept_now"].partition(": ")
        why_told = json.loads(say("why", path, "--json", *flags).out)["sweep"]
        lines = [json.loads(line) for line in say("sweep", "--json", *flags).lines]
        swept = next((line for line in lines if line.get("path") == path), {"outcome": None, "reason": ""})
        assert why_told["outcome"] == swept["outcome"]
        assert would == (swept["outcome"] or "left alone")
        assert reason == (swept["reason"] or ("" if swept["outcome"] else why_told["reason"]))
        return would, reason

    @pytest.fixture
    def path(self, manager: TempFileManager, folder: Path) -> str:
        """A file that is due."""
        (path,) = command_line.files(folder, "file")
        manager.register_file(path, ttl=0)
        return path

    def test_of_one_that_goes(self, say: Say, path: str) -> None:
        assert self.told(say, path) == ("removed", "")

    def test_of_a_young_one(self, say: Say, path: str, manager: TempFileManager) -> None:
        manager.register_file(path, ttl=10**6)  # told in days and hours, which do not change meanwhile
        assert self.told(say, path)[0] == "left alone"

    def test_of_one_that_is_pinned(self, say: Say, path: str, manager: TempFileManager) -> None:
        manager.pin(path)
        assert self.told(say, path) == ("left alone", "pinned for another endless time")

    def test_of_one_that_is_open(self, say: Say, path: str) -> None:
        with open(path, "rb"):
            assert self.told(say, path) == ("kept", "in use: somebody has it open")
            assert self.told(say, path, "--protect-open", "false") == ("removed", "")

    def test_of_one_that_is_gone(self, say: Say, path: str) -> None:
        os.rename(path, f"{path}.before")
        assert self.told(say, path) == ("gone", "already gone")

    def test_of_anothers(self, say: Say, path: str) -> None:
        if os.geteuid() != 0:
            print("not tried: takes two users")
            return
        os.chown(path, NOBODY, NOBODY)
        foreign = f"it belongs to user {NOBODY}, not to user 0"
        assert self.told(say, path, "--owner-check", "true") == ("kept", foreign)
        assert f"if swept now   kept: {foreign}\n" in say("status", path, "--owner-check", "true").out

    def test_of_one_that_cannot_be_set_aside(self, say: Say, manager: TempFileManager, folder: Path) -> None:
        if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == folder.stat().st_dev:
            print("not tried: takes two file systems")
            return
        with tempfile.NamedTemporaryFile(dir="/dev/shm", delete=False) as file:
            pass
        try:
            manager.register_file(file.name, ttl=0)
            would, reason = self.told(say, file.name, "--paranoid", "true")
            assert would == "kept"
            assert "another file system" in reason
        finally:
            os.unlink(file.name)

    def test_of_one_whose_content_stays(self, say: Say, path: str) -> None:
        os.link(path, f"{path}.too")
        would, reason = self.told(say, path, "--secure-delete", "true")
        assert (would, reason) == ("removed", "not_guaranteed: not overwritten, as it is kept under other names: 1")


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
