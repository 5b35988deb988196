"""The clock guard: whatever the wall clock does, no file is removed early."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from histories import histories
from temp_file_manager.clock import boot_id
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.events import Hooks
from temp_file_manager.records import Selection
from temp_file_manager.registering.register import Registrar
from temp_file_manager.registry import MemoryRegistry, Registry
from temp_file_manager.registry.answers import Note
from temp_file_manager.registry.journal import last_line
from temp_file_manager.registry.schemes import open_registry
from temp_file_manager.settings import Settings
from temp_file_manager.storage import LocalStorage
from temp_file_manager.storage.system_files import SystemFiles
from temp_file_manager.sweeping import watermark
from temp_file_manager.sweeping.clock_guard import ClockGuard
from temp_file_manager.sweeping.sweep import Bounds, Sweeper
from temp_file_manager.sweeping.watermark import Moment, Reading, Watermark, look
from temp_file_manager.testing import NOW, FakeClock

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Machine:
    """A clock, a registry and a guard; the machine can be booted, and its clock set."""

    def __init__(self, registry: Registry | None = None) -> None:
        self.clock = FakeClock(elapsed=1000.0)
        self.registry = MemoryRegistry() if registry is None else registry
        self.boot = "first"
        self.guard = self.new_guard()

    def register(self, path: str) -> float:
        """Put a path on record as a ``Registrar`` does; return its time."""
        self.registry.files[path] = self.guard.wall()
        return self.registry.files[path]

    def new_guard(self) -> ClockGuard:
        return ClockGuard(self.registry, self.clock, boot=lambda: self.boot)

    def jump(self, seconds: float) -> None:
        self.clock.set(wall=self.clock.wall() + seconds)

    def reboot(self, off: float, *, set_by: float = 0, up: float = 1000.0) -> None:
        self.boot += "+"
        self.clock.set(wall=self.clock.wall() + off + set_by, elapsed=up)
        self.guard = self.new_guard()

    def lag(self) -> float:
        """How far ages are behind the wall clock."""
        return self.clock.wall() - self.guard.read().asof

    def kept(self) -> Watermark:
        text = last_line(self.registry, "clock")
        assert text is not None
        facts = json.loads(text)
        ahead = facts["ahead"]
        return Watermark(Moment(**facts["line"]), ahead and Moment(**ahead), facts["booted"])

    def run(self, seconds: float, every: float = 300.0) -> list[Reading]:
        readings = []
        for _ in range(int(seconds // every)):
            self.clock.advance(every)
            readings.append(self.guard.read())
        return readings


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture(params=["memory:", "sqlite:"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    made = open_registry(request.param, str(tmp_path))
    yield made
    made.close()


# -- the property --------------------------------------------------------------------------------------------------

JUMPS = st.integers(-10 * 86400, 10 * 86400) | st.integers(-70, 70) | st.sampled_from([-3600, 3600, 59, 60, 61])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.integers(1, 2 * 86400) | st.integers(1, 600)),
        st.tuples(st.just("jump"), JUMPS),
        st.tuples(st.just("unseen jump"), JUMPS),
        st.tuples(st.just("register"), st.just(0)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("retire"), st.integers(0, 5)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=histories(400), deadline=None)
@given(steps=STEPS)
@example([("advance", 3600), ("register", 0), ("jump", 2), ("jump", 59)])
@example([("advance", 30 * 86400), ("register", 0), ("jump", 60), ("jump", 60)])
@example([("jump", -1), ("register", 0), ("advance", 30 * 86400), ("register", 0), ("jump", 71), ("jump", 60)])
def test_no_file_is_due_early(steps: list[tuple[str, int]]) -> None:
    """By more than a minute, and what slewing may add to its age, whether a sweep has seen a jump or not."""
    machine = Machine()
    files, born = machine.registry.files, {}
    machine.guard.read()
    for step, value in steps:
        if step == "advance":
            machine.clock.advance(value)
        elif step in ("jump", "unseen jump"):
            machine.jump(value)
        elif step == "register":
            path = f"/c/{len(born)}"
            born[path] = machine.clock.elapsed()
            machine.register(path)
        elif step == "retire":
            for path in sorted(files, key=files.__getitem__)[:value]:
                del files[path]
        elif step == "restart":
            machine.guard = machine.new_guard()
        if step in ("jump", "look"):
            reading = machine.guard.read()
            assert reading.asof <= machine.clock.wall()
            assert bool(reading.reason) is not reading.trusted
            now = Moment(machine.clock.wall(), machine.clock.elapsed(), machine.boot)
            assert machine.kept().line.carried(now).wall <= now.wall + 1, "the line is never above the wall clock"
            for path, registered_at in files.items():
                true_age = machine.clock.elapsed() - born[path]
                assert reading.asof - registered_at <= true_age * (1 + watermark.SLEW) + 60 + 1e-6


@settings(max_examples=histories(100), deadline=None)
@given(steps=st.lists(st.tuples(st.integers(1, 10 * 86400), st.integers(-10 * 86400, 10 * 86400)), max_size=10))
def test_it_comes_to_trust_a_clock_that_keeps_still(steps: list[tuple[int, int]]) -> None:
    """Once nothing is left that was registered before."""
    machine = Machine()
    for advanced, jumped in steps:
        machine.clock.advance(advanced)
        machine.jump(jumped)
        machine.registry.files["/c/a"] = machine.clock.wall()
        machine.guard.read()
    machine.registry.files.clear()
    assert machine.run(2 * HOUR)[-1].trusted
    assert machine.lag() <= 11


# -- one jump after another ----------------------------------------------------------------------------------------


def test_it_trusts_a_clock_that_keeps_time(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    readings = [machine.guard.read(), *machine.run(30 * DAY, 4000)]
    assert all(reading.trusted and not reading.reason for reading in readings)
    assert machine.lag() == 0


def test_a_jump_ahead_is_not_followed(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.clock.advance(300)
    machine.jump(HOUR)
    reading = machine.guard.read()
    assert (reading.asof, reading.trusted) == (NOW + 300, False)
    assert "1 h 0 min ahead" in reading.reason
    assert "--accept-clock" in reading.reason
    readings = machine.run(2 * DAY)
    assert not any(reading.trusted for reading in readings)
    assert readings[-1].asof == NOW + 300 + 2 * DAY
    assert [r.getMessage() for r in caplog.records if "clock" in r.getMessage()] == [
        f"The wall clock is not trusted: {reading.reason}"
    ], "said once"


@pytest.mark.parametrize(("jump", "trusted"), [(59, True), (60, True), (61, False)])
def test_a_minute_is_let_pass(machine: Machine, jump: float, trusted: bool) -> None:
    machine.guard.read()
    machine.jump(jump)
    assert machine.guard.read().trusted is trusted
    assert machine.lag() == (11 if jump == 60 else 10 if trusted else jump)


def test_a_jump_ahead_and_back_leaves_nothing(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.jump(HOUR)
    assert not machine.guard.read().trusted
    machine.clock.advance(300)
    machine.jump(-HOUR + 30)
    assert machine.guard.read() == Reading(NOW + 330, True)
    assert machine.kept().ahead is None
    assert "The wall clock is trusted again" in caplog.text


def test_a_jump_back_takes_the_line_along(machine: Machine) -> None:
    machine.guard.read()
    machine.jump(-HOUR)
    reading = machine.guard.read()
    assert (reading.asof, reading.trusted) == (NOW - HOUR, False)
    assert "went back by 1 h 0 min" in reading.reason
    machine.clock.advance(300)
    assert machine.guard.read() == Reading(NOW - HOUR + 300, True), "what is registered now is due in time"


def test_what_was_registered_while_the_clock_was_behind_is_not_due_when_it_is_right(machine: Machine) -> None:
    machine.guard.read()
    machine.jump(-HOUR)
    machine.guard.read()
    machine.registry.files["/c/young"] = machine.clock.wall()
    machine.clock.advance(300)
    machine.jump(HOUR)
    reading = machine.guard.read()
    assert not reading.trusted
    assert reading.asof - machine.registry.files["/c/young"] == 300


def test_small_steps_back_are_let_pass_and_do_not_add_up(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.jump(-50)
    assert machine.guard.read() == Reading(NOW - 50, True)
    machine.jump(50)
    assert machine.guard.read().trusted
    machine.jump(50)
    assert machine.guard.read() == Reading(NOW - 50, False, machine.guard.read().reason)


@pytest.mark.parametrize("step", [1, 20, 59])
def test_small_steps_do_not_add_up(machine: Machine, step: float) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    for _ in range(2000):
        machine.clock.advance(300)
        machine.jump(step)
        machine.guard.read()
    assert machine.guard.read().asof - NOW <= 2000 * 300 * (1 + watermark.SLEW) + 60


@pytest.mark.parametrize("every", [300.0, HOUR, DAY])
def test_slewing_is_followed(machine: Machine, every: float) -> None:
    machine.guard.read()
    passed = 0.0
    while passed < 90 * DAY:
        machine.clock.advance(every)
        machine.jump(every * (100e-6 if every == DAY else 400e-6))
        assert machine.guard.read().trusted
        passed += every
    assert machine.lag() <= 1


def test_suspending_is_no_jump(machine: Machine) -> None:
    machine.guard.read()
    machine.clock.advance(30 * DAY)  # the elapsed clock goes on while the machine sleeps
    assert machine.guard.read() == Reading(NOW + 30 * DAY, True)


def test_falling_asleep_between_two_readings_is_no_jump(machine: Machine) -> None:
    machine.guard.read()
    asleep = iter([1, 0, 0])

    class Sleepy(FakeClock):
        def wall(self) -> float:
            wall = super().wall()
            self.advance(8 * HOUR * next(asleep))
            return wall

    sleepy = Sleepy(machine.clock.wall(), machine.clock.elapsed())
    guard = ClockGuard(machine.registry, sleepy, boot=lambda: machine.boot)
    assert guard.read() == Reading(NOW + 8 * HOUR, True)


# -- the ends of a pause -------------------------------------------------------------------------------------------


def test_accepting_ends_a_pause_for_every_process(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    other = machine.new_guard()
    other.read()
    machine.jump(HOUR)
    assert not other.read().trusted
    machine.guard.accept()
    assert other.read() == Reading(NOW + HOUR, True)


def test_a_pause_ends_when_nothing_is_left_from_before(machine: Machine) -> None:
    files = machine.registry.files
    files["/c/before"] = NOW
    machine.guard.read()
    machine.jump(DAY)
    machine.guard.read()
    files["/c/since"] = machine.clock.wall()
    assert not any(reading.trusted for reading in machine.run(2 * HOUR))
    del files["/c/before"]
    machine.run(HOUR)
    assert machine.guard.read() == Reading(machine.clock.wall(), True)


def test_a_pause_goes_on_when_the_clock_jumps_again(machine: Machine) -> None:
    """What was registered between the two is from before, too."""
    files = machine.registry.files
    machine.guard.read()
    machine.jump(HOUR)
    machine.guard.read()
    files["/c/between"] = machine.clock.wall()
    machine.clock.advance(300)
    machine.jump(HOUR)
    assert not any(reading.trusted for reading in machine.run(10 * HOUR))


def test_a_pin_from_before_keeps_the_pause(registry: Registry) -> None:
    """It outlasts a new registration, and would end early."""
    machine = Machine(registry)
    machine.guard.read()
    registry.add([("/c/a", None, None, (), None, None)], NOW)
    registry.keep(["/c/a"], NOW + 3 * HOUR)
    machine.jump(DAY)
    machine.guard.read()
    registry.add([("/c/a", None, None, (), None, None)], machine.clock.wall())
    assert not any(reading.trusted for reading in machine.run(2 * HOUR))
    assert machine.run(2 * HOUR)[-1].trusted


def test_looking_for_what_is_left_is_paged(registry: Registry) -> None:
    machine = Machine(registry)
    machine.guard.read()
    machine.jump(HOUR)
    since = machine.clock.wall()
    registry.add([(f"/c/{number}", None, None, (), None, None) for number in range(2500)], since + 1)
    registry.add([("/c/old", since + 30 * DAY, None, (), None, None)], since - 1)
    machine.guard.read()
    assert not any(reading.trusted for reading in machine.run(3 * HOUR))
    registry.forget(["/c/old"])
    assert machine.run(HOUR)[-1].trusted


# -- boots ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "set_by", "trusted"),
    [(MINUTE, 0, True), (7 * DAY, 0, True), (7 * DAY + 1, 0, False), (MINUTE, -2 * MINUTE, False)],
)
def test_after_a_boot(machine: Machine, off: float, set_by: float, trusted: bool) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.reboot(off, set_by=set_by)
    reading = machine.guard.read()
    assert reading.trusted is trusted
    assert reading.asof == min(NOW, machine.clock.wall()) if not trusted else machine.clock.wall()
    machine.clock.advance(300)
    assert machine.guard.read().asof == reading.asof + 300


def test_uptime_is_no_time_off(machine: Machine) -> None:
    machine.guard.read()
    machine.run(20 * DAY)
    machine.reboot(HOUR)
    assert machine.guard.read().trusted


def test_a_boot_does_not_make_up_for_a_jump(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.jump(HOUR)
    assert not machine.guard.read().trusted
    machine.reboot(MINUTE)
    assert machine.guard.read().asof == NOW
    machine.reboot(MINUTE)
    assert machine.guard.read().asof == NOW, "nor does another"
    assert machine.run(HOUR)[-1].asof == NOW + HOUR
    machine.registry.files.clear()
    assert machine.run(HOUR)[-1].trusted


def test_a_boot_may_bring_the_clock_back(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.jump(HOUR)
    machine.guard.read()
    machine.reboot(MINUTE, set_by=-HOUR)
    assert machine.guard.read() == Reading(NOW + MINUTE, True)


def test_another_boot_does_not_make_up_for_a_long_time_off(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    for off in (8 * DAY, MINUTE):
        machine.reboot(off)
        assert machine.guard.read().asof == NOW


def test_how_long_it_may_be_off_can_be_set(machine: Machine) -> None:
    now = Moment(NOW + 2 * HOUR, 1000.0, "second")
    mark = Watermark(Moment(NOW, 0.5, "first"))
    assert not look(mark, now, HOUR)[0].trusted
    assert look(mark, now, 3 * HOUR)[0].trusted


def test_where_no_boot_has_a_name_an_elapsed_clock_that_began_anew_tells() -> None:
    mark = Watermark(Moment(NOW, 5000.0, ""))
    assert look(mark, Moment(NOW + DAY, 1000.0, ""))[0] == Reading(NOW + DAY, True)
    assert not look(mark, Moment(NOW + DAY, 5020.0, ""))[0].trusted


def test_just_after_a_boot_a_clock_that_is_ahead_has_time_to_be_put_right(machine: Machine) -> None:
    """It may be right, as the machine was off; or wrong, as nobody on the network has told it the time yet."""
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.reboot(MINUTE, set_by=6 * DAY, up=20)
    reading = machine.guard.read()
    assert (reading.asof, reading.trusted) == (NOW, False)
    assert "may have been off for 6 d" in reading.reason
    assert "--accept-clock" in reading.reason
    written = machine.kept()
    machine.clock.advance(300)
    assert machine.guard.read().asof == NOW + 300
    assert machine.kept() == written, "once"
    machine.jump(-6 * DAY)
    machine.clock.advance(10)
    assert (machine.guard.read().trusted, machine.lag()) == (True, 11), "a minute off, of which it follows most"


def test_a_clock_that_nobody_puts_right_after_a_boot_is_trusted(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.reboot(6 * DAY, up=20)
    assert not machine.guard.read().trusted
    machine.clock.advance(watermark.SETTLED - 21)
    assert not machine.guard.read().trusted
    machine.clock.advance(1)
    assert machine.guard.read() == Reading(machine.clock.wall(), True)


def test_a_second_boot_begins_the_time_anew(machine: Machine) -> None:
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    for _ in range(2):
        machine.reboot(DAY, up=20)
        assert machine.guard.read().asof == NOW
    machine.clock.advance(watermark.SETTLED)
    assert machine.guard.read() == Reading(machine.clock.wall(), True)


@pytest.mark.parametrize(("corrected", "trusted"), [(5, True), (-5, True), (-HOUR, True), (HOUR, False)])
def test_what_corrects_the_clock_after_a_boot_makes_nothing_early(
    machine: Machine, corrected: float, trusted: bool
) -> None:
    """By seconds it mostly is corrected; put ahead by more, what was registered before is younger than it says."""
    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    machine.reboot(DAY, up=20)
    at = machine.register("/c/young")
    machine.guard.read()
    machine.jump(corrected)
    machine.clock.advance(watermark.SETTLED)
    machine.guard.read()
    machine.clock.advance(10)
    reading = machine.guard.read()
    assert reading.trusted is trusted
    assert trusted or reading.asof - at <= watermark.SETTLED + 10


# -- what is registered between two looks of sweeps


@pytest.mark.parametrize("behind", [2 * MINUTE, HOUR, 30 * DAY])
def test_what_is_registered_by_a_clock_that_is_behind_is_not_due_when_it_is_right(
    machine: Machine, behind: float
) -> None:
    """Though no sweep has seen that it was behind."""
    machine.guard.read()
    machine.clock.advance(60)
    machine.jump(-behind)
    at = machine.register("/c/young")
    machine.jump(behind)
    machine.clock.advance(60)
    assert machine.new_guard().read().asof - at <= 60 + MINUTE


def test_nor_is_it_when_the_clock_was_behind_at_a_boot(machine: Machine) -> None:
    """A machine without a battery in its clock: files are registered before somebody on the network tells the time."""
    machine.guard.read()
    for behind in (DAY, 2 * HOUR):
        machine.reboot(DAY, set_by=-behind, up=20)
        at = machine.register("/c/young")
        machine.clock.advance(10)
        machine.jump(behind)
        for passed in (0, 5000):
            machine.clock.advance(passed)
            assert machine.guard.read().asof - at <= 10 + passed + MINUTE


def test_nor_is_it_when_no_sweep_has_ever_looked(machine: Machine) -> None:
    machine.jump(-30 * DAY)
    at = machine.register("/c/young")
    machine.jump(30 * DAY)
    assert machine.guard.read().asof - at <= MINUTE


def test_registering_asks_the_registry_only_when_a_clock_has_jumped(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = machine.registry.read

    def read(journal: str, *, limit: int) -> list[Note]:
        asked.append(journal)
        return real(journal, limit=limit)

    monkeypatch.setattr(machine.registry, "read", read)
    for _ in range(5):
        machine.clock.advance(HOUR)
        assert machine.guard.wall() == machine.clock.wall()
    assert len(asked) == 1
    machine.jump(-2)
    machine.guard.wall()
    assert len(asked) == 2


# -- what ages are read at while a sweep goes on


def test_ages_are_read_at_what_the_last_look_found(machine: Machine) -> None:
    """However the wall clock jumps after it, until it is accepted."""
    assert machine.guard.asof() == NOW
    machine.guard.read()
    machine.clock.advance(10)
    machine.jump(DAY)
    assert machine.guard.asof() == NOW + 10
    machine.guard.accept()
    assert machine.guard.asof() == NOW + 10 + DAY
    machine.jump(-2 * DAY)
    assert machine.guard.asof() == NOW + 10 - DAY, "never above the wall clock"


def test_a_boot_has_a_name_where_the_system_gives_one(tmp_path: Path) -> None:
    name = tmp_path / "boot_id"
    assert boot_id(str(name)) == ""
    name.write_text("6a0f\n")
    assert boot_id(str(name)) == "6a0f"
    name.write_bytes(b"\xff")
    assert boot_id(str(name)) == ""
    assert boot_id() == boot_id()


# -- the watermark -------------------------------------------------------------------------------------------------


def test_it_is_written_once_an_hour(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.guard.read()
    before, written = machine.kept(), []
    with monkeypatch.context() as patched:
        patched.setattr(machine.registry, "write", lambda *words, **_: written.append(words))
        machine.run(50 * MINUTE)
    assert written == []
    machine.run(15 * MINUTE)
    assert machine.kept().line == before.line.carried(Moment(0, machine.kept().line.elapsed, "first"))
    assert machine.kept() != before


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '{"line": null, "ahead": null}', '{"line": {"wall": 1, "elapsed": 2}, "ahead": null}',
     '{"line": {"wall": NaN, "elapsed": 2, "boot": ""}, "ahead": null}',
     '{"line": {"wall": "1", "elapsed": 2, "boot": ""}, "ahead": null}',
     '{"line": {"wall": 1' + "0" * 400 + ', "elapsed": 2, "boot": ""}, "ahead": null}'],
)  # fmt: skip
def test_one_that_cannot_be_read_pauses_until_somebody_accepts(machine: Machine, text: str) -> None:
    machine.registry.write("clock", text, NOW, keep=1)
    assert machine.guard.wall() == NOW, "files are registered all the same"
    for _ in range(2):
        reading = machine.guard.read()
        assert (reading.asof, reading.trusted) == (0.0, False)
        assert "--accept-clock" in reading.reason
        assert machine.guard.peek() == reading
        assert last_line(machine.registry, "clock") == text, "perhaps a newer version's"
    machine.guard.accept()
    assert machine.guard.read() == Reading(NOW, True)


def test_one_that_is_missing_is_made(machine: Machine) -> None:
    assert machine.guard.read() == Reading(NOW, True)
    assert machine.kept() == Watermark(Moment(NOW, 1000.0, "first"))


def test_two_processes_share_it(registry: Registry) -> None:
    machine = Machine(registry)
    registry.add([("/c/a", None, None, (), None, None)], NOW)
    other = machine.new_guard()
    for jump, trusted in ((0, True), (HOUR, False), (-2 * HOUR, False), (0, True), (2 * HOUR, False)):
        machine.clock.advance(300)
        machine.jump(jump)
        reading = machine.guard.read()
        assert reading.trusted is trusted
        again = other.read()
        assert again.asof == reading.asof
        assert again.trusted is (trusted or jump < 0), "the line has come down"


def test_a_full_disk_stops_no_sweep(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RegistryFullError("on purpose")

    machine.registry.files["/c/a"] = NOW
    machine.guard.read()
    monkeypatch.setattr(machine.registry, "write", fail)
    machine.jump(-HOUR)
    machine.guard.read()
    machine.jump(HOUR)
    assert machine.guard.read().asof == NOW - HOUR, "what it could not write it knows all the same"
    with pytest.raises(RegistryError):
        machine.guard.accept()
    monkeypatch.undo()
    machine.guard.read()
    assert machine.kept().line.wall == NOW - HOUR


# -- with a sweep --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jumps", [(HOUR,), (-HOUR, HOUR), (30, 30, 30, 30, 30)])
def test_a_jump_removes_nothing(tmp_path: Path, registry: Registry, jumps: tuple[float, ...]) -> None:
    machine = Machine(registry)
    hooks = Hooks()
    registrar = Registrar(registry, machine.clock, hooks, Settings(), SystemFiles(str(tmp_path)))
    sweeper = Sweeper(registry, machine.clock, hooks)
    made: list[str] = []

    def register() -> None:
        made.append(str(tmp_path / str(len(made))))
        Path(made[-1]).write_text("x")
        registrar.one(made[-1], None, ())

    def sweep() -> int:
        due = Selection(machine.guard.read().asof, 100, patient=True)
        return sweeper.run(due, Bounds(), LocalStorage()).removed

    sweep()
    register()
    for jump in jumps:
        machine.jump(jump)
        assert sweep() == 0
        register()
    machine.clock.advance(39)
    assert sweep() == 0
    assert all(map(os.path.exists, made))
    machine.clock.advance(2 * HOUR)
    assert sweep() == len(made)
