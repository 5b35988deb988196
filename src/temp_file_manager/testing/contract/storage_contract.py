"""The contract of storages as a test suite."""
# ruff: noqa: S101 - tests assert

import os
import tempfile
from collections.abc import Callable
from typing import Any

from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Made
from temp_file_manager.records import RETIRED, Status, TempFile
from temp_file_manager.registering.identify import identify
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.storage.own_files import OWN_DIRECTORY
from temp_file_manager.testing.clock import NOW

MANY = 60
"""Files, of which a storage that has several in hand does not begin with all at once."""


class StorageContract:
    """What is asked of a storage, as tests. Joined by a class that says how to ``make_storage``.

    Whatever it does with a file that may go: the file is not there afterwards, and each other is untouched.
    """

    def make_storage(self, base_dir: str) -> Storage:
        """Return a storage for a manager with this base directory."""
        raise NotImplementedError

    def setup_method(self) -> None:
        """Make a base directory, and one for files beside it; pytest calls it."""
        self._folder = tempfile.TemporaryDirectory()
        self.base_dir: str = os.path.join(self._folder.name, "base")
        self.directory: str = os.path.join(self._folder.name, "files")
        os.makedirs(os.path.join(self.base_dir, OWN_DIRECTORY), 0o700)
        os.mkdir(self.directory, 0o700)
        self.storage: Storage = self.make_storage(self.base_dir)
        self._count = 0

    def teardown_method(self) -> None:
        """Remove them, and let go of the storage, whose threads may end with it; pytest calls it, and keeps this."""
        del self.storage
        self._folder.cleanup()

    # -- words the tests are written in --------------------------------------------------------------------

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return os.path.join(self.directory, name)

    def write(self, path: str, content: bytes = b"content") -> None:
        """Make a file."""
        with open(path, "wb") as file:
            file.write(content)

    def record(self, name: str) -> TempFile:
        """Make a file, if none is there, and return a record of it."""
        path = self.path(name)
        if not os.path.lexists(path):
            self.write(path)
        self._count += 1
        return TempFile(path, NOW, size=os.lstat(path).st_size, generation=self._count, identity=identify(path))

    def records(self, *names: str) -> list[TempFile]:
        """Do so for each."""
        return [self.record(name) for name in names]

    def removal(self, records: list[TempFile], **how: Any) -> Removal:
        """Return the removal of some records."""
        return Removal(Made(records), **how)

    def removed(self, records: list[TempFile], **how: Any) -> list[Status]:
        """Have records removed, and return what became of them."""
        removal = self.removal(records, **how)
        self.storage.remove(removal)
        assert removal.done == len(records)
        return [removal.others[at].status if at in removal.others else Status.REMOVED for at in range(removal.done)]

    def foretold(self, records: list[TempFile]) -> list[Status]:
        """Return what is foretold of records, once it is sure that nothing changes by that."""
        before = sorted(os.listdir(self.directory))
        outcomes = list(self.storage.predict(records))
        assert [outcome.record for outcome in outcomes] == records
        assert sorted(os.listdir(self.directory)) == before
        return [outcome.status for outcome in outcomes]

    def there(self) -> list[str]:
        """Return the names of the files that are there."""
        return sorted(os.listdir(self.directory))

    # -- what goes -----------------------------------------------------------------------------------------

    def test_what_may_go_goes(self) -> None:
        """All of it, and nothing else."""
        records = self.records("a", "b", "c")
        self.write(self.path("other"))
        assert self.foretold(records) == [Status.REMOVED] * 3
        assert self.removed(records) == [Status.REMOVED] * 3
        assert self.there() == ["other"]

    def test_nothing_is_nothing(self) -> None:
        """No records are no work."""
        assert (self.foretold([]), self.removed([])) == ([], [])

    def test_what_is_gone_is_said_to_be(self) -> None:
        """And stands in nobody's way."""
        records = self.records("a", "b", "c")
        os.rename(self.path("b"), self.path("moved"))
        expected = [Status.REMOVED, Status.GONE, Status.REMOVED]
        assert self.foretold(records) == expected
        assert self.removed(records) == expected
        assert self.there() == ["moved"]

    def test_another_file_in_its_place_stays(self) -> None:
        """It is not the one that was registered."""
        self._stays(lambda path: self.write(path, b"another"))

    def test_a_directory_in_its_place_stays(self) -> None:
        """With all that is in it."""
        self._stays(lambda path: os.makedirs(os.path.join(path, "below")))

    def test_a_link_in_its_place_stays(self) -> None:
        """So does what it leads to."""
        self._stays(lambda path: os.symlink(self.path("moved"), path))

    def _stays(self, put: Callable[[str], object]) -> None:
        records = self.records("a", "b", "c")
        os.rename(self.path("b"), self.path("moved"))
        put(self.path("b"))
        for told in (self.foretold(records), self.removed(records)):
            assert (told[0], told[2]) == (Status.REMOVED, Status.REMOVED)
            assert told[1] not in (Status.REMOVED, Status.GONE)
        assert self.there() == ["b", "moved"]

    def test_another_directory_in_its_directorys_place_stays(self) -> None:
        """With a file of the same name in it."""
        os.mkdir(self.path("below"))
        records = self.records("below/a", "b")
        os.rename(self.path("below"), self.path("before"))
        os.mkdir(self.path("below"))
        self.write(self.path("below/a"))
        for told in (self.foretold(records), self.removed(records)):
            assert told[0] not in RETIRED
            assert told[1] is Status.REMOVED
        assert os.path.exists(self.path("below/a"))
        assert os.path.exists(self.path("before/a"))

    def test_of_a_link_the_link_goes(self) -> None:
        """What it leads to stays."""
        self.write(self.path("target"))
        os.symlink(self.path("target"), self.path("link"))
        records = self.records("link")
        assert self.foretold(records) == [Status.REMOVED]
        assert self.removed(records) == [Status.REMOVED]
        assert self.there() == ["target"]

    # -- who is asked --------------------------------------------------------------------------------------

    def test_each_is_asked_about_before_it_goes(self) -> None:
        """And one that may not, stays."""
        records = self.records(*"abcd")
        asked = dict[int, bool]()

        def still(at: int) -> bool:
            asked[at] = os.path.lexists(records[at].path) or self._is_aside(records[at])
            return at != 1

        removal = self.removal(records, still=still)
        self.storage.remove(removal)
        assert asked == dict.fromkeys(range(4), True)
        assert removal.done == 4  # noqa: PLR2004 - all of them
        assert {at: (other.status, other.cause) for at, other in removal.others.items()} == {
            1: (Status.SKIPPED, Cause.CLAIM_ENDED)
        }
        assert self.there() == ["b"]

    def _is_aside(self, record: TempFile) -> bool:
        """Say whether a file has been moved into the base directory's private folder, from which it can come back."""
        assert record.identity is not None
        inodes = [
            os.lstat(os.path.join(folder, name)).st_ino for folder, _, names in os.walk(self.base_dir) for name in names
        ]
        return record.identity.inode in inodes

    def test_after_the_deadline_nothing_goes(self) -> None:
        """The claim may be another's by then."""
        records = self.records("a", "b")
        assert self.removed(records, elapsed=lambda: 5.0, deadline=5.0) == [Status.SKIPPED] * 2
        assert self.there() == ["a", "b"]

    def test_when_it_is_enough_no_more_are_begun_with(self) -> None:
        """The first is done in any case; of what was not begun with nothing is said."""
        records = self.records(*map(str, range(MANY)))
        asked = list[int]()

        def still(at: int) -> bool:
            asked.append(at)
            return True

        removal = self.removal(records, elapsed=lambda: float(len(asked)), enough=3.0, still=still)
        self.storage.remove(removal)
        assert 1 <= removal.done < MANY
        done = {str(at) for at in range(removal.done)}
        assert set(self.there()) == {str(at) for at in range(MANY)} - done
        self.storage.remove(self.removal(records[removal.done :]))
        assert self.there() == []

    def test_when_it_is_over_nothing_more_goes(self) -> None:
        """Nobody waits for it any more."""
        removal = self.removal(self.records("a", "b"))
        removal.over = True
        self.storage.remove(removal)
        assert (removal.done, self.there()) == (0, ["a", "b"])

    def test_a_part_is_a_part(self) -> None:
        """Positions stay what they are."""
        records = self.records(*"abcd")
        os.rename(self.path("c"), self.path("moved"))
        part = self.removal(records).part(1, 3)
        self.storage.remove(part)
        assert (part.done, {at: other.status for at, other in part.others.items()}) == (3, {2: Status.GONE})
        assert self.there() == ["a", "d", "moved"]
