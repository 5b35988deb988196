"""The doctor about buckets: what each obeys, and what its own rules clear away."""

from pathlib import Path

import pytest

from command_line import tfm
from obedient_server import ObedientServer
from object_servers import new_bucket
from temp_file_manager.inspection.buckets import checks
from temp_file_manager.inspection.doctor import Check, Level
from temp_file_manager.objects.client import Client
from temp_file_manager.objects.lifecycle import Lifecycle, lifecycle

RULES = (
    b'<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>a</ID><Status>%s</Status>'
    b"<Filter><Prefix></Prefix></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>"
    b"</AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>"
)


def both(bucket: Client, *, unconditional: bool = False) -> tuple[Check, Check]:
    obeys, rules = checks([bucket.bucket], unconditional=unconditional)
    return obeys, rules


def test_a_bucket_that_obeys(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    bucket = new_bucket()
    obeys, rules = both(bucket)
    assert (obeys.level, obeys.found) == (Level.OK, "obeys If-Match in DeleteObject alone")
    assert rules.level is Level.WARNING
    assert "AbortIncompleteMultipartUpload" in rules.found
    assert "Noncurrent" not in rules.found, "it keeps no versions"
    assert bucket.request("PUT", query={"lifecycle": ""}, body=RULES % b"Enabled").good
    assert both(bucket)[1].level is Level.OK
    assert bucket.request("PUT", query={"lifecycle": ""}, body=RULES % b"Disabled").good
    assert lifecycle(bucket) == Lifecycle(uploads=False, noncurrent=False)


def test_a_bucket_that_obeys_nothing(rclone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", rclone)
    bucket = new_bucket()
    obeys, rules = both(bucket)
    assert obeys.level is Level.WARNING
    assert "TEMP_FILE_OBJECTS_UNCONDITIONAL=true" in obeys.advice
    assert (rules.level, rules.found.partition(":")[0]) == (Level.WARNING, "cannot be told")
    assert "is lost" in both(bucket, unconditional=True)[0].follows


def test_a_bucket_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    (found,) = checks(["bucket"], unconditional=False)
    assert (found.level, found.follows) == (Level.PROBLEM, "objects in it stay")


def test_the_command_looks_at_buckets_of_settings_and_records(obedient: ObedientServer, tmp_path: Path) -> None:
    variables = {"TEMP_FILE_BASE_DIR": str(tmp_path / "base"), "TEMP_FILE_EXPIRING_OBJECTS": "s3://named/tmp"}
    assert tfm("object", "register", "s3://registered/key", "--etag", "abc", **variables).returncode == 0
    told = tfm("doctor", **variables).stdout
    assert "bucket named: obeys an ETag in DeleteObjects" in told
    assert "bucket registered: obeys an ETag in DeleteObjects" in told
    assert obedient.objects == {}
