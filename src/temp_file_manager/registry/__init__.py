"""Registries of records: the contract, and those that keep it."""

from temp_file_manager.registry.card import Properties
from temp_file_manager.registry.claim import Claim, Looked, Settlement
from temp_file_manager.registry.contract import Page, Registry, Stats
from temp_file_manager.registry.memory.registry import MemoryRegistry
from temp_file_manager.sessions import THIS_PROCESS

__all__ = ["THIS_PROCESS", "Claim", "Looked", "MemoryRegistry", "Page", "Properties", "Registry", "Settlement", "Stats"]
