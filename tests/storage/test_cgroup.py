"""Memory of control groups: of both versions as they are mounted, and of a real one."""

from pathlib import Path

import pytest

from control_group import join, memory_group
from small_disk import together
from temp_file_manager.storage.kernel import cgroup
from temp_file_manager.storage.kernel.cgroup import Memory

MIB = 1 << 20


def process(folder: Path, groups: str, mounts: str) -> str:
    (folder / "proc").mkdir()
    (folder / "proc" / "cgroup").write_text(groups)
    (folder / "proc" / "mountinfo").write_text(mounts)
    return str(folder / "proc")


def group(path: Path, **files: object) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (path / name.replace("__", ".")).write_text(f"{value}\n")


def v2(path: Path, current: int, maximum: object, stat: str = "") -> None:
    group(path, memory__current=current, memory__max=maximum, memory__stat=stat)


def v1(path: Path, usage: int, limit: int, stat: str = "") -> None:
    group(path, memory__usage_in_bytes=usage, memory__limit_in_bytes=limit, memory__stat=stat)


def test_version_2_the_tightest_of_the_chain(tmp_path: Path) -> None:
    v2(tmp_path / "sys" / "a", 90, 100, "file 50\ninactive_file 10\nactive_file 20\nshmem 20")
    v2(tmp_path / "sys" / "a" / "b", 30, 100)
    v2(tmp_path / "sys" / "a" / "b" / "c", 20, "max")
    v2(tmp_path / "sys", 0, 1000)
    proc = process(tmp_path, "0::/a/b/c\n", f"41 31 0:38 / {tmp_path}/sys rw,relatime - cgroup2 cgroup2 rw\n")
    assert cgroup.of_group(proc) == Memory(60, 100)


def test_version_1_beside_version_2_without_memory(tmp_path: Path) -> None:
    v1(tmp_path / "memory" / "job", 64, 80, "inactive_file 3\ntotal_inactive_file 4\ntotal_active_file 10")
    v1(tmp_path / "memory", 10, 9223372036854771712)
    mounts = (
        f"35 31 0:32 / {tmp_path}/memory rw,relatime - cgroup cgroup rw,memory\n"
        f"36 31 0:33 / {tmp_path}/cpu rw - cgroup cgroup rw,cpu,memoryless\n"
        f"41 31 0:38 / {tmp_path}/unified rw - cgroup2 cgroup2 rw\n"
    )
    proc = process(tmp_path, "4:memory:/job\n3:cpu:/other\n0::/\n", mounts)
    assert cgroup.of_group(proc) == Memory(50, 80)


def test_in_a_container_that_shows_its_own_groups_alone(tmp_path: Path) -> None:
    v2(tmp_path / "sys", 5, 10)
    v2(tmp_path / "sys" / "part", 4, 40)
    mounts = f"41 31 0:38 /docker/abc {tmp_path}/sys rw - cgroup2 cgroup rw\n"
    assert cgroup.of_group(process(tmp_path, "0::/docker/abc/part\n", mounts)) == Memory(5, 10)


def test_outside_of_what_is_mounted_its_root_counts(tmp_path: Path) -> None:
    v2(tmp_path / "sys", 5, 10)
    mounts = f"41 31 0:38 /docker/abc {tmp_path}/sys rw - cgroup2 cgroup rw\n"
    assert cgroup.of_group(process(tmp_path, "0::/\n", mounts)) == Memory(5, 10)


@pytest.mark.parametrize("maximum", ["max", 9223372036854771712, ""])
def test_without_a_limit_there_is_none(tmp_path: Path, maximum: object) -> None:
    v2(tmp_path / "sys", 5, maximum)
    assert cgroup.of_group(process(tmp_path, "0::/\n", f"41 31 0:38 / {tmp_path}/sys rw - cgroup2 cgroup rw\n")) is None
    assert cgroup.of_group(str(tmp_path / "nowhere")) is None


@pytest.mark.parametrize("text", ["", "x", "41 31 0:38 / - cgroup2", " - \n - cgroup2 cgroup2 rw\n\n"])
def test_what_cannot_be_read_tells_nothing(tmp_path: Path, text: str) -> None:
    assert cgroup.of_group(process(tmp_path, "0::/\nmemory\n::\n", text)) is None


def test_the_machine(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:  40 kB\nHugePages_Total: 0\n")
    assert cgroup.of_machine(str(tmp_path / "meminfo")) == Memory(60 * 1024, 100 * 1024)
    assert cgroup.of_machine(str(tmp_path / "nowhere")) is None
    found = cgroup.of_machine()
    assert found is None or 0 < found.used < found.allowed


def test_a_real_one() -> None:
    with memory_group(64 * MIB) as group:
        if group is None:
            return

        def look(_: int) -> object:
            join(group)
            return cgroup.of_group()

        ((used, allowed),) = together(1, look)
    assert allowed == 64 * MIB
    assert 0 <= used < allowed
