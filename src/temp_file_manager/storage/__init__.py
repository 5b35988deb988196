"""Files on this machine. Only this package removes, overwrites or chmods anything."""

from temp_file_manager.storage.local import LocalStorage

__all__ = ["LocalStorage"]
