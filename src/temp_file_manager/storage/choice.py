"""The choice of what is done with a record that is no plain file, or that a rule may be about."""

import os
from collections.abc import Callable, Mapping

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.objects.bulk import MOST
from temp_file_manager.records import Kind, Status, TempFile
from temp_file_manager.rules import due_at
from temp_file_manager.rules.life import Action, Step, Used, step
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.rules.ruling import Ruling
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.wrappers.routed import PLAIN, Choose, Route
from temp_file_manager.text import span

Act = Callable[[float], Storage]
"""Returns what does something with files, given when what becomes of them is to be looked at next."""


MANY = PLAIN.most
_MOST = {Kind.OBJECT: MOST}
"""A request for each 64 objects would be four for those of one."""


class Chooser:
    """Chooses the way of each uncommon record: by its kind first, and then by the rule that decides about it now.

    What has an end of its own, a ttl or that of its session, no rule is asked about.

    Args:
        kinds: What removes records of a kind, whatever rules say.
        acts: What does what a rule says but to keep or to remove.
        ruling: The rules; None: none is asked.
        asof: What ages are read at.
        leaves: Whether, where there are no rules, what is under a rule of other processes is left to them.
    """

    def __init__(
        self,
        kinds: Mapping[Kind, Storage],
        acts: Mapping[Action, Act],
        ruling: Ruling | None,
        asof: Callable[[], float],
        *,
        leaves: bool = False,
    ) -> None:
        self.ruled = ruling is not None
        self._kinds = {kind: Route(storage, most=_MOST.get(kind, MANY)) for kind, storage in kinds.items()}
        self._acts = acts
        self._ruling = ruling
        self._asof = asof
        self._leaves = leaves

    def begin(self, *, foretold: bool = False) -> Choose:
        """Return what chooses for records that are removed together: at one moment for all.

        Ends of ``foretold`` records are what they would be by then.
        """
        if self._ruling is None:
            return lambda record: self._kinds.get(record.kind) or self._without_rules(record)
        asof, max_age = self._asof(), self._ruling.max_age()
        ruling = self._ruling._replace(upto=None) if foretold else self._ruling
        return lambda record: self._kinds.get(record.kind) or self._by_rule(ruling, record, asof, max_age)

    def _without_rules(self, record: TempFile) -> Route:
        """Return the way of a record where no rule is known here.

        Its end is when to look at it again, which whoever knows the rule can: it may be used, to be compressed, or to
        be quarantined.
        """
        if not self._leaves or not record.rule:
            return PLAIN
        why = f'it is under rule "{record.rule}" of another process, and this one has no rules'
        return Route(None, Other(Status.KEPT, Cause.RULE, why))

    def _by_rule(self, ruling: Ruling, record: TempFile, asof: float, max_age: float) -> Route:
        if record.session or (record.due_at is not None and not record.rule):
            return PLAIN
        decided = decide(ruling, record, asof, max_age)
        if decided is None:
            end = due_at(record.registered_at, None, max_age)
            return PLAIN if end <= asof else _kept(end, f"no rule is about it, and max_age is {span(max_age)}")
        rule, found = decided
        if found.action is Action.KEEP:
            return _kept(found.due_at, _why_kept(rule, found, asof), rule)
        if found.action is Action.REMOVE:
            return PLAIN
        act = self._acts.get(found.action)
        if act is None:  # a rule that asks for what cannot be done is refused before; in doubt nothing is lost
            return _kept(found.due_at, f'nothing here can {found.action} it, as rule "{rule.name}" says', rule)
        return Route(act(found.due_at))


def decide(ruling: Ruling, record: TempFile, asof: float, max_age: float) -> tuple[Rule, Step] | None:
    """Return the rule that is about a record, and what it says is to be done now; None if none is. See ``step``."""
    rule = ruling.book.decide(record.origin or record.path, record.tags, record.room)
    if rule is None:
        return None
    used = used_at(record.path) if rule.by is not By.REGISTRATION or rule.compress is not None else None
    return rule, step(rule, ruling.as_known(record, rule), used, asof, max_age)


def used_at(path: str) -> Used | None:
    """Return when a file was last used, of a link itself; None when nothing tells. The look moves no time of it."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):  # whoever removes it finds out why
        return None
    return Used(found.st_mtime, max(found.st_atime, found.st_mtime))


def _kept(end: float, why: str, rule: Rule | None = None) -> Route:
    # The rule with the end: an end beside no rule would be taken for the file's own.
    return Route(None, Other(Status.KEPT, Cause.RULE, why, due_at=end, rule=rule.name if rule else ""))


_SINCE = {By.REGISTRATION: "", By.WRITE: ", by its last writing", By.USE: ", by its last use"}


def _why_kept(rule: Rule, found: Step, asof: float) -> str:
    return f'rule "{rule.name}" lets it live for another {span(found.due_at - asof)}{_SINCE[rule.by]}'
