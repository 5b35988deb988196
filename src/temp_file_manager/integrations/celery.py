"""Celery: a session for each task.

::

    sessions = TaskSessions(manager)

    @app.task
    def render():
        fd, path = sessions.current.mkstemp(suffix=".svg")
"""

import threading
from typing import Any

from temp_file_manager.durations import Duration
from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.integrations import requires
from temp_file_manager.manager import TempFileManager
from temp_file_manager.registering.session import ManagedSession

with requires("celery"):
    from celery import signals


class _Running(threading.local):
    """Sessions of the tasks that a thread is at. An eager task runs within the one that called it, and so is last."""

    def __init__(self) -> None:
        self.sessions: list[ManagedSession] = []


class TaskSessions:
    """Sessions of tasks, each begun when it is used. Its files go when the task ends, also when it fails or retries.

    Each attempt at a task is a task here. Where the process of a task is killed, by a time limit or otherwise, the next
    sweep takes its files. This works by Celery's signals, for the tasks of all applications in the process, and as long
    as this object lives.

    Args:
        manager: Whose sessions they are; it may have been made before the worker forks.
        ttl: Seconds after which a session ends although its task goes on; None: never.
    """

    def __init__(self, manager: TempFileManager, *, ttl: Duration | None = None) -> None:
        self._manager = manager
        self._ttl = ttl
        self._running = _Running()
        signals.task_prerun.connect(self._begins)
        signals.task_postrun.connect(self._is_over)

    @property
    def current(self) -> ManagedSession:
        """The session of the task that this thread is at.

        Raises:
            InvalidArgumentError: it is at none. A task that is called as a function is none of its own.
        """
        if not self._running.sessions:
            raise InvalidArgumentError(
                "this thread runs no task: begin a session by manager.session(), "
                "and hand the session of a task on to the threads that it starts"
            )
        return self._running.sessions[-1]

    def _begins(self, task: Any, **_: object) -> None:
        self._running.sessions.append(self._manager.session(task.name, ttl=self._ttl))

    def _is_over(self, **_: object) -> None:
        if self._running.sessions:  # there is none if this was made in the middle of the task
            self._running.sessions.pop().end()
