"""SIGHUP: ``run`` reads its settings again, and works by them, or goes on by the former ones."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from command_line import files, free_port
from runs import Running, starting
from serving import TOKEN, Client, until
from temp_file_manager import TempFileManager


class Reloading:
    """A ``run`` with a file of settings, asked through the port of its metrics."""

    def __init__(self, running: Running, folder: Path, port: int) -> None:
        self.running = running
        self.config = folder / "settings.toml"
        self.base = folder / "base"
        self.metrics = Client(("127.0.0.1", port))

    def told(self, text: str, words: str) -> str:
        """Write other settings, send the signal, and return the line with these words."""
        self.config.write_text(text)
        before = len(self.running.lines)
        self.running.process.send_signal(signal.SIGHUP)
        until(lambda: any(words in line for line in self.running.lines[before:]))
        return next(line for line in self.running.lines[before:] if words in line)

    def metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.metrics.ask("GET", "/metrics").body.decode(), re.MULTILINE)
        assert found, name
        return float(found[1])


DONE, REFUSED = "Settings were read again: ", "Settings were read again and refused"


@pytest.fixture
def reloading(tmp_path: Path) -> Iterator[Reloading]:
    with reloading_in(tmp_path) as one:
        yield one


@contextmanager
def reloading_in(folder: Path, **variables: str) -> Iterator[Reloading]:
    port = free_port()
    (folder / "settings.toml").write_text("[manager]\nmax_age = 86400\n")
    told = {"ENABLE_TEMP_FILE_METRICS": "true", "PROMETHEUS_PORT": str(port), "TEMP_FILE_HTTP_PORT": "0"}
    told |= {"TEMP_FILE_BASE_DIR": str(folder / "base"), "TEMP_FILE_API_TOKEN": TOKEN}
    with starting("--config", str(folder / "settings.toml"), **told | variables) as running:
        assert "Running" in running.say("Running: base_dir")
        yield Reloading(running, folder, port)


def registered(base: Path, *names: str) -> list[str]:
    with closing(TempFileManager(base, registry="sqlite:")) as manager:
        paths = files(base, *names)
        manager.register_files(paths)
    return paths


def gone(path: str) -> bool:
    return not os.path.lexists(path)


def test_it_sweeps_and_serves_by_what_it_has_read_again(reloading: Reloading) -> None:
    base, client = reloading.base, reloading.running.client
    by_rule, by_limit = registered(base, "report.csv", "other")
    line = reloading.told(
        '[manager]\nmax_age = "7 d"\ncleanup_interval = 0.2\nmax_files = 7\n'
        '[[rule]]\nname = "reports"\nmatch = ["*.csv"]\nage = 0\n',
        DONE,
    )
    assert "max_age 604800 seconds, a sweep every 0.2 seconds, rules: 1, limits: 0" in line
    until(lambda: gone(by_rule))
    assert os.path.exists(by_limit)
    assert (reloading.metric("temp_files_limit"), reloading.metric("temp_file_settings_refused")) == (7, 0)
    health = client.ask("GET", "/health").json
    assert (health["max_age"], health["status"], health["scheduler_alive"]) == (604800, "healthy", True)
    reloading.told("[manager]\nmax_age = 0\ncleanup_interval = 0.2\n", DONE)
    until(lambda: gone(by_limit))
    assert reloading.running.end()[0] == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[manager]\nmax_age = 'never'\n", "max_age is 'never'"),
        ("[manager\n", "is no TOML"),
        ("[[rule]]\nname = 'a'\nage = 'x'\n", 'rule "a"'),
        ("[manager]\npermission_mask = '0999'\n", "permission_mask"),
        ("[manager]\nplugins = ['none-such']\n", "none-such"),
    ],
)
def test_what_cannot_be_used_is_told_and_the_former_goes_on(reloading: Reloading, text: str, why: str) -> None:
    (path,) = registered(reloading.base, "file")
    assert why in reloading.told(text, REFUSED)
    assert reloading.metric("temp_file_settings_refused") == 1
    health = reloading.running.client.ask("GET", "/health").json
    assert health["status"] == "degraded"
    assert why in health["reasons"][0]
    assert (health["max_age"], health["scheduler_alive"]) == (86400, True)
    assert os.path.exists(path)
    reloading.told("[manager]\nmax_age = 60\n", DONE)
    assert reloading.metric("temp_file_settings_refused") == 0
    assert reloading.running.client.ask("GET", "/health").json["status"] == "healthy"


def test_a_file_that_has_gone_is_told_of(reloading: Reloading) -> None:
    reloading.config.unlink()
    reloading.running.process.send_signal(signal.SIGHUP)
    assert "cannot read" in reloading.running.say(REFUSED)


def test_what_takes_a_restart_is_named_in_one_line(reloading: Reloading) -> None:
    line = reloading.told(
        "[manager]\nmax_age = 60\nregistry = 'memory:'\nlog_format = 'json'\nscope = 'volume:other'\n",
        "take a restart",
    )
    assert "the former are in force: TEMP_FILE_REGISTRY, TEMP_FILE_SCOPE, LOG_FORMAT" in line
    reloading.running.say(DONE)
    assert reloading.running.client.ask("GET", "/health").json["max_age"] == 60


def test_a_change_that_takes_much_waits_for_a_word(tmp_path: Path) -> None:
    """As one at a start does: more than 1,000 files, and more than half of all."""
    with reloading_in(tmp_path, TEMP_FILE_CLEANUP_INTERVAL="0.2") as reloading:
        paths = registered(reloading.base, *(f"f{number}" for number in range(1010)))
        until(lambda: reloading.metric("temp_files_active") == 1010)
        held = reloading.told("[manager]\nmax_age = 0\n", "more than 1000 of 1010 registered files")
        assert "Scheduled sweep goes on by the former settings" in held
        assert all(map(os.path.exists, paths))
        ruled = "[manager]\nmax_age = 86400\n[[rule]]\nname = 'all'\nage = 0\n"
        reloading.told(ruled, "only because of a change of rules (all is new)")
        assert all(map(os.path.exists, paths))


def test_a_page_that_would_be_open_to_others_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    more = {"TEMP_FILE_API_TOKEN": "", "TEMP_FILE_HTTP_HOST": "0.0.0.0"}
    settings = f"[manager]\napi_token_file = '{token}'\n"
    (tmp_path / "base").mkdir(mode=0o700)
    with reloading_in_with(tmp_path, settings, **more) as reloading:
        assert "lets other machines in" in reloading.told("[manager]\n", REFUSED)
        token.write_text("short")
        assert "must hold" in reloading.told(settings, REFUSED)
        token.write_text(TOKEN[::-1])
        reloading.told(settings, DONE)


@contextmanager
def reloading_in_with(folder: Path, settings: str, **variables: str) -> Iterator[Reloading]:
    (folder / "settings.toml").write_text(settings)
    told = {"TEMP_FILE_HTTP_PORT": "0", "TEMP_FILE_BASE_DIR": str(folder / "base")}
    with starting("--config", str(folder / "settings.toml"), **told | variables) as running:
        assert "Running" in running.say("Running: base_dir")
        yield Reloading(running, folder, 1)
