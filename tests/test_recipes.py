"""The recipes of ``docs/recipes.md`` with what they are for. (That their own lines run, ``test_documented`` shows.)"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command_line import environment
from places import DOCS
from temp_file_manager import TempFileManager
from uvicorn_server import uvicorn_serving

PAGE = (DOCS / "recipes.md").read_text()
KILLED = "\nimport signal\nos.kill(os.getpid(), signal.SIGKILL)\n"


def recipe(heading: str, folder: Path) -> str:
    """Return the Python under a heading, with the manager that all share, in another folder."""
    beginning, *sections = re.split("^## ", PAGE, flags=re.MULTILINE)
    (section,) = (section for section in sections if section.startswith(f"{heading}\n"))
    code = "\n".join(re.findall(r"```python\n(.*?)```", beginning + section, re.DOTALL))
    return code.replace("/tmp/my_app", str(folder / "my_app"))


Run = Callable[[str], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a recipe here, and returns what it defines."""
    managers: list[TempFileManager] = []

    def run(heading: str) -> dict[str, Any]:
        names: dict[str, Any] = {"__name__": "recipe"}
        exec(recipe(heading, tmp_path), names)
        managers.append(names["manager"])
        return names

    yield run
    for manager in managers:
        manager.close()


def left(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder / "my_app") if not name.startswith(".")]


def test_fastapi_leaves_no_file(run: Run, tmp_path: Path) -> None:
    with uvicorn_serving(run("FastAPI and Starlette")["app"]) as client:
        assert client.ask("POST", "/count", b"12345").json == {"bytes": 5}
        answer = client.get("/report")
        assert (answer.status, answer.body) == (200, b"name,total\n")
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("heading", "work"),
    [
        ("Jupyter", 'print(figure("<svg/>"))'),
        ("Gradio", 'print(answer("hello", "other"))'),
        ("Streamlit", "print(temp_session({}).open().name)"),
        ("Any work", 'print(manager.session("job").open().name)'),
    ],
)
def test_the_next_sweep_takes_what_a_killed_process_left(heading: str, work: str, tmp_path: Path) -> None:
    code = f"{recipe(heading, tmp_path)}\nimport sys\n{work}\nsys.stdout.flush()\n{KILLED}"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode < 0, done.stderr
    path = done.stdout.splitlines()[-1]
    assert os.path.exists(path)
    with closing(TempFileManager(tmp_path / "my_app", registry="sqlite:")) as manager:
        manager.cleanup()
    assert not os.path.exists(path)


def test_a_pool_goes_on_without_the_files_of_a_worker_that_was_killed(tmp_path: Path) -> None:
    code = f"""{recipe("Process pools", tmp_path)}
import signal
def die(page):
    os.close(manager.session("last page").mkstemp()[0])
    os.kill(os.getpid(), signal.SIGKILL)
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
    error = pool.submit(die, 1).exception()
print(type(error).__name__, manager.cleanup())
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "BrokenProcessPool 1"
    assert left(tmp_path) == []


def test_a_batch_job_leaves_its_files_to_the_next_sweep(tmp_path: Path) -> None:
    code = "".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).replace("/tmp/my_app", str(tmp_path / "my_app"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", code + "test -e part.dat"],
        cwd=tmp_path,
        env=environment(SLURM_JOB_ID="42", PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Session 'job 42' has ended: 1 file due." in done.stdout
    with closing(TempFileManager(tmp_path / "my_app", registry="sqlite:")) as manager:
        assert manager.cleanup() == 1
        assert manager.registry.sessions() == ()
    assert not (tmp_path / "part.dat").exists()
    assert left(tmp_path) == []
