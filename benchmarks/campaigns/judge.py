"""Judgement on a round: the diaries of all processes against what is there and what is on record."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from benchmarks.campaigns import diary
from benchmarks.campaigns.diary import Line

MAKING, LOOSE, DUE, LATER, PINNED, FORGOTTEN = "being made", "not registered", "due", "later", "pinned", "forgotten"
HELD, TAKEN, ANOTHER, ANOTHER_KEPT = "held", "taken away", "another file", "another file, of a kept name"
"""What a file can be, as far as its owner knows."""

_KEPT = {PINNED, HELD}
_STAYS = {LOOSE, FORGOTTEN, ANOTHER_KEPT, *_KEPT}
RECORDED = {DUE, LATER, *_KEPT}
_LEADS_TO = {
    diary.MAKING: MAKING,
    diary.PINNING: PINNED,
    diary.UNPINNING: DUE,
    diary.HOLDING: HELD,
    diary.RELEASING: DUE,
    diary.FORGETTING: FORGOTTEN,
    diary.TAKING: TAKEN,
}
_BEGINNINGS = {*_LEADS_TO, diary.REGISTERING, diary.REPLACING}
_OF_SWEEPS = {diary.SWEEPING, diary.UNLINKING, diary.UNLINKED, diary.SETTLED}


class Moment(NamedTuple):
    """What a file could be from a moment on.

    Attributes:
        at: The moment.
        states: What it could be.
        registered: The earliest that its registration can have begun.
        replaced: When another file was surely in its place; 0: it was not put there.
    """

    at: int
    states: frozenset[str]
    registered: int
    replaced: int = 0


class Story:
    """What a file could be, and when: what was acknowledged, or that and what was begun and not acknowledged."""

    def __init__(self) -> None:
        self.moments = [Moment(0, frozenset(), 0)]
        self._before = self.moments[0]
        self._begun = self.moments[0]

    @property
    def states(self) -> frozenset[str]:
        """What it can be at the end."""
        return self.moments[-1].states

    def add(self, line: Line) -> None:
        """Go on with a line of its owner's."""
        now = self.moments[-1]
        if line.word == diary.DYING:
            now = now._replace(states=now.states | {DUE} if HELD in now.states else now.states)
        elif line.word == diary.DEAD:
            now = now._replace(states=now.states - {HELD})
        elif line.word in _BEGINNINGS:
            to = self._leads_to(line)
            since = line.at if line.word == diary.REGISTERING else now.registered
            self._before, self._begun = now, Moment(line.at, frozenset({to}), since)
            known = now.states & RECORDED
            now = Moment(line.at, now.states | {to}, now.registered if known else since)
        elif line.word == diary.REFUSED:
            # What is due at once may have been put on record, and swept before that could be told.
            now = self._before._replace(states=self._before.states | (self._begun.states & {DUE}))
        elif line.word == diary.MADE:
            now = Moment(line.at, frozenset({LOOSE}), 0)
        elif line.word == diary.REPLACED:
            now = self._begun._replace(replaced=line.at)
        else:
            now = self._begun
        self.moments.append(now._replace(at=line.at))

    def _leads_to(self, line: Line) -> str:
        if line.word == diary.REPLACING:
            return ANOTHER_KEPT if self.states <= _KEPT else ANOTHER
        return _LEADS_TO.get(line.word, line.detail)

    def between(self, first: int, last: int) -> Iterator[Moment]:
        """Yield the moments that reach into a time."""
        begun = max(0, bisect_right(self.moments, first, key=lambda moment: moment.at) - 1)
        for moment in self.moments[begun:]:
            if moment.at > last:
                return
            yield moment


def stories(diaries: Iterable[list[Line]]) -> dict[str, Story]:
    """Return the story of each file; its owner's diary alone tells it."""
    found: defaultdict[str, Story] = defaultdict(Story)
    for lines in diaries:
        mine: set[str] = set()
        for line in lines:
            if line.word in _OF_SWEEPS:
                continue
            mine |= {line.name} if line.name else set()
            for name in [line.name] if line.name else mine:  # without a name: of all that the process has
                found[name].add(line)
    return dict(found)


def of_files(told: Mapping[str, Story], there: set[str], recorded: set[str], *, forced: bool) -> Iterator[str]:
    """Yield what is wrong with what is there and on record, of all that may be so at any moment.

    Args:
        told: The story of each file.
        there: The names of the files that are there.
        recorded: The names of those that are on record.
        forced: Whether sweeps took everything on record, and not what was due alone.
    """
    stays, kept = (_STAYS, _KEPT) if forced else (_STAYS | {LATER}, _KEPT | {LATER})
    for name, story in told.items():
        states = story.states
        if not states:
            continue
        if states <= stays and name not in there:
            yield f"{name} is gone, and was to stay: {_words(states)}"
        if states <= kept and name not in recorded:
            yield f"{name} was acknowledged, and is not on record: {_words(states)}"
        elif states <= RECORDED and name in there and name not in recorded:
            yield f"{name} is there, was acknowledged, and is not on record: {_words(states)}"


def of_removals(told: Mapping[str, Story], diaries: Iterable[list[Line]], *, forced: bool) -> Iterator[str]:
    """Yield removals of what was not to be removed then, and removals that were reported twice.

    Args:
        told: The story of each file.
        diaries: Those of the sweepers.
        forced: Whether sweeps took everything on record; but what was registered after they began.
    """
    reported: Counter[str] = Counter()
    for lines in diaries:
        sweeping = 0
        began: dict[str, int] = {}
        asked: dict[str, int] = {}
        for line in lines:
            if line.word == diary.SWEEPING:
                sweeping = line.at
            if line.name not in told:
                continue  # the package's own file
            if line.word == diary.UNLINKING:
                began.setdefault(line.detail, line.at)
                asked[line.name] = line.at
            elif line.word == diary.UNLINKED:
                since = began[line.detail] if forced else None
                moments = list(told[line.name].between(asked[line.name], line.at))
                if not _could_go(moments, since) and not _may_have_been_looked_at_before(moments, sweeping):
                    yield f"{line.name} was removed, and was not to be: {_words(moments[-1].states)}"
            elif line.word == diary.SETTLED and line.detail.startswith("removed "):
                reported[f"{line.name} {line.detail}"] += 1
    yield from (f"{what}: reported {count} times" for what, count in reported.items() if count > 1)


def _could_go(moments: Iterable[Moment], since: int | None) -> bool:
    """Say whether at any moment of its removal a file could be due; ``since``: by when a sweep of everything began."""
    for moment in moments:
        if since is None and DUE in moment.states:
            return True
        if since is not None and moment.states & {DUE, LATER} and moment.registered <= since:
            return True
    return False


def _may_have_been_looked_at_before(moments: Iterable[Moment], sweeping: int) -> bool:
    """Say whether a sweep, which began at ``sweeping``, may have looked before another file was in its place.

    Nothing in Linux removes a name only if it means a certain file: see the threat model.
    """
    return any(ANOTHER in moment.states and sweeping <= moment.replaced for moment in moments)


def of_a_sweep(told: Mapping[str, Story], what: Set[str], there: set[str], recorded: set[str]) -> Iterator[str]:
    """Yield what a sweep has left of what it was to take: the claims of the dead are free at once.

    Args:
        told: The story of each file.
        what: What a file can be that was to be taken.
        there: As in ``of_files``, after the sweep.
        recorded: Likewise.
    """
    for name, story in told.items():
        if story.states and story.states <= what and name in there | recorded:
            left = "it" if name in there else "its record"
            yield f"{name} was to be swept, and a sweep has left {left}: {_words(story.states)}"


def of_others(told: Mapping[str, Story], there: set[str]) -> Iterator[str]:
    """Yield files that no sweep may take, whatever is swept and whoever lets go, and that are not there."""
    for name, story in told.items():
        if story.states and story.states <= {LOOSE, FORGOTTEN, ANOTHER_KEPT} and name not in there:
            yield f"{name} is gone, and nobody had it on record: {_words(story.states)}"


def _words(states: Iterable[str]) -> str:
    return " or ".join(sorted(states))
