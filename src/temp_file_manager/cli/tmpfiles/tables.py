"""Rules as the tables of a settings file."""

from collections.abc import Iterable, Iterator

from temp_file_manager.cli.tmpfiles import ages
from temp_file_manager.cli.tmpfiles.translation import Told
from temp_file_manager.rules.rule import By

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def written(told: Iterable[Told]) -> Iterator[str]:
    """Yield the lines of TOML that say what these rules do."""
    for rule, line in told:
        yield f"# {line.file}:{line.number}: {line.text}"
        yield "[[rule]]"
        yield f"name = {text(rule.name)}"
        yield f"match = [{', '.join(map(text, rule.match))}]"
        if rule.keep:
            yield "keep = true"
        if rule.age is not None:
            yield f"age = {text(ages.written(rule.age))}"
        if rule.by is not By.REGISTRATION:
            yield f"by = {text(rule.by)}"
        yield ""


def text(value: str) -> str:
    """Return a basic string of TOML."""
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - as many digits as there are
