"""The command ``stats``: how much is on record, how old it is, and how much of it is due."""

import argparse

from temp_file_manager.cli import options, render
from temp_file_manager.cli.open_manager import address_of, open_manager
from temp_file_manager.inspection import describe, pages
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Kind, Selection, TempFile
from temp_file_manager.text import count, human_size, span

AGES = (("1 minute", 60.0), ("1 hour", 3600.0), ("1 day", 86400.0), ("1 week", 604800.0))
"""Upper bounds of the counts by age, in seconds; what is older comes last."""

APART = (Kind.QUARANTINED, Kind.COMPRESSED)
"""What is counted and summed apart, among the rest."""


def add_parser(commands: options.Commands) -> None:
    """Declare the command."""
    parser = options.add_command(
        commands,
        "stats",
        "count what is on record, by age, and what is due",
        execute,
        more="It walks through all records; a change meanwhile is counted or not.",
        json="print a JSON object",
    )
    options.add_settings(parser)


def execute(args: argparse.Namespace) -> int:
    """Print the counts; return 0.

    Raises:
        TempFileError: a setting or the registry cannot be used.
    """
    with open_manager(args, looking=True) as manager:
        due = manager.context.due()
        counted = _Counted(due)
        for record in pages.records(manager.context):
            counted.add(record)
        name = address_of(options.effective(args)[0]).shown
        if args.json:
            render.as_json(counted.as_json(manager, name))
        else:
            counted.tell(manager, name)
    return 0


class _Counted:
    """The counts in the making."""

    def __init__(self, due: Selection) -> None:
        self._due = due
        self._records = self._due_now = self._bytes = self._sized = self._failed = 0
        self._apart = {kind: [0, 0] for kind in APART}
        self._by_age = [0] * (len(AGES) + 1)
        self._oldest: TempFile | None = None

    def add(self, record: TempFile) -> None:
        """Count one record."""
        age = self._due.asof - record.registered_at
        self._records += 1
        self._by_age[sum(age >= bound for _, bound in AGES)] += 1
        self._due_now += describe.state(record, self._due) == "now"
        self._failed += record.failures > 0
        if record.room is not None:
            self._sized += 1
            self._bytes += record.room
        if record.kind in self._apart:
            apart = self._apart[record.kind]
            apart[0] += 1
            apart[1] += record.room or 0
        if self._oldest is None or record.registered_at < self._oldest.registered_at:
            self._oldest = record

    def tell(self, manager: TempFileManager, registry: str) -> None:
        """Print the counts for people."""
        oldest = self._oldest
        rows = [
            ("registry", registry),
            ("base directory", manager.base_dir),
            ("records", str(self._records)),
            ("due now", str(self._due_now)),
            ("failed so far", str(self._failed)),
            *((f"  {name}", str(count)) for name, count in self._ages()),
            ("known bytes", f"{human_size(self._bytes)} of {count(self._sized, 'file')}"),
            *(
                (f"  {kind}", f"{human_size(size)} of {count(files, 'file')}")
                for kind, (files, size) in self._apart.items()
                if files
            ),
            *(("  measured", f"{span(age)} ago") for age in (manager.context.measuring.age(),) if age is not None),
            ("oldest", f"{describe.age(oldest, self._due)}, {describe.shown(oldest)}" if oldest else "-"),
        ]
        render.table((), rows)

    def as_json(self, manager: TempFileManager, registry: str) -> dict[str, object]:
        """Return the counts for programs."""
        return {
            "registry": registry,
            "base_dir": manager.base_dir,
            "records": self._records,
            "due": self._due_now,
            "failed": self._failed,
            "by_age": dict(self._ages()),
            "bytes": self._bytes,
            "files_of_known_size": self._sized,
            **{str(kind): {"files": files, "bytes": size} for kind, (files, size) in self._apart.items()},
            "measured_age": manager.context.measuring.age(),
            "oldest": describe.described(self._oldest, self._due) if self._oldest else None,
        }

    def _ages(self) -> list[tuple[str, int]]:
        names = [f"under {name}" for name, _ in AGES] + ["older"]
        return list(zip(names, self._by_age, strict=True))
