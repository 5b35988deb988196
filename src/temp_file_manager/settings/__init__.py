"""Settings: one frozen record, read from flags, variables, a file and defaults."""

from temp_file_manager.settings.layers import (
    ALIASES,
    PREFIX,
    Entry,
    Layer,
    env_layer,
    file_layer,
    flag_layer,
    resolve,
    variable,
)
from temp_file_manager.settings.settings import FIELDS, Settings

__all__ = [
    "ALIASES",
    "FIELDS",
    "PREFIX",
    "Entry",
    "Layer",
    "Settings",
    "env_layer",
    "file_layer",
    "flag_layer",
    "resolve",
    "variable",
]
