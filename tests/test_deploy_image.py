"""The image, built by a real builder and run: buildah without an engine, a daemon or a registry.

No registry of images can be asked here, so the base is Debian's Python, made of packages. All that the Dockerfile says
is carried out by buildah, and what runs is what it has made.
"""

import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from command_line import free_port
from container import until
from monitoring import tool
from patience import HUNG, PATIENCE, WHOLE
from places import DEPLOY, ROOT

pytestmark = pytest.mark.timeout(HUNG)  # Debian's packages, and then those of pip, are fetched

BASE, IMAGE = "localhost/python", "localhost/temp-file-manager"
CERTIFICATES = "/etc/ssl/certs"
PACKAGES = "base-files,base-passwd,ca-certificates,coreutils,dash,debianutils,diffutils,findutils,grep,libc-bin,mawk"
PACKAGES += ",perl-base,python3-minimal,python3-pip,sed,tar"
NAME = "temp-file-manager"


class Builder:
    """Buildah with a store of its own, and what it works with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = [tool("buildah"), "--root", str(folder / "store"), "--runroot", str(folder / "run")]
        self.words += ["--storage-driver", "overlay"]
        self.environ = os.environ | {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}

    def command(self, *words: str | Path) -> list[str]:
        return [*self.words, *map(str, words)]

    def say(self, *words: str | Path) -> str:
        done = subprocess.run(
            self.command(*words), env=self.environ, capture_output=True, text=True, timeout=WHOLE, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout.strip()

    def base(self) -> None:
        """Make an image of Debian's Python and pip, and what those need."""
        made = self.say("from", "--name", "base", "scratch")
        command = [tool("mmdebstrap"), "--mode=root", "--variant=custom", "--quiet", f"--include={PACKAGES}"]
        command += ["bookworm", self.say("mount", made)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WHOLE, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        self.say("umount", made)
        self.say("run", made, "--", "ln", "-s", "python3", "/usr/bin/python")
        # An index of packages that this machine is told of, the image is told of, too.
        told = {
            name: value for name, value in os.environ.items() if name.startswith("PIP_") and name != "PIP_FIND_LINKS"
        }
        for name, value in (told | {"PIP_BREAK_SYSTEM_PACKAGES": "1"}).items():
            self.say("config", "--env", f"{name}={value}", made)
        self.say("commit", "--rm", made, BASE)

    def build(self) -> None:
        volume = f"{CERTIFICATES}:{CERTIFICATES}:ro"
        dockerfile = DEPLOY / "docker" / "Dockerfile"
        words = ["--format", "docker", "--build-arg", f"BASE={BASE}", "--volume", volume]
        self.say("build", *words, "--file", dockerfile, "--tag", IMAGE, ROOT)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    if os.geteuid() != 0:
        pytest.skip("no image was built: that takes root here")
    made = Builder(tmp_path_factory.mktemp("image"))
    tool("mmdebstrap")
    try:
        made.base()
        made.build()
        yield made
    finally:
        shutil.rmtree(made.folder / "store", ignore_errors=True)


@contextmanager
def container(builder: Builder, *words: str, **variables: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run the image's own program, as its own user, with a volume for the base directory."""
    name = builder.say("from", IMAGE)
    environment = [word for pair in variables.items() for word in ("--env", "=".join(pair))]
    entry = json.loads(builder.say("inspect", "--type", "image", IMAGE))["Docker"]["config"]["Entrypoint"]
    command = builder.command("run", *environment, name, "--", *entry, *words)
    with open(builder.folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(command, env=builder.environ, stdout=log, stderr=log)
    try:
        yield name, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        builder.say("rm", name)


def test_what_the_image_says_of_itself(builder: Builder) -> None:
    config: dict[str, Any] = json.loads(builder.say("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    assert config["User"] == "10001:10001"
    assert config["WorkingDir"] == "/"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"][:1] == ["CMD"]
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9090/tcp"}


def test_the_image_runs(builder: Builder) -> None:
    port, page = free_port(), free_port()
    variables = {"ENABLE_TEMP_FILE_METRICS": "true", "PROMETHEUS_PORT": str(port), "TEMP_FILE_HTTP_PORT": str(page)}
    with container(builder, **variables) as (name, process):

        def ready() -> bool:
            assert process.poll() is None, (builder.folder / f"{name}.log").read_text()
            with closing(socket.socket()) as one:
                return one.connect_ex(("127.0.0.1", port)) == 0

        until(ready)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE) as answer:
            assert answer.read() == b"healthy\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            assert b"temp_file_registry_up 1.0" in answer.read()
        inside = ("run", name, "--")
        assert builder.say(*inside, "id", "-u") == "10001"
        assert builder.say(*inside, "stat", "-c", "%u %a", "/tmp/aiecs_temp") == "10001 700"
        builder.say(*inside, "sh", "-c", "echo 1 > /tmp/aiecs_temp/report")
        builder.say(*inside, NAME, "register", "/tmp/aiecs_temp/report")
        assert builder.say(*inside, NAME, "health").startswith("healthy: 1 record")
        assert builder.say(*inside, NAME, "sweep", "--quiet", "--max-age", "0").startswith("1 removed")
