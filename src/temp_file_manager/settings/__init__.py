"""Settings: one frozen record, read from flags, variables, a file and defaults."""

from temp_file_manager.settings.settings import (
    ALIASES,
    FIELDS,
    PREFIX,
    Entry,
    Layer,
    Settings,
    env_layer,
    file_layer,
    flag_layer,
    resolve,
    variable,
)

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
