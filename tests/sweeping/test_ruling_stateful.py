"""Rules against a plain model, whatever is registered, pinned, changed and swept in whatever order."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from histories import histories
from temp_file_manager import Settings, TempFileManager, jobs
from temp_file_manager.rules.rule import Rule
from temp_file_manager.testing import FakeClock

MAX_AGE = 50.0
BOOKS = (
    (),
    (Rule("a", match=("a*",), age=10.0), Rule("tagged", tags=("x",), age=20.0)),
    (Rule("tagged", tags=("x",), age=5.0), Rule("a", match=("a*",), age=30.0)),
    (Rule("stay", match=("a?",), keep=True), Rule("last", match=("b*",), keep_last=2)),
    (Rule("last", match=("*",), keep_last=3, age=15.0),),
    (Rule("default", match=("b*",)), Rule("a", age=100.0)),
)


@dataclass
class File:
    """What is known of a file: when it was registered, how, and the order in which it was."""

    at: float
    ttl: float | None
    tags: tuple[str, ...]
    number: int
    pinned: bool = False
    ended: str = ""  # the rule of which it was found not to be among the newest


class Rules(RuleBasedStateMachine):
    """A manager that is made anew with other rules now and then, and another that knows none."""

    registry: ClassVar[str] = "sqlite:"

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.files: dict[str, File] = {}
        self.count = 0
        self.manager = self.made(BOOKS[1])
        self.book = BOOKS[1]

    def made(self, rules: tuple[Rule, ...]) -> TempFileManager:
        return TempFileManager(
            self.folder, MAX_AGE, registry=self.registry, settings=Settings(rules=rules), clock=self.clock
        )

    @rule(
        name=st.sampled_from(("a", "a1", "a2", "b", "b1", "b2", "b3", "c")),
        ttl=st.none() | st.sampled_from((7.0, 40.0)),
        tags=st.sampled_from(((), ("x",), ("y", "x"))),
        known=st.booleans(),
    )
    def register(self, name: str, ttl: float | None, tags: tuple[str, ...], known: bool) -> None:
        """By the one who knows the rules, or by another."""
        (self.folder / name).write_bytes(b"1")
        if known or self.registry == "memory:":
            self.manager.register_file(self.folder / name, ttl=ttl, tags=tags)
        else:
            other = self.made(())
            other.register_file(self.folder / name, ttl=ttl, tags=tags)
            other.close()
        self.count += 1
        pinned = name in self.files and self.files[name].pinned
        self.files[name] = File(self.clock.wall(), ttl, tags, self.count, pinned)

    @rule(seconds=st.sampled_from((1.0, 5.0, 9.0, 20.0)))
    def time_goes_on(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(data=st.data())
    def pin_and_unpin(self, data: st.DataObject) -> None:
        if self.files:
            name = data.draw(st.sampled_from(sorted(self.files)))
            self.files[name].pinned = not self.files[name].pinned
            (self.manager.pin if self.files[name].pinned else self.manager.unpin)(self.folder / name)

    @rule(book=st.sampled_from(BOOKS[1:]))
    def rules_change(self, book: tuple[Rule, ...]) -> None:
        if self.registry != "memory:":
            self.manager.close()
            self.manager, self.book = self.made(book), book

    @rule(scheduled=st.booleans())
    def sweep(self, scheduled: bool) -> None:
        due = self.due()
        planned = self.manager.sweep(dry_run=True)
        assert sorted(os.path.basename(one.record.path) for one in planned.outcomes if one.retired) == due
        report = jobs.sweep(self.manager.context, lambda: False) if scheduled else self.manager.sweep()
        assert report.retired == len(due)
        for name in due:
            del self.files[name]

    def due(self) -> list[str]:
        """Return what is due, by asking one question after the other; note what is beyond the newest."""
        now = self.clock.wall()
        deciding = {name: self.decides(name, file) for name, file in self.files.items()}
        for one in self.book:
            if one.keep_last is not None:
                theirs = [name for name, found in deciding.items() if found == one]
                endless = [name for name in theirs if self.files[name].ended != repr(one)]
                endless.sort(key=lambda name: (self.files[name].at, self.files[name].number), reverse=True)
                for name in endless[one.keep_last :]:
                    self.files[name].ended = repr(one)
        return sorted(
            name for name, file in self.files.items() if not file.pinned and self.is_due(file, deciding[name], now)
        )

    def decides(self, name: str, file: File) -> Rule | None:
        from fnmatch import fnmatchcase

        if file.ttl is not None:
            return None
        for one in self.book:
            matches = not one.match or any(fnmatchcase(name, pattern) for pattern in one.match)
            if matches and (not one.tags or set(one.tags) & set(file.tags)):
                return one
        return None

    def is_due(self, file: File, found: Rule | None, now: float) -> bool:
        if file.ttl is not None:
            return file.at + file.ttl <= now
        if found is None:
            return now - file.at > MAX_AGE
        if found.keep:
            return False
        if found.keep_last is not None:
            return file.ended == repr(found) and file.at + (found.age or 0.0) <= now
        return file.at + (MAX_AGE if found.age is None else found.age) <= now

    @invariant()
    def all_is_there_that_is_not_due(self) -> None:
        if hasattr(self, "files"):
            assert sorted(name for name in os.listdir(self.folder) if not name.startswith(".")) == sorted(self.files)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.manager.close()
            shutil.rmtree(self.folder)


class RulesInMemory(Rules):
    """The same, where rules do not change and nobody else registers."""

    registry = "memory:"


SETTINGS = hypothesis_settings(deadline=None, max_examples=histories(30), stateful_step_count=20)
TestRules = Rules.TestCase
TestRules.settings = SETTINGS
TestRulesInMemory = RulesInMemory.TestCase
TestRulesInMemory.settings = SETTINGS
