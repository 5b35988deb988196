"""What is the package's own, in each base directory: never registered, listed or removed."""

OWN_DIRECTORY = ".temp-file-manager"
"""Where the registry, its side files and what was set aside lie."""

_OWN = f"/{OWN_DIRECTORY}/"


def is_own(path: str) -> bool:
    """Say whether an absolute path is one of the package's own files, in whichever base directory."""
    return _OWN in path
