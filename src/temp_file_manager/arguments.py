"""Arguments that several calls take, checked and put into one form."""

from collections.abc import Iterable

from temp_file_manager.durations import Duration, seconds_of
from temp_file_manager.errors import InvalidArgumentError


def seconds(name: str, value: Duration) -> float:
    """Return ``value`` in seconds if it can be a length of time.

    Raises:
        InvalidArgumentError: it is negative, not a number, or a text that says no length of time.
        TypeError: it is nothing of the kind.
    """
    try:
        given = seconds_of(value)
        meaningful = float(given) >= 0
    except OverflowError:  # an int of hundreds of digits
        meaningful = False
    except ValueError:
        if not isinstance(value, str):
            raise TypeError(
                f"{name} is a time in seconds, as text or a timedelta, not {type(value).__name__}"
            ) from None
        meaningful = False
    if not meaningful:
        raise InvalidArgumentError(f"{name} is {value!r}: give seconds, 0 or more, or a text such as '2h30m'")
    return given


def most(name: str, value: int | None) -> int | None:
    """Return ``value`` if it can be how many at most; None: as many as there are.

    Raises:
        InvalidArgumentError: it is negative, or no whole number.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise InvalidArgumentError(f"{name} is {value!r}: give a whole number, 0 or more")
    return value


def labels(tags: Iterable[str]) -> tuple[str, ...]:
    """Return ``tags`` as a tuple of strings.

    Raises:
        TypeError: it is one string (whose letters would become the tags), or holds something else.
    """
    if isinstance(tags, str):
        raise TypeError(f"tags is a collection of strings: write ({tags!r},) for a single one")
    if not isinstance(tags, Iterable):
        raise TypeError(f"tags is a collection of strings, not {type(tags).__name__}: leave it out for none")
    result = tuple(tags)
    if not all(isinstance(tag, str) for tag in result):
        raise TypeError("tags are strings")
    return result
