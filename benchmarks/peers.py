"""Peers that we are measured against, and how each is made to do its work."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from time import perf_counter
from types import ModuleType

from benchmarks.trees import Tree

HERE = os.path.dirname(os.path.abspath(__file__))
MODULE = "aiecs/tools/temp_file_manager.py"


@dataclass(frozen=True)
class Published:
    """The published AIECS class: its module, or why there is none."""

    module: ModuleType | None
    source: str
    why_not: str = ""


def published(cache: str, scratch: str) -> Published:
    """Return the class on PyPI, its one module loaded alone: the package itself pulls in half a machine.

    Args:
        cache: Where the wheel is kept between runs.
        scratch: Where its module is unpacked.
    """
    source = os.path.join(scratch, "published_aiecs.py")
    try:
        wheel = _wheel(cache)
        with zipfile.ZipFile(wheel) as archive, open(source, "wb") as file:
            file.write(archive.read(MODULE))
        spec = importlib.util.spec_from_file_location("published_aiecs", source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (OSError, KeyError, ImportError, SyntaxError, zipfile.BadZipFile, subprocess.SubprocessError) as error:
        return Published(None, source, f"unavailable: {_reason(error)}")
    return Published(module, source)


def _wheel(cache: str) -> str:
    os.makedirs(cache, exist_ok=True)
    if not _wheels(cache):
        requirement = os.path.join(HERE, "aiecs.txt")
        options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--retries=0", "--timeout=10"]
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", *options]
        subprocess.run([*command, "-d", cache, "-r", requirement], check=True, capture_output=True, timeout=60)
    wheels = _wheels(cache)
    if not wheels:
        raise FileNotFoundError("pip brought no wheel")
    return os.path.join(cache, wheels[0])


def _wheels(cache: str) -> list[str]:
    return [name for name in os.listdir(cache) if name.startswith("aiecs-") and name.endswith(".whl")]


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return "pip could not download it"
    return type(error).__name__ if isinstance(error, OSError) else str(error)


def compiled(scratch: str) -> str | None:
    """Return the compiled C loop, or None without a working compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    program = os.path.join(scratch, "unlink_loop")
    command = [compiler, "-O2", "-o", program, os.path.join(HERE, "unlink_loop.c")]
    return program if subprocess.run(command, check=False, capture_output=True).returncode == 0 else None


def c_loop(program: str, tree: Tree) -> float:
    """Remove by the C loop; the seconds are those it took by its own clock."""
    names = "".join(f"{name}\0" for name in tree.names()).encode()
    done = subprocess.run([program, tree.directory], input=names, check=True, capture_output=True)
    return int(done.stdout) / 1e9


def remove_loop(tree: Tree) -> float:
    """Remove by ``os.remove`` in a loop: the least that Python can do."""
    paths = tree.paths()
    began = perf_counter()
    for path in paths:
        os.remove(path)
    return perf_counter() - began


def _timed(*command: str) -> float:
    began = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return perf_counter() - began


def find(tree: Tree) -> float:
    """Remove by ``find -delete``, its start included."""
    return _timed("find", tree.directory, "-type", "f", "-delete")


def rm(tree: Tree) -> float:
    """Remove by ``rm -rf``, its start included; it removes the directory as well."""
    return _timed("rm", "-rf", tree.directory)


def tmpfiles(tree: Tree) -> float:
    """Remove by systemd-tmpfiles, told about this one directory and nothing else."""
    rules = f"{tree.directory}.conf"
    path = tree.directory.replace("%", "%%")
    with open(rules, "w") as file:
        file.write(f'e "{path}" - - - 0\n')
    return _timed("systemd-tmpfiles", "--clean", rules)


def tmpreaper(tree: Tree) -> float:
    """Remove by tmpreaper, of files a second old: it leaves those made and looked for in the same second."""
    time.sleep(1.1)
    return _timed("tmpreaper", "1s", tree.directory)
