"""Managers and commands with objects: put on record, swept, explained, pinned, forgotten."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from command_line import tfm
from obedient_server import ObedientServer
from temp_file_manager import Settings, TempFileManager, jobs
from temp_file_manager.errors import InvalidArgumentError, SettingsError
from temp_file_manager.events import Event, FilesRegistered
from temp_file_manager.inspection.why import why
from temp_file_manager.objects.registered import REST
from temp_file_manager.records import Kind, Status
from temp_file_manager.registry.counters import EXPIRED_OBJECT_FAILURES, EXPIRED_OBJECTS
from temp_file_manager.testing import FakeClock

RANDOM = "0123456789abcdef" * 2
PAST = "2020-01-01T00:00"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time())


@pytest.fixture
def manager(base: Path, clock: FakeClock) -> Iterator[TempFileManager]:
    with closing(TempFileManager(base, 60, registry="sqlite:", clock=clock)) as made:
        yield made


def put(server: ObedientServer, key: str, content: bytes = b"x") -> str:
    server.objects[key] = content
    return server.etag(key)


def test_objects_go_with_files_when_they_are_due(
    obedient: ObedientServer, manager: TempFileManager, clock: FakeClock
) -> None:
    with manager.open() as file:
        path = file.name
    due = manager.register_object("s3://bucket/due", etag=put(obedient, "due"))
    replaced = manager.register_object("s3://bucket/replaced", etag=put(obedient, "replaced"))
    put(obedient, "replaced", b"another")
    gone = manager.register_object("s3://bucket/gone", etag="abc")
    later = manager.register_object("s3://bucket/later", etag=put(obedient, "later"), ttl=600, tags=("mine",))
    assert obedient.asked == [], "registering asks the store nothing"
    clock.advance(61)
    report = manager.sweep()
    assert {outcome.record.path: outcome.status for outcome in report.outcomes} == {
        path: Status.REMOVED,
        due: Status.REMOVED,
        replaced: Status.REPLACED,
        gone: Status.GONE,
    }
    assert sorted(obedient.objects) == ["later", "replaced"]
    assert list(manager.files) == [later]
    assert manager.registry.get((later,))[later].tags == ("mine",)


def test_files_go_when_the_store_is_out_of_reach(
    obedient: ObedientServer, manager: TempFileManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = manager.register_object("s3://bucket-away/key", etag="abc")
    with manager.open() as file:
        path = file.name
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    clock.advance(61)
    report = manager.sweep()
    assert (report.removed, report.failed) == (1, 1)
    assert not Path(path).exists()
    record = manager.registry.get((name,))[name]
    assert (record.failures, record.retry_at is not None) == (1, True), "tried again later"
    monkeypatch.setenv("AWS_ENDPOINT_URL", obedient.endpoint)
    clock.advance(REST)
    assert manager.sweep().gone == 1


def test_another_object_under_the_same_key_is_another_record(manager: TempFileManager) -> None:
    names = {manager.register_object("s3://bucket/key", etag=etag) for etag in ("one", '"one"', "two")}
    assert names == {"s3://bucket/key#etag=one", "s3://bucket/key#etag=two"}
    assert len(manager.files) == 2
    record = manager.registry.get(names)["s3://bucket/key#etag=one"]
    assert (record.kind, record.size) == (Kind.OBJECT, None)


def test_what_is_known_of_an_object(obedient: ObedientServer, manager: TempFileManager, clock: FakeClock) -> None:
    name = manager.register_object("s3://bucket/a key", etag=put(obedient, "a key"))
    clock.advance(61)
    assert name in manager.files
    assert manager.is_temp_file(name)
    assert manager.get_file_age(name) == 61
    assert manager.status(name).due
    told = why(manager.context, name)
    assert (told.kind, told.cleanup.status) == ("an object in a bucket", Status.REMOVED)
    manager.pin(name)
    assert manager.sweep().retired == 0
    manager.unpin(name)
    with pytest.raises(InvalidArgumentError, match="pin it"):
        manager.hold(name)
    manager.context.measuring.slice(lambda: False)
    assert manager.sweep(dry_run=True).removed == 1
    assert manager.sweep().removed == 1
    assert obedient.objects == {}


def test_a_record_without_an_etag_stays_and_says_so(
    obedient: ObedientServer, base: Path, manager: TempFileManager, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    put(obedient, "key")
    name = manager.register_object("s3://bucket/key")
    assert "TEMP_FILE_OBJECTS_UNCONDITIONAL=true" in caplog.text
    clock.advance(61)
    assert manager.sweep().kept == 1
    assert manager.registry.get((name,))[name].kept_for == "unconditional"
    settings = Settings(base_dir=str(base), max_age=60, registry="sqlite:", objects_unconditional=True)
    with closing(TempFileManager.from_settings(settings, clock=clock)) as told:
        assert told.sweep().removed == 1
    assert obedient.objects == {}


def test_records_in_memory_know_no_objects(tmp_path: Path) -> None:
    with closing(TempFileManager(tmp_path)) as manager, pytest.raises(InvalidArgumentError, match="durable registry"):
        manager.register_object("s3://bucket/key", etag="abc")


def test_a_file_is_never_registered_by_the_address_of_an_object(
    tmp_path: Path, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    (tmp_path / "s3:" / "bucket" / "key").write_text("a file")
    manager.register_file("s3://bucket/key")
    assert list(manager.files) == [str(tmp_path / "s3:" / "bucket" / "key")]


def test_hooks_hear_of_it(base: Path, clock: FakeClock) -> None:
    heard: list[Event] = []
    with closing(TempFileManager(base, registry="sqlite:", clock=clock, hooks=[heard.append])) as manager:
        name = manager.register_object("s3://bucket/key", etag="abc")
    assert FilesRegistered((name,), ()) in heard


# -- expiring keys on a schedule


def scheduled(base: Path, clock: FakeClock, *urls: str) -> TempFileManager:
    settings = Settings(base_dir=str(base), registry="sqlite:", expiring_objects=urls)
    return TempFileManager.from_settings(settings, clock=clock)


def test_a_job_sweeps_each_bucket_and_counts(
    obedient: ObedientServer, base: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    put(obedient, f"tmp/{PAST}/{RANDOM}")
    put(obedient, f"other/{PAST}/{RANDOM}")
    refused = f"other/{PAST}/{RANDOM}-refused"
    put(obedient, refused)
    obedient.refused[refused] = "AccessDenied"
    with closing(scheduled(base, clock, "s3://bucket/tmp", "s3://bucket/other")) as manager:
        job = jobs.objects_job(manager.context)
        assert job is not None
        job.work(lambda: False)
        counted = manager.registry.stats().counters
    assert (counted[EXPIRED_OBJECTS], counted[EXPIRED_OBJECT_FAILURES]) == (2, 1)
    assert list(obedient.objects) == [refused]
    assert "Failed to delete 1 expired objects in s3://bucket/other: AccessDenied" in caplog.text


def test_a_bucket_that_fails_keeps_no_other_from_being_swept(
    obedient: ObedientServer, base: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    put(obedient, f"tmp/{PAST}/{RANDOM}")
    with closing(scheduled(base, clock, "s3://bucket-wrong/tmp", "s3://bucket/tmp")) as manager:
        job = jobs.objects_job(manager.context)
        assert job is not None
        obedient.wrong = {"bucket-wrong"}
        job.work(lambda: False)
    assert obedient.objects == {}
    assert "Expired objects in s3://bucket-wrong/tmp were not swept: " in caplog.text


def test_without_buckets_there_is_no_job(manager: TempFileManager) -> None:
    assert jobs.objects_job(manager.context) is None


@pytest.mark.parametrize("url", ["bucket", "s3://", "https://bucket/x", "s3://user:pw@bucket/x", 7])
def test_addresses_that_are_none(url: object) -> None:
    with pytest.raises(SettingsError, match="expiring_objects"):
        Settings(expiring_objects=[url])  # type: ignore[arg-type]


def test_addresses_come_with_commas() -> None:
    found = Settings.from_env({"TEMP_FILE_EXPIRING_OBJECTS": "s3://one/a, s3://two"})
    assert found.expiring_objects == ("s3://one/a", "s3://two")


# -- the command


def test_put_and_sweep(obedient: ObedientServer, tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    file.write_text("content")
    done = tfm("object", "put", str(file), "s3://bucket/tmp", "--ttl", "2h")
    assert (done.returncode, done.stderr) == (0, "")
    (key,) = obedient.objects
    assert done.stdout == f"s3://bucket/{key}\n"
    assert key.endswith("-report.txt")
    put(obedient, f"tmp/{PAST}/{RANDOM}")
    foretold = tfm("object", "sweep", "s3://bucket/tmp", "--dry-run")
    assert (foretold.returncode, foretold.stdout) == (0, "1 object would be deleted.\n")
    swept = tfm("object", "sweep", "s3://bucket/tmp", "--json")
    assert (swept.returncode, json.loads(swept.stdout)["removed"]) == (0, 1)
    assert list(obedient.objects) == [key]


def test_a_sweep_that_fails_says_so(obedient: ObedientServer) -> None:
    key = f"tmp/{PAST}/{RANDOM}"
    put(obedient, key)
    obedient.refused[key] = "AccessDenied"
    done = tfm("object", "sweep", "s3://bucket/tmp")
    assert (done.returncode, done.stdout) == (1, "0 objects deleted, 1 not (AccessDenied).\n")
    obedient.forbidden = {"GET"}
    done = tfm("object", "sweep", "s3://bucket/tmp")
    assert (done.returncode, done.stdout) == (1, "")
    assert "bucket bucket refuses to list: AccessDenied" in done.stderr


def test_register_list_why_status_forget(obedient: ObedientServer, base: Path) -> None:
    etag = put(obedient, "a key#1")
    variables = {"TEMP_FILE_BASE_DIR": str(base)}
    done = tfm("object", "register", "s3://bucket/a key#1", "--etag", etag, "--ttl", "0", "--tag", "mine", **variables)
    name = f"s3://bucket/a%20key%231#etag={etag}"
    assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
    assert name in tfm("list", **variables).stdout
    assert name in tfm("list", "--under", "s3://bucket", **variables).stdout
    assert tfm("status", name, **variables).returncode == 0
    assert "object in a bucket" in tfm("why", name, **variables).stdout
    assert tfm("pin", name, **variables).returncode == 0
    assert tfm("sweep", **variables).returncode == 0
    assert list(obedient.objects) == ["a key#1"]
    assert tfm("unpin", name, **variables).returncode == 0
    assert tfm("check", **variables).returncode == 0
    assert json.loads(tfm("export", **variables).stdout.splitlines()[-1])["path"] == name
    exported = base.parent / "exported"
    exported.write_text(tfm("export", **variables).stdout)
    assert tfm("forget", name, **variables).returncode == 0
    assert "register it again" in tfm("import", str(exported), **variables).stderr
    assert tfm("list", **variables).stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ("put", "file"),
        ("put", "file", "s3://bucket/tmp"),
        ("sweep", "s3://bucket", "more"),
        ("sweep", "s3://bucket", "--ttl", "1h"),
        ("sweep", "bucket"),
        ("register", "s3://bucket"),
        ("register", "s3://bucket/key", "--dry-run"),
    ],
)
def test_words_that_do_not_fit_together(words: tuple[str, ...], base: Path) -> None:
    assert tfm("object", *words, TEMP_FILE_BASE_DIR=str(base)).returncode == 2


def test_a_plan_of_objects_can_be_applied(obedient: ObedientServer, base: Path, tmp_path: Path) -> None:
    variables = {"TEMP_FILE_BASE_DIR": str(base)}
    for key in ("one", "two"):
        url = f"s3://bucket/{key}"
        assert tfm("object", "register", url, "--etag", put(obedient, key), "--ttl", "0", **variables).returncode == 0
    plan = tmp_path / "plan"
    assert tfm("sweep", "--plan", str(plan), **variables).returncode == 0
    done = tfm("apply", str(plan), **variables)
    assert (done.returncode, obedient.objects) == (0, {}), done.stdout + done.stderr
