"""Records of the registry in memory that are out on a claim."""

from collections.abc import Mapping, Sequence
from threading import get_ident

from temp_file_manager.chunks import Chunk
from temp_file_manager.records import TempFile
from temp_file_manager.registry.memory.files import Stamp, make_record


class Stamps(Chunk):
    """Records under a claim; the rows are stamps."""

    __slots__ = ()

    def record(self, row: Stamp) -> TempFile:  # noqa: D102 - see Chunk
        return make_record(row)

    def paths(self) -> Sequence[str]:  # noqa: D102 - see Chunk
        return [stamp.path for stamp in self.rows]


class Out:
    """Records that are out on a claim.

    Args:
        files: The live dict.
        stamps: The records.
        lapses_at: When anybody else may take them; seconds, see ``Claims.claim``.

    Attributes:
        paths: Those that are still out.
        hung: Records in the place of those whose removal hangs.
        thread: Who has claimed them.
    """

    def __init__(self, files: Mapping[str, float], stamps: list[Stamp], lapses_at: float) -> None:
        self._files = files
        self._stamps = stamps
        self.lapses_at = lapses_at
        self.paths = {stamp.path for stamp in stamps}
        self.hung: dict[str, Stamp] = {}
        self.thread = get_ident()

    def still(self, at: int) -> bool:
        """See ``Claim.still``. Stamps are compared by identity: a clock may give the same time twice."""
        stamp = self._stamps[at]
        return self._files.get(stamp.path) is stamp

    def lose(self) -> None:
        """Have nothing more to remove. What is being removed at this moment stays out, by its path."""
        self._files = {}
