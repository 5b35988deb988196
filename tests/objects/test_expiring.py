"""Expiring keys: what has expired goes, and nothing else does."""

import io
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from obedient_server import ObedientServer
from object_servers import Impatient, new_bucket
from temp_file_manager.errors import InvalidArgumentError, ObjectStoreError
from temp_file_manager.objects import upload
from temp_file_manager.objects.bulk import MOST
from temp_file_manager.objects.client import Client
from temp_file_manager.objects.deletion import Pace
from temp_file_manager.objects.expiring import ExpiringKeys, ExpiringReport
from temp_file_manager.objects.listing import pages

RANDOM = "0123456789abcdef" * 2
PAST = "2020-01-01T00:00"


def keys_in(client: Client, prefix: str = "") -> list[str]:
    return [key for page in pages(client, prefix) for key in page.keys]


def put(client: Client, *keys: str) -> None:
    for key in keys:
        assert client.request("PUT", key, body=b"x").good


def test_what_has_expired_goes_and_nothing_else_does(bucket: Client) -> None:
    keys = ExpiringKeys(f"s3://{bucket.bucket}/tmp/", client=bucket)
    stays = keys.put(b"stays", 3600)
    gone = [f"tmp/{PAST}/{RANDOM}", f"tmp/{PAST}/{RANDOM}-a.txt", f"tmp/2020-01-01T00:01/{RANDOM}"]
    others = [
        f"tmp/{PAST}/{RANDOM.upper()}",
        f"tmp/{PAST}/{RANDOM}-",
        f"tmp/{PAST}/{RANDOM}-a/b",
        f"tmp/{PAST}/{RANDOM[1:]}",
        f"tmp/{PAST}/mine.txt",
        f"tmp/2020-02-30T00:00/{RANDOM}",
        f"tmp/2020-01-01T24:00/{RANDOM}",
        f"tmp/{PAST}x/{RANDOM}",
        f"tmp/sub/{PAST}/{RANDOM}",
        f"tmp2/{PAST}/{RANDOM}",
        f"{PAST}/{RANDOM}",
    ]
    put(bucket, *gone, *others)
    assert keys.sweep(dry_run=True) == ExpiringReport(removed=3, left=5, dry_run=True)
    assert keys.sweep() == ExpiringReport(removed=3, left=5)
    assert keys.sweep() == ExpiringReport(left=5)
    assert sorted(keys_in(bucket)) == sorted([*others, stays.removeprefix(f"s3://{bucket.bucket}/")])


def test_keys_directly_in_a_bucket(bucket: Client) -> None:
    keys = ExpiringKeys(f"s3://{bucket.bucket}", client=bucket)
    put(bucket, f"{PAST}/{RANDOM}", f"tmp/{PAST}/{RANDOM}")
    assert keys.sweep().removed == 1
    assert keys_in(bucket) == [f"tmp/{PAST}/{RANDOM}"]


@pytest.mark.parametrize(("ours", "servers"), [(-7200.0, 0.0), (0.0, -7200.0)])
def test_neither_clock_deletes_early(obedient: ObedientServer, ours: float, servers: float) -> None:
    now = time.time()
    obedient.moment = now + servers
    client = Client("bucket", clock=Impatient())
    minute = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now - 3600))
    put(client, f"tmp/{minute}/{RANDOM}")
    keys = ExpiringKeys("s3://bucket/tmp", clock=Impatient(now + ours), client=client)
    assert keys.sweep() == ExpiringReport()
    obedient.moment = now
    assert ExpiringKeys("s3://bucket/tmp", clock=Impatient(now), client=client).sweep().removed == 1


def test_a_server_without_a_clock_is_not_swept(obedient: ObedientServer) -> None:
    obedient.moment = -1.0
    with pytest.raises(ObjectStoreError, match="does not tell the time"):
        ExpiringKeys("s3://bucket/tmp", client=Client("bucket")).sweep()


def test_a_key_lives_as_long_as_it_was_promised_by_the_later_clock(obedient: ObedientServer) -> None:
    client, now = Client("bucket"), 1_800_000_030.0
    keys = ExpiringKeys("s3://bucket/tmp", clock=Impatient(now), client=client)
    assert keys.key(60).startswith("tmp/2027-01-15T08:02/"), "rounded up"
    obedient.moment = now + 600
    assert keys.put(b"x", 60).startswith("s3://bucket/tmp/2027-01-15T08:12/")
    assert keys.key(60).startswith("tmp/2027-01-15T08:12/"), "known from then on"


def test_no_two_keys_are_alike() -> None:
    keys = ExpiringKeys("s3://bucket/tmp")
    assert len({keys.key(60) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("ttl", [-1, float("nan"), float("inf"), 1e18])
def test_times_that_cannot_be(ttl: float) -> None:
    with pytest.raises(InvalidArgumentError):
        ExpiringKeys("s3://bucket/tmp").key(ttl)


@pytest.mark.parametrize("name", ["a/b", "ü", "a b", "x" * 101, "\n"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        ExpiringKeys("s3://bucket/tmp").key(60, name)


def test_a_file_keeps_its_name_as_far_as_a_key_may(bucket: Client, tmp_path: Path) -> None:
    file = tmp_path / "über #1.txt"
    file.write_bytes(b"content")
    keys = ExpiringKeys(f"s3://{bucket.bucket}/tmp", client=bucket)
    url = keys.put(file, 60)
    assert url.endswith("-_ber__1.txt")
    assert bucket.request("GET", url.removeprefix(f"s3://{bucket.bucket}/")).body in (b"content", b"")


@pytest.mark.parametrize("size", [0, 1, 5 << 20, (5 << 20) + 1, 11 << 20])
def test_a_large_file_goes_in_parts(endpoint: str, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    del endpoint
    monkeypatch.setattr(upload, "PART", 5 << 20)
    client = new_bucket()
    content = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    url = ExpiringKeys(f"s3://{client.bucket}/tmp", client=client).put(io.BytesIO(content[:size]), 60)
    assert client.request("GET", url.removeprefix(f"s3://{client.bucket}/")).body == content[:size]


def test_what_was_begun_in_parts_is_taken_back(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setattr(upload, "PART", 5 << 20)

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > (9 << 20):
                raise OSError(5, "the disk is broken")
            return super().read(size)

    client = new_bucket()
    with pytest.raises(OSError, match="broken"):
        ExpiringKeys(f"s3://{client.bucket}/tmp", client=client).put(Broken(bytes(20 << 20)), 60)
    assert b"<Upload>" not in client.request("GET", query={"uploads": ""}).body
    assert keys_in(client) == []


def test_more_than_a_page_of_keys_and_of_minutes(obedient: ObedientServer) -> None:
    client = Client("bucket", clock=Impatient())
    obedient.page = 100
    for number in range(650):
        obedient.objects[f"tmp/{PAST}/{number:032x}"] = b""
    for number in range(120):
        obedient.objects[f"tmp/2020-01-02T{number // 60:02}:{number % 60:02}/{RANDOM}"] = b""
    assert ExpiringKeys("s3://bucket/tmp", client=client).sweep() == ExpiringReport(removed=770)
    assert obedient.objects == {}
    assert len([path for _, path in obedient.asked if "continuation-token" in path]) >= 7


def test_so_many_keys_go_into_a_request(obedient: ObedientServer) -> None:
    for number in range(650):
        obedient.objects[f"tmp/{PAST}/{number:032x}"] = b""
    assert ExpiringKeys("s3://bucket/tmp", client=Client("bucket", clock=Impatient())).sweep().removed == 650
    assert obedient.bulks == [MOST, MOST, 150]


def test_a_limit_and_a_stop(obedient: ObedientServer) -> None:
    client = Client("bucket", clock=Impatient())
    for number in range(20):
        obedient.objects[f"tmp/{PAST}/{number:032x}"] = b""
    keys = ExpiringKeys("s3://bucket/tmp", client=client)
    assert keys.sweep(limit=7) == ExpiringReport(removed=7, stopped="limit")
    assert keys.sweep(stop=lambda: True) == ExpiringReport(stopped="stopped")
    assert len(obedient.objects) == 13


def test_what_a_server_refuses_is_told(obedient: ObedientServer) -> None:
    client = Client("bucket", clock=Impatient())
    for number in range(5):
        obedient.objects[f"tmp/{PAST}/{number:032x}"] = b""
    refused = f"tmp/{PAST}/{3:032x}"
    obedient.refused[refused] = "AccessDenied"
    report = ExpiringKeys("s3://bucket/tmp", client=client).sweep()
    assert report == ExpiringReport(removed=4, failed=1, reasons=(("AccessDenied", 1),))
    assert list(obedient.objects) == [refused]


def test_fewer_keys_go_into_a_request_where_the_server_is_slow(obedient: ObedientServer) -> None:
    client, pace = Client("bucket", clock=Impatient()), Pace()
    obedient.at_most = 70
    for number in range(600):
        obedient.objects[f"tmp/{PAST}/{number:032x}"] = b""
    report = ExpiringKeys("s3://bucket/tmp", client=client).sweep(pace=pace)
    assert replace(report, throttled=0) == ExpiringReport(removed=600)
    assert report.throttled > 0
    assert obedient.objects == {}


def test_a_listing_that_is_none(obedient: ObedientServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client("bucket", clock=Impatient())
    monkeypatch.setattr(ObedientServer, "listing", lambda *_: "<html>welcome</html>")
    with pytest.raises(ObjectStoreError, match="no listing"):
        ExpiringKeys("s3://bucket/tmp", client=client).sweep()


SWEEPER = """
import sys
from temp_file_manager.objects.expiring import ExpiringKeys
print(ExpiringKeys(sys.argv[1]).sweep().failed)
"""


def test_three_sweepers_at_once(endpoint: str) -> None:
    del endpoint
    client = new_bucket()
    put(client, *(f"tmp/{PAST}/{number:032x}" for number in range(60)))
    command = [sys.executable, "-c", SWEEPER, f"s3://{client.bucket}/tmp"]
    sweepers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [sweeper.communicate()[0] for sweeper in sweepers] == ["0\n"] * 3
    assert keys_in(client) == []
