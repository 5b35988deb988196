"""Sessions in the PostgreSQL registry: a table, and owners whose rows tell whether they live."""

import socket
from collections.abc import Callable
from json import dumps, loads

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.registry.postgres.owners import Owners
from temp_file_manager.registry.postgres.scope import Scope
from temp_file_manager.registry.postgres.server import Row, nothing
from temp_file_manager.registry.sessions import refuse_endless, refuse_no_text
from temp_file_manager.sessions import ANOTHER_PROCESS, HEIRS, THIS_PROCESS, Owner, ProcessIdentity, Session

_HOST = "host"
"""The key beside those of a ``ProcessIdentity``: every host has a process 1."""


class PostgresSessions:
    """Sessions of one scope.

    Args:
        scope: Whose.
        owners: Tell the server that this process lives, while it has a session.
        rewind: Lets running sweeps look from the start again.
    """

    def __init__(self, scope: Scope, owners: Owners, rewind: Callable[[], None] = nothing) -> None:
        self._scope = scope
        self._owners = owners
        self._rewind = rewind
        self.after_fork()

    def after_fork(self) -> None:
        """Own nothing: what there is here is the parent's."""
        self._mine: dict[int, object] = {}

    def begin(self, name: str, now: float, ends_at: float, owner: Owner) -> Session:
        """See ``Sessions.begin``."""
        _refuse(name, ends_at, owner)
        mine = owner == THIS_PROCESS
        need = self._owners.need() if mine else None
        try:
            self._scope.enter()
            ((number,),) = self._scope.change(
                "begin_session",
                name=name,
                by_owner=self._scope.owner if mine else None,
                identity=_words_of(owner) if isinstance(owner, ProcessIdentity) else None,
                at=float(now),
                until=float(ends_at),
                process=self._scope.process,
            )
        except BaseException:
            self._owners.done(need)
            raise
        if mine:
            self._mine[number] = need
        return Session(number, name, now, ends_at, owner, True if mine else None)

    def renew(self, number: int, ends_at: float) -> bool:
        """See ``Sessions.renew``."""
        refuse_endless(ends_at, THIS_PROCESS)
        ((known, owned),) = self._scope.change("renew_session", number=number, until=float(ends_at))
        refuse_endless(ends_at, None if known and not owned else THIS_PROCESS)
        self._rewind()
        return bool(known)

    def end(self, numbers: list[int], now: float, *, over: bool) -> int:
        """See ``Sessions.end``."""
        if not numbers:
            return 0
        ((due, spared),) = self._scope.change("end_sessions", numbers=numbers, at=float(now), over=over)
        self._rewind()
        for number in set(numbers).difference(spared):
            self._owners.done(self._mine.pop(number, None))
        return int(due)

    def sessions(self, *, ended: bool) -> tuple[Session, ...]:
        """See ``Sessions.sessions``."""
        return tuple(self._session(row) for row in self._scope.look("sessions", ended=ended))

    def _session(self, row: Row) -> Session:
        number, name, owner, process, began_at, ends_at, ended_at, alive = row
        whose: Owner = None
        if process is not None:
            words = loads(process)
            # Of another host's process nothing here can tell whether it lives: its number means another one here.
            here = words.pop(_HOST) == socket.gethostname() or self._scope.name.startswith("local:")
            whose = ProcessIdentity(**words) if here else ANOTHER_PROCESS
        elif owner is not None:
            whose, alive = (THIS_PROCESS, True) if number in self._mine else (ANOTHER_PROCESS, alive)
        return Session(number, name, began_at, ends_at, whose, alive, ended_at=ended_at)


def _words_of(process: ProcessIdentity) -> str:
    return dumps({**process._asdict(), _HOST: socket.gethostname()})


def _refuse(name: str, ends_at: float, owner: Owner) -> None:
    """Return if there can be such a session here.

    Raises:
        InvalidArgumentError: there cannot.
    """
    refuse_endless(ends_at, owner)
    refuse_no_text(name)
    if "\0" in name:
        raise InvalidArgumentError(f"a session's name has no NUL on PostgreSQL, as {name!r} has: choose another")
    if owner == HEIRS:
        raise InvalidArgumentError(
            "heirs of a session inherit a file of this machine, and there is none on PostgreSQL: give the session a "
            "ttl, or a process to end with, or keep these records in sqlite:"
        )
