"""What tests of this package, of its registries and of applications are made with.

Needs the standard library alone. The test methods are found by pytest when a class of yours joins a contract::

    import pytest

    pytest.register_assert_rewrite("temp_file_manager.testing")  # before the import: failures show their values
    from temp_file_manager.testing import RegistryContract

    class TestMyRegistry(RegistryContract):
        def make_registry(self):
            return MyRegistry()
"""

from temp_file_manager.testing.clock import NOW, FakeClock
from temp_file_manager.testing.processes import in_child
from temp_file_manager.testing.registry_contract import RegistryContract

__all__ = ["NOW", "FakeClock", "RegistryContract", "in_child"]
