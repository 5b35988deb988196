"""A plug-in of the temporary file manager that brings one of each: an example to copy from."""

import logging
from collections.abc import Iterable, Iterator

from temp_file_manager import RegistryError
from temp_file_manager.events import Event, RecordsSettled
from temp_file_manager.plugins import Plugin
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.registry import MemoryRegistry, Registry
from temp_file_manager.registry.contract import Identify
from temp_file_manager.registry.schemes import Address, Scheme
from temp_file_manager.storage.contract import Removal, Storage

logger = logging.getLogger(__name__)

CHEAP = frozenset({"thumbnail", "preview"})
"""Tags of files that are made again at little cost."""


def cheapest_first(record: TempFile) -> tuple[bool, int, float]:
    """Return what a record is sorted by: what is cheap goes before the rest, and of either the large before the small.

    Of the record alone: no file is looked at, no clock is read. What is not known has a place, too.
    """
    return CHEAP.isdisjoint(record.tags), -(record.room or 0), record.registered_at


class Audited:
    """A storage that notes in the log what is about to be removed, and leaves the removal to the one it is around."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def remove(self, removal: Removal) -> None:
        """Remove files; what became of each is noted in ``removal`` by the storage within."""
        first = removal.done
        self._storage.remove(removal)
        for at in range(first, removal.done):
            if at not in removal.others:
                logger.info(f"removed {removal.records[at].path!r}")

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what would become of records."""
        return self._storage.predict(records)


def count_failures(event: Event) -> None:
    """Say how many removals of a chunk have failed."""
    if isinstance(event, RecordsSettled):
        failed = sum(outcome.status is Status.FAILED for outcome in event.outcomes)
        if failed:
            logger.warning(f"{failed} of {len(event.outcomes)} removals failed")


class NamedRegistry(MemoryRegistry):
    """Records that all managers of this process share that give the same name."""


_registries: dict[tuple[str, str], NamedRegistry] = {}


def _parse(rest: str, base_dir: str) -> Address:
    del base_dir
    if not rest.isidentifier():
        raise RegistryError("acme: takes a name after it: write acme:NAME")
    return Address("acme", f"acme:{rest}", outlives_process=False, options={"name": rest})


def _open(address: Address, base_dir: str, identify: Identify) -> Registry:
    del identify
    return _registries.setdefault((address.options["name"], base_dir), NamedRegistry())


plugin = Plugin(
    api=1,
    name="acme",
    registries={"acme": Scheme(("acme:NAME",), _parse, _open)},
    storages=(Audited,),
    orders={"cheapest": cheapest_first},
    hooks=(count_failures,),
)
