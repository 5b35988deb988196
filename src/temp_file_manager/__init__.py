"""Temp-file cleanup that knows which files are whose, and explains every keep and every delete."""

from temp_file_manager.errors import (
    BaseDirectoryError,
    DamagedFileError,
    InvalidArgumentError,
    LargeSweepError,
    LimitError,
    RecordClaimedError,
    RegistryBusyError,
    RegistryError,
    RegistryFullError,
    SettingsError,
    TempFileError,
)
from temp_file_manager.events import (
    Event,
    FilesRegistered,
    Hook,
    LimitUnmet,
    RecordsSettled,
    SweepFailed,
    SweepFinished,
)
from temp_file_manager.manager import TempFileManager
from temp_file_manager.records import Outcome, Status, TempFile
from temp_file_manager.registering.hold import Hold
from temp_file_manager.registering.session import ManagedSession
from temp_file_manager.registry import MemoryRegistry, Registry
from temp_file_manager.reports import FileStatus, RegisterReport, StatusReport, SweepReport
from temp_file_manager.settings import Settings
from temp_file_manager.version import VERSION

__version__ = VERSION

__all__ = [
    "BaseDirectoryError",
    "DamagedFileError",
    "Event",
    "FileStatus",
    "FilesRegistered",
    "Hold",
    "Hook",
    "InvalidArgumentError",
    "LargeSweepError",
    "LimitError",
    "LimitUnmet",
    "ManagedSession",
    "MemoryRegistry",
    "Outcome",
    "RecordClaimedError",
    "RecordsSettled",
    "RegisterReport",
    "Registry",
    "RegistryBusyError",
    "RegistryError",
    "RegistryFullError",
    "Settings",
    "SettingsError",
    "Status",
    "StatusReport",
    "SweepFailed",
    "SweepFinished",
    "SweepReport",
    "TempFile",
    "TempFileError",
    "TempFileManager",
    "__version__",
]
