"""Registries of records: the contract, and those that keep it."""

from temp_file_manager.registry.contract import Claim, Page, Registry, Stats
from temp_file_manager.registry.memory.registry import MemoryRegistry

__all__ = ["Claim", "MemoryRegistry", "Page", "Registry", "Stats"]
