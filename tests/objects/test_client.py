"""Requests to buckets: bounded, patient, without secrets, and made anew in a forked child."""

import socket

import pytest

import object_servers
from obedient_server import ObedientServer
from object_servers import Impatient
from temp_file_manager.errors import ObjectStoreError, ObjectStoreUnavailableError
from temp_file_manager.objects import library
from temp_file_manager.objects.client import TRIES, Client
from temp_file_manager.testing import in_child

KEYS = ["a b", "a#b?c&d", "100%25", "ü/ñ/日本", "t+&<>'\"", "(1)!*~", "k" * 200]


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_all_kinds(bucket: Client, key: str) -> None:
    assert bucket.request("PUT", key, body=b"x").good
    assert bucket.request("HEAD", key).good
    assert bucket.request("HEAD", key + "-").absent


@pytest.mark.parametrize("key", ["x//y", "q/../z", "./a", "k" * 1024, "/begin"])
def test_keys_that_no_directory_could_hold(moto: str, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    client = object_servers.new_bucket()
    assert client.request("PUT", key, body=b"x").good
    assert client.request("HEAD", key).good


def test_a_wrong_secret_is_refused_and_not_shown(rclone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", rclone)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    reply = Client("bucket-wrong").request("PUT")
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert b"hunter2" not in reply.body


def test_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ObjectStoreError, match="set AWS_ACCESS_KEY_ID"):
        Client("bucket").request("HEAD")


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, and not listening: nobody else can have it
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:hunter2@127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ObjectStoreUnavailableError, match="does not answer") as caught:
            Client("bucket").request("HEAD")
    assert "hunter2" not in str(caught.value)


def test_a_server_that_hangs(obedient: ObedientServer) -> None:
    obedient.hanging.clear()
    with pytest.raises(ObjectStoreUnavailableError, match="does not answer"):
        Client("bucket", timeout=0.05).request("HEAD")


def test_a_request_that_is_put_off_is_made_again_later_and_later(obedient: ObedientServer) -> None:
    clock = Impatient()
    client = Client("bucket", clock=clock)
    obedient.put_off = 3
    assert client.request("HEAD").good
    assert client.throttled == 3
    assert clock.waited == sorted(clock.waited)
    assert len(clock.waited) == 3


def test_patience_has_an_end(obedient: ObedientServer) -> None:
    clock = Impatient()
    obedient.put_off = 100
    assert Client("bucket", clock=clock).request("HEAD").status == 503
    assert (len(obedient.asked), len(clock.waited)) == (TRIES, TRIES - 1)


def test_a_forked_child_asks_by_connections_of_its_own(obedient: ObedientServer) -> None:
    client = Client("bucket", clock=Impatient())
    assert client.request("PUT", "key", body=b"x").good
    assert in_child(lambda: client.request("HEAD", "key").status) == 200
    assert client.request("HEAD", "key").good


def test_the_address_of_a_bucket_at_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    class Session:
        def __init__(self, **_: object) -> None: ...

        def send(self, request: object) -> object:
            sent.append(request.url)  # type: ignore[attr-defined]
            raise library.module("botocore.exceptions").HTTPClientError(error="not asked")

    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(library.module("botocore.httpsession"), "URLLib3Session", Session)
    for name in ("plain", "with.points"):
        with pytest.raises(ObjectStoreUnavailableError):
            Client(name, environ={"AWS_REGION": "eu-central-1"}).request("HEAD", "a key")
    assert sent == [
        "https://plain.s3.eu-central-1.amazonaws.com/a%20key",
        "https://s3.eu-central-1.amazonaws.com/with.points/a%20key",
    ]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    library.module.cache_clear()
    monkeypatch.setattr(library, "import_module", missing)
    with pytest.raises(ObjectStoreError, match=r"pip install 'temp-file-manager\[objects\]'"):
        Client("bucket").request("HEAD")
    assert not library.is_there()
