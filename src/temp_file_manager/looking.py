"""Looking: the part of the manager that says what is on record, and changes nothing."""

from collections.abc import Iterable, Iterator

from temp_file_manager.arguments import labels, seconds
from temp_file_manager.context import Context
from temp_file_manager.durations import Duration
from temp_file_manager.records import TempFile
from temp_file_manager.registering.on_record import statuses
from temp_file_manager.reports import FileStatus, StatusReport
from temp_file_manager.storage.paths import AnyPath, all_as_recorded, as_recorded


class Looking:
    """What ``TempFileManager`` tells about files on record."""

    _context: Context

    def get_file_age(self, file_path: AnyPath) -> float | None:
        """Return the seconds since the file was registered, or None when it is not registered."""
        at = self._context.registry.files.get(as_recorded(file_path))
        return None if at is None else self._context.clock.wall() - at

    def is_temp_file(self, file_path: AnyPath) -> bool:
        """Say whether the file is registered; whether it exists is not looked at."""
        return as_recorded(file_path) in self._context.registry.files

    def status(self, file_path: AnyPath) -> FileStatus:
        """Return what is known about one file: its record, its age, whether a cleanup would take it, and why."""
        return self.statuses((file_path,)).files[0]

    def statuses(self, file_paths: Iterable[AnyPath]) -> StatusReport:
        """Return what is known about many files, registered or not, and the counts."""
        return statuses(self._context.registry, all_as_recorded(file_paths, "status"), self._context.due())

    def files_where(
        self,
        *,
        tag: str | None = None,
        under: AnyPath | None = None,
        older_than: Duration | None = None,
        due: bool = False,
    ) -> Iterator[TempFile]:
        """Return an iterator of the records that are all of this, read from the registry a page at a time.

        Args:
            tag: It has this tag.
            under: It lies in this directory or below.
            older_than: It was registered more seconds ago.
            due: A cleanup now would take it.

        Raises:
            ValueError: ``older_than`` is negative or not a number.
        """
        from temp_file_manager.inspection import pages  # noqa: PLC0415 - few look

        now, age = self._context.due(), None if older_than is None else seconds("older_than", older_than)
        tags = () if tag is None else labels((tag,))
        return filter(
            pages.wanted(now.asof, tags=tags, under=under, older_than=age),
            pages.records(self._context, now if due else None),
        )
