"""``top``: one picture as text and as JSON, and live on a terminal that is as it was when it ends."""

import importlib.util
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import command_line
from command_line import MODULE, Say, environment, files, tfm
from temp_file_manager import TempFileManager, cli
from temp_file_manager.cli.top import look, words
from temp_file_manager.cli.top.chart import columns, curve
from temp_file_manager.cli.top.choices import ORDERS, Choices, Part, Question, Shown, after, place
from temp_file_manager.cli.top.keys import typed
from temp_file_manager.cli.top.listing import listing, path_of
from temp_file_manager.cli.top.look import Lookout, Scene
from temp_file_manager.clock import SystemClock
from temp_file_manager.inspection.overview import outlook, overview
from temp_file_manager.records import Order
from temp_file_manager.reports import Reason, SweepReport
from temp_file_manager.rules.rule import Rule
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.history import History, Sample
from temp_file_manager.testing import FakeClock
from temp_file_manager.text import human_size
from terminal import Terminal, on, terminal

bare, folder, say, manager = command_line.bare, command_line.folder, command_line.say, command_line.manager

HOSTILE = "\x1b[2J\x1b[31m[bold]red[/]\nfiles 999\u202egnp"
WIDE = "漢字" * 40 + "\u0301\u0335.csv"
HINT = "temp-file-manager: this is how it is now; to see it live: pip install 'temp-file-manager[cli]'"


def figures(text: str) -> dict[str, str]:
    """Return the figures of a plain picture by their names."""
    lines = text.partition("\n\n")[0].splitlines()
    return {name: value.strip() for name, _, value in (line.partition("  ") for line in lines)}


def swept(manager: TempFileManager, ago: float, *, scheduled: bool = True, **report: Any) -> None:
    """Put a sweep on record, as whoever sweeps does."""
    History(manager.registry, FakeClock(wall=time.time() - ago)).swept(SweepReport(**report), scheduled=scheduled)


def room_of(path: str) -> int:
    return 512 * os.stat(path).st_blocks


# -- one picture


def test_one_picture(say: Say, folder: Path, manager: TempFileManager) -> None:
    old, new, long = files(folder, "old", "new", "long")
    manager.register_files([old, new])
    manager.register_file(long, ttl=86400 * 9)
    manager.files[old] = time.time() - 3700
    at = time.time() // 60 * 60 - 600
    manager.registry.write("samples.60", json.dumps([1234, 5]), at, keep=10)
    said = say("top")
    assert (said.code, said.err) == (0, "")
    found = figures(said.out)
    assert found["health"] == "healthy"
    assert (found["files"], found["bytes"], found["registered"]) == ("3", human_size(3 * room_of(old)), "3")
    assert (found["last hour"], found["oldest"]) == ("3 to 1,234 files", "1 h 1 min")
    assert (found["base directory"], found["registry"]) == (str(folder / "base"), "sqlite:")
    rows = [line.split() for line in said.lines]
    room = human_size(room_of(old)).split()
    assert ["now", "1", *room] in rows
    assert ["1", "h", "1", *room] in rows
    assert ["later", "1", *room] in rows
    assert ["1", "h", "now", *room, old] in rows
    assert said.lines[-1] == "sweeps: none on a schedule so far: temp-file-manager run does that"
    moving = {"at": "", "disk free": ""}
    assert figures(say("top", "--once").out) | moving == found | moving


def test_what_sweeps_did_and_why(say: Say, folder: Path, manager: TempFileManager) -> None:
    (one,) = files(folder, "one")
    manager.register_file(one)
    why = Reason("failed", "Operation not permitted", 1200, f"{folder}/a\x1b[2Jb")
    swept(manager, 1300, failed=1200, reasons=(why,), duration=2.0)
    for ago in (998, 698, 398):
        swept(manager, ago)
    swept(manager, 98, removed=7, duration=2.0)
    swept(manager, 50, scheduled=False, kept=1, stopped="limit")
    last, header, *rows = say("top").lines[-6:]
    assert last == "sweeps: by others every 5 min, last 1 min ago, next in 3 min"
    assert header.split() == ["ended", "took", "removed", "gone", "replaced", "kept", "failed", "why"]
    asked, worked, idle, failed = rows
    assert asked.split()[-7:] == ["1", "0", "asked", "for;", "ended", "by", "limit"]
    assert worked.split() == ["1", "min", "ago", "2.0", "s", "7", "0", "0", "0", "0"]
    assert idle.endswith("3 sweeps with nothing to do")
    assert failed.endswith(f"1,200 failed, Operation not permitted, such as {folder}/a\\x1b[2Jb")


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        ((10.0,), "by others every 5 min, last 10 s ago, next in 4 min"),
        ((1.0, 3.0, 5.0, 90061.0), "by others every 5 min, last 1 s ago, next in 4 min"),  # started again and again
        ((340.0, 700.0), "by others every 5 min, last 5 min ago, next now"),
        ((4000.0, 4030.0), "by others every 5 min, but none for 1 h: does anything run?"),
    ],
)
def test_when_the_next_sweep_is_due(ago: tuple[float, ...], told: str) -> None:
    sweeps = [{"at": 1e9 - one, "duration": 0.0, "scheduled": True} for one in ago]
    assert words.schedule({"at": 1e9, "scheduler": {"interval": 300.0}, "sweeps": sweeps}) == told


LIMITS = {
    "measured_age": 30.0,
    "limits": [
        {"name": name, "measure": measure, "mark": mark, "to": mark, "value": value, "over": over, "unmet": unmet}
        for name, measure, mark, value, over, unmet in (
            ("base", "bytes", 20 * 2**30, 5 * 2**30, False, ""),
            ("disk", "free_inodes", 1000, 200, True, "all are in use\x1b[2J"),
            ("cache", "files", 5000, 5203, True, ""),
            ("ram", "memory", None, None, False, ""),
        )
    ],
}  # fmt: skip


def test_what_is_kept_is_not_now() -> None:
    """And a file in quarantine is told by where it was."""
    item = {
        "path": "/b/own/1",
        "registered_at": 0,
        "due_at": 5,
        "size": 1,
        "failures": 0,
        "kind": "file",
        "origin": None,
    }
    assert [words.file(item | {"state": state}, 100.0)["due"] for state in ("now", "pinned", "held")] == [
        "now",
        "pinned",
        "held",
    ]
    assert words.place(item) == "/b/own/1"
    assert words.place(item | {"kind": "quarantined", "origin": "/b/was"}) == "/b/was"
    assert words.place(item | {"kind": "compressed", "origin": "/b/was"}) == "/b/own/1"


def test_limits() -> None:
    assert list(words.limits({"limits": LIMITS})) == [
        ("base", "bytes", "5.0 GiB", "at most 20.0 GiB", ""),
        ("disk", "free_inodes", "200 inodes", "at least 1,000 inodes", "not met: all are in use\x1b[2J"),
        ("cache", "files", "5,203 files", "at most 5,000 files", "passed"),
        ("ram", "memory", "-", "-", ""),
    ]


def test_limits_and_sessions_in_a_picture(say: Say, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\nlimit " not in say("top").out
    now = time.time()
    for _ in range(3):
        manager.registry.begin("x", now=now, ends_at=now + 60, owner=None)
    monkeypatch.setattr(look, "overview", lambda context: overview(context) | {"limits": LIMITS})
    out = say("top").out
    assert figures(out)["sessions"] == "3"
    (header, base, disk) = re.findall("^(?:limit|base|disk)  .*", out, re.MULTILINE)[-3:]
    assert header.split() == ["limit", "of", "now", "allowed", "state"]
    assert base.split() == ["base", "bytes", "5.0", "GiB", "at", "most", "20.0", "GiB"]
    assert disk.endswith(r"  not met: all are in use\x1b[2J")


def test_json(say: Say, folder: Path, manager: TempFileManager) -> None:
    (hostile,) = files(folder, "a\x1b[2J\udcff")
    manager.register_file(hostile, ttl=math.inf)
    said = say("top", "--json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert found.keys() == {"overview", "outlook", "samples"}
    assert found["overview"].keys() == overview(manager.context).keys()
    assert found["overview"]["stats"]["records"] == 1
    assert found["overview"]["health"]["registry"] == "sqlite:"
    assert [item["path"] for item in found["outlook"]["oldest"]] == [hostile]
    assert [item["due_at"] for item in found["outlook"]["largest"]] == [None]
    assert found["samples"][-1][1:] == [1, room_of(hostile)]


def test_names_forge_no_line(say: Say, folder: Path, manager: TempFileManager) -> None:
    base = Path(manager.base_dir)
    (base / HOSTILE.replace("/", "|")).write_bytes(b"1")
    manager.register_file(base / HOSTILE.replace("/", "|"))
    out = say("top").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert out.count(r"\x1b[2J\x1b[31m[bold]red[|]\nfiles 999\u202egnp") == 2  # the oldest, and the largest


# -- it makes nothing


@pytest.mark.parametrize("flags", [(), ("--json",), ("--once",)])
def test_it_makes_nothing(say: Say, folder: Path, flags: tuple[str, ...]) -> None:
    elsewhere = ("--registry", f"sqlite://{folder}/else/where.db")
    for more in ((), elsewhere):
        said = say("top", *flags, *more)
        assert (said.code, said.err) == (0, "")
        assert "is not there: make it again" in said.out
    assert list(folder.iterdir()) == []
    (folder / "base").mkdir(mode=0o700)
    for more in ((), elsewhere):
        said = say("top", *flags, *more)
        assert (said.code, said.err) == (0, "")
        assert "healthy" in said.out
    assert [path.name for path in folder.rglob("*")] == ["base"]


def test_the_base_directory_went_with_its_registry_elsewhere(say: Say, folder: Path) -> None:
    there = ("--registry", f"sqlite://{folder}/registry.db")
    assert say("register", *files(folder, "a"), *there).code == 0
    (folder / "base").rmdir()
    said = say("top", *there)
    assert (said.code, figures(said.out)["files"]) == (0, "0")
    assert "is not there: make it again" in said.out
    assert not (folder / "base").exists()


def test_nothing_is_made_again(folder: Path) -> None:
    """A registry that goes while somebody looks at it stays away, and one that takes its place is what is seen."""
    base = folder / "base"

    def look() -> Any:
        *_, picture = lookout.look()
        return picture.overview["stats"]["records"], picture.overview["health"]["status"]

    with closing(Lookout(Settings(base_dir=str(base)), SystemClock())) as lookout:
        assert look() == (0, "unhealthy")
        for count in (2, 1):
            with closing(TempFileManager(base, registry="sqlite:")) as manager:
                manager.register_files(files(folder, "a", "b")[:count])
                assert look() == (count, "healthy")
            os.rename(base, folder / f"away{count}")
            assert look() == (0, "unhealthy")
            assert not base.exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--registry", "memory:"), "give a --registry that others can see"),
        (("--base-dir", "/"), "/: "),
        (("--registry", "nonsense:"), "nonsense"),
        (("--interval", "0"), "'0' is not from 0.1 to 86400 seconds"),
        (("--interval", "1e9"), "'1e9' is not from 0.1 to 86400 seconds"),
        (("--interval", "nan"), "'nan' is no time: give seconds"),
        (("extra",), "top does not take extra"),
    ],
)
def test_what_cannot_be(say: Say, folder: Path, flags: tuple[str, ...], told: str) -> None:
    said = say("top", *flags)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert list(folder.iterdir()) == []


def test_no_registry_at_all(say: Say, folder: Path) -> None:
    own = folder / "base" / ".temp-file-manager"
    own.mkdir(mode=0o700, parents=True)
    (folder / "base").chmod(0o700)
    (own / "registry.db").write_bytes(b"something else")
    said = say("top")
    assert (said.code, said.out) == (2, "")
    assert "registry.db" in said.err


def test_an_outlook_is_rare(folder: Path, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a hundredth of the time, and what has been found is shown meanwhile."""
    clock = FakeClock(elapsed=1000.0)
    outlooks = []

    def outlook(_: TempFileManager) -> dict[str, Any]:
        outlooks.append(clock.elapsed())
        return {"took": 3.0}

    monkeypatch.setattr("temp_file_manager.cli.top.look.outlook", outlook)
    manager.register_file(files(folder, "a")[0])
    with closing(Lookout(Settings(base_dir=manager.base_dir), clock)) as lookout:
        first, second = lookout.look()
        assert (first.outlook, second.outlook) == (None, {"took": 3.0})
        for elapsed in (1001.0, 1299.0, 1301.0):
            clock.set(elapsed=elapsed)
            *_, picture = lookout.look()
            assert picture.outlook == {"took": 3.0}
    assert outlooks == [1000.0, 1301.0]


# -- curves


def test_columns_of_a_curve() -> None:
    minutes = [(60.0 * n, float(n)) for n in range(10)]
    assert columns(minutes, 0, 600, 10) == list(range(10))
    assert columns(minutes, 0, 600, 5) == [1, 3, 5, 7, 9]  # what there was at most
    assert columns(minutes[:2], 0, 600, 10) == [0, 1, 1, 1, *[None] * 6]  # for a while a value stands for the next
    assert columns([(-1.0, 5.0), (600.0, 7.0), (601.0, 9.0)], 0, 600, 2) == [None, 7]
    assert columns(minutes, 0, 600, 0) == []


def test_a_curve() -> None:
    assert curve([None, 0, 1, 7], 1) == [" ▁▂█"]
    assert curve([0, 0, None], 1) == ["▁▁ "]
    assert curve([0, 15, 7], 2) == [" █ ", "▁██"]
    assert curve([], 2) == ["", ""]


# -- live


@pytest.fixture
def drawn() -> None:
    """What draws is there."""
    if importlib.util.find_spec("rich") is None:
        missing = "rich is not installed: nothing live was tried"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)


@pytest.fixture
def screen() -> Iterator[Terminal]:
    with terminal() as made:
        yield made


def top(screen: Terminal, folder: Path, *flags: str, **variables: str) -> Any:
    env = environment(TEMP_FILE_BASE_DIR=str(folder / "base"), TERM="xterm-256color", PYTHONUTF8="1")
    env = {name: value for name, value in env.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")} | variables
    return on(screen, *MODULE, "top", "--interval", "0.1", *flags, env=env, cwd=folder)


def register(folder: Path, *names: str) -> None:
    """Register new files, from another process."""
    done = tfm("register", *files(folder, *names), TEMP_FILE_BASE_DIR=str(folder / "base"))
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("drawn")
def test_it_shows_what_is_registered_meanwhile(screen: Terminal, folder: Path) -> None:
    with top(screen, folder) as process:
        screen.shows("UNHEALTHY", "is not there", "Nothing is registered here.")
        assert (screen.screen.alternate, screen.screen.cursor, screen.screen.wraps) == (True, False, False)
        assert not (folder / "base").exists()
        register(folder, "first.csv")
        screen.shows(" HEALTHY", "files 1 ", "first.csv", "registered 1 ")
        register(folder, "second.csv")
        screen.shows("files 2 ", "second.csv")
        screen.type(b"xq")
        assert screen.ended(process) == 0
    assert screen.restored
    assert screen.screen.strange == []


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "ctrl-c", "ctrl-\\"])
def test_signals_end_it_and_the_terminal_is_as_it_was(
    screen: Terminal, folder: Path, manager: TempFileManager, how: str
) -> None:
    with top(screen, folder) as process:
        screen.shows("HEALTHY", "Due within")
        if how.startswith("ctrl"):
            screen.type({"ctrl-c": b"\x03", "ctrl-\\": b"\x1c"}[how])
        else:
            process.send_signal(signal.Signals[how])
        assert screen.ended(process) == 0
    assert screen.restored


@pytest.mark.usefixtures("drawn")
def test_ctrl_z_gives_the_terminal_back_and_takes_it_again(
    screen: Terminal, folder: Path, manager: TempFileManager
) -> None:
    """Nobody can make a process go on that leads its session, so the system does not stop this one."""
    seen = []
    feed = screen.screen.feed

    def watched(text: str) -> None:
        seen.append(text)
        feed(text)

    screen.screen.feed = watched
    with top(screen, folder) as process:
        screen.shows("HEALTHY", "Due within")
        screen.type(b"\x1a")
        screen.until(lambda: "".join(seen).count("\x1b[?1049h") == 2)
        assert "".join(seen).count("\x1b[?1049l") == 1
        screen.shows("HEALTHY", "Due within")
        screen.type(b"q")
        assert screen.ended(process) == 0
    assert screen.restored


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("where", ["drawing", "looking"])
def test_an_error_leaves_the_terminal_as_it_was(
    screen: Terminal, folder: Path, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from temp_file_manager.cli.top import live

    calls = []

    def breaking(called: Any) -> Any:
        def call(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) > 2:
                raise RuntimeError("nobody thought of this")
            return called(*arguments)

        return call

    if where == "drawing":
        monkeypatch.setattr(live, "draw", breaking(live.draw))
    else:
        monkeypatch.setattr(Lookout, "look", breaking(Lookout.look))
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGWINCH)]
    monkeypatch.setenv("TERM", "xterm")
    with open(os.dup(screen.slave)) as stdin, open(os.dup(screen.slave), "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(RuntimeError, match="nobody thought of this"):
            cli.main(["top", "--interval", "0.1"])
        stdout.flush()
    while screen.read():
        pass
    assert len(calls) == 3
    assert screen.restored
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGWINCH)] == signals


@pytest.mark.usefixtures("drawn")
def test_what_goes_wrong_meanwhile_is_shown(screen: Terminal, folder: Path, manager: TempFileManager) -> None:
    register(folder, "a")
    own = folder / "base" / ".temp-file-manager"
    with top(screen, folder) as process:
        screen.shows("files 1 ")
        own.rename(folder / "away")
        own.write_bytes(b"a file in its place")
        screen.shows(" UNKNOWN ", "this is how it was: ", "registry.db cannot be read", "files ")
        own.unlink()
        (folder / "away").rename(own)
        screen.until(lambda: "this is how it was" not in screen.screen.text)
        screen.shows(" HEALTHY ", "files 1 ")
        screen.type(b"q")
        assert screen.ended(process) == 0
    assert screen.restored


@pytest.mark.usefixtures("drawn")
def test_hostile_names_do_no_harm(screen: Terminal, folder: Path, manager: TempFileManager) -> None:
    names = [HOSTILE.replace("/", "|"), WIDE[:80], "\u0301\u0335combined", "עברית", "[red]markup[link=x]", "e" * 250]
    made = files(folder / "base", *names)
    manager.register_files(made)
    for hours, path in enumerate(made):
        manager.files[path] = time.time() - 3600 * (hours + 1)
    with top(screen, folder, "--max-age", "1000000") as process:
        screen.resize(160, 50)
        name = r"\x1b[2J\x1b[31m[bold]red[|]\nfiles 999\u202egnp"
        screen.shows(name, "[red]markup[link=x]", "עברית", "漢字")
        lines = screen.screen.lines
        heads = [line.index("Oldest ") for line in lines if "Oldest " in line]
        rows = lines[next(n for n, line in enumerate(lines) if "Oldest " in line) + 1 :][: len(names)]
        assert [row[heads[0] :].split()[0] for row in rows] == ["6", "5", "4", "3", "2", "1"]
        assert len([line for line in lines if line.startswith("files ")]) == 1
        screen.type(b"q")
        assert screen.ended(process) == 0
    assert screen.screen.strange == []
    assert screen.restored


@pytest.mark.usefixtures("drawn")
def test_it_follows_the_terminal(screen: Terminal, folder: Path, manager: TempFileManager) -> None:
    manager.register_files(files(folder, *(f"file{number}" for number in range(20))))
    with top(screen, folder, "--interval", "1000") as process:  # at once, not when it looks again
        screen.shows("Oldest")
        for width, height in ((100, 30), (40, 10), (120, 40), (1, 1), (20, 5), (72, 23), (71, 22), (200, 60)):
            screen.resize(width, height)
            if width < 20:
                continue  # nothing can be read there, and it goes on
            wanted = ("HEALTHY", "files", "disk free", "Sweeps", "Due within", "Oldest")
            screen.shows(*wanted[: 5 if height < 22 else 6] if height >= 10 else wanted[:1])
            screen.until(lambda: screen.screen.lines[-1].startswith(" q  ends"))
        screen.type(b"q")
        assert screen.ended(process) == 0
    # What was being written when the terminal became smaller scrolls there, until it is drawn anew.
    assert set(screen.screen.strange) <= {"scrolled"}
    assert screen.restored


@pytest.mark.usefixtures("drawn")
def test_without_colours(screen: Terminal, folder: Path, manager: TempFileManager) -> None:
    with top(screen, folder, NO_COLOR="1") as process:
        screen.shows("HEALTHY", "Due within")
        screen.type(b"q")
        assert screen.ended(process) == 0
    assert screen.screen.styles
    assert {number for style in screen.screen.styles for number in style.split(";")} <= {"0", "1", "2", "7"}


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": ""}, {"PYTHONIOENCODING": "latin-1"}])
def test_terminals_that_cannot_be_drawn_on(
    screen: Terminal, folder: Path, manager: TempFileManager, variables: dict[str, str]
) -> None:
    with top(screen, folder, **variables) as process:
        assert screen.ended(process) == 0
    assert "sweeps: none on a schedule" in screen.screen.text
    assert screen.screen.strange == []
    assert screen.screen.styles <= ({"1", "0"} if "TERM" not in variables else set()), "headings alone"
    assert screen.restored


def test_without_rich(screen: Terminal, folder: Path, manager: TempFileManager) -> None:
    """One picture, and how to get the live one; not where nobody asked for that."""
    (folder / "rich").mkdir()
    (folder / "rich" / "__init__.py").write_text("raise ImportError('there is no rich')\n")
    for flags, hint in (((), True), (("--once",), False)):
        screen.resize(120, 60)
        with top(screen, folder, *flags, PYTHONPATH=str(folder)) as process:
            assert screen.ended(process) == 0
        assert "sweeps: none on a schedule" in screen.screen.text
        assert screen.screen.styles <= {"1", "0", "1;31"}, "headings and the hint alone"
        assert (HINT in screen.screen.lines) == hint
        assert screen.restored


def test_on_no_terminal_it_needs_no_rich(folder: Path) -> None:
    (folder / "rich.py").write_text("raise ImportError('there is no rich')\n")
    done = tfm("top", TEMP_FILE_BASE_DIR=str(folder / "base"), PYTHONPATH=str(folder))
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_it_takes_no_terminal() -> None:
    program = "import sys, temp_file_manager.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"rich", "termios", "temp_file_manager.cli.top.live"} & set(done.stdout.split())


@pytest.mark.usefixtures("drawn")
def test_every_size(folder: Path, manager: TempFileManager) -> None:
    """As many lines as the terminal has, as wide as it is, whatever there is to say."""
    from rich.console import Console

    from temp_file_manager.cli.top.view import draw

    manager.register_files(files(folder, WIDE[:80], *(f"file{number}" for number in range(20))))
    reasons = tuple(Reason("kept", f"why {number}", number, f"{folder}/file{number}") for number in range(4))
    for ago in range(10, 3000, 300):
        swept(manager, ago, kept=6, reasons=reasons)
    with closing(Lookout(Settings(base_dir=manager.base_dir, max_files=1), SystemClock())) as lookout:
        first, second = lookout.look()
    samples = tuple(Sample(second.samples[-1].at - 60 * n, 5 * n, None) for n in range(59, -1, -1))
    second.overview["health"]["reasons"] *= 9
    second.overview["limits"] = LIMITS
    for picture in (first, second, second._replace(samples=samples, trouble="x" * 300)):
        for width in (1, 40, 59, 60, 71, 72, 250):
            for height in (1, 15, 22, 23, 90):
                console = Console(width=width, height=height, force_terminal=True)
                lines = console.render_lines(draw(console, Scene(picture), 2.0))
                assert len(lines) == height
                assert {sum(part.cell_length for part in line) for line in lines} == {width}, (width, height)


@pytest.mark.usefixtures("drawn")
def test_limits_that_are_passed_are_drawn_first(manager: TempFileManager) -> None:
    from rich.console import Console

    from temp_file_manager.cli.top.view import draw

    with closing(Lookout(Settings(base_dir=manager.base_dir), SystemClock())) as lookout:
        *_, picture = lookout.look()
    picture.overview["limits"] = LIMITS
    console = Console(width=100, height=50, force_terminal=True, color_system=None)
    lines = [
        "".join(part.text for part in line).rstrip()
        for line in console.render_lines(draw(console, Scene(picture), 2.0))
    ]
    assert [line for line in lines if line.startswith("limit ")] == [
        r"limit disk 200 inodes, at least 1,000 inodes  not met: all are in use\x1b[2J",
        "limit cache 5,203 files, at most 5,000 files  passed",
        "limit base 5.0 GiB, at most 20.0 GiB",
        "limit ram -, -",
    ]


@pytest.mark.usefixtures("drawn")
def test_a_long_path_keeps_its_name(folder: Path, manager: TempFileManager) -> None:
    from rich.console import Console

    from temp_file_manager.cli.top.view import draw

    deep = folder / "directory with blanks" / ("d" * 100)
    deep.mkdir(parents=True)
    manager.register_files(files(deep, "name.csv"))
    with closing(Lookout(Settings(base_dir=manager.base_dir), SystemClock())) as lookout:
        *_, picture = lookout.look()
        scene = Scene(picture, listing=lookout.list(Question()))
    console = Console(width=80, height=24, force_terminal=True, color_system=None)
    lines = ["".join(part.text for part in line).rstrip() for line in console.render_lines(draw(console, scene, 2.0))]
    assert [line.endswith("…/name.csv") for line in lines if "name.csv" in line] == [True]


# -- keys


def pressed(text: str, paths: tuple[str, ...] = ("a", "b", "c"), choices: Choices | None = None) -> Choices:
    """Return what is chosen after keys, as a terminal sends them."""
    choices = choices or Choices()
    for key in typed(text.encode()):
        choices = after(choices, key, paths)
    return choices


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"q?", ["q", "?"]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[6~", ["up", "down", "page up", "page down"]),
        (b"\x1b", ["escape"]),
        (b"\r\n\x7f\x08", ["enter", "enter", "erase", "erase"]),
        ("ü漢".encode(), ["ü", "漢"]),
        (b"\xff\x00\x01\t\x1b[1;5Cx\x1b[?1;2c", ["x"]),  # what is no key of ours, and an answer of the terminal's
        (b"", []),
    ],
)
def test_keys_as_terminals_send_them(data: bytes, found: list[str]) -> None:
    assert typed(data) == found


def test_s_sorts_and_f_filters_round_and_round() -> None:
    assert [pressed("s" * n).question.order for n in range(4)] == [*ORDERS, ORDERS[0]]
    assert [pressed("f" * n).question.part for n in range(6)] == [*Part, Part.ALL]
    assert pressed("sff\x1b").question == Question(order=ORDERS[1]), "the order stays"


def test_a_selected_file_stays_selected_wherever_it_moves() -> None:
    choices = pressed("\x1b[B")
    assert (choices.selected, place(choices, ("a", "b", "c"))) == ("b", 1)
    assert place(choices, ("b", "a")) == 0
    assert place(choices, ("x", "y")) == 0, "it has gone"
    assert pressed("jjjjj").selected == "c"
    assert pressed("\x1b[F\x1b[A").selected == "b"
    assert pressed("\x1b[6~\x1b[5~").selected == "a"
    assert pressed("\x1b[Bs").selected == "", "another order begins at its first"
    assert pressed("j\r", ()) == Choices(), "there is nothing to move to, or to ask about"


def test_what_is_typed_after_a_slash_is_searched_for() -> None:
    assert pressed("/qs?").question.search == "qs?"
    assert pressed("/ab\x7f").question.search == "a"
    assert (pressed("/a\r").typing, pressed("/a\r").question.search) == (False, "a")
    assert pressed("/a\rq").ended
    assert (pressed("/a\x1b").typing, pressed("/a\x1b").question.search) == (False, "")
    assert pressed("/a\x1b[Bb").question.search == "ab"


def test_any_key_goes_back_and_q_ends() -> None:
    assert pressed("?").shown is Shown.KEYS
    assert pressed("?x").shown is Shown.FILES
    assert (pressed("\r").shown, pressed("\r").selected) == (Shown.WHY, "a")
    assert pressed("\r\x1b").shown is Shown.FILES
    assert pressed("?q").ended
    assert pressed("\rQ").ended


def test_which_files_are_listed(tmp_path: Path) -> None:
    clock = FakeClock(time.time())
    base, undo = tmp_path / "base", Rule("undo", match=("undo-*",), age=10.0, quarantine=1e6)
    with closing(
        TempFileManager(base, 1000.0, registry="sqlite:", settings=Settings(rules=(undo,)), clock=clock)
    ) as made:
        for number, name in enumerate(("due", "Pinned", "undo-me", "young")):
            path = base / name
            path.write_bytes(b"x" * 5000 * number)
            clock.advance({"young": 2000.0}.get(name, 1.0))
            made.register_file(path)
        made.pin(base / "Pinned")
        clock.advance(1.0)
        made.cleanup()

        def found(part: Part = Part.ALL, order: Order = Order.OLDEST, search: str = "") -> list[str]:
            there = listing(made.context, Question(part, order, search))
            assert there.complete
            return [os.path.basename(path_of(record)) for record in there.records]

        assert found() == ["Pinned", "young", "undo-me"], "it came into quarantine just now"
        assert found(order=Order.LARGEST)[0] == "young"
        assert found(Part.KEPT) == ["Pinned"]
        assert found(Part.QUARANTINED) == ["undo-me"]
        assert found(search="PIN") == ["Pinned"]
        assert found(Part.QUARANTINED, search="due") == []
        assert words.figures(overview(made.context), outlook(made.context))["in quarantine"] == "1"
        clock.advance(2000.0)
        assert found(Part.DUE) == ["young"]


def test_a_look_ends_when_it_takes_long(
    manager: TempFileManager, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.register_files(files(folder, *(f"{number}" for number in range(5))))
    monkeypatch.setattr("temp_file_manager.cli.top.listing.PATIENCE", -1.0)
    monkeypatch.setattr("temp_file_manager.inspection.pages.PAGE", 2)
    found = listing(manager.context, Question())
    assert (found.complete, found.looked_at, len(found.records)) == (False, 2, 2)


@pytest.mark.usefixtures("drawn")
def test_somebody_looks_round(screen: Terminal, folder: Path) -> None:
    screen.resize(120, 40)
    register(folder, "first.csv", "second.csv", "third.txt")
    with top(screen, folder) as process:
        screen.shows("Oldest", "first.csv", "second.csv", "third.txt")
        screen.type(b"?")
        screen.shows("Keys", "any key goes back", "search in paths")
        screen.type(b" ")
        screen.shows("Oldest", "Due within")
        screen.type(b"/CSV\r")
        screen.shows("/CSV", "first.csv", "second.csv")
        screen.until(lambda: "third.txt" not in screen.screen.text)
        screen.type(b"\x1b[B\r")
        screen.shows("second.csv", "any key goes back", "stays at least until", "decided by", "open in")
        screen.type(b"x\x1bs")
        screen.shows("Largest", "third.txt")
        screen.type(b"f")
        screen.shows("Due, the longest overdue first", "None.")
        screen.type(b"q")
        assert screen.ended(process) == 0
    assert screen.restored
    assert screen.screen.strange == []
