"""The tour that ``make run`` shows: each outcome explained, and nothing left behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

from command_line import environment
from patience import PATIENCE
from places import ROOT

TOUR = ROOT / "examples" / "tour.py"


def tour(*words: str, before: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Take the tour in a process of its own, with ``before`` run first."""
    typed = f"import runpy, sys; sys.argv = {['tour.py', *words]}"
    program = f"{typed}\n{before}\nrunpy.run_path({str(TOUR)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_it_explains_each_outcome_and_leaves_nothing(tmp_path: Path) -> None:
    result = tour(TMPDIR=str(tmp_path), TEMP_FILE_MAX_AGE="nonsense is not its business")
    assert (result.returncode, result.stderr) == (0, "")
    rows = {line.split("  ")[0]: line for line in result.stdout.split("\n\n")[2].splitlines()[1:]}
    assert len(rows) == 11
    assert re.search(r"removed +removed +2 h 0 min old, more than max_age 1 h 0 min$", rows["chart.svg"])
    assert re.search(r"removed +removed +its ttl ended 1 h 50 min ago$", rows["preview.png"])
    assert re.search(r"kept +kept +its ttl ends in 2[12] h", rows["app.log"])
    assert re.search(r"kept +kept +.* s old, max_age is 1 h 0 min$", rows["report.csv"])
    assert re.search(r"gone +gone +.*; already gone$", rows["vanished.json"])
    assert re.search(r"failed +failed +.*; \[Errno \d+\] [^/]*$", rows["replaced.tmp"])
    assert re.search(r"removed +removed ", rows[r"\x1b[2J\nname.txt"])
    assert "went on reading 'still readable\\n' from it" in result.stdout
    assert "Dry run: 6 removed, 1 already gone, 1 failed, 3 kept." in result.stdout
    assert "Sweep:   6 removed, 1 already gone, 1 failed, 3 kept." in result.stdout
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_given_stays(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    result = tour("--dir", str(folder))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"A real folder: {folder}\n")
    listed = result.stdout.partition("Left after the sweep:\n")[2].partition("\n\n")[0].splitlines()[1:]
    # Leaving the with block retired the three that the sweep had kept; what nobody registered stays.
    left = {line.split()[0] for line in listed} - set(os.listdir(folder))
    assert {name for name in left if not name.startswith("tmp")} == {"app.log", "report.csv"}
    assert len(left) == 3
    assert (folder / "precious.txt").read_text() == "nobody registered me\n"

    again = tour("--dir", str(folder))
    assert (again.returncode, again.stdout) == (2, "")
    assert "is not empty" in again.stderr


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = tour("--dir", str(file))
    assert (result.returncode, result.stdout) == (2, "")
    assert re.search(r"cannot use --dir '.*/file': ", result.stderr)


def test_one_that_did_not_do_what_it_said_failed(tmp_path: Path) -> None:
    refusing = (
        "import os\ndef refuse(path): raise PermissionError(1, 'Operation not permitted', path)\nos.remove = refuse"
    )
    result = tour(before=refusing, TMPDIR=str(tmp_path))
    assert result.returncode == 1
    assert "Sweep:   0 removed, 1 already gone, 7 failed, 3 kept." in result.stdout
