"""The storages of this package keep the contract that plug-ins are held to."""

import time
from typing import Any, ClassVar

from temp_file_manager.settings import Settings
from temp_file_manager.storage.build import build
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.storage.wrappers.bounded import Abandoning
from temp_file_manager.storage.wrappers.isolated import Isolated
from temp_file_manager.testing import FakeClock, StorageContract


class TestLocalStorage(StorageContract):
    def make_storage(self, base_dir: str) -> Storage:
        return LocalStorage(base=base_dir)


class Built(StorageContract):
    """A storage that settings describe."""

    HOW: ClassVar[dict[str, Any]] = {}
    PROTECTS = False

    def make_storage(self, base_dir: str) -> Storage:
        settings = Settings(base_dir=base_dir, **self.HOW)
        clock = FakeClock(time.time())
        return build(settings, base_dir, clock, clock.wall, protect_open=self.PROTECTS)


class TestProtecting(Built):
    PROTECTS = True


class TestParanoid(Built):
    HOW: ClassVar[dict[str, Any]] = {"paranoid": True}


class TestThreads(Built):
    HOW: ClassVar[dict[str, Any]] = {"removal_threads": 8}


class TestThreadsThatAreParanoidAndProtecting(Built):
    HOW: ClassVar[dict[str, Any]] = {"removal_threads": 8, "paranoid": True}
    PROTECTS = True


class TestThreadsBounded(Built):
    HOW: ClassVar[dict[str, Any]] = {"removal_threads": 8, "cleanup_timeout": 60}


class TestSecure(Built):
    HOW: ClassVar[dict[str, Any]] = {"secure_delete": True}


class TestSecureAndProtecting(Built):
    HOW: ClassVar[dict[str, Any]] = {"secure_delete": True}
    PROTECTS = True


class TestBounded(StorageContract):
    def make_storage(self, base_dir: str) -> Storage:
        return Abandoning(LocalStorage(base=base_dir), 60)


class TestOfAPlugin(StorageContract):
    """What stands around a plug-in's storage is one, too."""

    def make_storage(self, base_dir: str) -> Storage:
        return Isolated(LocalStorage(base=base_dir), lambda storage: storage, "acme")
