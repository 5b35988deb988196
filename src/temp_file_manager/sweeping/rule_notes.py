"""Notes of rules in the registry: which are in force, up to which record, and why those that are new are not."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from temp_file_manager.registry import Registry
from temp_file_manager.registry.card import Properties
from temp_file_manager.registry.journal import last_line
from temp_file_manager.rules.rule import Rule
from temp_file_manager.sweeping.decisions import Digests, unchanged

RULED, HELD = "ruled", "rules_held"
"""Journals of one line each."""


class Note(NamedTuple):
    """What is on record of rules.

    Attributes:
        rules: Those in force.
        upto: The generation of the last record that they were put in force for.
        at: When this was written, seconds since the epoch.
    """

    rules: Digests
    upto: int
    at: float


NO_NOTE = Note({}, 0, -math.inf)


def refusals(rules: Iterable[Rule], properties: Properties) -> Iterator[str]:
    """Yield what cannot be done for rules here, why, and what to do.

    Args:
        rules: Those that are set.
        properties: Of the registry that is to do it.
    """
    for rule in () if properties.keeps_identity else rules:
        wants = {"larger": rule.larger, "compress": rule.compress, "quarantine": rule.quarantine}
        told = [key for key, value in wants.items() if value is not None]
        if told:
            yield (
                f'rule "{rule.name}": {properties.address} keeps no sizes, and does not know which file is meant: set '
                f"registry to sqlite: for {' and '.join(told)}"
            )


def note_text(rules: Digests, upto: int) -> str:
    """Return what is to be written down of rules that are in force up to a record."""
    from json import dumps  # noqa: PLC0415 - few have rules

    return dumps({"rules": list(rules.items()), "upto": upto})


def read_note(registry: Registry) -> Note:
    """Return what is on record of rules; what cannot be read, as a newer version's, is taken for none."""
    found = registry.read(RULED, limit=1)
    if not found:
        return NO_NOTE
    from json import loads  # noqa: PLC0415 - as above

    try:
        told = loads(found[0].text)
        return Note({str(name): str(digest) for name, digest in told["rules"]}, int(told["upto"]), found[0].at)
    except (ValueError, TypeError, KeyError):
        return NO_NOTE


def held(registry: Registry) -> str:
    """Return why rules that are new are not in force; nothing when they are, or there are none.

    Raises:
        RegistryError: the registry cannot be read.
    """
    return last_line(registry, HELD) or ""


def held_message(bound: int, records: int, before: Digests, now: Digests) -> str:
    """Say why rules are not put in force."""
    same = unchanged(before, now)
    told = [f"{name} was changed" if name in before else f"{name} is new" for name in now if name not in same]
    told += [f"{name} is gone" for name in before if name not in now]
    return (
        f"more than {bound} of {records} registered files would be removed only because of a change of rules "
        f"({', '.join(told) or 'they have another order'}). Nothing was removed for it, and the former rules stay in "
        "force. Undo the change; or look with --dry-run, and sweep once with --allow-large N, N being how many files "
        f"at most ({records} for all)"
    )
