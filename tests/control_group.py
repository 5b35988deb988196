"""Real control groups of the kernel's that tests make, where they may."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@contextmanager
def memory_group(limit: int) -> Iterator[Path | None]:
    """Make a group whose processes may use so many bytes of memory; None where that cannot be. All in it must end."""
    parent, file = (_V1, "memory.limit_in_bytes") if (_V1 / "memory.limit_in_bytes").exists() else (_V2, "memory.max")
    group = parent / f"temp-file-manager-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / file).write_text(str(limit))
    except OSError as error:
        print(f"not tried: a control group: {error}")
        if group.is_dir():
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def join(group: Path) -> None:
    """Put this process into a group."""
    (group / "cgroup.procs").write_text(str(os.getpid()))
