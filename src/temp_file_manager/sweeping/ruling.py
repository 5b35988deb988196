"""Rules put in force: on records that were not put on record under them, and on all when the rules have changed."""

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from temp_file_manager import logs
from temp_file_manager.clock import Clock
from temp_file_manager.errors import LargeSweepError, RegistryFullError
from temp_file_manager.records import Measured, Ruled, Selection, TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.registry.journal import last_line
from temp_file_manager.rules.ruling import Ruling
from temp_file_manager.storage.choice import used_at
from temp_file_manager.sweeping.decisions import Digests, More, are_same, decided, digests, end_beyond, unchanged
from temp_file_manager.sweeping.foresight import Foresight
from temp_file_manager.sweeping.large_sweep_guard import IN_FORCE, LargeSweepGuard
from temp_file_manager.sweeping.rule_notes import HELD, NO_NOTE, RULED, Note, held_message, note_text, read_note
from temp_file_manager.sweeping.scheduler import Stop
from temp_file_manager.sweeping.sweep import Bounds
from temp_file_manager.sweeping.walk import PAGE, Walk

SLICE = 0.05
"""Seconds after which a scheduled pass begins no other page."""

SHARE = 0.2
"""The part of the time that a pass works in, at most."""

REST = 60.0
"""Seconds between two looks for what has come, and between two counts of what a change would take."""

RENEWED = 86400.0
"""Seconds after which it is noted again that rules are in force."""


class _Pass:
    """How far one pass has come: with counting what would be due, and with putting rules in force.

    Args:
        rules: Those that are to be in force.
        same: Those of them that say what they said before.
    """

    def __init__(self, rules: Digests, same: Collection[str]) -> None:
        self.rules = rules
        self.same = same
        self.more: More | None = None
        self.counted: Walk | None = None
        self.walk: Walk | None = None


class RulesInForce:
    """Puts rules in force.

    What this process registers comes under its rules at once. This is for the rest: what others have registered, who
    do not know them, or what came through ``files``; all records, when the rules have changed; and what is no longer
    among the newest of its rule. Rules that are not told of for a week are not in force any more: until then a process
    that has none leaves it at those of the others.

    Args:
        registry: Whose records.
        clock: What tells the time.
        asof: What ages are read at: the wall clock, unless that has jumped.
        max_age: Tells the seconds that files live without a rule.
        ruling: The rules; None: this process has none.
        guard: Says how much a change may take unasked.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        asof: Callable[[], float],
        max_age: Callable[[], float],
        ruling: Ruling | None,
        guard: LargeSweepGuard,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._asof = asof
        self._max_age = max_age
        self._ruling = ruling
        self._guard = guard
        self._numbered = registry.properties.keeps_identity
        self._pass: _Pass | None = None
        self._held: tuple[Digests, float] | None = None  # which rules, and until when nobody counts again
        self._told_free = False
        self.rest: float = REST

    def put(self, due: Selection, bounds: Bounds, *, allow: int | None = None) -> Bounds:
        """Put rules in force for all records, before somebody's sweep; return what the bounds leave to that.

        Args:
            due: What the sweep wants; what is forced asks no rule.
            bounds: Its budget and its stop count here, too.
            allow: So many files may become due because of a change, whatever their share; None: any number.

        Raises:
            LargeSweepError: with the numbers and what to do; the former rules stay in force.
        """
        wanted = self._wanted()
        if wanted is None or due.force:
            return bounds
        note, rules = wanted
        began, budget = self._clock.elapsed(), math.inf if bounds.budget is None else bounds.budget
        work = _Pass(rules, self._same(note, rules))
        if self._is_free(work, note, due, allow, bounds.stop, began + budget):
            self._go_on(work, due.asof, bounds.stop, began + budget)
        left = max(0.0, budget - (self._clock.elapsed() - began))
        return bounds if bounds.budget is None else bounds._replace(budget=left)

    @property
    def has_rules(self) -> bool:
        """Whether this process has rules."""
        return self._ruling is not None

    def slice(self, stop: Stop) -> float:
        """Go on for a while, if no other process does; return ``rest``. A change that takes too much is held up.

        Args:
            stop: Says whether to stop; asked between pages.

        Raises:
            RegistryError: the registry cannot be read or changed.
        """
        began, done = self._clock.elapsed(), True
        with self._registry.exclusive(RULED) as alone:
            wanted = self._wanted() if alone else None
            if wanted is not None:
                done = self._slice(*wanted, stop, began + SLICE)
        took = self._clock.elapsed() - began
        self.rest = REST if done else min(max(0.0, took / SHARE - took), REST)
        return self.rest

    def measured(self, found: Sequence[Measured]) -> None:
        """Put rules about sizes in force for what looks have found to be of another size."""
        ruling = self._ruling
        if ruling is None or not ruling.book.asks_for_sizes:
            return
        names = {rule.name for rule in ruling.book.rules}
        news = (decided(ruling, look.record._replace(disk=look.disk), names) for look in found)
        self._note_all([one for one in news if one is not None])

    def foresight(self, due: Selection) -> "Foresight | None":
        """Return what a dry run is to know of rules that the same sweep would first put in force; None: nothing."""
        wanted = self._wanted()
        if wanted is None or due.force:
            return None
        note, rules = wanted
        is_new = not are_same(note.rules, rules)
        same = self._same(note, rules)
        since = 0 if is_new or not self._numbered else note.upto
        return Foresight(self._registry, self._clock, self._ruling, due, same, since)

    # -- which are to be in force

    def _wanted(self) -> tuple[Note, Digests] | None:
        """Return the rules that are to be in force, and what is noted; None if that is no business of this process."""
        if self._ruling is None and not self._registry.properties.outlives_process:
            return None
        note, rules = read_note(self._registry), digests(self._ruling)
        if self._numbered and not are_same(note.rules, rules):
            self._known(0.0)
        elif self._numbered and self._ruling and self._ruling.upto:
            self._known(max(self._ruling.upto.value, note.upto))
        if not rules and (note is NO_NOTE or (note.rules and self._clock.wall() - note.at < IN_FORCE)):
            return None
        return note, rules

    def _known(self, upto: float) -> None:
        """Let sweeps know how far records say what these rules decide."""
        if self._ruling is not None and self._ruling.upto is not None:
            self._ruling.upto.value = upto

    def _same(self, note: Note, rules: Digests) -> Collection[str]:
        """Return the rules whose decisions stay; of those in force already, none of what comes, where that is known."""
        return () if self._numbered and are_same(note.rules, rules) else unchanged(note.rules, rules)

    def _is_free(self, work: _Pass, note: Note, due: Selection, allow: int | None, stop: Stop, until: float) -> bool:
        """Say whether rules are in force, or may be from now on; False when that is not found out yet.

        Raises:
            LargeSweepError: they would take too much.
        """
        if are_same(note.rules, work.rules):
            if not self._told_free and last_line(self._registry, HELD):  # the change was undone
                self._write(HELD, "")
            self._told_free = True
            return True
        if allow is not None and not self._counted(work, note, due, allow, stop, until):
            return False
        self._note(work.rules, 0)
        self._write(HELD, "")
        logs.rules_in_force(tuple(work.rules))
        return True

    def _counted(self, work: _Pass, note: Note, due: Selection, allow: int, stop: Stop, until: float) -> bool:
        """Count on; return True when all is counted that matters, and False when the time is up."""
        records = self._registry.stats().records
        bound = self._guard.bound(records, allow)
        more = work.more = work.more or More(self._ruling, work.same, due, used_at)
        walk = work.counted = work.counted or Walk(self._registry, 0, math.inf)
        while more.count + records - more.looked_at > bound:
            more.add(walk.next(self._clock.elapsed()))
            if more.count > bound:
                raise LargeSweepError(held_message(bound, records, note.rules, work.rules), {})
            if walk.at_end:
                break
            if stop() or self._clock.elapsed() >= until:
                return False
        return True

    # -- putting them in force

    def _slice(self, note: Note, rules: Digests, stop: Stop, until: float) -> bool:
        """Go on with the pass; say whether it has come to its end."""
        now = self._clock.elapsed()
        if self._held is not None and self._held[0] == rules and now < self._held[1]:
            return True
        work = self._pass
        if work is None or not are_same(work.rules, rules):
            work = self._pass = _Pass(rules, self._same(note, rules))
        due = Selection(self._asof(), self._max_age(), patient=True)
        try:
            if not self._is_free(work, note, due, 0, stop, until):
                return False
        except LargeSweepError as error:
            self._hold(rules, error)
            return True
        return self._go_on(work, due.asof, stop, until)

    def _hold(self, rules: Digests, error: LargeSweepError) -> None:
        if self._held is None or self._held[0] != rules:
            logs.rules_held(error)
        self._held, self._pass, self._told_free = (rules, self._clock.elapsed() + REST), None, False
        self._write(HELD, str(error))

    def _go_on(self, work: _Pass, asof: float, stop: Stop, until: float) -> bool:
        """Put rules in force, a page at least; say whether that has come to its end."""
        note = read_note(self._registry)
        since = note.upto if self._numbered else 0
        if work.walk is None or work.walk.last < since:  # another process may have gone on
            work.walk = Walk(self._registry, since, math.inf)
        walk, done = work.walk, False
        while not done and not stop():
            records = walk.next(self._clock.elapsed())
            found = (decided(self._ruling, record, work.same) for record in records)
            self._note_all([one for one in found if one is not None])
            done = walk.at_end
            if self._clock.elapsed() >= until:
                break
        if walk.last > since or not abs(self._clock.wall() - note.at) < RENEWED:
            self._note(work.rules, max(walk.last, since))
        self._known(math.inf if done or not self._numbered else max(walk.last, since))
        if done:
            work.same = () if self._numbered else set(work.rules)
            work.walk = walk if self._numbered else None
            self._end_beyond(asof, stop, until)
            if not work.rules:
                self._write(RULED, "")  # nothing is left of rules
        return done

    def _end_beyond(self, asof: float, stop: Stop, until: float) -> None:
        """Give an end to what is no longer among the newest of its rule."""
        for rule in () if self._ruling is None else self._ruling.book.rules:
            if rule.keep_last is None:
                continue
            before: TempFile | None = None
            while not stop() and self._clock.elapsed() < until:
                records = self._registry.beyond(rule.name, rule.keep_last, PAGE)
                # What is claimed now stays without an end, until the next sweep.
                if not records or records[0] == before:
                    break
                before = records[0]
                self._note_all([Ruled(record, rule.name, end_beyond(rule, record, asof)) for record in records])

    # -- what is written down

    def _note_all(self, found: list[Ruled]) -> None:
        if found:
            with suppress(RegistryFullError):  # a sweep makes room, and the look at what is due asks the rules anyway
                self._registry.ruled(found)

    def _note(self, rules: Digests, upto: int) -> None:
        self._write(RULED, note_text(rules, upto))

    def _write(self, journal: str, line: str) -> None:
        with suppress(RegistryFullError):  # found out anew
            self._registry.write(journal, line, self._clock.wall(), keep=1)
