"""The registry's contract as a test suite."""

from temp_file_manager.testing.contract.claiming import ClaimingContract
from temp_file_manager.testing.contract.recording import RecordingContract
from temp_file_manager.testing.contract.settling import SettlingContract
from temp_file_manager.testing.contract.telling import TellingContract


class RegistryContract(RecordingContract, ClaimingContract, SettlingContract, TellingContract):
    """``registry.base``'s docstrings as tests. Joined by a class that says how to ``make_registry``.

    Each test makes one, empty, on first use. Nothing in a registry may depend on files: no path here exists.
    """
