"""Probes: each bucket is found out by itself, and nothing of the probe stays in it."""

import time

import pytest

from obedient_server import ObedientServer
from object_servers import Impatient, new_bucket
from temp_file_manager.errors import ObjectStoreUnavailableError
from temp_file_manager.objects import probe as probing
from temp_file_manager.objects.client import Client
from temp_file_manager.objects.listing import pages
from temp_file_manager.objects.probe import PREFIX, Found, Obeys, probe
from temp_file_manager.objects.stores import Stores

ROWS = {"moto": Obeys.SINGLE, "rclone": Obeys.NEITHER, "obedient": Obeys.BULK}
VERSIONING = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


def left(client: Client) -> list[str]:
    return [key for page in pages(client, "") for key in page.keys]


def test_each_server_is_found_out(bucket: Client, served: str) -> None:
    assert probe(bucket) == Found(ROWS[served], versioned=False)
    assert left(bucket) == []


def test_a_bucket_that_keeps_versions(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    client = new_bucket()
    assert client.request("PUT", query={"versioning": ""}, body=VERSIONING).good
    assert probe(client).versioned
    versions = client.request("GET", query={"versions": ""}).body
    assert b"<Key>" not in versions, "no version and no mark of a deletion is left"


def test_what_is_true_of_one_bucket_says_nothing_of_another(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    plain, kept = new_bucket(), new_bucket()
    assert kept.request("PUT", query={"versioning": ""}, body=VERSIONING).good
    stores = Stores()
    assert [stores.of(client.bucket).found().versioned for client in (plain, kept, plain)] == [False, True, False]


def test_a_probe_is_made_once(obedient: ObedientServer) -> None:
    stores = Stores(lambda name: Client(name, clock=Impatient()))
    assert stores.of("bucket").found() == stores.of("bucket").found()
    assert len([path for method, path in obedient.asked if method == "PUT"]) == 2, (
        "one to look for versions, one to try"
    )


def test_what_could_not_be_probed_is_probed_again(obedient: ObedientServer) -> None:
    stores = Stores(lambda name: Client(name, clock=Impatient()))
    obedient.forbidden = {"PUT"}
    found = stores.of("bucket").found()
    assert (found.obeys, found.versioned) == (Obeys.NEITHER, False)
    assert "AccessDenied" in found.told
    obedient.forbidden = set()
    assert stores.of("bucket").found().obeys is Obeys.BULK


def test_a_store_out_of_reach(obedient: ObedientServer) -> None:
    obedient.hanging.clear()
    with pytest.raises(ObjectStoreUnavailableError):
        probe(Client("bucket", timeout=0.05))


def test_a_killed_probe_is_cleared_by_the_next(obedient: ObedientServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    client = Client("bucket", clock=Impatient())
    with monkeypatch.context() as patched:
        patched.setattr(probing, "delete_many", killed)
        patched.setattr(probing, "delete_one", killed)
        with pytest.raises(KeyboardInterrupt):
            probe(client)
    (stranded,) = obedient.objects
    assert stranded.startswith(PREFIX)
    obedient.moment = time.time() + 3600
    client.clock.advance(3600)  # type: ignore[attr-defined]
    assert probe(client).obeys is Obeys.BULK
    assert obedient.objects == {}
