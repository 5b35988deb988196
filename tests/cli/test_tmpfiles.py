"""Rules made of ``tmpfiles.d`` lines: they take what systemd-tmpfiles takes, and say of the rest that they do not."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from temp_file_manager.cli.tmpfiles import ages, globs
from temp_file_manager.cli.tmpfiles.ages import Age
from temp_file_manager.cli.tmpfiles.lines import Refused, read
from temp_file_manager.cli.tmpfiles.tables import text, written
from temp_file_manager.cli.tmpfiles.translation import Translation, translate
from temp_file_manager.records import TempFile
from temp_file_manager.rules.book import Book
from temp_file_manager.rules.life import Action, Used, step
from temp_file_manager.rules.rule import By

DAY = 86400.0
SYSTEMD = shutil.which("systemd-tmpfiles")


def translated(*lines: str) -> Translation:
    return translate(read("\n".join(lines), "x.conf"))


def table(*lines: str) -> list[str]:
    """Return what rules there are: the patterns of each, and its age or that its files stay."""
    return [
        f"{' '.join(rule.match)}: {'stays' if rule.keep else ages.written(rule.age or 0)}"
        for rule, _ in translated(*lines).rules
    ]


def reasons(*lines: str) -> list[str]:
    return [one.reason for one in translated(*lines).refused]


# -- beside the real one

TREE = """
d ROOT/plain - - - am:10d
D ROOT/emptied 0755 - - am:10d -
q "ROOT/two words" - - - am:1w3d
e ROOT/glob/*/ - - - am:10d
e ROOT/sets/[!a]?/?x - - - am:10d
d ROOT/by-write - - - m:10d
d ROOT/by-capitals - - - mAM:10d
d ROOT/inner - - - ~am:10d
d ROOT/nothing - - - -
x ROOT/plain/stays*
x ROOT/plain/.hidden-stays
d ROOT/plain/below - - - am:60d
d ROOT/plain/other - - -
r ROOT/plain/locks.*
f! ROOT/plain/booted - - - -
x ROOT/aged - - - am:10d
d ROOT/always - - - am:0
d ROOT/never - - - am:infinity
d ROOT/qu\\*ote - - - am:10d
d ROOT/br[a]ck - - - am:10d
v ROOT/deep - - - am:100d
d ROOT/deep/a/b - - - am:10d
"""

FILES = """
plain/file plain/in/file plain/.dot/file plain/stays plain/stays-too/file plain/.hidden-stays/file plain/below/file
plain/other/file plain/other/in/file plain/locks.1 plain/locks.d/file plain/booted
emptied/file two words/file glob/file glob/one/file glob/one/in/file glob/.dot/file
sets/bc/yx/file sets/bc/.x/file sets/ac/yx/file sets/.c/yx/file sets/b/yx/file
by-write/file inner/file inner/in/file inner/in/in/file inner/.in/file
nothing/file aged/file aged/in/file always/file never/file qu*ote/file quote/file br[a]ck/file brack/file
deep/file deep/a/file deep/a/b/file by-capitals/file
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of three ages, each beside its path's others; ``-read`` was read today."""
    now = time.time()
    for name in " ".join(FILES.split("\n")).replace("two words", "two_words").split():
        path = tmp_path / name.replace("two_words", "two words")
        path.parent.mkdir(parents=True, exist_ok=True)
        for ending, read_at, written_at in (("", 30, 30), ("-new", 1, 1), ("-old", 90, 90), ("-read", 0, 30)):
            one = path.with_name(path.name + ending)
            one.write_bytes(b"")
            os.utime(one, (now - read_at * DAY, now - written_at * DAY))
    return tmp_path


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-tmpfiles is not installed")
def test_rules_take_what_systemd_tmpfiles_takes(tree: Path) -> None:
    """It is the judge: it cleans a real tree, and the rules foretell which files it removes."""
    conf = tree / "x.conf"
    conf.write_text(TREE.replace("ROOT", str(tree)))
    done = translate(read(conf.read_text(), "x.conf"))
    assert done.refused == ()
    book, now = Book((rule for rule, _ in done.rules), "/nowhere"), time.time()

    def goes(path: Path) -> bool:
        found = os.stat(path)
        rule = book.decide(str(path))
        if rule is None:
            return False
        used = Used(found.st_mtime, max(found.st_atime, found.st_mtime))
        return step(rule, TempFile(str(path), 0.0), used, now, 1e9).action is Action.REMOVE

    before = {path for path in tree.rglob("*") if path.is_file()}
    foretold = {path for path in before if goes(path)}
    assert SYSTEMD is not None
    subprocess.run([SYSTEMD, "--clean", str(conf)], check=True, capture_output=True)
    removed = {path for path in before if not path.exists()}
    assert {str(path.relative_to(tree)) for path in removed ^ foretold} == set()
    assert 30 < len(removed) < len(before) - 60


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-tmpfiles is not installed")
@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("d relative - - - 1d", True),
        ("d ROOT/x - - - 10z", True),
        ("d ROOT/x - - - :1d", True),
        ("d ROOT/x - - - q:1d", True),
        ("d ROOT/x - - - -1d", True),
        ("d ROOT/%Z - - - 1d", True),
        ("d", True),
        ("d ROOT/x - - - 'one quote", True),
        ("; ROOT/x", True),
        ("d ROOT/x - - - 1y2M3w4d5h6m7s8ms9us", False),
        ("d ROOT/x - - - '1 h 30.5min 2'", False),
        ("e ROOT/%m/%%/%C - - - 1hour", False),
        ("d+!-= ROOT/x", False),
        ("d ROOT/x - - - infinity", False),
    ],
)
def test_what_systemd_refuses_is_refused(line: str, is_refused: bool, tmp_path: Path) -> None:
    conf = tmp_path / "x.conf"
    conf.write_text(line.replace("ROOT", str(tmp_path)) + "\n")
    assert SYSTEMD is not None
    done = subprocess.run([SYSTEMD, "--clean", str(conf)], check=False, capture_output=True, text=True)
    assert (f"{conf}:1: " in done.stderr) is is_refused, done.stderr
    assert bool(translate(read(conf.read_text(), "x.conf")).refused) is is_refused


@pytest.mark.parametrize("file", sorted(Path("/usr/lib/tmpfiles.d").glob("*.conf")), ids=lambda file: file.name)
def test_the_lines_that_this_system_has_are_understood(file: Path) -> None:
    for one in read(file.read_text(), file.name):
        assert not isinstance(one, Refused), one


# -- lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("d /a - - - 10d", ["/a/**: 10 d"]),
        ("d /a/ 0755 root root 1h30min -", ["/a/**: 1 h 30 min"]),
        ("e /a/*/b - - - 0", ["/a/[!.]*/b/**: 0 s"]),
        ("e /*.d/x - - - 1s", ["/[!.]*.d/x/**: 1 s"]),
        ("e /*d - - - 1s", ["/[!.]*d/** /d/**: 1 s"]),
        ("d /a[*]? - - - 1s", ["/a[[][*]][?]/**: 1 s"]),
        ("d /%t%%%T%u - - - 1d", ["/run%/tmproot/**: 1 d"]),
        ("d / - - - 1d", ["/**: 1 d"]),
        ("x /a*", ["/a* /a*/**: stays"]),
        ("x /a/%b-%v-*", ["/a/*-*-* /a/*-*-*/**: stays"]),
        ("x /a - - - 1d", ["/a/**: 1 d", "/a: stays"]),
        ("d /a - - - ~2w", ["/a/*/**: 14 d", "/a/*: stays"]),
        ("d /a - - - infinity", ["/a/**: stays"]),
        ("d /a", []),
        ("f /a - - - - content  with 'words", []),
        ("# d /a - - - 1d", []),
        ("", []),
    ],
)
def test_a_line(line: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    assert (table(line), reasons(line)) == (expected, [])


def test_a_directory_for_temporary_files_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "relative")
    monkeypatch.setenv("TEMP", "/elsewhere")
    assert table("d %T/a - - - 1d", "d %V/b - - - 2d") == ["/elsewhere/a/**: 1 d", "/elsewhere/b/**: 2 d"]


def test_the_deeper_path_decides() -> None:
    lines = ("d /a - - - 1d", "d /a/b/c - - - 2d", "x /a/b*", "d /a/b - - - -", "d /z - - - -")
    assert table(*lines) == ["/a/b/c/**: 2 d", "/a/b /a/b/**: stays", "/a/b* /a/b*/**: stays", "/a/**: 1 d"]


def test_a_directory_that_is_ignored_hands_down_the_age_above_it() -> None:
    ignored = "X /a/*/tmp"
    assert table("d /a - - - m:1d", "D /a/b 0755", ignored, "d /a/x/tmp/y - - - 3d")[1:3] == [
        "/a/*/tmp: stays",
        "/a/[!.]*/tmp/**: 1 d",
    ]
    assert table("D /a 0755", ignored) == ["/a/*/tmp: stays"]
    assert reasons("D /a 0755", ignored) == []
    assert reasons(ignored) == [
        "its content has the age of a line for a directory above, and there is none in these files"
    ]
    by = [rule.by for rule, _ in translated("d /a - - - m:1d", "X /a/b").rules if not rule.keep]
    assert by == [By.USE, By.WRITE]


def test_of_two_lines_for_a_path_the_first_is_taken() -> None:
    lines = ("d /a - - - 1d", "e /a - - - 2d", "d /a - - - 3d", "z /a 0755")
    assert table(*lines) == ["/a/**: 1 d", "/a/**: 2 d"]
    assert reasons(*lines) == ["x.conf:1 is about the same path, and comes first"]
    assert table("d /a - - - nonsense", "d /a - - - 1d") == ["/a/**: 1 d"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("D! /a - - - 1d", "systemd-tmpfiles heeds it at boot alone (!), and goes by no age then"),
        ("d /a/%b - - - 1d", "its path is another with each boot or version of the system, which rules outlive"),
        ("e /a/{b,c} - - - 1d", "it has braces, which patterns have not: give a line for each path"),
        ("e /a/[[:alpha:]] - - - 1d", "[[:alpha:] is a set of characters as patterns have none"),
        ("e /a/[+-9]b - - - 1d", "[+-9] may stand for a point, and at the beginning of a name does not"),
        ("e /*a/*a/*a/*a/*a/*a/*a - - - 1d", "it would take too many patterns"),
        ("d /a/../b - - - 1d", "its path has a part that is . or .."),
        ("d a - - - 1d", "its path is not absolute"),
        ("d /\udcff - - - 1d", "its path is no UTF-8, which TOML is"),
        ("d /a\\x20b - - - 1d", "to some versions of systemd \\x is an escape, and to others a letter"),
        ("d /a - - - 1d\\", "a quote in it has no end"),
        ("d /%Z", "%Z is no specifier that is known here"),
        ("d /%", "% is no specifier that is known here"),
        ("y /a - - - 1d", "y is no type of line that is known here"),
        ("d' /a' - - - 1d", "d /a is no type of line that is known here"),
        ("d", "it has no path"),
        ("d /a - - - soon", "'soon' is no age"),
        ("d /a - - - 1fortnight", "'1fortnight' is no age: fortnight is no unit of time"),
        ("d /a - - - x:1d", "'x' names no times of files"),
    ],
)
def test_what_no_rule_says(line: str, reason: str) -> None:
    done = translated("", line)
    assert done.rules == ()
    assert [(one.file, one.number, one.text, one.reason) for one in done.refused] == [("x.conf", 2, line, reason)]
    assert done.refused[0].words() == f"x.conf:2: {line}: {reason}"


# -- ages


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("0", Age(0, By.USE, inner=False)),
        ("90", Age(90_000_000, By.USE, inner=False)),
        ("1h30min", Age(5_400_000_000, By.USE, inner=False)),
        ("1 hour 1.5m 3.25", Age(3_693_250_000, By.USE, inner=False)),
        ("1y2M", Age((31_557_600 + 2 * 2_629_800) * 1_000_000, By.USE, inner=False)),
        ("2ms3us", Age(2003, By.USE, inner=False)),
        ("5µs4μs", Age(9, By.USE, inner=False)),
        ("infinity", Age(None, By.USE, inner=False)),
        ("~am:1d", Age(86_400_000_000, By.USE, inner=True)),
        ("m:1d", Age(86_400_000_000, By.WRITE, inner=False)),
        ("bc:1d", Age(86_400_000_000, By.WRITE, inner=False)),
        ("bM:1d", Age(86_400_000_000, By.REGISTRATION, inner=False)),
        ("AM:1d", Age(86_400_000_000, By.USE, inner=False)),
    ],
)
def test_ages(told: str, expected: Age) -> None:
    assert ages.read(told) == expected


@pytest.mark.parametrize("told", ["", "~", "1d-2", "d", "1..5s", "am:", "am:am:1d", "1 d ~"])
def test_what_is_no_age(told: str) -> None:
    with pytest.raises(ValueError, match="is no age"):
        ages.read(told)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0 s"),
        (10 * DAY, "10 d"),
        (10.5 * DAY, "10 d 12 h"),
        (3661.5, "1 h 1 min 1.5 s"),
        (2.003, "2.003 s"),
        (0.000009, "0.000009 s"),
        (60.0, "1 min"),
    ],
)
def test_ages_as_settings_have_them(seconds: float, expected: str) -> None:
    assert ages.written(seconds) == expected


# -- globs and tables


@pytest.mark.parametrize(
    ("glob", "wide", "narrow"),
    [
        ("/a/b", "/a/b", ["/a/b"]),
        ("/a**/?", "/a*/?", ["/a*/[!.]"]),
        ("/*?", "/*?", ["/[!.]*?", "/[!.]"]),
        ("/[!ab]c", "/[!ab]c", ["/[!ab.]c"]),
        ("/[^]a]", "/[!]a]", ["/[!]a.]"]),
        ("/[0-9]*", "/[0-9]*", ["/[0-9]*"]),
        ("/\\*\\[\\\\a", "/[*][[]\\a", ["/[*][[]\\a"]),
        ("/[[]a[", "/[[]a[[]", ["/[[]a[[]"]),
        ("/*/.*", "/*/.*", ["/[!.]*/.*"]),
    ],
)
def test_globs(glob: str, wide: str, narrow: list[str]) -> None:
    assert (globs.wide(glob), globs.narrow(glob)) == (wide, narrow)


def test_text_is_toml() -> None:
    import tomllib

    for odd in ('a"b\\c', "\x00\x1f\x7f\x85\xa0\u202e", "\U000e0001", "é😀", "tab\tnewline\n"):
        assert tomllib.loads(f"x = {text(odd)}") == {"x": odd}
        assert text(odd).isprintable()


def test_names_differ_and_are_short() -> None:
    long = "/" + "long/" * 40
    names = [rule.name for rule, _ in translated(f"d {long} - - - ~1d", f"d {long}x - - - 1d", "d / - - - 1d").rules]
    assert len(set(names)) == 4
    assert max(map(len, names)) <= 64
    assert names[-1] == "root"
    assert "\n".join(written(translated("d /a - - - 1d").rules)) == (
        '# x.conf:1: d /a - - - 1d\n[[rule]]\nname = "a"\nmatch = ["/a/**"]\nage = "1 d"\nby = "use"\n'
    )
