"""The lock of the registry in memory, as the registry itself takes it: no interrupt leaves it locked."""

from collections.abc import Callable
from threading import Lock, get_ident
from typing import TypeVar

from temp_file_manager.errors import RegistryBusyError

T = TypeVar("T")


class Inside:
    """A lock, and the thread that has taken it here. Callers take the lock itself, and are not noted.

    Attributes:
        lock: The lock.
        thread: Which thread is inside; 0 when none is.
    """

    __slots__ = ("lock", "thread")

    def __init__(self) -> None:
        self.lock = Lock()
        self.thread = 0

    def do(self, work: Callable[[], T]) -> T:
        """Return what ``work`` does under the lock.

        Written so that no interrupt comes between the lock and the block that lets go of it: Python looks for signals
        when a call returns, and no call is made in between. (A ``contextmanager`` makes many: interrupted in one, it
        keeps the lock for as long as somebody has the traceback.)

        Raises:
            RegistryBusyError: this thread is inside, and a signal handler has come. It would wait for itself.
        """
        me = get_ident()
        if self.thread == me:
            raise RegistryBusyError
        with self.lock:
            self.thread = me
            try:
                return work()
            finally:
                self.thread = 0
