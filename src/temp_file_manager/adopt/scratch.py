"""Scratch directories: what commands put into the ``TMPDIR`` they were given, and its removal when they have ended.

Who uses one has it locked, and hands the lock down to whatever it starts: the kernel lets go of it with the last.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from temp_file_manager.context import Context
from temp_file_manager.registering.on_record import on_record
from temp_file_manager.reports import SweepReport
from temp_file_manager.storage.base_rules import refuse_foreign_private
from temp_file_manager.storage.made_directories import has_user, locked, mark, remove_unused
from temp_file_manager.storage.new_files import create_directory
from temp_file_manager.storage.own_files import make_private_directory

NAME = ".temp-file-manager-exec"
"""Where they are, in the base directory. A name that nobody else uses: whatever is found there is removed."""

_WHATEVER_AGE = -1.0


@contextmanager
def scratch(context: Context) -> Iterator[tuple[str, int]]:
    """Yield a new directory, and the descriptor that holds its lock; on leaving, remove it, unless others have that.

    Raises:
        BaseDirectoryError: others can change what is where it would be made.
        OSError: it cannot be made.
    """
    above = os.path.join(context.base_dir, NAME)
    path, descriptor = context.directory.within(lambda: _made(above))
    try:
        yield path, descriptor
    finally:
        os.close(descriptor)
        clear(context, path, lambda: False)


def _made(above: str) -> tuple[str, int]:
    while True:
        make_private_directory(above)
        refuse_foreign_private(above)  # others could put a directory of theirs in the place of a command's
        path = create_directory(above, "", "")
        # Before it is locked a sweep may take it for one that is left: then another is made.
        for descriptor in locked(path):
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                    return path, descriptor
            os.close(descriptor)


def clear_left(context: Context, stop: Callable[[], bool]) -> list[SweepReport]:
    """Remove what is in directories whose users have ended, and those that are empty then; of others nothing.

    Where records do not outlive a process there are none, and a base directory may be anybody's.
    """
    reports = list[SweepReport]()
    above = os.path.join(context.base_dir, NAME)
    with suppress(OSError):  # there is none, mostly
        if context.registry.properties.outlives_process:
            refuse_foreign_private(above)
            for name in sorted(os.listdir(above)):
                reports += () if stop() else clear(context, os.path.join(above, name), stop)
    return reports


def clear(context: Context, path: str, stop: Callable[[], bool]) -> list[SweepReport]:
    """Do so for one directory. What is on record in it goes with the sweeps that its record is for."""
    from temp_file_manager.adopt.once import sweep_once  # noqa: PLC0415 - slow to import, and few use exec
    from temp_file_manager.adopt.plan import Plan  # noqa: PLC0415 - slow to import, and few use exec
    from temp_file_manager.adopt.survey import Wanted  # noqa: PLC0415 - slow to import, and few use exec

    reports = list[SweepReport]()
    with suppress(OSError):  # somebody was faster
        made = mark(path)
        if not os.path.islink(path) and not has_user(path):
            # Nobody judges it: its base directory has been judged.
            what, now = Wanted(path, place=(made.inode, made.born)), context.clock.wall()
            known = functools.partial(on_record, context.registry)
            planned = Plan(what, now, _WHATEVER_AGE, 0, 0, 0, "", 0.0, 0, 0, {})
            reports.append(sweep_once(context, planned, known=known, stop=stop).report)
            with what.opened(lambda _: None, lambda _, __: None) as tree:
                remove_unused(path, made, tree)
    return reports
