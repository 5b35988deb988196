"""Removals by a storage alone, of records that no registry has."""

from collections.abc import Callable, Iterable

from temp_file_manager.chunks import Made, Outcomes
from temp_file_manager.records import Outcome, TempFile
from temp_file_manager.storage.contract import Removal, Storage


def removal_of(records: Iterable[TempFile], **how: object) -> Removal:
    """Return the removal of these; see ``Removal`` for the rest."""
    return Removal(Made(tuple(records)), **how)  # type: ignore[arg-type]  # passed on as they come


def outcomes(removal: Removal) -> list[Outcome]:
    """Return what became of each that was worked on."""
    return list(Outcomes(removal.records, removal.done, removal.others))


def removed(storage: Storage, records: Iterable[TempFile], still: Callable[[int], bool] | None = None) -> list[Outcome]:
    """Have a storage remove these, asking ``still`` of each at the last moment; return what became of them."""
    removal = removal_of(records, still=still)
    storage.remove(removal)
    return outcomes(removal)
