"""Containers without an engine: a Dockerfile's instructions are carried out on an overlay of this machine's root.

What stands for the base image is this machine with a new virtual environment; the rest is what an engine does: layers
on overlayfs, namespaces for mounts, processes and network, a read-only root, no capability, pid 1, and a numeric user
that nobody has heard of.
"""

import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from patience import PATIENCE
from runs import END
from small_disk import mount

SECONDS = PATIENCE
T = TypeVar("T")

# Before the program takes pid 1. Arguments: the root, the mounts (SOURCE:TARGET, one a line), and the program.
_ENTER = """
root=$1 mounts=$2; shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
printf '%s\\n' "$mounts" | while IFS=: read -r source target; do
    [ -z "$source" ] || { mkdir -p "$root$target" && mount --bind "$source" "$root$target"; }
done
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""
_STEP = """
root=$1 source=$2 target=$3 step=$4
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for file in /etc/resolv.conf /etc/hosts; do [ ! -f "$file" ] || mount --bind "$file" "$root$file"; done
[ -z "$target" ] || { mkdir -p "$root$target" && mount --bind "$source" "$root$target"; }
exec chroot "$root" sh -c "$step"
"""
_LOOPBACK_UP = (
    "import fcntl, os, socket, struct, sys; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x41)); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def instructions(text: str) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions, each with what follows it."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def context(source: Path, target: Path) -> Path:
    """Copy what ``.dockerignore`` lets into an image's build."""
    rules = [line for line in (source / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    def sent(name: str) -> bool:
        verdict = True
        for rule in rules:
            pattern = rule.removeprefix("!")
            above = [name, *(str(parent) for parent in Path(name).parents)]
            if any(fnmatch.fnmatchcase(f"/{path}", f"/{pattern}".replace("/**/", "*/")) for path in above):
                verdict = rule.startswith("!")
        return verdict

    for top in sorted({rule[1:].split("/")[0] for rule in rules if rule.startswith("!")}):
        found = source / top
        for file in [found] if found.is_file() else sorted(path for path in found.rglob("*") if path.is_file()):
            name = str(file.relative_to(source))
            if sent(name):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target / name)
    return target


@dataclass
class Image:
    """A stage of a build, and at its end an image."""

    root: Path
    workdir: str = "/"
    user: str = "0:0"
    env: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/venv/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    entrypoint: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"


@contextmanager
def built(source: Path, dockerfile: Path, folder: Path) -> Iterator[Image | None]:
    """Yield the image of the last stage; None where this machine does not let us mount what that takes."""
    sent = context(source, folder / "context")
    stages: dict[str, Image] = {}
    with ExitStack() as mounts:
        image: Image | None = None
        for word, rest in instructions(dockerfile.read_text()):
            if word == "FROM":
                name = rest.partition(" AS ")[2] or "last"
                image = stages[name] = Image(folder / name / "root")
                if not mounts.enter_context(_overlay(folder / name)):
                    yield None
                    return
                _python_image(image)
            elif word == "ARG":
                continue  # which base: here it is this machine
            else:
                assert image is not None
                _carry_out(image, word, rest, sent, stages)
        yield image


@contextmanager
def _overlay(folder: Path) -> Iterator[bool]:
    layers, root = folder / "layers", folder / "root"
    layers.mkdir(parents=True)
    root.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=1g,mode=755", "tmpfs", str(layers)):
        yield False
        return
    try:
        for name in ("upper/tmp", "work"):
            (layers / name).mkdir(parents=True)
        (layers / "upper" / "tmp").chmod(0o1777)
        try:
            os.setxattr(layers / "upper" / "tmp", "trusted.overlay.opaque", b"y")  # an empty /tmp, not this machine's
        except OSError:
            yield False
            return
        options = f"lowerdir=/,upperdir={layers}/upper,workdir={layers}/work"
        done = mount("-t", "overlay", "-o", options, "overlay", str(root))
        try:
            yield done
        finally:
            if done:
                subprocess.run(["umount", "-l", str(root)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(layers)], check=True)


def _python_image(image: Image) -> None:
    python = Path(sys.executable).resolve()
    for directory in list(python.parents)[:-1]:  # as in an image, anybody may start it
        inside = image.root / str(directory).lstrip("/")
        inside.chmod(inside.stat().st_mode | 0o555)
    _step(image, f"{python} -m venv /venv")


def _carry_out(image: Image, word: str, rest: str, sent: Path, stages: Mapping[str, Image]) -> None:
    match word:
        case "WORKDIR":
            image.workdir = rest
            (image.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "COPY":
            *names, target = rest.split()
            for name in names:
                _copied(sent / name, image.root / image.workdir.lstrip("/") / target)
        case "RUN":
            lent = re.match(r"--mount=type=bind,from=(\w+),source=(\S+),target=(\S+)\s+", rest)
            if lent is None:
                _step(image, rest)
            else:
                _step(image, rest[lent.end() :], str(stages[lent[1]].root) + lent[2], lent[3])
        case "USER":
            image.user = rest
        case "ENV":
            image.env |= dict(pair.split("=", 1) for pair in rest.split())
        case "STOPSIGNAL":
            image.stop_signal = rest
        case "HEALTHCHECK":
            image.healthcheck = json.loads(rest[rest.index("CMD ") + 4 :])
        case "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        case _:
            assert word == "EXPOSE", word


def _copied(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target / source.name if target.is_dir() else target)


def _step(image: Image, step: str, source: str = "", target: str = "") -> None:
    words = ["unshare", "--mount", "sh", "-ec", _STEP, "sh", str(image.root), source, target]
    done = subprocess.run(
        [*words, f"cd {image.workdir} && {step}"],
        env=os.environ | image.env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"


@dataclass
class Container:
    """One that runs.

    Attributes:
        process: What waits for it.
        pid: Its pid 1, as it is called out here.
        log: What it writes.
    """

    image: Image
    process: "subprocess.Popen[bytes]"
    pid: int
    log: Path
    _as_user: list[str]

    def execute(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a program in it, as ``docker exec`` and a probe do."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--root", "--wd"]
        return subprocess.run(
            [*enter, *self._as_user, *words], capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def get(self, url: str) -> int:
        """Return the status of an answer; 0 when there is none."""
        program = (
            "import sys, urllib.error, urllib.request\n"
            f"try: print(urllib.request.urlopen(sys.argv[1], timeout={PATIENCE}).status)\n"
            "except urllib.error.HTTPError as error: print(error.code)\n"
            "except OSError: print(0)\n"
        )
        return int(self.execute("python", "-c", program, url).stdout or 0)

    def stop(self) -> int:
        """Send the image's signal; return the exit code, as soon as is promised."""
        os.kill(self.pid, signal.Signals[self.image.stop_signal])
        return self.process.wait(END)


@contextmanager
def running(
    image: Image,
    log: Path,
    *words: str,
    env: Mapping[str, str],
    volumes: Mapping[str, Path] | None = None,
    user: str | None = None,
    group: int | None = None,
    entrypoint: list[str] | None = None,
) -> Iterator[Container]:
    """Start a container with a read-only root, and end it.

    Args:
        image: What it is made of.
        log: Where its output goes.
        words: What follows the entry point.
        env: Its variables beside the image's.
        volumes: Directories of this machine, by where they are mounted in it.
        user: UID:GID instead of the image's.
        group: A further group, as Kubernetes' ``fsGroup``.
        entrypoint: Instead of the image's.
    """
    uid, _, gid = (user or image.user).partition(":")
    groups = f"--groups={group}" if group is not None else "--clear-groups"
    variables = [f"{name}={value}" for name, value in (image.env | dict(env)).items()]
    dropped = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    as_user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", groups, *dropped, "env", "-i", *variables]
    mounts = "\n".join(f"{source}:{target}" for target, source in (volumes or {}).items())
    apart = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork"]
    prepared = [sys.executable, "-c", _LOOPBACK_UP, "sh", "-ec", _ENTER, "sh", str(image.root), mounts]
    program = [*(image.entrypoint if entrypoint is None else entrypoint), *words]
    with open(log, "wb") as output:
        process = subprocess.Popen([*apart, *prepared, *as_user, *program], stdout=output, stderr=output, cwd="/")
    try:
        pid = until(lambda: next((child.pid for child in psutil.Process(process.pid).children()), 0))
        until(lambda: process.poll() is not None or os.path.samefile(f"/proc/{pid}/root", image.root))
        yield Container(image, process, pid, log, as_user)
    finally:
        if process.poll() is None:
            # Its pid 1, and with that the rest. unshare's --kill-child does not last: who changes user forgets it.
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.kill()
        process.wait()


def until(answer: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Ask again until the answer is a true one, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found
