"""Files of settings that nobody names: which are read, which win, and whose are refused; and each user's own base."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import command_line
from command_line import SHIM, Say, environment, tfm
from temp_file_manager.settings import toml_file
from temp_file_manager.settings.default_base import default_base

bare, folder, say = command_line.bare, command_line.folder, command_line.say


@pytest.fixture
def of_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's file of settings would be; the machine's would be in ``etc``."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("TEMP_FILE_SYSTEM_CONFIG", str(folder / "etc" / "config.toml"))
    place = folder / "config" / "temp-file-manager" / "config.toml"
    for made in (place, folder / "etc" / "config.toml"):
        made.parent.mkdir(parents=True)
    return place


def configured(say: Say, *words: str) -> dict[str, tuple[object, str | None]]:
    said = say("config", "--json", *words)
    assert said.code == 0, said
    told = json.loads(said.out)
    return {name: (told[name]["value"], told[name]["source_name"]) for name in ("max_age", "max_files", "team")}


def test_this_users_file_wins_over_the_machines(say: Say, folder: Path, of_user: Path) -> None:
    assert configured(say)["max_age"] == (3600, None)
    machines = folder / "etc" / "config.toml"
    machines.write_text("[manager]\nmax_age = '1d'\nmax_files = 7\nteam = 'machine'\n")
    of_user.write_text("[manager]\nmax_age = '2h'\nmax_files = 8\n")
    told = configured(say, "--max-files", "9")
    assert told == {
        "max_age": (7200, str(of_user)),
        "max_files": (9, "--max-files"),
        "team": ("machine", str(machines)),
    }


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_named_file_wins_over_those_that_are_found(
    say: Say, folder: Path, of_user: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "etc" / "config.toml").write_text("[manager]\nmax_age = 1\nmax_files = 1\nteam = 'machine'\n")
    of_user.write_text("[manager]\nmax_age = 2\nmax_files = 2\n")
    (folder / "named.toml").write_text("[manager]\nmax_age = 60\n")
    if how == "variable":
        monkeypatch.setenv("TEMP_FILE_CONFIG", str(folder / "named.toml"))
    words = ("--config", "named.toml") if how == "flag" else ()
    told = configured(say, *words)
    assert [told[name][0] for name in ("max_age", "max_files", "team")] == [60, 2, "machine"]


def test_a_flag_names_a_file_instead_of_the_variables(say: Say, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text("[manager]\nteam = 'other'\n")
    (folder / "named.toml").write_text("[manager]\nmax_age = 60\n")
    monkeypatch.setenv("TEMP_FILE_CONFIG", "other.toml")
    assert configured(say, "--config", "named.toml")["team"] == (None, None)


def test_rules_that_keep_files_are_not_left_out_by_a_file_that_has_none(say: Say, folder: Path, of_user: Path) -> None:
    (folder / "etc" / "config.toml").write_text("[[rule]]\nname = 'models'\nmatch = ['*.bin']\nkeep = true\n")
    (folder / "named.toml").write_text("[manager]\nmax_age = 60\n")
    assert say("config", "--config", "named.toml").out.count('rule "models"') == 1
    (folder / "named.toml").write_text("[[rule]]\nname = 'own'\nkeep = true\n")
    assert 'rule "models"' not in say("config", "--config", "named.toml").out, "all rules are of one place"


def test_problems_of_all_files_are_told_at_once(say: Say, folder: Path, of_user: Path) -> None:
    (folder / "etc" / "config.toml").write_text("[manager]\nmax_age = -1\n")
    of_user.write_text("[manager\n")
    said = say("config", "--config", "none.toml")
    assert said.code == 2
    for expected in ("config.toml:2: max_age is -1", f"{of_user} is no TOML", "cannot read none.toml: No such file"):
        assert said.err.count(expected) == 1


def test_a_relative_place_is_ignored(say: Say, folder: Path, of_user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    monkeypatch.setenv("HOME", str(folder / "home"))
    of_user.write_text("[manager]\nteam = 'mine'\n")
    assert configured(say)["team"] == (None, None)
    own = folder / "home" / ".config" / "temp-file-manager"
    own.mkdir(parents=True)
    (own / "config.toml").write_text("[manager]\nteam = 'home'\n")
    assert configured(say)["team"][0] == "home"


def test_what_everybody_may_write_to_is_refused_unless_it_is_named(say: Say, of_user: Path) -> None:
    of_user.write_text("[manager]\nteam = 'mine'\n")
    of_user.chmod(0o666)
    said = say("config")
    assert (said.code, said.out) == (2, "")
    assert f"{of_user} can be written by everybody: chmod o-w it, or name it by --config" in said.err
    assert configured(say, "--config", str(of_user))["team"][0] == "mine"


def test_what_another_group_may_write_to_is_refused(say: Say, of_user: Path) -> None:
    of_user.write_text("[manager]\nteam = 'mine'\n")
    of_user.chmod(0o664)
    assert configured(say)["team"][0] == "mine", "a group of one's own, as many systems give each user"
    if os.geteuid():
        print("not tried: a file of another group, which takes root")
        return
    os.chown(of_user, 0, 12345)
    of_user.chmod(0o664)
    said = say("config")
    assert (said.code, said.out) == (2, "")
    assert f"{of_user} can be written by group 12345: chmod g-w it, or name it by --config" in said.err
    assert configured(say, "--config", str(of_user))["team"][0] == "mine"


def test_one_that_cannot_be_read_says_what_to_do(say: Say, of_user: Path) -> None:
    of_user.mkdir()
    said = say("list")
    assert said.code == 2
    assert f"cannot read {of_user}: Is a directory: let this user read it, as it counts for every command" in said.err


def test_another_users_is_refused(say: Say, of_user: Path) -> None:
    if os.geteuid():
        print("not tried: a file of another user, which takes root")
        return
    of_user.write_text("[manager]\nteam = 'mine'\n")
    os.chown(of_user, 12345, 12345)
    said = say("list")
    assert said.code == 2
    assert "belongs to user 12345: name it by --config if it is to count" in said.err


def test_mistakes_in_a_found_file_are_told_with_its_name(say: Say, of_user: Path) -> None:
    of_user.write_text("[manager]\nmax_aeg = 5\n")
    said = say("stats")
    assert said.code == 2
    assert str(of_user) in said.err
    assert "max_age" in said.err, "the nearest"
    of_user.write_text("[manager\n")
    assert "is no TOML" in say("stats").err


@pytest.mark.parametrize("how", ["--config", "TEMP_FILE_CONFIG"])
def test_a_pipe_keeps_nobody_waiting(folder: Path, how: str) -> None:
    os.mkfifo(folder / "pipe")
    words, variables = (("--config", "pipe"), {}) if how == "--config" else ((), {how: "pipe"})
    done = tfm("config", *words, **variables)
    assert done.returncode == 2
    assert "cannot read pipe: it is no regular file" in done.stderr


# -- the base directory of whoever names none


def test_each_user_has_a_base_of_its_own(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMP_FILE_BASE_DIR")
    told = json.loads(say("config", "--json").out)["base_dir"]
    assert told["value"] == f"/tmp/temp-file-manager-{os.geteuid()}" == default_base()
    assert told["default"] == "/tmp/temp-file-manager-UID"
    assert "default: /tmp/temp-file-manager-UID" in say("help", "settings").out


def test_whatever_tmpdir_says_programs_and_the_command_line_agree(folder: Path) -> None:
    ask = "from temp_file_manager.settings import Settings; print(Settings.from_env().base_dir)"
    env = {name: value for name, value in environment(TMPDIR=str(folder)).items() if name != "TEMP_FILE_BASE_DIR"}
    done = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == default_base()


def test_the_specifications_module_has_the_specifications_base() -> None:
    env = {name: value for name, value in environment().items() if name != "TEMP_FILE_BASE_DIR"}
    done = subprocess.run([*SHIM, "config", "--json"], env=env, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)["base_dir"]
    assert (told["value"], told["source"]) == ("/tmp/aiecs_temp", "default")


def test_a_file_wins_over_the_specifications_base(folder: Path) -> None:
    (folder / "settings.toml").write_text(f'[manager]\nbase_dir = "{folder}"\n')
    env = {name: value for name, value in environment().items() if name != "TEMP_FILE_BASE_DIR"}
    words = [*SHIM, "config", "--json", "--config", str(folder / "settings.toml")]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["base_dir"]["value"] == str(folder)


def test_whoever_becomes_another_user_has_that_users_base() -> None:
    if os.geteuid():
        print("not tried: becoming another user, which takes root")
        return
    program = "import os; from temp_file_manager import Settings; os.seteuid(12345); print(Settings().base_dir)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "/tmp/temp-file-manager-12345"


def test_without_a_home_nothing_is_read_from_the_current_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user that the machine does not know
    assert list(toml_file.places({})) == [toml_file.SYSTEM]


def test_a_mark_is_shown_as_it_is_written(say: Say) -> None:
    for given, shown in (("10%", "10 %"), ("5GiB", "5368709120")):
        (row,) = (line for line in say("config", "--min-free", given).lines if line.startswith("min_free "))
        assert shown in row
        assert "False" not in row
        assert "True" not in row


def test_somebody_elses_directory_of_that_name_is_refused(say: Say, folder: Path) -> None:
    if os.geteuid():
        print("not tried: a directory of another user, which takes root")
        return
    squatted = folder / "temp-file-manager-0"
    squatted.mkdir()
    os.chown(squatted, 12345, 12345)
    said = say("register", __file__, "--base-dir", str(squatted))
    assert said.code != 0
    assert "user 12345" in said.err
