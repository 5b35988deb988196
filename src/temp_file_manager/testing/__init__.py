"""Tools for tests of this package, of registries and of applications.

Needs the standard library alone. The test methods are found by pytest when a class of yours joins a contract::

    import pytest

    pytest.register_assert_rewrite("temp_file_manager.testing")  # before the import: failures show their values
    from temp_file_manager.testing import RegistryContract

    class TestMyRegistry(RegistryContract):
        def make_registry(self):
            return MyRegistry()

``StorageContract`` and ``OrderContract`` are the same for what else a plug-in brings (docs/writing-a-plugin.md).

The rest is for anybody's cleaner: ``hostile`` has attackers in processes of their own, ``faults`` disks, mounts, limits
and storages that fail. docs/threat-model.md says what each of them proves of this package.
"""

from temp_file_manager.testing.clock import NOW, FakeClock
from temp_file_manager.testing.contract.order_contract import OrderContract
from temp_file_manager.testing.contract.registry_contract import RegistryContract
from temp_file_manager.testing.contract.storage_contract import StorageContract
from temp_file_manager.testing.hostile.attacks import HOLDING, Attack, filler, holders, openers, swapper
from temp_file_manager.testing.hostile.faults import HANG, FailingStorage, busy, limited, read_only, small_disk
from temp_file_manager.testing.processes import in_child

__all__ = [
    "HANG",
    "HOLDING",
    "NOW",
    "Attack",
    "FailingStorage",
    "FakeClock",
    "OrderContract",
    "RegistryContract",
    "StorageContract",
    "busy",
    "filler",
    "holders",
    "in_child",
    "limited",
    "openers",
    "read_only",
    "small_disk",
    "swapper",
]
