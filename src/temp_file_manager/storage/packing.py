"""Compression of files that nobody has used for a while: ``NAME`` becomes ``NAME.zst`` beside it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext

from temp_file_manager.chunks import Place, place_at, place_of
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.storage.compare import Directories
from temp_file_manager.storage.contract import Removal
from temp_file_manager.storage.kernel.leases import InUse
from temp_file_manager.storage.packing_batch import Batch
from temp_file_manager.storage.packing_judge import Judge
from temp_file_manager.storage.packing_plan import Planned
from temp_file_manager.storage.successors import Succession
from temp_file_manager.storage.wrappers.set_aside import Aside

MOST = 64
"""Files that are in hand together; each takes two descriptors."""


class Packing:
    """Compresses files, and keeps those that are better left as they are.

    A few at a time: (1) each is looked at and compared as in every removal, and nobody may have it open; (2) it is
    compressed into a file without a name, which gets its owner, mode, access list, attributes and times, and is written
    to the disk; (3) the compressed files are put on record, in one step for all; (4) while whoever opens a file waits,
    it is compared once more, and the compressed one gets its name, if that is free; (5) that is put on record again,
    as somebody may have missed it before it had its name; (6) the file goes. Killed anywhere, it leaves the file, or
    the compressed one, or both with the record of the file from before: then whoever sweeps next drops the compressed
    one, and begins again.

    From (2) on whoever is to write waits, as the kernel says that somebody does, and then the file is left alone: so
    nothing that is written is ever lost, but for what writes the moment after that has been asked for the last time,
    which is what every removal takes.

    Args:
        succession: What keeps records of the compressed files.
        planned: Says under which rule a file is compressed, and what is next.
        in_use: Makes what tells whether a file is in use.
        owner_check, aside, base: As in ``LocalStorage``.
    """

    def __init__(
        self,
        succession: Succession,
        planned: Planned,
        in_use: Callable[[], InUse],
        *,
        owner_check: bool = False,
        aside: str | None = None,
        base: str | None = None,
    ) -> None:
        self._succession = succession
        self._planned = planned
        self._in_use = in_use
        self._owner_check = owner_check
        self._aside = aside
        self._base = base

    def _judge(self, directories: Directories) -> Judge:
        return Judge(directories, self._in_use(), self._succession)

    def _directories(self) -> Directories:
        return Directories(owner_check=self._owner_check, base=self._base)

    def remove(self, removal: Removal) -> None:
        """Compress one file a record, in order, until all are done or it is enough; see ``Storage``."""
        column: Sequence[Place | str] = removal.records.places() or removal.records.paths()
        aside = None if self._aside is None else Aside(self._aside, column)
        with (
            self._directories() as directories,
            aside or nullcontext(),
            closing(Batch(removal, self._judge(directories), self._planned, aside)) as batch,
        ):
            for at, where in removal.begin(column):
                batch.begin(at, place_at(where))
                if len(batch) >= MOST:
                    batch.end()
            batch.end()

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        """Yield what ``remove`` would, as far as looking and compressing the beginning can tell."""
        with self._directories() as directories:
            judge = self._judge(directories)
            for record in records:
                plan = self._planned(record)
                try:
                    judge.foretell(record, place_of(record))
                except Exception as error:  # one bad file never stops a dry run
                    yield Outcome(record, *plan.became(error))
                else:
                    yield Outcome(record, Status.COMPRESSED)
