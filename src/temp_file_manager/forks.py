"""Forked children: an object with locks or threads says here how it starts anew, as no thread survives a fork."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

Step = Callable[[Any], None]


def _nothing(_: object) -> None:
    """Do what most do in the parent."""


_alive: "weakref.WeakKeyDictionary[object, tuple[Step, Step, Step]]" = weakref.WeakKeyDictionary()


class _Prepared(threading.local):
    """What ``before`` was called for: a thread's own, as several may fork at the same time."""

    def __init__(self) -> None:
        self.steps: list[tuple[object, Step, Step]] = []


_prepared = _Prepared()


def at_fork(owner: T, renew: Callable[[T], None], *, before: Step = _nothing, after: Step = _nothing) -> None:
    """Call ``renew(owner)`` in every forked child, as long as ``owner`` lives.

    Args:
        owner: Held weakly.
        renew: Called in the child.
        before: Called in the parent before the fork, with ``owner``.
        after: Called in the parent after it, if ``before`` was.
    """
    _alive[owner] = (before, after, renew)


def _before() -> None:
    # In one step: ``items`` walks, and would meet those that other threads add meanwhile.
    for reference in _alive.keyrefs():
        owner = reference()
        if owner is not None:
            before, after, renew = _alive[owner]
            before(owner)
            _prepared.steps.append((owner, after, renew))


def _in_parent() -> None:
    while _prepared.steps:
        owner, after, _ = _prepared.steps.pop()
        after(owner)


def _in_child() -> None:
    while _prepared.steps:
        owner, _, renew = _prepared.steps.pop()
        renew(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
