"""Arguments that several calls take, checked and put into one form."""

from collections.abc import Iterable

from temp_file_manager.errors import InvalidArgumentError


def seconds(name: str, value: float) -> float:
    """Return ``value`` if it can be a length of time.

    Raises:
        InvalidArgumentError: it is negative or not a number.
        TypeError: it is no number at all.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {type(value).__name__}")
    try:
        meaningful = float(value) >= 0
    except OverflowError:  # an int of hundreds of digits
        meaningful = False
    if not meaningful:
        raise InvalidArgumentError(f"{name} is {value!r}: give a number of seconds, 0 or more")
    return value


def labels(tags: Iterable[str]) -> tuple[str, ...]:
    """Return ``tags`` as a tuple of strings.

    Raises:
        TypeError: it is one string (whose letters would become the tags), or holds something else.
    """
    if isinstance(tags, str):
        raise TypeError(f"tags is a collection of strings: write ({tags!r},) for a single one")
    result = tuple(tags)
    if not all(isinstance(tag, str) for tag in result):
        raise TypeError("tags are strings")
    return result
