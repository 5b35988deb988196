"""A framework that is not installed: an integration says what to install, and nothing else needs it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "missing", "install"),
    [
        ("starlette", "starlette", "starlette"),
        ("starlette", "anyio", "starlette"),  # which brings it
        ("celery", "celery", "celery"),
        ("pytest_plugin", "pytest", "pytest"),
    ],
)
def test_what_to_install_is_said(module: str, missing: str, install: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import temp_file_manager.integrations.{module}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (f"ModuleNotFoundError: {missing} is not installed: pip install {install}")


def test_nothing_is_needed_that_nobody_asked_for() -> None:
    program = (
        "import sys; before = set(sys.modules); import temp_file_manager.integrations; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"temp_file_manager"}
