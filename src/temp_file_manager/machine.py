"""The name of this machine, by which registries that several share tell it from others."""

import os


def machine(path: str = "/etc/machine-id") -> str:
    """Return ``HOST-ID``: the host's name, and the beginning of the machine's id; the name alone where there is none.

    Both, because either alone can be two machines': images of containers and clones of virtual machines carry one id
    to all that are made of them, and host names are given twice. Two machines with one name would forget each other's
    records as of files that are gone. A machine that gets another name leaves records behind, which is seen.
    """
    try:
        with open(path, encoding="ascii") as file:
            number = file.read().strip()[:8]
    except (OSError, ValueError):
        number = ""
    host = _host().replace(":", "-")
    return f"{host}-{number}" if number else host


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # noqa: PLC0415 - slow to import, and Unix needs none for this

    return socket.gethostname()
