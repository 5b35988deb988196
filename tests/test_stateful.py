"""Random histories of a manager in memory, in lockstep with a model so plain that it is right at a glance."""

import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from histories import histories
from temp_file_manager import TempFileManager
from temp_file_manager.records import Status, TempFile
from temp_file_manager.testing import FakeClock

SETTINGS = settings(
    max_examples=histories(120), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

NAMES = st.sampled_from([f"f{number}" for number in range(8)])
SECONDS = st.integers(-30, 30).map(float)


class PublishedClass(RuleBasedStateMachine):
    """A manager on real files; the model is what the specification's class does with a plain dict.

    ``model`` is path → time. ``ttls`` is what the model adds: path → seconds, which is due when it has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = tempfile.mkdtemp()
        self.clock = FakeClock()
        self.manager = TempFileManager(self.base, 20, clock=self.clock)
        self.model: dict[str, float] = {}
        self.ttls: dict[str, float] = {}
        self.on_disk: set[str] = set()
        self.undeletable: set[str] = set()
        self.held: dict[str, float] | None = None

    def teardown(self) -> None:
        self.manager.close()
        shutil.rmtree(self.base)

    def path(self, name: str) -> str:
        return os.path.join(self.base, name)

    # -- the disk

    def write(self, path: str) -> bool:
        if path in self.undeletable:
            return False
        with open(path, "w") as file:
            file.write("x")
        self.on_disk.add(path)
        return True

    @rule(name=NAMES)
    def vanish(self, name: str) -> None:
        path = self.path(name)
        if path in self.on_disk:
            os.remove(path)
            self.on_disk.remove(path)

    @rule(name=NAMES)
    def make_undeletable(self, name: str) -> None:
        path = self.path(name)
        if path not in self.undeletable:
            if path in self.on_disk:
                os.remove(path)
                self.on_disk.remove(path)
            os.mkdir(path)
            self.undeletable.add(path)

    @rule(name=NAMES)
    def make_deletable(self, name: str) -> None:
        path = self.path(name)
        if path in self.undeletable:
            os.rmdir(path)
            self.undeletable.remove(path)
            self.write(path)

    # -- registering

    @rule(name=NAMES, ttl=st.none() | st.integers(0, 60).map(float))
    def register(self, name: str, ttl: float | None) -> None:
        path = self.path(name)
        if not self.write(path):
            self.manager.register_file(path)  # a directory: refused, and a record of before stays as it is
            return
        self.manager.register_file(path, ttl=ttl)
        self.record(path, self.clock.wall(), ttl)

    @rule(name=NAMES)
    def register_what_is_missing(self, name: str) -> None:
        path = self.path(name)
        if path not in self.on_disk:
            self.manager.register_file(path)

    @rule(names=st.lists(NAMES, unique=True))
    def register_many(self, names: list[str]) -> None:
        paths = [self.path(name) for name in names]
        regular = [path for path in paths if self.write(path)]
        report = self.manager.register_files(paths)
        assert report.registered == len(regular)
        assert [path for path, _ in report.refused] == [path for path in paths if path not in regular]
        for path in regular:
            self.record(path, self.clock.wall(), None)

    def record(self, path: str, when: float, ttl: float | None) -> None:
        self.model[path] = when
        self.ttls.pop(path, None)
        if ttl is not None:
            self.ttls[path] = ttl

    # -- writing to ``files``: what a dict does; a known path keeps its ttl, a forgotten one has none

    @rule(name=NAMES, seconds=SECONDS)
    def backdate(self, name: str, seconds: float) -> None:
        self.manager.files[self.path(name)] = self.model[self.path(name)] = self.clock.wall() - seconds

    @rule(times=st.dictionaries(NAMES, SECONDS), how=st.sampled_from(["update", "pairs", "|=", "files |="]))
    def update(self, times: dict[str, float], how: str) -> None:
        new = {self.path(name): self.clock.wall() - seconds for name, seconds in times.items()}
        if how == "update":
            self.manager.files.update(new)
        elif how == "pairs":
            self.manager.files.update(list(new.items()))
        elif how == "|=":
            files = self.manager.files
            files |= new  # type: ignore[operator]  # in memory it is a dict
        else:
            self.manager.files |= new  # type: ignore[operator]  # likewise
        self.model.update(new)

    @rule(name=NAMES, seconds=SECONDS)
    def setdefault(self, name: str, seconds: float) -> None:
        path, when = self.path(name), self.clock.wall() - seconds
        assert self.manager.files.setdefault(path, when) == self.model.setdefault(path, when)

    @rule(name=NAMES, how=st.sampled_from(["pop", "del", "popitem", "clear"]))
    def delete(self, name: str, how: str) -> None:
        path = self.path(name)
        if how == "pop":
            assert self.manager.files.pop(path, None) == self.model.pop(path, None)
        elif how == "clear":
            self.manager.files.clear()
            self.model.clear()
        elif how == "popitem" and self.model:
            assert self.manager.files.popitem() == self.model.popitem()
        elif how == "del" and path in self.model:
            del self.manager.files[path]
            del self.model[path]
        self.forget_ttls()

    def forget_ttls(self) -> None:
        self.ttls = {path: ttl for path, ttl in self.ttls.items() if path in self.model}

    @rule(times=st.dictionaries(NAMES, SECONDS))
    def assign_files(self, times: dict[str, float]) -> None:
        new = {self.path(name): self.clock.wall() - seconds for name, seconds in times.items()}
        before, old = dict(self.manager.files), self.manager.files
        self.manager.files = new
        assert old == before
        self.model, self.ttls = dict(new), {}

    @rule()
    def assign_the_existing(self) -> None:
        # The specification's own recipe. What it keeps keeps no ttl of another record.
        existing = {path: when for path, when in self.manager.files.items() if os.path.exists(path)}
        kept = self.ttls
        self.manager.files = existing
        self.model = {path: when for path, when in self.model.items() if os.path.exists(path)}
        self.ttls = {}
        for path, ttl in kept.items():
            if path in self.model and self.manager.status(path).record.due_at is not None:  # type: ignore[union-attr]
                self.ttls[path] = ttl

    @precondition(lambda self: self.held is None)
    @rule()
    def swap_away(self) -> None:
        self.held = self.manager.files  # type: ignore[assignment]  # in memory it is a dict
        self.held_model = self.model
        self.manager.files = {}
        self.model, self.ttls = {}, {}

    @precondition(lambda self: self.held is not None)
    @rule()
    def restore(self) -> None:
        assert self.held == self.held_model
        self.manager.files = self.held
        self.model, self.ttls = dict(self.held_model), {}
        self.held = None
        for path, when in self.model.items():
            record = self.manager.status(path).record
            assert record is not None
            if record.due_at is not None:
                self.ttls[path] = record.due_at - when

    # -- time and cleanups

    @rule(seconds=st.integers(0, 40).map(float))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(max_age=st.sampled_from([0, 1, 10, 20.0, 45, float("inf")]))
    def change_max_age(self, max_age: float) -> None:
        self.manager.max_age = max_age

    def is_due(self, path: str, force: bool) -> bool:
        age = self.clock.wall() - self.model[path]
        if path in self.ttls:
            return force or age >= self.ttls[path]
        return force or age > self.manager.max_age

    def expected(self, force: bool) -> list[str]:
        """What is due, the longest overdue first; equals in any order."""
        since = {
            path: when + self.ttls.get(path, self.manager.max_age)
            for path, when in self.model.items()
            if self.is_due(path, force)
        }
        return sorted(since, key=lambda path: since[path])

    def retire(self, path: str) -> bool:
        if path in self.undeletable:
            return False
        self.on_disk.discard(path)
        del self.model[path]
        self.ttls.pop(path, None)
        return True

    @rule(force=st.booleans())
    def cleanup(self, force: bool) -> None:
        due = self.expected(force)
        assert self.manager.cleanup(force) == sum(map(self.retire, due))

    @rule()
    def clear_all(self) -> None:
        due = self.expected(True)
        assert self.manager.clear_all() == sum(map(self.retire, due))

    @rule(force=st.booleans(), limit=st.none() | st.integers(0, 9))
    def sweep(self, force: bool, limit: int | None) -> None:
        due = self.expected(force)
        statuses = {path: self.status_of(path) for path in due}
        planned = self.manager.sweep(force=force, limit=limit, dry_run=True)
        assert self.manager.files == self.model
        done = self.manager.sweep(force=force, limit=limit)
        assert [(o.record.path, o.status) for o in planned.outcomes] == [
            (o.record.path, o.status) for o in done.outcomes
        ]
        assert (planned.removed, planned.gone, planned.failed, planned.skipped, planned.stopped) == (
            done.removed, done.gone, done.failed, done.skipped, done.stopped,
        )  # fmt: skip
        assert (planned.dry_run, done.dry_run) == (True, False)
        taken = [outcome.record.path for outcome in done.outcomes]
        assert len(taken) == len(set(taken)) == (len(due) if limit is None else min(limit, len(due)))
        assert (since := [self.waits_since(outcome.record) for outcome in done.outcomes]) == sorted(since)
        assert all(outcome.status is statuses[outcome.record.path] for outcome in done.outcomes)
        assert done.retired == sum(map(self.retire, taken))

    def waits_since(self, record: TempFile) -> float:
        """Since it became due; what a sweep has failed to remove, since its next try."""
        due = self.model[record.path] + self.ttls.get(record.path, self.manager.max_age)
        return due if record.retry_at is None else record.retry_at

    def status_of(self, path: str) -> Status:
        if path in self.undeletable:
            return Status.FAILED
        return Status.REMOVED if path in self.on_disk else Status.GONE

    # -- what always holds

    @invariant()
    def files_are_the_models(self) -> None:
        assert self.manager.files == self.model
        assert len(self.manager.files) == len(self.model)
        assert self.manager.registry.stats().records == len(self.model)

    @invariant()
    def the_disk_is_the_models(self) -> None:
        assert {os.path.join(self.base, name) for name in os.listdir(self.base)} == self.on_disk | self.undeletable

    @invariant()
    def each_file_is_told_about_rightly(self) -> None:
        for number in range(8):
            path = self.path(f"f{number}")
            known = path in self.model
            assert self.manager.is_temp_file(path) is known
            assert self.manager.get_file_age(path) == (self.clock.wall() - self.model[path] if known else None)
            assert self.manager.status(path).due is (known and self.is_due(path, False))


TestPublishedClass = PublishedClass.TestCase
TestPublishedClass.settings = SETTINGS
