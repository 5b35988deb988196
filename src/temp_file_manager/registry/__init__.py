"""Registries of records: the contract, and those that keep it."""

from temp_file_manager.registry.contract import THIS_PROCESS, Claim, Page, Properties, Registry, Stats
from temp_file_manager.registry.memory.registry import MemoryRegistry

__all__ = ["THIS_PROCESS", "Claim", "MemoryRegistry", "Page", "Properties", "Registry", "Stats"]
