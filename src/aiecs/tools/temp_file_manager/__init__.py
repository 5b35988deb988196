"""AIECS's import path for ``temp_file_manager``: the same objects, and the names its callers' tests patch.

``aiecs`` and ``aiecs.tools`` are namespace packages, so that this one also drops into an installed AIECS,
where it takes the place of the module of this name.
"""

import os
import sys
import time
from types import ModuleType

from temp_file_manager import *  # noqa: F403 - exactly the public names
from temp_file_manager import __all__ as _public
from temp_file_manager import __version__, clock, logs
from temp_file_manager.logs import logger
from temp_file_manager.storage import local

__all__ = [*_public, "__version__", "logger", "os", "time"]  # noqa: PLE0604 - built from the package's own

_USED_IN = {"logger": logs, "time": clock, "os": local}


class _Patchable(ModuleType):
    """Passes what is set on this module (``mock.patch("aiecs.tools.temp_file_manager.logger")``) to its user."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in _USED_IN:
            setattr(_USED_IN[name], name, value)


sys.modules[__name__].__class__ = _Patchable
