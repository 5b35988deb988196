"""Plug-ins: which are loaded, what each may bring, and what one that fails costs."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import command_line
from command_line import Say, environment, tfm
from limited import BLOCK, Place, limit, told
from temp_file_manager import LimitUnmet, RecordsSettled, Settings, SettingsError, TempFileManager, plugins
from temp_file_manager.inspection import health
from temp_file_manager.inspection.health import Grade
from temp_file_manager.inspection.limits import limits, places
from temp_file_manager.limits import Measure
from temp_file_manager.plugins import Plugin, load
from temp_file_manager.records import Outcome, TempFile
from temp_file_manager.registry import MemoryRegistry
from temp_file_manager.registry.schemes import SCHEMES, Address, Scheme
from temp_file_manager.storage.contract import Removal, Storage
from temp_file_manager.sweeping.limits import Protection
from temp_file_manager.testing import FakeClock, OrderContract

bare, folder, say = command_line.bare, command_line.folder, command_line.say

PLUGIN = """
from temp_file_manager.plugins import Plugin
plugin = Plugin(api=1, name="acme"{brings})
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package beside the others: its module, and what says which entry point it has."""
    load.cache_clear()
    known = set(sys.modules)

    def put(source: str, name: str = "acme", package: str = "acme-files", value: str = "acme_files:plugin") -> Path:
        site = tmp_path / f"site-{package}"
        about = site / f"{package}-1.2.dist-info"
        about.mkdir(parents=True)
        (site / f"{value.partition(':')[0]}.py").write_text(source)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (about / "entry_points.txt").write_text(f"[temp_file_manager.plugins]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(site))
        return site

    yield put
    load.cache_clear()
    for name in set(sys.modules) - known:
        del sys.modules[name]


def refused(*names: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as error:
        load(names)
    return error.value.problems


# -- which are loaded ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", ["import temp_file_manager", "from temp_file_manager import cli; cli.main(['sweep'])"]
)
def test_where_none_is_named_nothing_is_looked_for(tmp_path: Path, program: str) -> None:
    program = (
        f"import sys; {program}; import temp_file_manager as t; m = t.TempFileManager('base'); m.clear_all(); "
        "print('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(TEMP_FILE_BASE_DIR=str(tmp_path / "base")),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_what_is_not_named_is_not_loaded(install: Install) -> None:
    install("raise SystemExit('nobody asked')")
    install(PLUGIN.format(brings="").replace("acme", "other"), "other", "other-files", "other_files:plugin")
    assert [each.plugin.name for each in load(("other",)).loaded] == ["other"]


GOOD = ", orders={'by_name': lambda record: record.path}"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "raise RuntimeError('no licence')",
            "importing acme_files:plugin from acme-files 1.2 failed: RuntimeError('no licence'): mend that, or leave "
            "it out of plugins",
        ),
        ("raise SystemExit(3)", "importing acme_files:plugin from acme-files 1.2 failed: SystemExit(3): mend that, or"),
        ("import no_such_module", "failed: ModuleNotFoundError(\"No module named 'no_such_module'\"): mend that, or"),
        ("", "failed: AttributeError("),
        (
            "plugin = {}",
            "acme_files:plugin from acme-files 1.2 is no Plugin but dict: have the entry point name one, or leave",
        ),
        (
            PLUGIN.format(brings="").replace("api=1", "api=2"),
            "is written for api 2, and this version has 1: install a ",
        ),
        (
            PLUGIN.format(brings="").replace('"acme"', '"emca"'),
            "calls itself 'emca': give both the same name, or leave",
        ),
        (PLUGIN.format(brings=", future=1"), "failed: TypeError("),
        (PLUGIN.format(brings=", hooks=(1,)"), "has hooks that are none, (1,): give what Plugin says"),
        (PLUGIN.format(brings=", hooks=print"), "has hooks that are none, <built-in function print>: give what"),
        (PLUGIN.format(brings=", storages='ab'"), "has storages that are none, 'ab': give what Plugin says"),
        (PLUGIN.format(brings=", orders={'A b': len}"), "has orders that are none, {'A b': <built-in function len>}"),
        (PLUGIN.format(brings=", orders={'ab': 1}"), "has orders that are none, {'ab': 1}: give what Plugin says"),
        (PLUGIN.format(brings=", registries={'ab': 1}"), "has registries that are none, {'ab': 1}: give what Plugin"),
        (PLUGIN.format(brings=", orders={'size': len}"), "its order size is this package's already: leave one out"),
        (PLUGIN.format(brings=", orders={'oldest': len}"), "its order oldest is this package's already: leave one out"),
        (
            "from temp_file_manager.registry.schemes import SCHEMES"
            + PLUGIN.format(brings=", registries={'sqlite': SCHEMES['memory']}"),
            "its registry sqlite is this package's already: leave one out of plugins",
        ),
    ],
)
def test_one_that_cannot_be_used_is_named(install: Install, source: str, problem: str) -> None:
    install(source)
    (said,) = refused("acme")
    assert said.startswith('plug-in "acme": ')
    assert problem in said


def test_all_problems_are_told_at_once(install: Install) -> None:
    install("plugin = 1")
    assert [said.partition(":")[0] for said in refused("acme", "missing")] == [
        'plug-in "acme"',
        'plug-in "missing"',
    ]
    (said,) = refused("missing")
    assert said == (
        'plug-in "missing": no package that is installed here has an entry point of that name in the group '
        "temp_file_manager.plugins: install the one that has, or leave it out of plugins"
    )


def test_of_two_with_one_name_none_is_taken(install: Install) -> None:
    install(PLUGIN.format(brings=""))
    install(PLUGIN.format(brings=""), package="emca-files", value="emca_files:plugin")
    (said,) = refused("acme")
    assert said.endswith("both bring it: uninstall all but one")
    assert "acme-files 1.2" in said
    assert "emca-files 1.2" in said


def test_two_that_bring_the_same_exclude_each_other(install: Install) -> None:
    install(PLUGIN.format(brings=GOOD))
    install(PLUGIN.format(brings=GOOD).replace("acme", "emca"), "emca", "emca-files", "emca_files:plugin")
    assert refused("acme", "emca") == (
        'plug-in "emca": its order by_name is plug-in "acme"\'s already: leave one out of plugins',
    )


@pytest.mark.parametrize("words", [("run", "--http-port", "off"), ("sweep",), ("list",), ("doctor",), ("adopt", ".")])
def test_a_command_ends_before_anything_is_done(
    install: Install, say: Say, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (path,) = command_line.files(folder, "due")
    assert say("register", path, "--ttl", "0").code == 0
    install("plugin = 1")
    monkeypatch.setenv("TEMP_FILE_PLUGINS", "acme")
    said = say(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith('temp-file-manager: plug-in "acme": acme_files:plugin from acme-files 1.2 is no Plugin')
    assert os.path.exists(path)


def test_doctor_lists_them(install: Install, say: Say) -> None:
    install(PLUGIN.format(brings=GOOD + ", hooks=[print], storages=[id, id]"))
    install(PLUGIN.format(brings="").replace("acme", "emca"), "emca", "emca-files", "emca_files:plugin")
    lines = say("doctor", "--plugins", "acme,emca").lines
    assert "ok       plug-in acme: acme-files 1.2 brings order by_name, 2 storage wrappers, 1 hook" in lines
    assert "ok       plug-in emca: emca-files 1.2 brings nothing" in lines


# -- where records live --------------------------------------------------------------------------------------

SHARED = """
from temp_file_manager.plugins import Plugin
from temp_file_manager.registry import MemoryRegistry
from temp_file_manager.registry.schemes import Address, Scheme

registry = MemoryRegistry()
scheme = Scheme(
    ("shared:",),
    lambda rest, base_dir: Address("shared", "shared:", outlives_process=False),
    lambda address, base_dir, identify: registry,
)
plugin = Plugin(api=1, name="acme", registries={"shared": scheme})
"""


def test_a_registry_of_a_plugin_is_one(install: Install, say: Say, folder: Path) -> None:
    install(SHARED)
    how = ("--plugins", "acme", "--registry", "shared:")
    (path,) = command_line.files(folder, "file")
    assert say("register", path, "--ttl", "0", *how).code == 0
    assert say("list", *how).out.endswith(f"{path}\n")
    assert "registry: shared:" in say("doctor", *how).out
    assert say("adopt", str(folder), "--once", *how).code == 0
    assert "'shared:'" in say("list", "--plugins", "acme", "--registry", "shred:").err
    settings = Settings(base_dir=str(folder / "base"), plugins=("acme",))
    with closing(TempFileManager.from_settings(settings, registry="shared:")) as manager:
        assert list(manager.files) == [path]
        assert manager.cleanup() == 1
    said = say("list", "--registry", "shared:")
    assert (said.code, "no registry is called 'shared'" in said.err) == (2, True)


# -- how files are reached -----------------------------------------------------------------------------------


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the setting ``plugins`` mean a plug-in of the test."""

    def plug(**brings: Any) -> None:
        plugin = Plugin(api=1, name="acme", **brings)
        found = plugins.Plugins(
            (plugins.Loaded(plugin, "acme-files 1.2"),),
            schemes={**SCHEMES, **plugin.registries},
            storages=tuple(("acme", wrap) for wrap in plugin.storages),
            orders=plugin.orders,
            hooks=tuple(plugin.hooks),
        )
        monkeypatch.setattr("temp_file_manager.context.load", lambda names: found if names else plugins.NONE)

    return plug


class Touchy:
    """A storage around another, which raises at what has a certain name."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def remove(self, removal: Removal) -> None:
        for at, path in removal.each(removal.records.paths()):
            if "bad" in path:
                raise RuntimeError(f"I do not like {os.path.basename(path)}")
            if "stuck" in path:
                return
            part = removal.part(at, at + 1)
            self._storage.remove(part)
            removal.others.update(part.others)

    def predict(self, records: Iterable[TempFile]) -> Iterator[Outcome]:
        for record in records:
            if "bad" in record.path:
                raise RuntimeError(f"I do not like {os.path.basename(record.path)}")
            if "stuck" in record.path:
                return
            yield from self._storage.predict((record,))


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
@pytest.mark.parametrize("timeout", [None, 60])
def test_what_a_wrapper_raises_costs_one_file(
    plugged: Callable[..., None], tmp_path: Path, registry: str, timeout: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    plugged(storages=(Touchy,))
    clock = FakeClock()
    place = Place(tmp_path, clock, registry)
    manager = place.manager(plugins=("acme",), cleanup_timeout=timeout)
    names = ["a", "bad-1", "b", "bad-2", "stuck", "c"]
    place.add(manager, *names, ttl=0)
    with caplog.at_level(logging.ERROR):
        dry, report = manager.sweep(dry_run=True), manager.sweep()
    assert [one.status for one in dry.outcomes] == [one.status for one in report.outcomes]
    failed = {os.path.basename(one.record.path): one.reason for one in report.outcomes if one.status == "failed"}
    assert failed == {
        "bad-1": "plug-in \"acme\" failed: RuntimeError('I do not like bad-1')",
        "bad-2": "plug-in \"acme\" failed: RuntimeError('I do not like bad-2')",
        "stuck": 'plug-in "acme" came no further',
    }
    assert (report.removed, report.failed) == (3, 3)
    assert place.left() == ["bad-1", "bad-2", "stuck"]
    assert len(told(caplog, "A removal failed, further ones are told with their files alone")) == 1
    assert manager.registry.get([place.path("bad-1")])[place.path("bad-1")].failures == 1
    place.close()


def test_what_a_wrapper_raises_after_all_is_done_costs_none(plugged: Callable[..., None], tmp_path: Path) -> None:
    class Late(Touchy):
        def remove(self, removal: Removal) -> None:
            super().remove(removal)
            raise RuntimeError("too late")

    plugged(storages=(Late,))
    place = Place(tmp_path, FakeClock())
    manager = place.manager(plugins=("acme",))
    place.add(manager, "a", "b", ttl=0)
    assert manager.sweep().removed == 2
    place.close()


@pytest.mark.parametrize(
    ("wrap", "problem"),
    [
        (lambda _: 1 / 0, "its storage failed: ZeroDivisionError('division by zero'): leave it out of plugins"),
        (lambda _: None, "its storage is none, None: leave it out of plugins"),
    ],
)
def test_what_makes_no_storage_is_refused(
    plugged: Callable[..., None], tmp_path: Path, wrap: Callable[[Storage], Storage], problem: str
) -> None:
    plugged(storages=(wrap,))
    with pytest.raises(SettingsError) as error:
        TempFileManager.from_settings(Settings(base_dir=str(tmp_path), plugins=("acme",)), registry="sqlite:")
    assert str(error.value) == f'plug-in "acme": {problem}'


def test_what_is_refused_late_leaves_no_registry_open(plugged: Callable[..., None], tmp_path: Path) -> None:
    closed: list[str] = []

    class Noting(MemoryRegistry):
        def close(self) -> None:
            closed.append("it")

    scheme = Scheme(("noting:",), lambda *_: Address("noting", "noting:", False), lambda *_: Noting())
    plugged(registries={"noting": scheme}, storages=[lambda _: None])
    settings = Settings(base_dir=str(tmp_path), plugins=("acme",))
    with pytest.raises(SettingsError):
        TempFileManager.from_settings(settings, registry="noting:")
    assert closed == ["it"]
    with pytest.raises(SettingsError):
        TempFileManager.from_settings(settings, registry=Noting())
    assert closed == ["it"], "who brings one closes it"


# -- who hears -----------------------------------------------------------------------------------------------


def test_hooks_of_a_plugin_hear(plugged: Callable[..., None], tmp_path: Path) -> None:
    heard: list[object] = []
    plugged(hooks=[heard.append])
    place = Place(tmp_path, FakeClock())
    manager = place.manager(plugins=("acme",))
    place.add(manager, "a", ttl=0)
    manager.cleanup()
    assert RecordsSettled in map(type, heard)
    heard.clear()
    place.manager().cleanup()
    assert heard == []
    place.close()


# -- in which order ------------------------------------------------------------------------------------------


def by_name(record: TempFile) -> str:
    return record.path


def by_age_and_size(record: TempFile) -> tuple[float, int]:
    return -record.registered_at, record.room or 0


class TestByName(OrderContract):
    def make_order(self) -> Callable[[TempFile], Any]:
        return by_name


class TestByAgeAndSize(OrderContract):
    def make_order(self) -> Callable[[TempFile], Any]:
        return by_age_and_size


@pytest.mark.parametrize("at_once", [1, 2, 10_000])
@pytest.mark.parametrize("measure", [Measure.FILES, Measure.BYTES])
def test_a_limit_takes_what_has_the_smallest_key(
    plugged: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, measure: Measure
) -> None:
    monkeypatch.setattr("temp_file_manager.sweeping.candidates.SORTED", at_once)
    plugged(orders={"by_name": by_name})
    place = Place(tmp_path, FakeClock())
    unit = BLOCK if measure is Measure.BYTES else 1
    manager = place.manager(limit(measure, 3 * unit, order="by_name", first=("x",)), plugins=("acme",))
    place.add(manager, *"hcgabfe")
    place.add(manager, "z", tags=("x",))
    manager.pin(place.path("a"))
    dry = [os.path.basename(one.record.path) for one in manager.sweep(dry_run=True).outcomes]
    assert sorted(dry) == ["b", "c", "e", "f", "z"], "of one claim, what waits the longest goes first"
    assert limits(manager.context)[0].next == tuple(map(place.path, "zbc"))
    record = manager.registry.get([place.path("c")])[place.path("c")]
    assert places(manager.context, record)[0].place == 3
    assert manager.sweep().evicted == 5
    assert place.left() == ["a", "g", "h"]
    everything = place.manager(limit(measure, 0, order="by_name"), plugins=("acme",))
    (status,) = limits(everything.context)
    assert status.protected == ((Protection.PINNED, 1, unit),), "once, however often all is read"
    place.close()


def broken(record: TempFile) -> float:
    raise RuntimeError("out of order")


def mixed(record: TempFile) -> Any:
    return record.path if record.path.endswith("c") else record.registered_at


def quitting(record: TempFile) -> float:
    sys.exit(3)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (broken, "RuntimeError('out of order')"),
        (mixed, "TypeError("),
        (quitting, "SystemExit(3)"),
    ],
)
def test_where_an_order_fails_its_limit_does_nothing(
    plugged: Callable[..., None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    key: Callable[[TempFile], Any],
    why: str,
) -> None:
    plugged(orders={"odd": key})
    heard: list[object] = []
    place = Place(tmp_path, FakeClock())
    both = limit(Measure.FILES, 2, order="odd"), limit(Measure.FILES, 3, name="other", tags=("x",))
    manager = place.manager(*both, plugins=("acme",), hooks=[heard.append])
    place.add(manager, *"abcd", tags=("x",))
    place.add(manager, "due", ttl=0)
    assert [one.status for one in manager.sweep(dry_run=True).outcomes] == ["removed", "removed"]
    assert health.examine(manager.context).status is Grade.HEALTHY
    assert why in limits(manager.context)[0].unmet
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            manager.sweep()
    assert place.left() == ["b", "c", "d"], "what is due went, and what the other limit takes"
    (line,) = told(caplog, 'Limit "base" is not met')
    assert f"its order odd, which a plug-in brings, has failed: {why}" in line
    assert [event.limit for event in heard if isinstance(event, LimitUnmet)] == ["base"]
    assert manager.registry.stats().counters["order_failures"] == 3
    found = health.examine(manager.context)
    assert (found.status, "its order odd" in found.reasons[0]) == (Grade.DEGRADED, True)
    status = limits(manager.context)[0]
    assert (status.next, status.free, status.complete) == ((), 0, False)
    assert why in status.unmet
    record = manager.registry.get([place.path("b")])[place.path("b")]
    assert (
        places(manager.context, record)[0].words == 'for limit "base" it does not go: the order of a plug-in has failed'
    )
    place.close()


def test_where_an_order_fails_no_room_is_made_either(
    plugged: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plugged(orders={"odd": broken})
    place = Place(tmp_path, FakeClock())
    manager = place.manager(limit(Measure.FREE, 1 << 62, order="odd"), plugins=("acme",))
    place.add(manager, "a")
    with caplog.at_level(logging.WARNING):
        manager.sweep()
    assert len(told(caplog, 'Limit "base" is not met: its order odd, which a plug-in brings, has failed: ')) == 1
    assert place.left() == ["a"]
    place.close()


def test_an_order_that_nobody_brings_is_refused(install: Install, say: Say, folder: Path) -> None:
    install(PLUGIN.format(brings=GOOD))
    file = folder / "settings.toml"
    file.write_text('[manager]\nplugins = ["acme"]\n[[limit]]\nname = "few"\nfiles = 1\norder = "by_size"\n')
    said = say("sweep", "--config", str(file))
    assert (said.code, said.err) == (
        2,
        'temp-file-manager: limit "few": order is by_size, which no plug-in in plugins brings: give registration, use, '
        "size, by_name\n",
    )
    file.write_text(file.read_text().replace("by_size", "by_name"))
    for path in command_line.files(folder, "b", "a", "c"):
        assert say("register", path, "--config", str(file)).code == 0
    (told_limit,) = json.loads(say("limits", "--json", "--config", str(file)).out)
    assert told_limit["order"] == "by_name"
    assert "in the order by_name" in say("config", "--config", str(file)).out
    file.write_text(file.read_text().replace('order = "by_name"', 'order = "by_name"\nspare = 0'))
    assert sorted(say("sweep", "--config", str(file)).lines[:2]) == [f"removed {folder}/a", f"removed {folder}/b"]
    (line,) = tfm("sweep", "--plugins", "a b").stderr.splitlines()
    assert line.endswith("--plugins is 'a b': give names with commas between them")
