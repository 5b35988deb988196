"""What begins anew in forked children."""

import os
import sys
from types import FrameType
from typing import Any

from temp_file_manager.forks import at_fork
from temp_file_manager.testing import in_child

SOME = 20


class Owner:
    """Something with a lock."""

    def __init__(self) -> None:
        self.prepared = self.renewed = 0
        at_fork(self, Owner.renew, before=Owner.prepare)

    def prepare(self) -> None:
        self.prepared += 1

    def renew(self) -> None:
        self.renewed += 1


def test_what_other_threads_add_meanwhile_keeps_nobody_from_being_prepared() -> None:
    """Once the fork went on unprepared: "dictionary changed size during iteration", which nobody hears of."""
    owners, more = [Owner() for _ in range(9)], list[Owner]()

    def add(_: FrameType, event: str, __: Any) -> None:
        if event == "call" and len(more) < SOME:  # as another thread may, wherever this one lets it run
            sys.setprofile(None)
            more.append(Owner())
            sys.setprofile(add)

    def fork() -> list[int]:
        sys.setprofile(add)
        pid = os.fork()
        sys.setprofile(None)
        if not pid:
            os._exit(sum(owner.renewed for owner in owners))
        told = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return [told, sum(owner.prepared for owner in owners), min(len(more), 1)]

    assert in_child(fork) == [18, 18, 1], "once by the fork of this child, and once by the one in it"
