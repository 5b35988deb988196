"""The shape of the house: what imports what, what is private, who holds the knife, and how large anything may get."""

import ast
import functools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from places import ROOT, TESTS
from temp_file_manager import TempFileManager

SOURCE = ROOT / "src"
PACKAGE = SOURCE / "temp_file_manager"
FILES = sorted(SOURCE.rglob("*.py"))
TEST_FILES = sorted(TESTS.rglob("*.py"))

# The rooms from the ground up: a module imports from its own floor and the floors below.
FLOORS = [
    {
        *{"errors", "causes", "records", "limits", "sessions", "chunks", "text", "durations", "sizes"},
        *{"clock", "machine", "forks", "version"},
    },
    {"reports", "rules", "events", "arguments", "logs", "settings"},
    {"storage", "objects"},
    {"registry"},
    {"registering", "sweeping", "storages", "plugins", "fleet"},
    {"context", "refusals"},
    {"adopt", "inspection", "planning"},
    {"cleanup", "jobs", "making", "looking"},
    {"manager"},
    {"__init__", "service", "testing", "integrations", "aio"},
    {"cli"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms} | {"__main__": len(FLOORS)}
KNIVES = {"unlink", "rmdir", "removedirs", "chmod", "fchmod", "lchmod", "truncate", "ftruncate", "rmtree", "pwrite"}


def found(files: Iterable[Path], look: Callable[[Path], Iterable[str]]) -> dict[str, set[str]]:
    """Return what is found in files, by their paths; those in which nothing is are left out."""
    return {str(file.relative_to(ROOT)): things for file in files if (things := set(look(file)))}


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def room(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(file: Path) -> Iterator[str]:
    """Yield the rooms a module imports at run time."""
    tree = parsed(file)
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (name[1] if name[1:] else "__init__" for name in names if name[0] == "temp_file_manager")
        elif isinstance(node, ast.ImportFrom) and node not in typing_only:
            assert node.level == 0, "written in full, here"
            if node.module == "temp_file_manager":
                names = [alias.name for alias in node.names]
                yield from (name if name in FLOOR else "__init__" for name in names)
            elif node.module is not None and node.module.startswith("temp_file_manager."):
                yield node.module.split(".")[1]


def test_imports_go_downwards() -> None:
    def upwards(file: Path) -> Iterator[str]:
        yield from (name for name in imports(file) if FLOOR[name] > FLOOR[room(file)])

    assert found(PACKAGE.rglob("*.py"), upwards) == {}


OF_STORAGE = {"own_files", "kernel.mounts", "kernel.space", "kernel.access_lists", "base_rules", "ancestors"}
"""What judges a registry's own file."""


def test_a_registry_looks_at_no_users_file() -> None:
    assert found((PACKAGE / "registry").rglob("*.py"), lambda file: {*of_storage(parsed(file))} - OF_STORAGE) == {}


def of_storage(tree: ast.Module) -> Iterator[str]:
    """Yield the modules of storage that a module imports, by the names they have there."""
    room = "temp_file_manager.storage"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(room + ".") for alias in node.names if alias.name.startswith(room))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(room):
            module = (node.module or "").removeprefix(room).removeprefix(".")
            if module in {"", "kernel", "wrappers"}:  # what is imported is a module itself
                yield from (f"{module}.{alias.name}".removeprefix(".") for alias in node.names)
            else:
                yield module


def test_imports_of_storage_are_found() -> None:
    """Or the test above looks for the wrong thing."""
    example = "from temp_file_manager.storage import local\nfrom temp_file_manager.storage.kernel import space"
    assert list(of_storage(ast.parse(example))) == ["local", "kernel.space"]
    of_database = set(of_storage(parsed(PACKAGE / "registry" / "sqlite" / "database.py")))
    assert of_database == {"base_rules", "kernel.mounts", "own_files"}


OF_OTHERS = {"_replace", "_asdict", "_make", "_fields", "_exit"}
"""Public in spite of its underscore: named tuples' methods, and ``os._exit``."""
OF_ARGPARSE = {"parser._actions", "argparse._AppendAction"}
"""The grammar of a parser, which argparse shows in no other way: read in one place, for completion."""


def test_what_is_private_is_read_by_its_owner_alone() -> None:
    reads = found(FILES + TEST_FILES, lambda file: private_reads(parsed(file)))
    assert reads == {"src/temp_file_manager/cli/completion/grammar.py": OF_ARGPARSE}


def private_reads(node: ast.AST, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the reads of an underscore that no class around them owns, and imports of a private name."""
    if isinstance(node, ast.ClassDef):
        own |= {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef)}
        own |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and is_self(n.value)}
    if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_self(node.value) and node.attr not in own:
        yield ast.unparse(node)
    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("temp_file_manager"):
        yield from (alias.name for alias in node.names if is_private(alias.name))
    elif isinstance(node, ast.Call) and called(node.func).endswith(("getattr", "setattr")):
        named = node.args[1] if len(node.args) > 1 else None
        if isinstance(named, ast.Constant) and is_private(str(named.value)) and not is_self(node.args[0]):
            yield f"{ast.unparse(node.args[0])}.{named.value}"
    for child in ast.iter_child_nodes(node):
        yield from private_reads(child, own)


def called(function: ast.expr) -> str:
    return str(getattr(function, "attr", getattr(function, "id", "")))


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OF_OTHERS


def test_private_reads_are_found() -> None:
    """Or the test above looks for the wrong thing."""
    example = """
from temp_file_manager.manager import _helper
class Box:
    def __init__(self): self._size = 1
    def __eq__(self, other): return self._size == other._size
    def peek(self, other): return other._lid, other.__class__, row._replace(a=1)
    def poke(self, other): monkeypatch.setattr(other, "_lid", 0), setattr(self, "_lid", 0)
"""
    assert list(private_reads(ast.parse(example))) == ["_helper", "other._lid", "other._lid"]


def test_a_module_says_what_it_is() -> None:
    """By a noun, with a full stop: "Reports: …", not "What …"."""
    asking = ("What", "Which", "Who", "Whose", "Whether", "How", "Where", "When", "Why")

    def unsaid(file: Path) -> Iterator[str]:
        first, _, _ = (ast.get_docstring(parsed(file)) or "").partition("\n")
        if not first.endswith(".") or first.split()[0] in asking:
            yield first

    assert found(FILES, unsaid) == {}


def test_only_storage_removes() -> None:
    others = [file for file in FILES if not file.is_relative_to(PACKAGE / "storage")]
    assert found(others, lambda file: knives(parsed(file))) == {}


def knives(tree: ast.Module) -> Iterator[str]:
    """Yield what removes or changes files, called or only named, whatever it is an attribute of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            # "remove" is also a method of lists, and the storage's own.
            of_os = isinstance(node.value, ast.Name) and node.value.id == "os"
            if node.attr in KNIVES or (node.attr == "remove" and of_os):
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "shutil"}:
            yield from (alias.name for alias in node.names if alias.name in {*KNIVES, "remove"})


def test_knives_are_found() -> None:
    """Or the test above looks for the wrong thing."""
    assert "remove" in set(knives(parsed(PACKAGE / "storage" / "local.py")))
    example = "from os import remove, stat\nPath(x).unlink()\ncut = shutil.rmtree\nself.remove(1)"
    assert set(knives(ast.parse(example))) == {"remove", "unlink", "rmtree"}


def test_nothing_grows_too_long() -> None:
    def long(file: Path) -> Iterator[str]:
        if len(file.read_text().splitlines()) > 350:
            yield file.name
        functions = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.FunctionDef)]
        # The body alone: a docstring that explains units and errors is no complexity.
        yield from (f.name for f in functions if (f.end_lineno or 0) - body_start(f) >= 40)

    assert found(FILES, long) == {}


def body_start(function: ast.FunctionDef) -> int:
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    return first.lineno


def test_signals_are_set_by_the_command_line_alone() -> None:
    users = {file for file in FILES if "signal.signal" in file.read_text()}
    assert users
    assert all(file.is_relative_to(PACKAGE / "cli") for file in users)


def test_the_manager_stays_small() -> None:
    names = {name for name in dir(TempFileManager) if not name.startswith("_")} | {"base_dir"}
    # 28, and one each for paths, looking, functions, directories, what is compressed, what is quarantined, objects.
    assert len(names) <= 35


@pytest.mark.parametrize("module", ["temp_file_manager", "temp_file_manager.cli", "aiecs.tools.temp_file_manager"])
def test_only_the_standard_library_is_imported(module: str) -> None:
    program = (
        f"import sys; before = set(sys.modules); import {module}; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "temp_file_manager" in loaded
    assert loaded - set(sys.stdlib_module_names) - {"temp_file_manager", "aiecs"} == set()
    assert not loaded & {"fcntl", "resource", "termios", "pwd", "grp"}  # what only Unix has
    assert not loaded & {"ssl", "http", "email", "xml"}  # what buckets take alone, and a third of the time
