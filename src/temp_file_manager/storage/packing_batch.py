"""A batch of files that are compressed together, step by step."""

import os
from collections.abc import Callable

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other, Place
from temp_file_manager.records import Identity, Kind, Nature, Status
from temp_file_manager.storage import new_files
from temp_file_manager.storage.compressed_copy import make_alike, nameless
from temp_file_manager.storage.contract import NotThatFile, Removal
from temp_file_manager.storage.kernel.leases import let_read, take_lease, writer_waits
from temp_file_manager.storage.kernel.statx import signed
from temp_file_manager.storage.packing_judge import Judge, Packed
from temp_file_manager.storage.packing_plan import TAKEN, TOO_LARGE, WRITTEN_TO, LeftError, Plan, Planned
from temp_file_manager.storage.successors import Row
from temp_file_manager.storage.wrappers.set_aside import Aside


class Batch:
    """Files of one removal that are compressed together.

    Args:
        removal: Theirs.
        judge: What judges them.
        planned: As in ``Packing``.
        aside: By way of which the files go; None: they are just removed.
    """

    def __init__(self, removal: Removal, judge: Judge, planned: Planned, aside: Aside | None) -> None:
        self._removal = removal
        self._judge = judge
        self._planned = planned
        self._aside = aside
        self._first = removal.done
        self._files: list[Packed] = []
        self._withdrawn: list[Packed] = []

    def __len__(self) -> int:
        return len(self._files)

    def begin(self, at: int, place: Place) -> None:
        """Look at a file and compress it; if it is left as it is, note why."""
        records = self._removal.records
        plan, file = self._planned(records[at]), None
        try:
            file = self._judge.opened(records, at, place)
            file.at, file.plan = at, plan
            self._files.append(file)
            self._compress(file)
        except Exception as error:  # one bad file never stops a sweep
            if file is None:
                self._removal.others[at] = self._became(at, plan, error)
            else:
                self._drop(file, error)

    def end(self) -> None:
        """Let the compressed files take the place of the others."""
        self._each(_to_disk)
        self._each_is_alone()
        self._on_record(only_new=True)
        self._each(self._give_name)
        self._on_record()
        self._each(self._retire)
        for file in self._files:
            file.close()
        self._files.clear()
        self._withdraw()
        self._removal.done = self._removal.begun

    def close(self) -> None:
        """Give up what is left, when nobody waits for it any more.

        The records stay, and are found gone: an interrupt may have come when a name was given, and not yet noted.
        """
        for file in list(self._files):
            self._drop(file)

    def _compress(self, file: Packed) -> None:
        if not let_read(file.held):
            raise NotThatFile(Status.KEPT, Cause.IN_USE)
        copy = nameless(file.directory)
        if copy is None:
            raise LeftError("its file system makes no files without a name")
        file.copy = copy
        self._judge.packer.pack(file.held, file.copy, file.found.st_size, lambda: self._go_on(file))
        make_alike(file.copy, file.held, file.found)

    def _go_on(self, file: Packed) -> None:
        self._removal.signs += 1
        cause = self._removal.why_interrupted()
        if cause:
            raise NotThatFile(Status.SKIPPED, cause)
        if writer_waits(file.held):
            raise LeftError(WRITTEN_TO, for_now=True)

    def _each(self, step: Callable[[Packed], None]) -> None:
        """Go a step with each file; those that cannot go it are left as they are."""
        for file in list(self._files):
            self._removal.signs += 1
            try:
                if writer_waits(file.held):
                    raise LeftError(WRITTEN_TO, for_now=True)  # noqa: TRY301 - one bad file never stops a sweep
                step(file)
            except Exception as error:  # as above
                self._drop(file, error)

    def _each_is_alone(self) -> None:
        """Leave alone what somebody else has a record for in the place of the compressed file; ours is out of date."""
        succession = self._judge.succession
        known = succession.known([file.path for file in self._files])
        for file in list(self._files):
            other = known.get(file.path)
            if other is not None and file.is_succeeded_by(other):
                succession.withdraw((other,))
            elif other is not None:
                self._drop(file, LeftError(TAKEN, for_now=True))

    def _on_record(self, *, only_new: bool = False) -> None:
        """Put the compressed files on record; where that cannot be done, the others are left as they are.

        Before they have their names, what somebody else has put on record meanwhile stays on record.
        """
        by_time: dict[float, list[Packed]] = {}
        for file in self._files:
            by_time.setdefault(file.record.registered_at, []).append(file)
        for registered_at, files in by_time.items():
            try:
                rows = [self._successor(file) for file in files]
                self._judge.succession.succeed(rows, registered_at, only_new=only_new)
            except Exception as error:  # one bad file never stops a sweep
                for file in files:
                    self._drop(file, error)
            else:
                for file in files:
                    file.is_on_record = True

    def _successor(self, file: Packed) -> Row:
        seen = self._judge.look(file.copy, b"")
        identity = Identity(seen.inode, seen.born, seen.changed, *file.identity[3:])
        # ``Seen.disk`` would do as well, but for a file without a name.
        row = (file.path, file.plan.due_at, seen.size, file.record.tags, identity, os.fstat(file.copy).st_blocks * 512)
        return row, Nature(file.plan.rule, Kind.COMPRESSED, file.record.path)

    def _give_name(self, file: Packed) -> None:
        if not take_lease(file.held):
            raise NotThatFile(Status.KEPT, Cause.IN_USE)
        self._judge.confirm(file)
        try:
            new_files.give_name(file.copy, f"/proc/self/fd/{file.directory}/{os.fsdecode(file.name)}")
        except FileExistsError as error:
            raise LeftError(TAKEN) from error
        file.has_name = True

    def _retire(self, file: Packed) -> None:
        if not self._removal.may_go(file.at):
            raise NotThatFile(*self._removal.others[file.at][:2])
        self._judge.confirm(file)
        if writer_waits(file.held):
            raise LeftError(WRITTEN_TO, for_now=True)
        saved = (file.found.st_blocks - os.fstat(file.copy).st_blocks) * 512
        file.has_name = False  # from here on the compressed file stays, whatever interrupts this
        try:
            if self._aside is None:
                os.unlink(file.place[1], dir_fd=file.directory)
            else:
                self._aside.remove(file.at, file.identity, file.directory, file.place[1])
        except Exception:
            file.has_name = True
            raise
        self._removal.others[file.at] = Other(Status.COMPRESSED, Cause.NONE, saved=max(saved, 0))

    def _drop(self, file: Packed, error: Exception | None = None) -> None:
        """Leave a file as it is: its compressed copy goes."""
        if file.is_on_record and self._taken_back(file):
            self._withdrawn.append(file)
        file.close()
        self._files.remove(file)
        if error is not None:
            self._removal.others[file.at] = self._became(file.at, file.plan, error)

    def _taken_back(self, file: Packed) -> bool:
        """Take the name of a compressed copy back; say whether it has none any more. Else its record has to stay."""
        if not file.has_name:
            return True
        try:
            if self._judge.look(file.directory, file.name).inode == signed(os.fstat(file.copy).st_ino):
                os.unlink(file.name, dir_fd=file.directory)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _became(self, at: int, plan: Plan, error: Exception) -> Other:
        other = plan.became(error)
        if other.cause is Cause.LEASE_ENDED and at == self._first:  # it had all of the time, and would have no more
            return plan.became(LeftError(TOO_LARGE))
        return other

    def _withdraw(self) -> None:
        if self._withdrawn:
            succession = self._judge.succession
            known = succession.known([file.path for file in self._withdrawn])
            ours = [file for file in self._withdrawn if file.path in known and file.is_succeeded_by(known[file.path])]
            succession.withdraw([known[file.path] for file in ours])
            self._withdrawn.clear()


def _to_disk(file: Packed) -> None:
    os.fsync(file.copy)
