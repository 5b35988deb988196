"""Tables of a settings file that describe things with names: read key by key, every problem told."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from temp_file_manager.settings.mistakes import unknown
from temp_file_manager.settings.toml_file import TomlFile


def are_tables(raw: object) -> TypeGuard[list[dict[str, object]]]:
    """Say whether something is what TOML makes of tables with the same heading."""
    return isinstance(raw, list) and all(isinstance(table, dict) for table in raw)


def alike(what: str, names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong where things of one kind have the same name."""
    for name, count in Counter(names).items():
        if count > 1:
            yield f'{what} "{name}": {count} {what}s have that name: give each its own'


class Table:
    """One table, read as far as it can be.

    Args:
        file: The file that it is in.
        what: What it describes, which is its heading: ``limit``.
        number: Its place among those with the same heading; the first has 1.

    Attributes:
        name: The name it gives; empty if it gives none that can be used.
        problems: What is wrong with it.
    """

    def __init__(self, file: TomlFile, what: str, number: int) -> None:
        self._table: Mapping[str, object] = file.tables[what][number - 1]
        self._file = file
        self._what = what
        self._number = number
        name = self._table.get("name")
        self.name = name if isinstance(name, str) else ""
        self._title = f'{what} "{self.name}"' if self.name else f"{what} {number}"
        self.problems: list[str] = []
        if not self.name:
            self.problem("give it a name, which the log and why call it by")

    def check_keys(self, known: Sequence[str]) -> None:
        """Note the keys that are not known."""
        for key in self._table:
            if key not in known:
                self.problem(unknown(key, known, f"key of a {self._what}"), key)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def value(self, key: str, reader: Callable[[object], Any], allowed: str) -> Any:
        """Return what is read of a key; None where it is not there, or cannot be read.

        Args:
            key: Which.
            reader: Reads a value, and raises ValueError, KeyError or OverflowError where it cannot.
            allowed: What may be given, in words.
        """
        if key not in self._table:
            return None
        raw = self._table[key]
        try:
            return reader(raw)
        except (ValueError, KeyError, OverflowError):
            self.problem(f"{key} is {raw!r}: give {allowed}", key)
            return None

    def problem(self, text: str, *key: str) -> None:
        """Note what is wrong with it, or with one key of it."""
        self.problems.append(f"{self._file.place(self._what, self._number, *key)}: {self._title}: {text}")


def words(raw: object) -> tuple[str, ...]:
    """Read a list of words."""
    if not isinstance(raw, list | tuple) or not all(isinstance(word, str) and word for word in raw):
        raise ValueError(raw)
    return tuple(raw)


def flag(raw: object) -> bool:
    """Read true or false, as TOML writes them."""
    if not isinstance(raw, bool):
        raise ValueError(raw)  # noqa: TRY004 - it becomes a problem of the key
    return raw
