"""The base directory of whoever names none: one for each user, so that nobody locks anybody out."""

import os

SHOWN = "/tmp/temp-file-manager-UID"  # noqa: S108 - see default_base
"""It as documents and helps write it."""


def default_base() -> str:
    """Return the base directory of this user.

    Always in ``/tmp``: what is there goes at a restart, as temporary files are to; a cache is kept, and backed up. Not
    where ``TMPDIR`` says: a program and the command line are to find the same without being told, whatever of that is
    set for either of them. Somebody else's directory of this name is refused, as any base directory is that others may
    write to.
    """
    return SHOWN.replace("UID", str(os.geteuid()))
