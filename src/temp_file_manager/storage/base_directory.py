"""The base directory: made where missing, and for durable registries only where it is safe to remove files."""

import os

from temp_file_manager.errors import BaseDirectoryError, InvalidArgumentError
from temp_file_manager.storage.base_rules import refuse_unsafe


def make_base(path: str, *, durable: bool) -> None:
    """Create the base directory and its parents where missing.

    In memory callers use whatever directory they like, as they do with the published class.

    Args:
        path: Where.
        durable: Refuse a directory that is not ours, and make one for this user alone, whatever the umask; one that
            is there keeps its mode.

    Raises:
        BaseDirectoryError: it cannot be created, is no directory, or is refused.
    """
    if durable:
        refuse_unsafe(path)  # before anything is made below /etc
    _make(path, private=durable)
    if durable:
        refuse_unsafe(path)  # now that there is something to be judged


def _make(path: str, *, private: bool) -> None:
    try:
        if private:
            # Its parents, too, are for nobody else to change, whatever the umask.
            _make_parents(os.path.dirname(os.path.abspath(path)))
        os.makedirs(path, 0o700 if private else 0o777, exist_ok=True)
    except FileExistsError as error:
        raise BaseDirectoryError(error.errno, "the base directory is a file: choose another", path) from error
    except OSError as error:
        message = f"cannot create the base directory ({error.strerror}): choose another, or create it first"
        raise BaseDirectoryError(error.errno, message, path) from error
    except ValueError as error:
        raise InvalidArgumentError(f"base_dir {path!r} holds a NUL character") from error


def _make_parents(path: str) -> None:
    if not os.path.isdir(path):
        _make_parents(os.path.dirname(path))
        os.makedirs(path, 0o755, exist_ok=True)
