"""The watermark: what is remembered of the clocks between two looks, and what ages are read at by it.

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
* *After another boot* nobody knows how long the machine was off, nor whether its clock was right before somebody on
  the network put it right. Up to ``max_off`` a wall clock that is ahead is trusted once the machine has been up for
  ``SETTLED`` and it has made no jump meanwhile; until then ages are read by the line. One that is below its last
  reading never is trusted.
* *Registering looks, too* (``ClockGuard.wall``): the line comes down before a record is written that carries an
  earlier time. So a clock that was behind, and is put right between two sweeps, makes nothing due early.

Rejected: going on by the old line when the wall clock is below it, and trusting the wall clock as soon as it is back.
Both remove at once what was registered a moment ago, by a clock that was an hour slow.
"""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

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

SETTLED = 900.0
"""Seconds after a boot in which somebody may still put the clock right."""

RENEWED = 3600.0
"""Seconds after which the watermark is written anew: after a boot, its age is what the machine was off."""

NO_WATERMARK = (ValueError, TypeError, KeyError, OverflowError)
"""What ``parsed`` raises of a text that is no watermark."""


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
        booted: Whether it was found so after a boot: the machine may just have been off for as long.
    """

    line: Moment
    ahead: Moment | None = None
    booted: bool = False


class Reading(NamedTuple):
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
_SETTLING_ADVICE = (
    f"files may be removed late, none early, until it has been up for {span(SETTLED)} and its clock has kept still, or "
    "somebody accepts it (--accept-clock)"
)
UNREADABLE = "what it was last cannot be read; nothing is due until somebody accepts it (--accept-clock)"


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
        return _above(mark, line, now)
    reading = Reading(min(now.wall, line.wall + _MARGIN), True)
    if passed >= RENEWED:
        return reading, Watermark(Moment(min(now.wall, line.wall + min(SLEW * passed, RISE)), now.elapsed, now.boot))
    return reading, mark if mark.ahead is None else Watermark(mark.line)


def _above(mark: Watermark, line: Moment, now: Moment) -> tuple[Reading, Watermark]:
    if mark.booted and mark.ahead is not None:
        return _settling(mark, line, now, moved=now.wall - mark.ahead.carried(now).wall)
    still = mark.ahead is not None and steady(mark.ahead, now)
    passed = now.elapsed - mark.line.elapsed
    kept = Watermark(line if passed >= RENEWED else mark.line, mark.ahead if still else now)
    return _ahead(line, now.wall - line.wall), mark if kept == mark else kept


def _after_boot(mark: Watermark, now: Moment, max_off: float) -> tuple[Reading, Watermark]:
    # How long the machine was off is unknown, and taken as nothing.
    line = Moment(mark.line.wall, now.elapsed, now.boot)
    gap = now.wall - line.wall
    if gap < 0:
        return _below(now, gap, allowed=0), Watermark(now)
    # A boot does not make up for a jump: one that was doubted before it still is.
    if gap <= TOLERANCE:
        return Reading(now.wall, True), Watermark(now)
    if gap <= max_off and (mark.ahead is None or mark.booted):
        return _settling(mark, line, now, moved=0)
    return _ahead(line, gap), Watermark(line, ahead=now)


def _settling(mark: Watermark, line: Moment, now: Moment, *, moved: float) -> tuple[Reading, Watermark]:
    """Trust a clock that is ahead after a boot if it has had the time to be put right, and has not been put ahead."""
    gap = now.wall - line.wall
    if moved > TOLERANCE:  # what has been registered since the boot may carry times too early
        return _ahead(line, gap), Watermark(line, ahead=now)
    if now.elapsed >= SETTLED and moved >= -TOLERANCE:
        return Reading(now.wall, True), Watermark(now)
    reason = f"the machine was started a moment ago, and may have been off for {span(gap)}: {_SETTLING_ADVICE}"
    if mark.booted and mark.line.boot == now.boot and abs(moved) <= TOLERANCE:
        return Reading(line.wall, False, reason), mark
    return Reading(line.wall, False, reason), Watermark(line, ahead=now, booted=True)


def _below(now: Moment, gap: float, *, allowed: float) -> Reading:
    if -gap <= allowed:
        return Reading(now.wall, True)
    return Reading(now.wall, False, f"it went back by {span(-gap)}: files registered before are due that much later")


def _ahead(line: Moment, gap: float) -> Reading:
    return Reading(line.wall, False, f"it is {span(gap)} ahead of the time that has passed: {_ADVICE}")


def _another_boot(earlier: Moment, now: Moment) -> bool:
    # Where no boot has a name, a clock that began anew tells.
    return earlier.boot != now.boot or now.elapsed < earlier.elapsed


def steady(earlier: Moment, now: Moment) -> bool:
    """Say whether the wall clock has kept time with the elapsed one since."""
    return not _another_boot(earlier, now) and abs(now.wall - earlier.carried(now).wall) <= JITTER


def written(mark: Watermark) -> str:
    """Return a watermark as the registry keeps it."""
    from json import dumps  # noqa: PLC0415 - slow to import, and few sweep on a schedule

    return dumps(asdict(mark))


def parsed(text: str | None) -> Watermark | None:
    """Read a watermark as the registry keeps it; None when it keeps none."""
    from json import loads  # noqa: PLC0415 - likewise

    if text is None:
        return None
    facts = loads(text)
    ahead = facts["ahead"]
    return Watermark(_moment(facts["line"]), None if ahead is None else _moment(ahead), facts.get("booted") is True)


def _moment(facts: dict[str, object]) -> Moment:
    wall, elapsed, boot = facts["wall"], facts["elapsed"], facts["boot"]
    if not isinstance(wall, int | float) or not isinstance(elapsed, int | float) or not isinstance(boot, str):
        raise TypeError(facts)
    if not math.isfinite(wall) or not math.isfinite(elapsed):
        raise ValueError(facts)
    return Moment(wall, elapsed, boot)
