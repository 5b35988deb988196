"""Routes: each record goes the way of its kind or of its rule, in order, within the bounds of the whole."""

import math
from collections.abc import Callable, Iterable, Iterator

import pytest

from removing import outcomes, removal_of
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.records import Kind, Outcome, Status, TempFile
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.life import Action
from temp_file_manager.rules.rule import Rule
from temp_file_manager.storage.choice import Chooser, Ruling
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.storage.wrappers.routed import PLAIN, Choose, Route, Routed
from temp_file_manager.testing import FakeClock

KEPT = Other(Status.KEPT, Cause.RULE, "a rule", due_at=7.0)


class Noting:
    """Removes nothing, and notes what it was given, and where that was to end."""

    def __init__(self, status: Status, each: Callable[[], None] = lambda: None) -> None:
        self.given: list[list[str]] = []
        self._status = status
        self._each = each

    def remove(self, removal: Removal) -> None:
        paths, first = removal.records.paths(), removal.done
        for at, _ in removal.each(paths):
            self._each()
            removal.note(at, self._status, Cause.NONE)
        self.given.append(list(paths[first : removal.done]))

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        some = list(records)
        self.given.append([record.path for record in some])
        return (Outcome(record, self._status) for record in some)


class ByName:
    """Chooses by the first letter of a path."""

    ruled = True

    def __init__(self, **routes: Route) -> None:
        self._routes = routes
        self.asked: list[str] = []

    def begin(self, *, foretold: bool = False) -> Choose:  # noqa: ARG002 - see Choices
        def choose(record: TempFile) -> Route:
            self.asked.append(record.path)
            return self._routes.get(record.path[0], PLAIN)

        return choose


def files(names: str, **what: object) -> list[TempFile]:
    """Records that a rule may be about."""
    return [TempFile(name, 0.0, **what) for name in names.split()]  # type: ignore[arg-type]  # passed on as they come


@pytest.fixture
def plain() -> Noting:
    return Noting(Status.REMOVED)


@pytest.fixture
def away() -> Noting:
    return Noting(Status.QUARANTINED)


def test_what_follows_each_other_goes_together_and_in_order(plain: Noting, away: Noting) -> None:
    routed = Routed(plain, ByName(q=Route(away), k=Route(None, KEPT)))
    removal = removal_of(files("a b q1 q2 k1 c q3 k2"))
    routed.remove(removal)
    assert [(one.record.path, one.status) for one in outcomes(removal)] == [
        ("a", "removed"), ("b", "removed"), ("q1", "quarantined"), ("q2", "quarantined"), ("k1", "kept"),
        ("c", "removed"), ("q3", "quarantined"), ("k2", "kept"),
    ]  # fmt: skip
    assert (plain.given, away.given) == ([["a", "b"], ["c"]], [["q1", "q2"], ["q3"]])
    assert (removal.last, removal.done) == (8, 8)
    assert removal.others[4] == KEPT


def test_a_dry_run_goes_the_same_ways(plain: Noting, away: Noting) -> None:
    routed = Routed(plain, ByName(q=Route(away), k=Route(None, KEPT)))
    found = list(routed.predict(files("a q1 q2 k b")))
    assert [one.status for one in found] == ["removed", "quarantined", "quarantined", "kept", "removed"]
    assert found[3].due_at == 7.0
    assert away.given == [["q1", "q2"]]


def test_nobody_is_asked_about_what_has_an_end_of_its_own(plain: Noting) -> None:
    choices = ByName()
    Routed(plain, choices).remove(removal_of([*files("a b", due_at=1.0), *files("c"), *files("d", session=1)]))
    assert choices.asked == ["c", "d"]


def test_without_rules_kinds_alone_are_asked_about(plain: Noting) -> None:
    choices = ByName()
    choices.ruled = False
    Routed(plain, choices).remove(removal_of([*files("a b"), *files("c", kind=Kind.QUARANTINED)]))
    assert choices.asked == ["c"]
    choices.asked.clear()
    Routed(plain, choices).remove(removal_of(files("a b")))
    assert choices.asked == []
    assert plain.given[-1] == ["a", "b"]


def test_when_it_is_enough_nobody_else_begins(away: Noting) -> None:
    clock = FakeClock()
    plain = Noting(Status.REMOVED, lambda: clock.advance(1))
    removal = removal_of(files("q0 a b q1 c"), elapsed=clock.elapsed, enough=clock.elapsed() + 1.5)
    Routed(plain, ByName(q=Route(away))).remove(removal)
    assert (away.given, removal.last) == ([["q0"]], 5)
    assert 1 < removal.done < 4
    done = removal.done
    again = removal_of(files("q0 a b q1 c"), first=done)
    Routed(plain, ByName(q=Route(away))).remove(again)
    assert (again.done, away.given) == (5, [["q0"], ["q1"]])


def test_what_a_storage_raises_ends_nothing_that_is_not_its_own(plain: Noting) -> None:
    class Broken(Noting):
        def remove(self, removal: Removal) -> None:
            raise OSError("broken", removal.done)

    removal = removal_of(files("a q b"))
    with pytest.raises(OSError, match="broken"):
        Routed(plain, ByName(q=Route(Broken(Status.REMOVED)))).remove(removal)
    assert (removal.done, removal.last) == (1, 3)


def test_it_may_be_bounded(plain: Noting, away: Noting) -> None:
    removal = removal_of(files("a q b k"))
    Abandoning(Routed(plain, ByName(q=Route(away), k=Route(None, KEPT))), 60.0).remove(removal)
    assert [one.status for one in outcomes(removal)] == ["removed", "quarantined", "removed", "kept"]


# -- choosing


def chosen(record: TempFile, *rules: Rule, asof: float = 100.0, max_age: float = 10.0) -> tuple[object, Other | None]:
    """Return what is chosen: the name of a storage and when it is due, or of none."""
    kinds: dict[Kind, Storage] = {Kind.QUARANTINED: Noting(Status.GONE)}
    ruling = Ruling(Book(rules, "/base"), lambda: max_age)
    acts = {Action.QUARANTINE: lambda due_at: ("quarantine", due_at)}
    route = Chooser(kinds, acts, ruling, lambda: asof).begin()(record)  # type: ignore[arg-type]  # a name for a storage
    return ("kind" if route.storage is kinds[Kind.QUARANTINED] else route.storage), route.kept


def test_the_first_rule_that_is_about_it_decides() -> None:
    record = TempFile("/base/a", 0.0, rule="r", due_at=1.0)
    assert chosen(record, Rule("r", age=50.0)) == (None, None)
    assert chosen(record, Rule("r", age=50.0, quarantine=5.0)) == (("quarantine", 105.0), None)
    storage, kept = chosen(record, Rule("r", keep=True))
    assert (storage, kept and (kept.status, kept.cause, kept.due_at)) == (None, ("kept", "rule", float("inf")))
    storage, kept = chosen(record, Rule("r", age=150.0), Rule("other", age=1.0))
    assert kept is not None
    assert (kept.due_at, kept.detail) == (150.0, 'rule "r" lets it live for another 50 s')


def test_where_no_rule_is_about_it_max_age_decides() -> None:
    record = TempFile("/base/a", 0.0, rule="gone", due_at=1.0)
    assert chosen(record, Rule("r", match=("b",))) == (None, None)
    _, kept = chosen(record, Rule("r", match=("b",)), max_age=1000.0)
    assert kept is not None
    assert kept.due_at == 1000.0


def test_an_end_of_its_own_wins_over_rules() -> None:
    rule = Rule("r", keep=True)
    assert chosen(TempFile("/base/a", 0.0, due_at=1.0), rule) == (None, None)
    assert chosen(TempFile("/base/a", 0.0, due_at=1.0, session=3), rule) == (None, None)
    _, kept = chosen(TempFile("/base/a", 0.0), rule)
    assert kept is not None, "without one, a rule may have been made since"
    assert (kept.due_at, kept.rule) == (math.inf, "r"), "with the rule: else it would be taken for an end of its own"


def test_its_kind_wins_over_rules() -> None:
    record = TempFile("/base/x/1", 0.0, kind=Kind.QUARANTINED, origin="/base/a", due_at=1.0)
    assert chosen(record, Rule("r", keep=True)) == ("kind", None)


def test_what_nothing_here_can_do_keeps() -> None:
    _, kept = chosen(TempFile("/base/none", 0.0, rule="r", due_at=1.0), Rule("r", age=500.0, compress=1.0))
    assert kept is not None
    assert "nothing here can compress it" in kept.detail
