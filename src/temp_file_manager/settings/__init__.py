"""Settings: one frozen record, read from flags, variables, a file and defaults."""

from temp_file_manager.settings.layers import (
    ALIASES,
    DEFAULT,
    PREFIX,
    Entry,
    Layer,
    Source,
    env_layer,
    file_layer,
    flag_layer,
    resolve,
    titled,
    variable,
)
from temp_file_manager.settings.settings import FIELDS, Settings

__all__ = [
    "ALIASES",
    "DEFAULT",
    "FIELDS",
    "PREFIX",
    "Entry",
    "Layer",
    "Settings",
    "Source",
    "env_layer",
    "file_layer",
    "flag_layer",
    "resolve",
    "titled",
    "variable",
]
