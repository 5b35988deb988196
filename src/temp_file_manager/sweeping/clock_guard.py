"""The clock guard: no jump of the wall clock removes a file early. By what it judges ``watermark`` says."""

import math
from collections.abc import Callable

from temp_file_manager import logs
from temp_file_manager.clock import Clock, boot_id
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.machine import machine
from temp_file_manager.registry import Registry
from temp_file_manager.registry.card import SharedBy
from temp_file_manager.registry.journal import last_line
from temp_file_manager.sweeping.watermark import (
    JITTER,
    MAX_OFF,
    NO_WATERMARK,
    RENEWED,
    UNREADABLE,
    Moment,
    Reading,
    Watermark,
    look,
    parsed,
    steady,
    written,
)

NAME = "clock"
_PAGE = 1000


def name_of(registry: Registry) -> str:
    """Return the journal that the watermark of this machine is in."""
    return NAME if registry.properties.shared_by is not SharedBy.HOSTS else f"{NAME} {machine()}"


class ClockGuard:
    """Reads the clocks for scheduled sweeps, and keeps the watermark in the registry.

    Several processes may share it: their clocks are the same, so they write the same line. (Two that write at the very
    moment of a jump may lose it; the next look finds it again.) Where machines share the registry each has a line of
    its own: its own clock is what it judges the shared one by.

    Args:
        registry: Where the watermark is kept, under ``name_of``.
        clock: The clocks.
        own: This machine's, if ``clock`` is one that several share.
        max_off: Seconds the machine may have been off, by its wall clock, without anybody asking.
        boot: Names the boot of the machine.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        own: Clock | None = None,
        *,
        max_off: float = MAX_OFF,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self._registry = registry
        self._name = name_of(registry)
        self._wall = clock.wall
        self._elapsed = (own or clock).elapsed
        self._max_off = max_off
        self._boot = boot
        self._unsaved: Watermark | None = None
        self._trusted = True
        self._noticed = math.nan  # the wall clock less the elapsed one, at the last look of ``wall``
        self._lag: float | None = None  # what ages are read at less the elapsed clock, at the last look

    def wall(self) -> float:
        """Return the wall clock's time for a record to carry, with the line no higher.

        Where neither clock has jumped since it was last asked this costs a subtraction.
        """
        wall = self._wall()
        ahead = wall - self._elapsed()
        if not abs(ahead - self._noticed) <= JITTER:
            self._notice()
            self._noticed = ahead
        return wall

    def asof(self) -> float:
        """Return what ages are read at by now, as the last look found it; look at nothing but the clocks."""
        wall = self._wall()
        return wall if self._lag is None else min(wall, self._elapsed() + self._lag)

    def _notice(self) -> None:
        now = self._now()
        try:
            mark = self._mark()
        except NO_WATERMARK:  # nothing is due until somebody accepts
            return
        kept = look(mark, now, self._max_off)[1]
        if kept != mark:
            self._keep(kept)

    def read(self) -> Reading:
        """Return what this sweep is to read ages at; say so in the log when the clock jumped or is trusted again."""
        now = self._now()
        try:
            mark = self._mark()
        except NO_WATERMARK:
            # Nothing to go on from, and perhaps a newer version's: left as it is.
            reading = Reading(0.0, False, UNREADABLE)
        else:
            reading, kept = look(self._outlived(mark, now), now, self._max_off)
            if kept != mark or self._unsaved is not None:
                self._keep(kept)
        if reading.trusted != self._trusted:
            self._trusted = reading.trusted
            if reading.trusted:
                logs.clock_trusted()
            else:
                logs.clock_distrusted(reading.reason)
        return self._remembered(reading, now)

    def peek(self, *, records: bool = False) -> Reading:
        """Return what ``read`` would; write nothing down and log nothing.

        Args:
            records: Look at the records, too, as ``read`` may have to. Else a pause that outlived every record from
                before it goes on here until the next ``read``.
        """
        now = self._now()
        try:
            mark = self._mark()
        except NO_WATERMARK:
            return Reading(0.0, False, UNREADABLE)
        reading = look(self._outlived(mark, now) if records else mark, now, self._max_off)[0]
        return self._remembered(reading, now)

    def _remembered(self, reading: Reading, now: Moment) -> Reading:
        self._lag = reading.asof - now.elapsed
        return reading

    def accept(self) -> None:
        """Trust the wall clock as it is: what it makes due, the next sweep removes.

        Raises:
            RegistryError: it cannot be written down.
        """
        now = self._now()
        self._registry.write(self._name, written(Watermark(now)), now.wall, keep=1)
        self._unsaved = None
        self._lag = now.wall - now.elapsed

    def _mark(self) -> Watermark | None:
        return self._unsaved or parsed(last_line(self._registry, self._name))

    def _now(self) -> Moment:
        # A machine may fall asleep between two readings, which would look like a jump.
        for _ in range(3):
            elapsed, wall = self._elapsed(), self._wall()
            if self._elapsed() - elapsed < JITTER / 2:
                break
        return Moment(wall, elapsed, self._boot())

    def _outlived(self, mark: Watermark | None, now: Moment) -> Watermark | None:
        """End a pause when every record has been registered since the clock jumped, and it has kept still since.

        Nothing is left then that the jump could make older than it is. Without this a virtual machine that was paused
        once would need somebody to accept its clock. Looked at once an hour, as it may take a look at every record.
        """
        if mark is None or mark.ahead is None or not steady(mark.ahead, now):
            return mark
        if now.elapsed - mark.line.elapsed < RENEWED or self._any_from_before(mark.ahead.wall, mark.line.carried(now)):
            return mark
        return Watermark(min(now, mark.ahead.carried(now), key=lambda moment: moment.wall))

    def _any_from_before(self, jumped: float, line: Moment) -> bool:
        cursor: object | None = None
        while True:
            page = self._registry.page(None, now=line.elapsed, limit=_PAGE, after=cursor)
            for record in page.records:
                # A pin outlasts a new registration, so its end may be older than the record.
                if record.registered_at < jumped or line.wall < (record.pinned_until or 0) < math.inf:
                    return True
            cursor = page.cursor
            if cursor is None:
                return False

    def _keep(self, mark: Watermark) -> None:
        try:
            self._registry.write(self._name, written(mark), mark.line.wall, keep=1)
        except RegistryFullError:  # must not stop the sweep that makes room
            self._unsaved = mark
        else:
            self._unsaved = None
