"""Settlements that a full disk kept from being written, until there is room for them."""

from collections.abc import Iterable, Sequence

from temp_file_manager.records import Status
from temp_file_manager.registry.claim import Settlement
from temp_file_manager.registry.sqlite.rows import ID, Row

_OVER = (Status.REMOVED, Status.GONE, Status.REPLACED)


class Owed:
    """What is still to be written down, in its order.

    Attributes:
        settlements: What became of records.
    """

    def __init__(self) -> None:
        self.settlements: tuple[Settlement, ...] = ()
        self._over: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self.settlements)

    def add(self, settlement: Settlement) -> None:
        """Remember one."""
        self.settlements += (settlement,)
        self._over.update(forgotten(settlement))

    def written(self, settlements: Iterable[Settlement]) -> None:
        """Forget those of these that were remembered."""
        done = set(map(id, settlements))
        for one in self.settlements:
            if id(one) in done:
                self._over.difference_update(forgotten(one))
        self.settlements = tuple(one for one in self.settlements if id(one) not in done)

    def left(self, rows: Sequence[Row]) -> list[Row]:
        """Return those rows whose records are not to be forgotten: of the others no file is left."""
        return [row for row in rows if row[ID] not in self._over]


def forgotten(settlement: Settlement) -> list[int]:
    """Return the ids of records that are to be forgotten."""
    rows, others = settlement.claim.records.rows[: settlement.done], settlement.others
    return [row[ID] for at, row in enumerate(rows) if at not in others or others[at].status in _OVER]
