"""Registered objects: each server, obeying or not, and what becomes of what was replaced, is gone, or out of reach."""

import threading
from pathlib import Path

import pytest

from obedient_server import ObedientServer
from object_servers import Impatient, new_bucket
from patience import PATIENCE
from removing import outcomes, removal_of, removed
from temp_file_manager.causes import Cause
from temp_file_manager.chunks import Other
from temp_file_manager.objects.address import ObjectName
from temp_file_manager.objects.client import CONNECTIONS, Client
from temp_file_manager.objects.registered import REST, RegisteredObjects
from temp_file_manager.objects.stores import Stores
from temp_file_manager.records import Kind, Outcome, Status, TempFile
from temp_file_manager.storage.contract import Removal
from temp_file_manager.testing import FakeClock

KEYS = ["plain", "a b", "a#b", "100%25", "ü/ñ", "&<>'\"", "k" * 180]


def storage(clock: FakeClock | None = None, *, unconditional: bool = False, **how: bool) -> RegisteredObjects:
    clock = clock or FakeClock()
    stores = Stores(lambda name: Client(name, clock=Impatient(), timeout=PATIENCE))
    return RegisteredObjects(unconditional=unconditional, elapsed=clock.elapsed, stores=stores, **how)


def put(client: Client, key: str, content: bytes = b"x") -> ObjectName:
    reply = client.request("PUT", key, body=content)
    assert reply.good
    headers = reply.headers
    return ObjectName(client.bucket, key, headers["etag"].strip('"'), headers.get("x-amz-version-id", ""))


def record(name: ObjectName) -> TempFile:
    return TempFile(name.text, 0.0, kind=Kind.OBJECT)


def is_there(client: Client, key: str) -> bool:
    return client.request("HEAD", key).good


def statuses(found: list[Outcome]) -> list[Status]:
    return [outcome.status for outcome in found]


@pytest.fixture
def way(served: str) -> RegisteredObjects:
    """Return what removes at a server: one that obeys nothing is told to go ahead."""
    return storage(unconditional=served == "rclone")


def test_objects_of_all_names_go(bucket: Client, way: RegisteredObjects) -> None:
    names = [put(bucket, key) for key in KEYS]
    assert statuses(removed(way, map(record, names))) == [Status.REMOVED] * len(KEYS)
    assert [key for key in KEYS if is_there(bucket, key)] == []


def test_what_was_replaced_stays_and_what_is_gone_is_gone(bucket: Client, way: RegisteredObjects, served: str) -> None:
    stays, goes, gone = (put(bucket, key) for key in ("stays", "goes", "gone"))
    put(bucket, "stays", b"another content")
    bucket.request("DELETE", "gone")
    found = removed(way, map(record, (stays, goes, gone)))
    assert statuses(found) == [Status.REPLACED, Status.REMOVED, Status.GONE], served
    assert found[0].cause is Cause.REPLACED
    assert is_there(bucket, "stays")


def test_two_records_of_one_key(bucket: Client, way: RegisteredObjects) -> None:
    first = put(bucket, "key")
    second = put(bucket, "key", b"another content")
    found = statuses(removed(way, map(record, (first, second))))
    assert found[0] in (Status.REPLACED, Status.GONE), "as they are asked about at once, either may be first"
    assert found[1] is Status.REMOVED
    assert not is_there(bucket, "key")


def test_without_an_etag_nothing_goes_unasked(bucket: Client) -> None:
    put(bucket, "key")
    (found,) = removed(storage(), [record(ObjectName(bucket.bucket, "key"))])
    assert (found.status, found.cause) == (Status.KEPT, Cause.UNCONDITIONAL)
    assert "TEMP_FILE_OBJECTS_UNCONDITIONAL=true" in found.reason
    assert Other(found.status, found.cause).lasting, "health tells of it"
    assert is_there(bucket, "key")
    assert statuses(removed(storage(unconditional=True), [record(ObjectName(bucket.bucket, "key"))])) == [
        Status.REMOVED
    ]
    assert not is_there(bucket, "key")


def test_a_bucket_that_obeys_nothing_keeps_all_unasked(rclone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", rclone)
    client = new_bucket()
    name = put(client, "key")
    (found,) = removed(storage(), [record(name)])
    assert (found.status, found.cause) == (Status.KEPT, Cause.UNCONDITIONAL)
    assert "obeys no condition" in found.reason
    assert is_there(client, "key")


VERSIONING = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


def test_by_its_version_exactly_that_goes(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    client = new_bucket()
    assert client.request("PUT", query={"versioning": ""}, body=VERSIONING).good
    first, second = put(client, "key"), put(client, "key", b"second")
    by_version = first._replace(etag="")
    assert statuses(removed(storage(), [record(by_version)])) == [Status.REMOVED]
    assert not client.request("HEAD", "key", {"versionId": first.version}).good
    assert client.request("HEAD", "key").headers["x-amz-version-id"] == second.version


def test_by_its_version_nothing_goes_from_a_bucket_without_versions(bucket: Client) -> None:
    put(bucket, "key")
    (found,) = removed(storage(), [record(ObjectName(bucket.bucket, "key", version="v1"))])
    assert (found.status, found.cause) == (Status.KEPT, Cause.UNCONDITIONAL)
    assert is_there(bucket, "key")


def test_what_the_server_refuses_in_the_middle_is_told_of_that_alone(obedient: ObedientServer) -> None:
    client = Client("bucket", clock=Impatient())
    names = [put(client, f"key {number}") for number in range(300)]
    obedient.refused = {"key 7": "AccessDenied", "key 299": "InternalError"}
    found = removed(storage(), map(record, names))
    failed = {outcome.record.path: outcome.reason for outcome in found if outcome.status is Status.FAILED}
    assert list(failed) == [names[7].text, names[299].text]
    assert "AccessDenied" in failed[names[7].text]
    assert sorted(obedient.objects) == ["key 299", "key 7"]
    assert obedient.bulks[-2:] == [250, 50]


def test_an_answer_about_other_keys_is_believed_of_none(
    obedient: ObedientServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, way = put(Client("bucket", clock=Impatient()), "key"), storage()
    removed(way, [record(name)])  # probes
    monkeypatch.setattr(
        ObedientServer,
        "bulk",
        lambda *_: (200, "<DeleteResult><Error><Key>other</Key><Code>Odd</Code></Error></DeleteResult>"),
    )
    (found,) = removed(way, [record(name)])
    assert found.status is Status.FAILED
    assert "does not say which" in found.reason


@pytest.mark.parametrize(
    "answer", ["", "<html/>", "<Error><Code>InternalError</Code></Error>", "<DeleteResult><Error>"]
)
def test_an_answer_that_is_none_is_a_failure(
    obedient: ObedientServer, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    name, way = put(Client("bucket", clock=Impatient()), "key"), storage()
    removed(way, [record(name)])
    monkeypatch.setattr(ObedientServer, "bulk", lambda *_: (200, answer))
    assert statuses(removed(way, [record(name)])) == [Status.FAILED]


def test_what_is_put_off_for_too_long_fails_and_is_there(obedient: ObedientServer) -> None:
    client, way = Client("bucket", clock=Impatient()), storage()
    name = put(client, "key")
    assert statuses(removed(way, [record(put(client, "first"))])) == [Status.REMOVED]
    obedient.refused["key"] = "SlowDown"
    (found,) = removed(way, [record(name)])
    assert (found.status, found.reason) == (Status.FAILED, "bucket bucket does not delete it: SlowDown")
    assert list(obedient.objects) == ["key"]


def test_a_store_out_of_reach_fails_once_and_then_rests(obedient: ObedientServer) -> None:
    clock = FakeClock()
    stores = Stores(lambda name: Client(name, clock=Impatient(), timeout=0.5))  # in which it answers, back again
    way = RegisteredObjects(unconditional=False, elapsed=clock.elapsed, stores=stores)
    names = [ObjectName("bucket", f"key {number}", "etag") for number in range(3)]
    obedient.hanging.clear()
    assert statuses(removed(way, map(record, names))) == [Status.FAILED] * 3
    obedient.hanging.set()
    before = len(obedient.asked)
    (found,) = removed(way, [record(names[0])])
    assert (found.status, len(obedient.asked) - before <= 1) == (Status.FAILED, True), "nobody asks it for a while"
    assert "does not answer" in found.reason
    clock.advance(REST)
    assert statuses(removed(way, [record(names[0])])) == [Status.GONE]


def test_no_more_is_deleted_than_may_go(bucket: Client, way: RegisteredObjects) -> None:
    names = [put(bucket, f"key {number}") for number in range(4)]
    found = removed(way, map(record, names), lambda at: at != 2)
    assert [(outcome.status, outcome.cause) for outcome in found][2] == (Status.SKIPPED, Cause.CLAIM_ENDED)
    assert [name.key for name in names if is_there(bucket, name.key)] == ["key 2"]


def test_nothing_is_deleted_after_the_deadline(bucket: Client, way: RegisteredObjects) -> None:
    name = put(bucket, "key")
    removal = removal_of([record(name)], elapsed=lambda: 10.0, deadline=5.0)
    way.remove(removal)
    assert statuses(outcomes(removal)) == [Status.SKIPPED]
    assert is_there(bucket, "key")


def test_so_many_are_asked_about_at_once(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    client = new_bucket()
    names = [put(client, f"key {number}") for number in range(CONNECTIONS + 5)]
    seen: set[str] = set()
    ask = Client.request

    def noted(self: Client, method: str, *rest: object, **how: object) -> object:
        if method == "DELETE":
            seen.add(threading.current_thread().name)
        return ask(self, method, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "request", noted)
    assert set(statuses(removed(storage(), map(record, names)))) == {Status.REMOVED}
    assert any(name.startswith("temp-file-objects") for name in seen)


def test_what_is_no_name_stops_nothing(obedient: ObedientServer) -> None:
    name = put(Client("bucket", clock=Impatient()), "key")
    odd = TempFile("s3://bucket", 0.0, kind=Kind.OBJECT)
    assert statuses(removed(storage(), [odd, record(name)])) == [Status.FAILED, Status.REMOVED]


def test_secure_delete_promises_nothing_of_objects(obedient: ObedientServer) -> None:
    name = put(Client("bucket", clock=Impatient()), "key")
    (found,) = removed(storage(destroys=True), [record(name)])
    assert (found.status, found.cause) == (Status.REMOVED, Cause.NOT_GUARANTEED)


def test_what_is_foretold_changes_nothing(bucket: Client, way: RegisteredObjects) -> None:
    stays, goes, gone = (put(bucket, key) for key in ("stays", "goes", "gone"))
    put(bucket, "stays", b"another content")
    bucket.request("DELETE", "gone")
    found = list(way.predict(map(record, (stays, goes, gone))))
    assert statuses(found) == [Status.REPLACED, Status.REMOVED, Status.GONE]
    assert is_there(bucket, "goes")


def test_a_removal_of_many_comes_to_its_end(obedient: ObedientServer, tmp_path: Path) -> None:
    client = Client("bucket", clock=Impatient())
    names = [put(client, f"key {number}") for number in range(520)]
    removal: Removal = removal_of(map(record, names))
    storage().remove(removal)
    assert (removal.done, removal.others, obedient.objects) == (520, {}, {})
