"""What threads held does not exist in a forked child: who holds locks or threads says here how to start anew."""

import os
import weakref
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_alive: "weakref.WeakKeyDictionary[object, Callable[[object], None]]" = weakref.WeakKeyDictionary()


def at_fork(owner: T, renew: Callable[[T], None]) -> None:
    """Call ``renew(owner)`` in every forked child, as long as ``owner`` lives."""
    _alive[owner] = renew  # type: ignore[assignment]  # only ever called with its own owner


def _renew_all() -> None:
    for owner, renew in list(_alive.items()):
        renew(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
