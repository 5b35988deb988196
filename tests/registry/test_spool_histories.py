"""Random histories of a spooled registry, beside a plain model: nothing acknowledged is lost, no newcomer goes."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from histories import histories
from registry.spools import Killed, named, registry_in, spooled
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.errors import RegistryUnavailableError
from temp_file_manager.records import Identity, Selection, Status
from temp_file_manager.registry import Settlement
from temp_file_manager.testing import NOW, FakeClock

AGE = 10.0

NAMES = st.sampled_from(["/d/a", "/d/b", "/d/c"])


class Outages(RuleBasedStateMachine):
    """Files, of which each has a number of its own, and what was acknowledged about them.

    ``disk`` is path → number. ``known`` is path → the number and the time of its last registration, until it is
    forgotten. ``times`` is number → the times at which that very file was registered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.target = registry_in(self.place)
        self.registry = spooled(self.target, self.place, self.clock)
        self.now = NOW
        self.made = 0
        self.disk: dict[str, int] = {}
        self.known: dict[str, tuple[int, float]] = {}
        self.times: dict[int, set[float]] = {}

    def teardown(self) -> None:
        self.target.down = False
        self.registry.drain.once()
        records = self.target.get(self.disk)
        for path, (number, at) in self.known.items():
            if self.disk.get(path) == number:
                assert path in records, f"{path} is lost"
                assert records[path].registered_at == at
                assert records[path].identity == identity(number)
        self.registry.close()
        shutil.rmtree(self.place)

    @rule(path=NAMES)
    def make(self, path: str) -> None:
        self.made += 1
        self.disk[path] = self.made

    @rule(path=NAMES)
    def register(self, path: str) -> None:
        number = self.disk.get(path)
        if number is not None:
            self.now += 1
            self.registry.add(named(path, identity=identity(number)), self.now)
            self.known[path] = number, self.now
            self.times.setdefault(number, set()).add(self.now)

    @rule(path=NAMES)
    def forget(self, path: str) -> None:
        try:
            self.registry.forget([path])
        except RegistryUnavailableError:
            assert self.target.down
            self.known.pop(path, None)  # nobody knows
        else:
            number, _ = self.known.pop(path, (0, 0.0))
            self.times.pop(number, None)

    @rule()
    def outage(self) -> None:
        self.target.down = True

    @rule()
    def end(self) -> None:
        self.target.down = False

    @rule(seconds=st.sampled_from([1.0, 7.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.clock.advance(seconds)

    @rule()
    def drain(self) -> None:
        try:
            self.registry.drain.once()
        except RegistryUnavailableError:
            assert self.target.down

    @rule(after=st.integers(0, 6))
    def killed(self, after: int) -> None:
        """Somewhere in a drain; another process goes on."""
        self.target.left = self.target.asked + after
        with suppress(Killed, RegistryUnavailableError):
            self.registry.drain.once()
        self.target.left = float("inf")
        self.registry.drain.stop()
        self.registry = spooled(self.target, self.place, self.clock)

    @rule()
    def standby(self) -> None:
        """One takes over that has not seen the last batches, nor what was done since."""
        if not self.target.down:
            self.registry.drain.once()
            batch = self.target.read(self.registry.drain.journal, limit=1)
            if batch:
                self.target.write(self.registry.drain.journal, str(int(batch[0].text) - 1), self.now, keep=1)

    @rule()
    def sweep(self) -> None:
        if self.target.down:
            return
        claim = self.target.claim(Selection(self.now, AGE), now=0, lease=60, limit=100)
        others = {}
        for position, path in enumerate(claim.records.paths()):
            record = self.target.get([path])[path]
            number = self.disk.get(path)
            if number is None:
                others[position] = Other(Status.GONE, Cause.NONE)
            elif record.identity != identity(number):
                others[position] = Other(Status.REPLACED, Cause.NONE)
            else:
                # Of old files the age at the server may count; but never that of another file, nor a forgotten one.
                assert any(at <= self.now - AGE for at in self.times.get(number, ())), "it goes early"
                del self.disk[path]
        self.target.settle(Settlement(claim, len(claim.records), others, self.now))


def identity(number: int) -> Identity:
    return Identity(number, number, 1, 2, 1)


TestOutages = Outages.TestCase
TestOutages.settings = settings(
    max_examples=histories(60), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
