"""The fixtures of the plug-in, in tests of their own."""

from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "temp_file_manager.integrations.pytest_plugin"


def test_files_go_with_their_test(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"pytest_plugins = [{PLUGIN!r}]")
    pytester.makepyfile(
        """
        import os

        paths = []

        def test_makes_files(temp_session, temp_file_manager, tmp_path):
            for maker in (temp_session, temp_file_manager):
                fd, path = maker.mkstemp()
                os.close(fd)
                assert os.path.dirname(path) == str(tmp_path / "temp_file_manager")
                paths.append(path)
            (tmp_path / "export.csv").touch()
            temp_session.register_file(tmp_path / "export.csv")
            paths.append(tmp_path / "export.csv")
            (tmp_path / "not registered").touch()
            paths.append(tmp_path / "not registered")
            assert all(map(os.path.exists, paths))

        def test_fails(temp_session):
            with temp_session.open("w") as file:
                paths.append(file.name)
            assert False

        def test_finds_none_of_them(temp_file_manager):
            assert list(map(os.path.exists, paths)) == [False, False, False, True, False]
            assert not temp_file_manager.files
        """
    )
    pytester.runpytest().assert_outcomes(passed=2, failed=1)


def test_a_session_is_one_of_the_tests_manager(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_they_belong_together(temp_session, temp_file_manager):
            with temp_session.open() as file:
                assert temp_file_manager.is_temp_file(file.name)
            temp_session.keep(file.name)
            assert temp_session.name == "test_they_belong_together"
            temp_session.end()
            temp_file_manager.cleanup()
            assert temp_file_manager.is_temp_file(file.name)
        """
    )
    pytester.runpytest("-p", PLUGIN).assert_outcomes(passed=1)


def test_it_never_loads_itself() -> None:
    ours = {entry.name for entry in entry_points(group="pytest11") if entry.value.startswith("temp_file_manager")}
    assert ours == set()
