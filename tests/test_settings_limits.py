"""Limits in settings: the tables of a file, the two that are settings of their own, and every problem at once."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager import Settings, SettingsError
from temp_file_manager.cli import main
from temp_file_manager.limits import Limit, Mark, Measure
from temp_file_manager.records import Order
from temp_file_manager.settings import values
from temp_file_manager.sizes import bytes_of

GIB = 1 << 30


def read(folder: Path, text: str) -> Settings:
    (folder / "settings.toml").write_text(text)
    return Settings.from_file(folder / "settings.toml")


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(folder, text)
    told = [problem.removeprefix(f"{folder}/settings.toml") for problem in caught.value.problems]
    return [re.sub(r"^(:\d+)?: ", "", problem) for problem in told]


def test_a_table_with_everything(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [[limit]]
        name  = "base"
        bytes = "20 GiB"
        to    = "18 GiB"
        order = "use"
        first = ["preview"]
        tags  = ["cache"]
        spare = "1 min 30 s"
        after = 30
        refuse = true
        """,
    )
    how = {"order": Order.LEAST_USED, "first": ("preview",), "tags": ("cache",), "spare": 90, "after": 30}
    assert settings.limits == (
        Limit("base", Measure.BYTES, Mark(20 * GIB), Mark(18 * GIB), **how, refuse=True),  # type: ignore[arg-type]  # see above
    )


@pytest.mark.parametrize(
    ("measure", "mark", "to"),
    [
        ('bytes = "10 GiB"', Mark(10 * GIB), Mark(9 * GIB)),
        ("files = 1000", Mark(1000), Mark(900)),
        ('free = "10 %"', Mark(0.1, share=True), Mark(0.11, share=True)),
        ('free = "95 %"', Mark(0.95, share=True), Mark(1, share=True)),
        ("free_inodes = 1000", Mark(1000), Mark(1100)),
        ('memory = "80%"', Mark(0.8, share=True), Mark(0.72, share=True)),
    ],
)
def test_it_ends_a_tenth_beyond_the_mark(tmp_path: Path, measure: str, mark: Mark, to: Mark) -> None:
    (limit,) = read(tmp_path, f'[[limit]]\nname = "x"\n{measure}\n').limits
    assert (limit.mark, limit.to, limit.order) == (mark, to, Order.OLDEST)
    assert (limit.spare, limit.after, limit.refuse) == (0 if limit.measure is Measure.MEMORY else 60, 0, False)


def test_the_two_that_are_settings(tmp_path: Path) -> None:
    environ = {"TEMP_FILE_MAX_BYTES": "20 GiB", "TEMP_FILE_MIN_FREE": "10 %"}
    limits = (
        Limit("max_bytes", Measure.BYTES, Mark(20 * GIB), Mark(18 * GIB)),
        Limit("min_free", Measure.FREE, Mark(0.1, share=True), Mark(0.11, share=True)),
    )
    assert Settings.from_env(environ).limits == limits
    assert read(tmp_path, '[manager]\nmax_bytes = "20 GiB"\nmin_free = "10 %"').limits == limits
    settings = read(tmp_path, f'[manager]\nmax_bytes = {20 * GIB}\n[[limit]]\nname = "f"\nfiles = 5')
    assert [limit.name for limit in settings.limits] == ["max_bytes", "f"]
    changed = replace(settings, max_age=5, max_bytes=GIB)
    assert [(limit.name, limit.mark.value) for limit in changed.limits] == [("max_bytes", GIB), ("f", 5)]


def test_every_problem_at_once(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        """
        [manager]
        max_age = -1
        [[limit]]
        name = "a"
        memory = "80 %"
        bytes = 1
        ordr = "use"
        first = "preview"
        [[limit]]
        spare = "soon"
        [[limit]]
        name = "b"
        files = "5 GiB"
        refuse = "no"
        """,
    )
    assert told == [
        'limit "a": ordr is no key of a limit: did you mean order?',
        'limit "a": it has bytes and memory: give one of bytes, files, free, free_inodes, memory',
        "limit \"a\": first is 'preview': give a list of tags",
        "limit 2: give it a name, which the log and why call it by",
        "limit 2: it measures nothing: give one of bytes, files, free, free_inodes, memory",
        "limit 2: spare is 'soon': give seconds, 0 or more, or a text such as 90s, 2h30m or 7d",
        "limit \"b\": refuse is 'no': give true or false",
        "limit \"b\": files is '5 GiB': give a whole number, 1 or more",
        "max_age is -1: give seconds, 0 or more, or a text such as 90s, 2h30m or 7d",
    ]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('name = "x"\nbytes = 10\nto = 11', "to is 11 B, more than bytes, 10 B: give less, where removing ends"),
        ('name = "x"\nfree = "10 %"\nto = "9 %"', "to is 9 %, less than free, 10 %: give more, where removing ends"),
        ('name = "x"\nfree = "10 %"\nto = 9', "to is 9 B where free is 10 %: give two shares, or none"),
        (
            'name = "x"\nbytes = "10 %"',
            "bytes cannot be a share, as there is no whole: give a number, or use free or memory",
        ),
        ('name = "x"\nfiles = 0', "files is 0: give a whole number, 1 or more"),
        ('name = "max_bytes"\nfiles = 5', "that name is a setting of [manager]"),
        ('name = "x"\nfiles = 5\n[[limit]]\nname = "x"\nfiles = 6', "2 limits have that name: give each its own"),
        (
            'name = "x"\nfiles = 5\norder = "age"',
            "order is 'age': give registration, use or size, or name the plug-in that has it in plugins",
        ),
        ('name = "x"\nfiles = 5\norder = "a b"', "order is 'a b': give registration, use or size"),
        ('name = "x"\nfiles = 5\norder = "oldest"', "order is 'oldest': give registration, use or size"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, body: str, problem: str) -> None:
    (told,) = problems(tmp_path, f"[[limit]]\n{body}\n")
    assert told.endswith(f": {problem}")


def test_a_misspelt_table_does_not_pass(tmp_path: Path) -> None:
    assert problems(tmp_path, '[manager]\n[[limits]]\nname = "x"\nfiles = 5\n') == [
        "limits is no table of ours: did you mean limit?"
    ]
    assert problems(tmp_path, "[manager]\n[limit]\nfiles = 5\n") == [
        "limit is a list of tables: head each with [[limit]]"
    ]


def test_limits_made_by_hand_are_checked() -> None:
    with pytest.raises(SettingsError, match='limit "x": to is 6 files, more than files, 5 files'):
        Settings(limits=(Limit("x", Measure.FILES, Mark(5), Mark(6)),))


def test_config_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[manager]\nmin_free = "10 %"\n[[limit]]\nname = "base"\nbytes = "20 GiB"\nrefuse = true\n')
    assert main(["config", "--config", str(file), "--max-bytes", "1 GiB"]) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines() if line.startswith("limit")]
    assert [(row[0], [cell.strip() for cell in row if cell.strip()][-2:]) for row in rows] == [
        (
            'limit "max_bytes"',
            ["bytes over 1.0 GiB, to 921.6 MiB, oldest first, spares files for 1 min 0 s", "flag --max-bytes"],
        ),
        ('limit "min_free"', ["free under 10 %, to 11 %, oldest first, spares files for 1 min 0 s", f"file {file}:2"]),
        (
            'limit "base"',
            [
                "bytes over 20.0 GiB, to 18.0 GiB, oldest first, spares files for 1 min 0 s, refuses new files",
                f"file {file}:3",
            ],
        ),
    ]
    assert main(["config", "--config", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["min_free"]["value"], told["max_bytes"]["value"]) == ("10 %", None)
    assert [(limit["name"], limit["mark"], limit["line"]) for limit in told["limits"]["value"]] == [
        ("min_free", "10 %", 2),
        ("base", 20 * GIB, 3),
    ]
    assert (told["limits"]["source"], told["limits"]["source_name"]) == ("file", str(file))


# -- readers of one value


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("1 h", 3600),
        ("90 s", 90),
        ("6h", 21600),
        ("1 d", 86400),
        ("1 h 30 min", 5400),
        ("1.5 min", 90),
        (7, 7),
        ("7", 7),
        ("2 W", 1209600),
    ],
)
def test_times(raw: object, seconds: float) -> None:
    assert values.seconds(raw) == seconds


@pytest.mark.parametrize("raw", ["", "1 M", "h", "1 h 30", "-1 s", "1 mo", "1e3 s", True, None, math.inf, [1]])
def test_what_is_no_time(raw: object) -> None:
    with pytest.raises((ValueError, KeyError)):
        values.seconds(raw)


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        ("1.5 GiB", 3 * GIB // 2),
        ("10 MB", 10_000_000),
        ("10 kb", 10_000),
        ("512", 512),
        (512, 512),
        ("3B", 3),
        (1e6, 10**6),
    ],
)
def test_sizes(raw: object, size: int) -> None:
    assert bytes_of(raw) == size


@pytest.mark.parametrize(
    "raw", ["", "1 G", "GiB", "1.5", "-1", "9" * 30, "9" * 5000, "1" + "0" * 400 + " PiB", True, None]
)
def test_what_is_no_size(raw: object) -> None:
    with pytest.raises((ValueError, KeyError, OverflowError)):
        bytes_of(raw)


@given(st.text() | st.integers() | st.floats() | st.text("0123456789. %hminsdGMKiB", max_size=9))
def test_whatever_is_given_is_read_or_refused(raw: object) -> None:
    for reader in (values.seconds, bytes_of, values.share, values.mark):
        try:
            value = reader(raw)
        except (ValueError, KeyError, OverflowError):
            continue
        assert 0 <= (value.value if isinstance(value, Mark) else value) < math.inf  # type: ignore[attr-defined]  # a number
