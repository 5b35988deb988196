"""Files with a secret in them: read only where nobody else could have chosen it."""

import os
import stat

from temp_file_manager import logs
from temp_file_manager.errors import SettingsError
from temp_file_manager.settings.settings import variable
from temp_file_manager.text import printable


def read_secret(setting: str, path: str, allowed: str = "ASCII characters") -> str:
    """Return what is in a file, without the blanks around it.

    Read it may be by default where Docker and Kubernetes put secrets, and there nobody else is: that is told.

    Args:
        setting: The setting that names the file.
        path: Where it is.
        allowed: What it is to hold, for the message.

    Raises:
        SettingsError: it cannot be read, is no ASCII, or others could have written it.
    """
    name = variable(setting)
    try:
        with open(path, encoding="ascii") as file:
            found, secret = os.fstat(file.fileno()), file.read().strip()
    except OSError as error:
        raise SettingsError([f"{name}: cannot read {printable(path)}: {error.strerror}"]) from error
    except ValueError as error:
        raise SettingsError([f"{name}: {printable(path)} must hold {allowed}"]) from error
    _judge(name, path, found)
    return secret


def _judge(name: str, path: str, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    undo = f"chmod {mode & 0o770:04o}"
    if mode & stat.S_IWOTH or found.st_uid not in (0, os.geteuid()):
        whose = "all users may write to it" if mode & stat.S_IWOTH else f"it belongs to user {found.st_uid}"
        advice = f"{undo}" if mode & stat.S_IWOTH else "give a file of this user's or root's"
        raise SettingsError([f"{name}: {printable(path)} is not to be trusted: {whose} ({advice})"])
    if mode & stat.S_IROTH:
        logs.open_secret_file(path, undo)
