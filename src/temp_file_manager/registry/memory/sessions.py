"""Sessions in memory: which there are, and which paths were registered in each. Changed under the registry's lock."""

from collections.abc import Iterator, Mapping

from temp_file_manager.errors import InvalidArgumentError
from temp_file_manager.registry.memory.files import MemoryFiles, Stamp, make_stamp
from temp_file_manager.registry.sessions import no_such_session, refuse_endless, refuse_no_text
from temp_file_manager.sessions import HEIRS, THIS_PROCESS, Owner, Session

_SLACK = 64  # stale paths that are not worth a look at all


class MemorySessions:
    """Sessions of one registry. Of the paths only those count whose record says the same."""

    def __init__(self) -> None:
        self._known: dict[int, Session] = {}
        self._paths: dict[int, dict[str, None]] = {}

    def begin(self, number: int, name: str, now: float, ends_at: float, owner: Owner) -> Session:
        """See ``Sessions.begin``."""
        refuse_endless(ends_at, owner)
        refuse_no_text(name)
        if owner == HEIRS:
            raise InvalidArgumentError("records in memory are this process's alone: use a durable registry, as sqlite:")
        alive = True if owner == THIS_PROCESS else None
        session = self._known[number] = Session(number, name, now, ends_at, owner, alive)
        self._paths[number] = {}
        return session

    def living(self, number: int) -> Session | None:
        """Return a living session; None when there is none."""
        found = self._known.get(number)
        return found if found is not None and found.ended_at is None else None

    def enter(self, number: int, paths: list[str], files: Mapping[str, float]) -> float:
        """Note that paths are being registered in a living session; return when it ends.

        Raises:
            InvalidArgumentError: there is no such living session.
        """
        found = self.living(number)
        if found is None:
            raise no_such_session(number)
        known = self._paths[number]
        if len(known) > 2 * len(files) + _SLACK:
            known = self._paths[number] = dict.fromkeys(stamp.path for stamp in self.records(number, files))
        known.update(dict.fromkeys(paths))
        return found.ends_at

    def records(self, number: int, files: Mapping[str, float]) -> Iterator[Stamp]:
        """Yield what is in a session."""
        for path in self._paths.get(number, ()):
            stamp = files.get(path)
            if isinstance(stamp, Stamp) and stamp.details is not None and stamp.details.session == number:
                yield stamp

    def renew(self, number: int, ends_at: float, files: MemoryFiles) -> bool:
        """See ``Sessions.renew``."""
        found = self.living(number)
        refuse_endless(ends_at, found.owner if found else THIS_PROCESS)
        if found is not None:
            self._known[number] = found._replace(ends_at=ends_at)
            self._move(number, ends_at, files)
        return found is not None

    def end(self, number: int, now: float, files: MemoryFiles, *, over: bool) -> int:
        """See ``Sessions.end``. Asked again, make due what was not on record where it was looked for."""
        session = self.living(number)
        living = session is not None and not (over and session.ends_at > now)
        if session is not None and living:
            self._known[number] = session._replace(ended_at=now)
        found = self._known.get(number)
        if found is None or found.ended_at is None:
            return 0
        ended = sum(1 for _ in self.records(number, files))
        moved = self._move(number, found.ended_at, files)
        return ended if living else moved

    def _move(self, number: int, due_at: float, files: MemoryFiles) -> int:
        """Let the records of a session be due at another time; return how many were not."""
        moved = 0
        for stamp in list(self.records(number, files)):
            if stamp.details is not None and stamp.details.due_at != due_at:
                files.put(make_stamp(stamp.path, stamp, stamp.details._replace(due_at=due_at)))
                moved += 1
        return moved

    def all(self, files: Mapping[str, float], *, ended: bool) -> tuple[Session, ...]:
        """See ``Sessions.sessions``. What has ended and left nothing is dropped."""
        over = [number for number, session in self._known.items() if session.ended_at is not None]
        for number in over:
            if next(self.records(number, files), None) is None:
                del self._known[number], self._paths[number]
        return tuple(session for session in self._known.values() if ended or session.ended_at is None)

    def leave(self, files: Mapping[str, float]) -> frozenset[str]:
        """Know no session any more, in a forked child; return the paths of those that live: they are the parent's."""
        living = [number for number, session in self._known.items() if session.ended_at is None]
        left = frozenset(stamp.path for number in living for stamp in self.records(number, files))
        self._known.clear()
        self._paths.clear()
        return left
