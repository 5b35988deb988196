"""Addresses of registries on PostgreSQL."""

from pathlib import Path

import pytest

from temp_file_manager.errors import RegistryError
from temp_file_manager.registry.postgres import address
from temp_file_manager.registry.schemes import is_durable, parse
from temp_file_manager.settings import Settings

VERIFIED = {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("//db.example/files", {"host": "db.example", "dbname": "files", **VERIFIED}),
        (
            "//app@db.example:5433/files",
            {"user": "app", "host": "db.example", "port": "5433", "dbname": "files", **VERIFIED},
        ),
        ("//a,b:5433/files", {"host": "a,b", "port": ",5433", "dbname": "files", **VERIFIED}),
        ("//[2001:db8::1]:5433/files", {"host": "2001:db8::1", "port": "5433", "dbname": "files", **VERIFIED}),
        ("//[::1]/files", {"host": "::1", "dbname": "files"}),
        ("//127.0.0.2/files", {"host": "127.0.0.2", "dbname": "files"}),
        ("//localhost/files", {"host": "localhost", "dbname": "files"}),
        ("///files", {"dbname": "files"}),
        ("//postgres@/files?host=/run/postgresql", {"user": "postgres", "host": "/run/postgresql", "dbname": "files"}),
        ("//db/files?sslmode=require", {"host": "db", "dbname": "files", "sslmode": "require"}),
        ("//db/my%20files", {"host": "db", "dbname": "my files", **VERIFIED}),
        ("//localhost,db/files", {"host": "localhost,db", "dbname": "files", **VERIFIED}),
        (
            "//localhost/files?hostaddr=192.0.2.1",
            {"host": "localhost", "dbname": "files", "hostaddr": "192.0.2.1", **VERIFIED},
        ),
    ],
)
def test_what_an_address_says(rest: str, said: dict[str, str]) -> None:
    assert address.read(rest, {}) == said


def test_what_libpq_adds_may_be_far_away() -> None:
    assert "sslmode" not in address.read("///files", {})
    assert address.read("///files", {"PGHOST": "db.example"})["sslmode"] == "verify-full"
    assert address.read("///files", {"PGHOSTADDR": "192.0.2.1"})["sslmode"] == "verify-full"


@pytest.mark.parametrize(
    ("lines", "added"),
    [("host=db.example", "verify-full"), ("host=db.example\nsslmode=require", None), ("host=/run/postgresql", None)],
)
def test_a_service_file_says_its_own_way(tmp_path: Path, lines: str, added: str | None) -> None:
    file = tmp_path / "services"
    file.write_text(f"# ours\n[files]\n{lines}\ndbname=files\n")
    environ = {"PGSERVICEFILE": str(file)}
    assert address.read("//?service=files", environ).get("sslmode") == added
    assert address.read("///files", {**environ, "PGSERVICE": "files"}).get("sslmode") == added


@pytest.mark.parametrize("content", [b"[files]\nhost=\xff\n", b"host=db.example\n"])
def test_a_service_file_that_cannot_be_read_leaves_it_to_the_systems(tmp_path: Path, content: bytes) -> None:
    """libpq tells of it."""
    file = tmp_path / "services"
    file.write_bytes(content)
    (tmp_path / "pg_service.conf").write_text("[files]\nhost=db.example\n")
    environ = {"PGSERVICEFILE": str(file), "PGSYSCONFDIR": str(tmp_path)}
    assert address.read("//?service=files", environ)["sslmode"] == "verify-full"


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "rest",
    [
        f"//app:{SECRET}@db/files",
        f"//app:{SECRET}/x@db/files",
        f"//app:x/{SECRET}@db/files",
        f"//db/files?password={SECRET}",
        f"//db/files?sslpassword={SECRET}",
        f"//db/files?{SECRET}",
        f"//db/files?pass{SECRET}=1",
        f"//app:{SECRET}?@db/files",
        f"app:{SECRET}@db",
        f"//app@db:{SECRET}/files",
    ],
)
def test_a_password_is_refused_and_shown_to_nobody(rest: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        parse(f"postgresql:{rest}", str(tmp_path))
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or SECRET not in str(caught.value.__context__)


@pytest.mark.parametrize("rest", ["", "//", "//db", "//db/", "db/files"])
def test_what_names_no_database_is_refused(rest: str) -> None:
    with pytest.raises(RegistryError, match=r"write postgresql://\[USER@\]HOST"):
        address.read(rest, {})


@pytest.mark.parametrize(
    ("rest", "shown"),
    [
        ("//app@db:5433/files?sslmode=require&sslcert=/x", "postgresql://db:5433/files"),
        ("//a,b/files", "postgresql://a,b/files"),
        ("//[::1]:1/files", "postgresql://[::1]:1/files"),
        ("//postgres@/files?host=/run/postgresql&port=5433", "postgresql:///files?host=/run/postgresql&port=5433"),
        ("//?service=files", "postgresql:///?service=files"),
    ],
)
def test_an_address_is_shown_without_its_user(rest: str, shown: str, tmp_path: Path) -> None:
    read = parse(f"postgresql:{rest}", str(tmp_path))
    assert read.shown == shown
    assert read.file is None
    assert is_durable(f"postgresql:{rest}", str(tmp_path))


def test_it_is_a_setting() -> None:
    assert Settings(registry="postgresql://app@db/files").registry == "postgresql://app@db/files"
