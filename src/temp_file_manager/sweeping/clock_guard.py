"""The clock guard: no jump of the wall clock removes a file early.

Ages are read from the wall clock, which anybody can set. What is trusted is a *line*: a time of the wall clock that
goes on by the elapsed clock, which nobody can. It is never above the wall clock as it has been seen, so that whatever
has been registered is at least as young by the line as it is in truth:

* *Ahead of the line by more than a minute*: ages are read by the line, until the wall clock is back there, somebody
  accepts it, or no record is left from before. What is registered meanwhile carries times ahead of the line, and is
  due late by the jump: it leaks for a while, and is not removed early.
* *Below the line*: the line comes down to it at once. What was registered before is due late by the jump, what is
  registered from then on in time. When the wall clock goes up again, that is a jump ahead like any other, for files
  registered while it was low carry times too early.
* *Asleep*: the elapsed clock goes on, too: no jump.
* *After another boot* nobody knows how long the machine was off. Up to ``max_off`` a wall clock that is ahead is
  trusted; one that is below its last reading never is.

Rejected: going on by the old line when the wall clock is below it, and trusting the wall clock as soon as it is back.
Both remove at once what was registered a moment ago, by a clock that was an hour slow.

One thing is not seen: a clock that was behind and was put right between two looks. What was registered in between is
due early by as much.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from temp_file_manager import logs
from temp_file_manager.clock import Clock, boot_id
from temp_file_manager.errors import RegistryFullError
from temp_file_manager.registry import Registry
from temp_file_manager.registry.contract import last_line
from temp_file_manager.text import span

TOLERANCE = 60.0
"""Seconds the wall clock may be ahead of the line."""

SLEW = 500e-6
"""How fast the line may follow the wall clock upwards: as fast as the kernel lets time servers slew it (500 ppm).

On Linux slewing moves both clocks alike, elsewhere only one. Many small steps add up to no more than this.
"""

RISE = 10.0
"""Seconds it may follow at one look at most: what was registered just before has had no share in the slewing."""

JITTER = 1.0
"""Seconds below the line that are not worth writing down."""

_MARGIN = TOLERANCE - RISE - JITTER  # so that all three together make nobody older by more than the tolerance

MAX_OFF = 7 * 86400.0
"""Seconds a machine may have been off, as its wall clock tells it, without anybody asking."""

RENEWED = 3600.0
"""Seconds after which the watermark is written anew: after a boot, its age is what the machine was off."""

NAME = "clock"
NO_WATERMARK = (ValueError, TypeError, KeyError, OverflowError)
"""What ``parsed`` raises of a text that is no watermark."""

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Moment:
    """The clocks at one moment, in seconds, and the boot that ``elapsed`` counts from (or near)."""

    wall: float
    elapsed: float
    boot: str

    def carried(self, now: "Moment") -> "Moment":
        """Return where the wall clock would be now, had it gone on from here by elapsed time."""
        return Moment(self.wall + now.elapsed - self.elapsed, now.elapsed, now.boot)


@dataclass(frozen=True, slots=True)
class Watermark:
    """What is kept between looks.

    Attributes:
        line: A point of the line.
        ahead: Where the wall clock was found ahead of it, for as long as it stays there.
    """

    line: Moment
    ahead: Moment | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What ages are to be read at.

    Attributes:
        asof: Seconds since the epoch, never later than the wall clock.
        trusted: Whether the wall clock is as expected.
        reason: Why not, and what to do.
    """

    asof: float
    trusted: bool
    reason: str = ""


_ADVICE = (
    "files registered before or since may be removed late, none early, until the clock is back, nothing is left from "
    "before, or somebody accepts it (--accept-clock)"
)
_UNREADABLE = "what it was last cannot be read; nothing is due until somebody accepts it (--accept-clock)"


def look(mark: Watermark | None, now: Moment, max_off: float = MAX_OFF) -> tuple[Reading, Watermark]:
    """Compare the clocks with the watermark.

    Args:
        mark: None when there is none yet: then the clock is believed, as there is nothing to doubt it by.
        now: What the clocks say.
        max_off: Seconds the machine may have been off.

    Returns:
        What to read ages at, and the watermark to keep: the same object when nothing has changed.
    """
    if mark is None:
        return Reading(now.wall, True), Watermark(now)
    if _another_boot(mark.line, now):
        return _after_boot(mark, now, max_off)
    line = mark.line.carried(now)
    passed = now.elapsed - mark.line.elapsed
    gap = now.wall - line.wall
    if gap < -JITTER:
        return _below(now, gap, allowed=TOLERANCE), Watermark(now)
    if gap > TOLERANCE:
        steady = mark.ahead is not None and _steady(mark.ahead, now)
        kept = Watermark(line if passed >= RENEWED else mark.line, mark.ahead if steady else now)
        return _ahead(line, gap), mark if kept == mark else kept
    reading = Reading(min(now.wall, line.wall + _MARGIN), True)
    if passed >= RENEWED:
        return reading, Watermark(Moment(min(now.wall, line.wall + min(SLEW * passed, RISE)), now.elapsed, now.boot))
    return reading, mark if mark.ahead is None else Watermark(mark.line)


def _after_boot(mark: Watermark, now: Moment, max_off: float) -> tuple[Reading, Watermark]:
    # How long the machine was off is unknown, and taken as nothing.
    line = Moment(mark.line.wall, now.elapsed, now.boot)
    gap = now.wall - line.wall
    if gap < 0:
        return _below(now, gap, allowed=0), Watermark(now)
    # A boot does not make up for a jump: one that was doubted before it still is.
    if gap <= (max_off if mark.ahead is None else TOLERANCE):
        return Reading(now.wall, True), Watermark(now)
    return _ahead(line, gap), Watermark(line, ahead=now)


def _below(now: Moment, gap: float, *, allowed: float) -> Reading:
    if -gap <= allowed:
        return Reading(now.wall, True)
    return Reading(now.wall, False, f"it went back by {span(-gap)}: files registered before are due that much later")


def _ahead(line: Moment, gap: float) -> Reading:
    return Reading(line.wall, False, f"it is {span(gap)} ahead of the time that has passed: {_ADVICE}")


def _another_boot(earlier: Moment, now: Moment) -> bool:
    # Where no boot has a name, a clock that began anew tells.
    return earlier.boot != now.boot or now.elapsed < earlier.elapsed


def _steady(earlier: Moment, now: Moment) -> bool:
    return not _another_boot(earlier, now) and abs(now.wall - earlier.carried(now).wall) <= JITTER


class ClockGuard:
    """Reads the clocks for scheduled sweeps, and keeps the watermark in the registry.

    Several processes may share it: their clocks are the same, so they write the same line. (Two that write at the very
    moment of a jump may lose it; the next look finds it again.)

    Args:
        registry: Where the watermark is kept, under ``"clock"``.
        clock: The clocks.
        max_off: Seconds the machine may have been off, by its wall clock, without anybody asking.
        boot: Names the boot of the machine.
    """

    def __init__(
        self, registry: Registry, clock: Clock, *, max_off: float = MAX_OFF, boot: Callable[[], str] = boot_id
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._max_off = max_off
        self._boot = boot
        self._unsaved: Watermark | None = None
        self._trusted = True

    def read(self) -> Reading:
        """Return what this sweep is to read ages at; say so in the log when the clock jumped or is trusted again."""
        now = self._now()
        try:
            mark = self._mark()
        except NO_WATERMARK:
            # Nothing to go on from, and perhaps a newer version's: left as it is.
            reading = Reading(0.0, False, _UNREADABLE)
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
        return reading

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
            return Reading(0.0, False, _UNREADABLE)
        return look(self._outlived(mark, now) if records else mark, now, self._max_off)[0]

    def accept(self) -> None:
        """Trust the wall clock as it is: what it makes due, the next sweep removes.

        Raises:
            RegistryError: it cannot be written down.
        """
        now = self._now()
        self._registry.write(NAME, _text(Watermark(now)), now.wall, keep=1)
        self._unsaved = None

    def _mark(self) -> Watermark | None:
        return self._unsaved or parsed(last_line(self._registry, NAME))

    def _now(self) -> Moment:
        # A machine may fall asleep between two readings, which would look like a jump.
        for _ in range(3):
            elapsed, wall = self._clock.elapsed(), self._clock.wall()
            if self._clock.elapsed() - elapsed < JITTER / 2:
                break
        return Moment(wall, elapsed, self._boot())

    def _outlived(self, mark: Watermark | None, now: Moment) -> Watermark | None:
        """End a pause when every record has been registered since the clock jumped, and it has kept still since.

        Nothing is left then that the jump could make older than it is. Without this a virtual machine that was paused
        once would need somebody to accept its clock. Looked at once an hour, as it may take a look at every record.
        """
        if mark is None or mark.ahead is None or not _steady(mark.ahead, now):
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
            self._registry.write(NAME, _text(mark), mark.line.wall, keep=1)
        except RegistryFullError:  # must not stop the sweep that makes room
            self._unsaved = mark
        else:
            self._unsaved = None


def _text(mark: Watermark) -> str:
    from json import dumps  # noqa: PLC0415 - slow to import, and few sweep on a schedule

    return dumps(asdict(mark))


def parsed(text: str | None) -> Watermark | None:
    """Read a watermark as the registry keeps it; None when it keeps none."""
    from json import loads  # noqa: PLC0415 - likewise

    if text is None:
        return None
    facts = loads(text)
    ahead = facts["ahead"]
    return Watermark(_moment(facts["line"]), None if ahead is None else _moment(ahead))


def _moment(facts: dict[str, object]) -> Moment:
    wall, elapsed, boot = facts["wall"], facts["elapsed"], facts["boot"]
    if not isinstance(wall, int | float) or not isinstance(elapsed, int | float) or not isinstance(boot, str):
        raise TypeError(facts)
    if not math.isfinite(wall) or not math.isfinite(elapsed):
        raise ValueError(facts)
    return Moment(wall, elapsed, boot)
