"""Sizes as people write them: read into bytes, written in full, and the same wherever one is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from temp_file_manager.settings import Settings
from temp_file_manager.sizes import bytes_of, written


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("0", 0),
        (2.0, 2),
        ("20GiB", 20 * 2**30),
        ("20 gib", 20 * 2**30),
        (" 1.5 MB ", 1_500_000),
        ("1B", 1),
        ("8.7 TB", 8_700_000_000_000),
        ("1.005 KB", 1005),
        ("1.333 GiB", 1_431_297_851),
        ("3 PiB", 3 * 2**50),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_what_people_write_is_read(raw: object, found: int) -> None:
    assert bytes_of(raw) == found


@pytest.mark.parametrize(
    "raw", ["", "GiB", "1 XB", "-1", -1, 1.5, "1.5", "0x10", True, None, [], "1 GiB 2 MiB", 2**63, "9999999 PiB", "nan"]
)
def test_what_is_no_size_is_refused(raw: object) -> None:
    with pytest.raises(ValueError):
        bytes_of(raw)


@given(st.integers(0, 2**63 - 1))
def test_what_is_written_is_read_again(size: int) -> None:
    assert bytes_of(written(size)) == size


@given(st.integers(1, 4000), st.integers(1, 5))
def test_round_sizes_are_written_with_the_largest_unit(number: int, power: int) -> None:
    assert written(1024**power) == ("1KiB", "1MiB", "1GiB", "1TiB", "1PiB")[power - 1]
    assert len(written(number * 1024**power)) <= len("4000KiB")


def test_each_setting_that_is_a_size_takes_one() -> None:
    settings = Settings(size_limit="20GiB", max_bytes="1 TiB")  # type: ignore[arg-type]  # as a text
    assert (settings.size_limit, settings.max_bytes) == (20 * 2**30, 2**40)
    assert Settings.from_env({"TEMP_FILE_SIZE_LIMIT": "100 MB"}).size_limit == 100_000_000
