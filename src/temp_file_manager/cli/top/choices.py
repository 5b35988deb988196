"""Choices of whoever looks at ``top``: what is shown, in which order, and what a key makes of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, TypeVar

from temp_file_manager.cli.top import keys
from temp_file_manager.records import Order

ORDERS = (Order.OLDEST, Order.LARGEST, Order.LEAST_USED)

_PAGE = 10
"""Lines that a page goes."""


class Part(StrEnum):
    """Which files are shown; all but those that are kept come in an order of their own."""

    ALL = "all"
    DUE = "due"
    FAILED = "failed"
    KEPT = "pinned or held"
    QUARANTINED = "in quarantine"


class Shown(StrEnum):
    """What the middle of the screen shows."""

    FILES = "files"
    WHY = "why"
    KEYS = "keys"


class Question(NamedTuple):
    """What is asked of the registry: which files, in which order, with what in their path."""

    part: Part = Part.ALL
    order: Order = Order.OLDEST
    search: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """What somebody has chosen.

    Attributes:
        question: Which files.
        selected: The path of one of them; empty: the first.
        typing: Whether what is typed belongs to the search.
        shown: What is seen.
        ended: Whether that is enough.
    """

    question: Question = field(default_factory=Question)
    selected: str = ""
    typing: bool = False
    shown: Shown = Shown.FILES
    ended: bool = False


def place(choices: Choices, paths: Sequence[str]) -> int:
    """Return which of the files is selected: one that has gone leaves it to the first."""
    return paths.index(choices.selected) if choices.selected in paths else 0


def after(choices: Choices, key: str, paths: Sequence[str]) -> Choices:
    """Return what is chosen after a key.

    Args:
        choices: Before it.
        key: See ``keys``.
        paths: Of the files that are shown.
    """
    if choices.typing:
        return _typed(choices, key)
    if choices.shown is not Shown.FILES and key not in _ENDS:
        return replace(choices, shown=Shown.FILES)
    if key in _STEPS:
        return _moved(choices, _STEPS[key], paths)
    if key == keys.ENTER and paths:
        return replace(choices, shown=Shown.WHY, selected=paths[place(choices, paths)])
    return _DOES.get(key, _nothing)(choices)


_ENDS = ("q", "Q")

_STEPS = {
    keys.UP: -1,
    "k": -1,
    keys.DOWN: 1,
    "j": 1,
    keys.PAGE_UP: -_PAGE,
    keys.PAGE_DOWN: _PAGE,
    keys.HOME: -(1 << 30),
    keys.END: 1 << 30,
}


def _moved(choices: Choices, steps: int, paths: Sequence[str]) -> Choices:
    if not paths:
        return choices
    at = min(max(place(choices, paths) + steps, 0), len(paths) - 1)
    return replace(choices, selected=paths[at])


def _nothing(choices: Choices) -> Choices:
    return choices


def _sorted(choices: Choices) -> Choices:
    return _asked(choices, choices.question._replace(order=_next(ORDERS, choices.question.order)))


def _filtered(choices: Choices) -> Choices:
    return _asked(choices, choices.question._replace(part=_next(tuple(Part), choices.question.part)))


def _asked(choices: Choices, question: Question) -> Choices:
    return replace(choices, question=question, selected="")


def _typed(choices: Choices, key: str) -> Choices:
    search = choices.question.search
    if key == keys.ENTER:
        return replace(choices, typing=False)
    if key == keys.ESCAPE:
        return replace(_asked(choices, choices.question._replace(search="")), typing=False)
    if key == keys.ERASE:
        return _asked(choices, choices.question._replace(search=search[:-1]))
    if len(key) > 1:  # an arrow, or the like
        return choices
    return _asked(choices, choices.question._replace(search=search + key))


T = TypeVar("T")


def _next(those: Sequence[T], one: T) -> T:
    return those[(those.index(one) + 1) % len(those)]


_DOES: dict[str, Callable[[Choices], Choices]] = {
    **dict.fromkeys(_ENDS, lambda choices: replace(choices, ended=True)),
    **dict.fromkeys("?h", lambda choices: replace(choices, shown=Shown.KEYS)),
    "s": _sorted,
    "f": _filtered,
    "/": lambda choices: replace(choices, typing=True),
    keys.ESCAPE: lambda choices: _asked(choices, Question(order=choices.question.order)),
}
