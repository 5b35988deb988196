"""The part of the registry's contract that is about sessions: owners of records, which are due when those end."""

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Protocol

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.sessions import HEIRS, THIS_PROCESS, Owner, ProcessIdentity, Session


class Sessions(Protocol):
    """Sessions, as far as a registry knows them.

    A record of a living session is due at the session's end and not before; what is registered again without the
    session has left it. A forked child owns none of its parent's sessions, and nothing that it does by ending ends one;
    in memory it knows none of them, and its sweeps take none of their records. Closing the registry ends none, either.
    """

    @abstractmethod
    def begin(self, name: str, *, now: float, ends_at: float, owner: Owner) -> Session:
        """Begin a session.

        Args:
            name: Its user's word for it; need not be unique.
            now: Seconds since the epoch.
            ends_at: When it ends whatever its owner does, seconds since the epoch; infinity: never.
            owner: ``THIS_PROCESS``, ``HEIRS``, the identity of a process, or None. Only of the first two can the
                registry tell whether they live.

        Raises:
            InvalidArgumentError: it would have neither an owner nor an end; it is to have heirs, where none can be;
                or its name cannot be written as UTF-8.
        """

    @abstractmethod
    def renew(self, number: int, ends_at: float) -> bool:
        """Give a living session another end, which its records follow.

        Returns:
            False, and changes nothing, when there is no such living session.

        Raises:
            InvalidArgumentError: it would have neither an owner nor an end.
        """

    @abstractmethod
    def let_go(self, number: int) -> None:
        """Be no heir of a session of ``HEIRS`` any more that this process has begun: only those who inherited it are.

        Its descriptor is closed. Of any other session, do nothing.
        """

    @abstractmethod
    def end(self, numbers: Iterable[int], now: float, *, over: bool = False) -> int:
        """End living sessions: what is still in them becomes due at ``now``. Waits for no claim.

        What is claimed is due already, or is being retired. The records go on saying which session they were in.

        Args:
            numbers: Which.
            now: Seconds since the epoch.
            over: Only those whose time is up by then: whoever has renewed one since somebody looked was told so.

        Returns:
            How many records became due.
        """

    @abstractmethod
    def sessions(self, ended: bool = False) -> tuple[Session, ...]:
        """Return the living ones, those first that were begun first; with ``ended``, and those that left records.

        Living is what nobody has ended: whether the owner lives, ``Session.alive`` says. Waits for nobody.
        """


def refuse_endless(ends_at: float, owner: Owner) -> None:
    """Return if a session may have such an end and such an owner.

    Raises:
        InvalidArgumentError: it may not.
    """
    if math.isnan(ends_at):
        raise InvalidArgumentError("a session's end is a number of seconds since the epoch, not NaN")
    if owner is None and ends_at == math.inf:
        raise InvalidArgumentError("a session that no process owns needs a ttl: nothing else would ever end it")
    if not (owner is None or owner in {THIS_PROCESS, HEIRS} or isinstance(owner, ProcessIdentity)):
        raise InvalidArgumentError(f"a session is owned by this process, by its heirs or by a process, not {owner!r}")


def refuse_no_text(name: str) -> None:
    """Return if a session may be called so.

    Raises:
        InvalidArgumentError: it may not: no file can keep it, and no program be told.
        TypeError: it is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"a session's name is text, not {type(name).__name__}")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"a session's name is text, and {name!r} is not UTF-8: choose another") from error


def no_such_session(number: int) -> InvalidArgumentError:
    """Return the error for whoever registers a file in a session that does not live."""
    return InvalidArgumentError(f"session {number} has ended, or never was: begin another")
