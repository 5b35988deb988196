"""Text for people: what is masked in it."""

import random
import re
import subprocess
import sys

import pytest

from patience import PATIENCE
from temp_file_manager.text import masked


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mysql://me:secret@host/db", "mysql://…@host/db"),
        ("a mysql://me:p@ss@host b c@d", "a mysql://…@host b c@d"),
        ("mysql://host/db", "mysql://host/db"),
        ("me@host", "me@host"),
        ("me@host://x", "me@host://x"),
        ("", ""),
    ],
)
def test_a_user_and_a_password_are_masked(text: str, told: str) -> None:
    assert masked(text) == told


def test_it_is_what_the_plain_expression_makes() -> None:
    chance = random.Random(5)
    for _ in range(2000):
        text = "".join(chance.choice([":", "/", "://", "@", " ", "a", "\n"]) for _ in range(chance.randrange(20)))
        assert masked(text) == re.sub(r"://[^\s]*@", "://…@", text)


def test_what_another_user_chose_to_be_long_takes_one_pass() -> None:
    """A search from each of them would take hours, and hold every other thread up meanwhile."""
    program = "from temp_file_manager.text import masked; assert masked('://' * 10**6) == '://' * 10**6"
    subprocess.run([sys.executable, "-c", program], timeout=PATIENCE, check=True)
