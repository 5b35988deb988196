"""An application of Celery for real workers: a queue of files in a folder, and tasks that make temporary files."""

import os
import signal
import threading
from pathlib import Path

import folder_queue  # noqa: F401 - it makes the queue safe
from celery import Celery, Task
from celery.exceptions import SoftTimeLimitExceeded

from temp_file_manager import TempFileManager
from temp_file_manager.integrations.celery import TaskSessions

FOLDER = Path(os.environ["FOLDER_OF_TASKS"])

app = Celery(__name__, broker="filesystem://", backend=f"file://{FOLDER}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": FOLDER / "queue",
        "data_folder_out": FOLDER / "queue",
        "control_folder": FOLDER / "control",
        "polling_interval": 0.05,
    },
    worker_lost_wait=0.1,  # seconds that a process may have been dead for before its task is given to another
    worker_prefetch_multiplier=1,
)
manager = TempFileManager(FOLDER / "base", registry="sqlite:")
sessions = TaskSessions(manager)
together = threading.Barrier(2)  # of tasks in threads


def made() -> str:
    """Return the path of a new file of the session."""
    fd, path = sessions.current.mkstemp()
    os.close(fd)
    return path


@app.task
def render() -> list[str]:
    return [made(), made()]


@app.task
def render_and_keep() -> str:
    path = made()
    sessions.current.keep(path)
    return path


@app.task
def fail() -> None:
    Path(FOLDER, "failed").write_text(made())
    raise ZeroDivisionError


@app.task(bind=True, max_retries=1)
def retry(self: Task, earlier: str = "") -> tuple[str, bool]:
    path = made()
    if not self.request.retries:
        raise self.retry(args=(path,), countdown=0)
    return path, os.path.exists(earlier)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def die_once(self: Task) -> list[str]:
    """Be killed at the first attempt, with a file; tell of both at the second."""
    earlier = FOLDER / "killed"
    if not earlier.exists():
        earlier.write_text(made())
        os.kill(os.getpid(), signal.SIGKILL)
    return [earlier.read_text(), made()]


@app.task(soft_time_limit=2, time_limit=600)
def take_too_long() -> str:
    """Return its file; nothing if its time was over before it had made one."""
    path = ""
    try:
        path = made()
        signal.pause()
    except SoftTimeLimitExceeded:
        return path
    return ""


@app.task(time_limit=2)
def be_killed_by_the_time_limit() -> None:
    Path(FOLDER, "over_time").write_text(made())
    signal.pause()


@app.task
def number() -> int:
    """Return which session it is, once two tasks have begun theirs."""
    mine = sessions.current.number
    together.wait()
    return mine
