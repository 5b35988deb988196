"""Holds: a held file stays, from whichever sweep, until its holder lets go or ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contexts import MakeManager
from patience import PATIENCE
from temp_file_manager import InvalidArgumentError, TempFileManager
from temp_file_manager.testing import FakeClock, in_child


@pytest.fixture
def registered(manager: TempFileManager, tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("x" * 5000)
    manager.register_file(path)
    return path


def test_a_held_file_stays_from_every_sweep(manager: TempFileManager, clock: FakeClock, registered: Path) -> None:
    with manager.hold(registered) as hold, manager.hold(registered):
        clock.advance(1000)
        assert (manager.cleanup(), manager.clear_all()) == (0, 0)
        assert manager.status(registered).reason.startswith("held: ")
        assert hold.path == str(registered)
    assert manager.cleanup() == 1


def test_leaving_the_managers_block_keeps_what_is_held(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with TempFileManager(tmp_path / "base") as manager:
        manager.register_file(path)
        hold = manager.hold(path)
    assert path.exists()
    hold.close()
    hold.close()


def test_a_hold_that_nobody_keeps_ends(manager: TempFileManager, registered: Path) -> None:
    manager.hold(registered)
    assert manager.clear_all() == 1


def test_a_replaced_file_cannot_be_held(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    path, new = tmp_path / "file", tmp_path / "new"
    path.touch()
    manager.register_file(path)
    new.touch()
    new.rename(path)
    with pytest.raises(InvalidArgumentError, match="another file than the registered one"):
        manager.hold(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        manager.hold(path)
    manager.close()


def test_a_hold_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    manager = TempFileManager(tmp_path / "base", registry="sqlite:")
    path = tmp_path / "file"
    path.touch()
    manager.register_file(path)
    program = (
        "import sys; from temp_file_manager import TempFileManager; "
        "hold = TempFileManager(sys.argv[1], registry='sqlite:').hold(sys.argv[2]); print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, manager.base_dir, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert (manager.clear_all(), manager.cleanup(force=True)) == (0, 0)
    holder.kill()
    holder.communicate()
    assert manager.clear_all() == 1
    manager.close()


def test_a_forked_child_ends_no_hold_of_its_parents(manager: TempFileManager, registered: Path) -> None:
    with manager.hold(registered) as hold:
        pid = os.fork()
        if pid == 0:
            try:
                hold.close()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert manager.clear_all() == 0
    assert manager.clear_all() == 1


def test_a_hold_that_is_collected_while_a_lock_is_held_ends_later(manager: TempFileManager, file: Path) -> None:
    """Once, the collector ended it there and then, for which it waited for the lock that its own thread held."""
    manager.register_file(file)

    def collected() -> int:
        hold = manager.hold(file)
        with manager.lock:
            del hold
        return manager.clear_all()

    assert in_child(collected, timeout=PATIENCE) == 1


def test_closing_ends_no_hold(make_manager: MakeManager, file: Path) -> None:
    """Once, closing the manager told other sweeps that whoever held the file was dead."""
    with make_manager() as manager:
        manager.register_file(file)
        hold = manager.hold(file)
    other = make_manager()
    assert other.clear_all() == 0
    hold.close()
    assert other.clear_all() == 1


def test_holding_a_link_to_a_pipe_waits_for_nobody(manager: TempFileManager, tmp_path: Path, file: Path) -> None:
    """Once, opening the pipe that a link leads to by now waited for a writer, for good."""
    link = tmp_path / "link"
    link.symlink_to(file)
    manager.register_file(link)
    file.unlink()
    os.mkfifo(file)
    assert in_child(lambda: manager.hold(link).path, timeout=PATIENCE) == str(link)
