"""The plug-in keeps the contracts, and does what it says."""

import logging
from pathlib import Path

import pytest

from acme_temp_files import Audited, NamedRegistry, cheapest_first, plugin
from temp_file_manager import Settings, TempFileManager
from temp_file_manager.plugins import load
from temp_file_manager.records import TempFile
from temp_file_manager.registry import Registry
from temp_file_manager.storage.contract import Storage
from temp_file_manager.storage.local import LocalStorage
from temp_file_manager.sweeping.orders import Key
from temp_file_manager.testing import OrderContract, RegistryContract, StorageContract


class TestRegistry(RegistryContract):
    def make_registry(self) -> Registry:
        return NamedRegistry()


class TestStorage(StorageContract):
    def make_storage(self, base_dir: str) -> Storage:
        return Audited(LocalStorage(base=base_dir))


class TestOrder(OrderContract):
    def make_order(self) -> Key:
        return cheapest_first


def test_what_is_cheap_goes_before_what_is_large() -> None:
    large, cheap = TempFile("/large", 0.0, size=9), TempFile("/cheap", 0.0, tags=("preview",))
    both = TempFile("/both", 0.0, size=9, tags=("preview",))
    assert sorted([large, cheap, both], key=cheapest_first) == [both, cheap, large]


def test_it_is_found_by_its_name() -> None:
    """As it was installed."""
    (found,) = load(("acme",)).loaded
    assert found.plugin is plugin
    assert found.package == "acme-temp-files 1.0.0"


def test_a_manager_uses_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(base_dir=str(tmp_path), plugins=("acme",))
    manager = TempFileManager.from_settings(settings, registry="acme:work")
    manager.open("w").close()
    with caplog.at_level(logging.INFO, "acme_temp_files"):
        assert manager.clear_all() == 1
    assert len([text for text in caplog.messages if text.startswith("removed ")]) == 1
