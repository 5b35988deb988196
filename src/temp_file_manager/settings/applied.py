"""Settings as they are applied: what became of the last time that they were read again."""

from dataclasses import dataclass


@dataclass(slots=True)
class Applied:
    """What a running program tells of the settings that it works by.

    Attributes:
        refused: Why those that were read last cannot be used, and the former are in force; empty: they are.
    """

    refused: str = ""
