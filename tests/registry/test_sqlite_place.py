"""The place of a SQLite registry: nobody else has a hand in what it says is to be removed."""

import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from access_lists import A_USER, a_list
from sqlite_files import ALL, new, registry_at
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError
from temp_file_manager.testing import in_child

NOBODY = 65534
SIDE_FILES = ("-wal", "-shm", "-journal", "-reserve", "-reserve-2")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a registry in it, closed."""
    folder = tmp_path / "registry"
    folder.mkdir(mode=0o755)
    with closing(registry_at(folder / "r.db", tmp_path)) as registry:
        registry.add([new("/p/a")], 1.0)
    return folder


def refused(place: Path, why: str) -> None:
    before = {path.name: path.lstat().st_mode for path in place.iterdir()}
    with pytest.raises(RegistryError, match=f"not to be used as a registry: .*{why}"):
        registry_at(place / "r.db", place)
    assert {path.name: path.lstat().st_mode for path in place.iterdir()} == before, "nothing was made"


def test_one_that_is_ours_alone_is_not_refused(place: Path) -> None:
    with closing(registry_at(place / "r.db", place.parent)) as registry:
        assert list(registry.files) == ["/p/a"]


class TestDirectories:
    @pytest.mark.parametrize(
        ("mode", "why"), [(0o777, "all users may change"), (0o1777, "all users may make files in")]
    )
    def test_one_that_others_may_write_to(self, place: Path, mode: int, why: str) -> None:
        """A sticky bit keeps what is there, and nobody from making what is not there yet: the log, for one."""
        place.chmod(mode)
        refused(place, why)
        (place / "r.db").unlink()
        refused(place, why)

    def test_one_above_it(self, place: Path) -> None:
        place.parent.chmod(0o777)
        refused(place, "all users may change")

    def test_another_user_s(self, place: Path) -> None:
        if os.getuid():
            print("not tried: another user's directory, which takes root to make one")
            return
        os.chown(place, NOBODY, NOBODY)
        refused(place, f"belongs to user {NOBODY}")

    def test_one_behind_a_link(self, place: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(place)
        place.chmod(0o777)
        with pytest.raises(RegistryError, match="all users may change"):
            registry_at(tmp_path / "link" / "r.db", tmp_path)


class TestFiles:
    @pytest.mark.parametrize("ending", ["", *SIDE_FILES, "-claimers"])
    def test_another_user_s(self, place: Path, ending: str) -> None:
        """Planted before the directory was closed to others."""
        if os.getuid():
            print("not tried: another user's file, which takes root to make one")
            return
        path = place / f"r.db{ending}"
        path.touch()
        os.chown(path, NOBODY, NOBODY)
        refused(place, f"r.db{ending} belongs to user {NOBODY}")

    @pytest.mark.parametrize("ending", ["", *SIDE_FILES])
    def test_one_that_others_may_write_to(self, place: Path, ending: str) -> None:
        path = place / f"r.db{ending}"
        path.touch()
        path.chmod(0o666)
        refused(place, f"all users may write to .*r.db{ending}: .*chmod o-w")

    def test_one_that_an_access_list_opens_to_another_user(self, place: Path) -> None:
        """Whoever looks at its mode alone takes the list's mask for the rights of its own group."""
        try:
            os.setxattr(place / "r.db", "system.posix_acl_access", a_list((A_USER, 6, 4242), owner=6, mask=6))
        except OSError as error:
            pytest.skip(f"no access lists here: {error.strerror}")
        refused(place, "user 4242 may write to .*r.db: .*chmod g-w")

    @pytest.mark.parametrize("ending", [*SIDE_FILES, "-claimers"])
    def test_a_link_in_the_place_of_a_side_file(self, place: Path, tmp_path: Path, ending: str) -> None:
        victim = tmp_path / "victim"
        victim.write_text("victim")
        path = place / f"r.db{ending}"
        if path.exists():
            path.unlink()
        path.symlink_to(victim)
        refused(place, f"r.db{ending} is a link: move it away")
        assert victim.read_text() == "victim"

    @pytest.mark.parametrize("ending", ["", "-wal"])
    def test_one_with_another_name(self, place: Path, tmp_path: Path, ending: str) -> None:
        """Whoever uses the other name has a log, an index and locks of its own."""
        victim = tmp_path / "victim"
        victim.write_bytes((place / "r.db").read_bytes())
        path = place / f"r.db{ending}"
        path.unlink(missing_ok=True)
        os.link(victim, path)
        refused(place, f"r.db{ending} has 2 names")

    def test_root_s_may_be_read_by_others(self, open_to_all: Path) -> None:
        if os.getuid():
            print("not tried: a registry of root's, which takes root to make one")
            return
        with closing(registry_at(open_to_all / "r.db", open_to_all)) as registry:
            registry.add([new("/p/a")], 1.0)
        (open_to_all / "r.db").chmod(0o644)

        def read() -> str:
            os.setuid(NOBODY)
            with pytest.raises(RegistryError) as caught:
                registry_at(open_to_all / "r.db", open_to_all).files.clear()
            return str(caught.value)

        assert "not to be used" not in in_child(read)

    def test_one_shared_with_a_group_on_purpose(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As Kubernetes makes of a volume with an ``fsGroup`` at each start of a pod."""
        if os.getuid():
            print("not tried: a directory of another group's, which takes root to make one")
            return
        monkeypatch.setattr(os, "getgroups", lambda: [NOBODY])
        for path in (place, *place.rglob("*")):
            os.chown(path, -1, NOBODY)
            path.chmod(stat.S_IMODE(path.stat().st_mode) | (0o2770 if path.is_dir() else 0o660))
        with closing(registry_at(place / "r.db", place.parent)) as registry:
            assert list(registry.files) == ["/p/a"]
        monkeypatch.setattr(os, "getgroups", list)
        refused(place, f"group {NOBODY} may")


class TestTwoNames:
    """A link to a registry: both sides use the same files beside it, and so know of each other."""

    @pytest.fixture
    def linked(self, place: Path, tmp_path: Path) -> Path:
        (tmp_path / "link").mkdir()
        link = tmp_path / "link" / "current.db"
        link.symlink_to(place / "r.db")
        return link

    def test_what_one_holds_the_other_keeps(self, place: Path, linked: Path, file: Path) -> None:
        base = place.parent / "base"
        with closing(TempFileManager(base, registry=f"sqlite://{place}/r.db")) as manager:
            manager.register_file(file, ttl=0)
            held = manager.hold(file)

            def sweep() -> int:
                return TempFileManager(base, registry=f"sqlite://{linked}").cleanup()

            assert in_child(sweep) == 0
            assert file.exists()
            held.close()
            assert in_child(sweep) == 1
        assert os.listdir(linked.parent) == [linked.name]

    def test_a_link_that_is_turned_elsewhere_is_noticed(self, place: Path, linked: Path) -> None:
        with closing(registry_at(linked, place)) as registry:
            registry.add([new("/p/b")], 1.0)
            (place / "other.db").touch(mode=0o600)
            linked.unlink()
            linked.symlink_to(place / "other.db")
            change: list[Callable[[], object]] = [
                lambda: registry.add([new("/p/c")], 1.0),
                registry.stats,
                lambda: registry.claim(ALL, now=0, lease=60, limit=1),
            ]
            for use in change:
                with pytest.raises(RegistryError, match="is another file by now"):
                    use()


def test_a_directory_that_was_judged_with_what_lies_above_it_is_not_judged_anew(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excludes code that refuses a container's volume, which is its alone though it is open to all."""
    monkeypatch.setattr("temp_file_manager.registry.sqlite.place.why_unsafe_above", lambda _: "")
    place.chmod(0o777)
    with closing(registry_at(place / "r.db", place.parent)) as registry:
        assert list(registry.files) == ["/p/a"]
