"""Work that one process at a time does, of all that share a scope on a PostgreSQL server: a row with a lapse.

No lock of the server's: it would belong to a session, and a pooler gives each transaction another.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from temp_file_manager.errors import RegistryError
from temp_file_manager.logs import logger
from temp_file_manager.registry.postgres.owners import Owners
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.text import printable


class Exclusive:
    """What one at a time is within, by its name."""

    def __init__(self, scope: Scope, owners: Owners) -> None:
        self._scope = scope
        self._owners = owners

    @contextmanager
    def within(self, name: str) -> Iterator[bool]:
        """Give whether nobody else is within this under this name; see ``Registry.exclusive``."""
        owners, number = self._owners, 0
        need = owners.need()
        try:
            ((given,),) = self._scope.change("enter_alone", name=name, process=self._scope.process)
            number = given or 0
            if number:
                owners.within.add(number)
            yield bool(number)
        finally:
            owners.done(need)
            if number in owners.within:  # else this is a child that was forked within
                owners.within.discard(number)
                self._leave(name, number)

    def _leave(self, name: str, number: int) -> None:
        try:
            self._scope.change("leave_alone", name=name, number=number)
        except RegistryError as error:  # the work is done: not to be able to say so is no failure of it
            logger.warning(f"{name} is free in two minutes only: {printable(str(error))}")
