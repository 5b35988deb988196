"""Sessions over HTTP: who owns files is begun, renewed and ended there, by whoever brings the token."""

import math
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from serving import SECONDS, TOKEN, Answer, Client, service
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.inspection.overview import SESSIONS
from temp_file_manager.sessions import THIS_PROCESS


@pytest.fixture(params=["sqlite:", "memory:"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TempFileManager]:
    with closing(TempFileManager(tmp_path / "base", registry=request.param)) as manager:
        yield manager


@pytest.fixture
def client(manager: TempFileManager) -> Iterator[Client]:
    with service(manager) as client:
        yield client


def make(manager: TempFileManager, *names: str) -> list[str]:
    for name in names:
        Path(manager.base_dir, name).write_bytes(b"12345")
    return [os.path.join(manager.base_dir, name) for name in names]


def begin(client: Client, name: str = "request 42", ttl: float = 3600) -> Any:
    answer = client.post("/v1/sessions", {"name": name, "ttl": ttl})
    assert answer.status == 200, answer.body
    return answer.json


def end(client: Client, number: object, **more: Any) -> Answer:
    return client.ask("DELETE", f"/v1/sessions/{number}", **({"token": TOKEN} | more))


def living(client: Client) -> list[Any]:
    sessions: list[Any] = client.get("/v1/sessions").json["sessions"]
    return sessions


def assert_problem(answer: Answer, status: int, words: str = "") -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json["detail"]


# -- the life of one


def test_a_session_is_begun_renewed_and_ended(client: Client, manager: TempFileManager) -> None:
    assert living(client) == []
    begun = begin(client)
    assert (begun["name"], begun["alive"], begun["records"]) == ("request 42", None, 0)
    assert begun["owner"]
    assert begun["ends_at"] == pytest.approx(begun["began_at"] + 3600)
    a, b, other = make(manager, "a", "b", "other")
    body = {"paths": [a, b], "tags": ["x"], "session": begun["number"]}
    assert client.post("/v1/files", body).json["registered"] == 2
    manager.register_file(other)
    assert living(client) == [begun | {"records": 2}]
    assert {client.get("/v1/files").json["files"][at]["due"] for at in range(3)} == {False}

    renewed = client.post(f"/v1/sessions/{begun['number']}/renew", {"ttl": 7200}).json
    assert renewed == begun | {"records": 2, "ends_at": renewed["ends_at"]}
    assert renewed["ends_at"] == pytest.approx(begun["ends_at"] + 3600, abs=SECONDS)
    assert manager.registry.get([a])[a].due_at == renewed["ends_at"]

    assert end(client, begun["number"]).json == {"due": 2}
    assert living(client) == []
    assert client.post("/v1/sweep", {}).json["removed"] == 2
    assert [os.path.exists(path) for path in (a, b, other)] == [False, False, True]


def test_names_need_not_be_unique_nor_printable(client: Client) -> None:
    names = ["", "same", "same", "<b>\x1b[2J\u202e"]
    assert [begin(client, name)["name"] for name in names] == names
    assert [session["name"] for session in living(client)] == names
    assert len({session["number"] for session in living(client)}) == len(names)
    assert_problem(client.post("/v1/sessions", {"name": "\ud800", "ttl": 5}), 422, "is not UTF-8")


def test_what_is_registered_again_without_the_session_has_left_it(client: Client, manager: TempFileManager) -> None:
    number = begin(client)["number"]
    (path,) = make(manager, "a")
    assert client.post("/v1/files", {"paths": [path], "session": number}).json["registered"] == 1
    assert client.post("/v1/files", {"paths": [path]}).json["registered"] == 1
    assert [session["records"] for session in living(client)] == [0]
    assert end(client, number).json == {"due": 0}


def test_a_session_that_its_process_began_is_told_of_and_ended(client: Client, manager: TempFileManager) -> None:
    clock = manager.context.clock
    begun = manager.registry.begin("own", now=clock.wall(), ends_at=math.inf, owner=THIS_PROCESS)
    (told,) = living(client)
    assert (told["number"], told["ends_at"], told["alive"]) == (begun.number, None, True)
    assert end(client, begun.number).json == {"due": 0}


def test_the_overview_has_the_first_and_counts_all(client: Client) -> None:
    for number in range(SESSIONS + 3):
        begin(client, str(number))
    told = client.get("/v1/overview").json["sessions"]
    assert told["count"] == SESSIONS + 3
    assert [session["name"] for session in told["sessions"]] == [str(number) for number in range(SESSIONS)]


# -- what is refused


@pytest.mark.parametrize("number", ["4711", "0", "-1", "x", "1.5", "%C2%B2", "9" * 400, str(2**53), "1%00"])
def test_what_is_no_living_session_is_not_found(client: Client, number: str) -> None:
    assert_problem(end(client, number), 404)
    assert_problem(client.post(f"/v1/sessions/{number}/renew", {"ttl": 1}), 404)
    assert living(client) == []


def test_what_has_ended_is_not_found(client: Client, manager: TempFileManager) -> None:
    number = begin(client)["number"]
    (path,) = make(manager, "a")
    client.post("/v1/files", {"paths": [path], "session": number})
    assert end(client, number).json == {"due": 1}
    assert_problem(end(client, number), 404, "has ended, or never was")
    assert_problem(client.post(f"/v1/sessions/{number}/renew", {"ttl": 1}), 404, "has ended, or never was")
    (other,) = make(manager, "other")
    assert_problem(client.post("/v1/files", {"paths": [other], "session": number}), 404, "begin another")
    assert list(manager.files) == [path]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "name"),
        ({"name": "x"}, "ttl"),
        ({"ttl": 1}, "name"),
        ({"name": "x", "ttl": None}, "ttl"),
        ({"name": "x", "ttl": -1}, "ttl"),
        ({"name": "x", "ttl": "soon"}, "ttl"),
        ({"name": "x", "ttl": "9999999999w"}, "ttl"),
        ({"name": "x", "ttl": 1e13}, "ttl"),
        ({"name": 1, "ttl": 1}, "name"),
        ({"name": "x" * 1001, "ttl": 1}, "name"),
        ({"name": "x", "ttl": 1, "owner": 4711}, "`owner`"),
    ],
)
def test_beginnings_that_mean_nothing(client: Client, body: dict[str, Any], words: str) -> None:
    assert_problem(client.post("/v1/sessions", body), 422, words)
    assert living(client) == []


def test_renewals_and_registrations_that_mean_nothing(client: Client, manager: TempFileManager) -> None:
    number = begin(client)["number"]
    for body in ({}, {"ttl": None}, {"ttl": -1}, {"ttl": 1, "name": "x"}):
        assert_problem(client.post(f"/v1/sessions/{number}/renew", body), 422)
    (path,) = make(manager, "a")
    for session in (0, -1, 1.5, "1", True, 2**53):
        assert_problem(client.post("/v1/files", {"paths": [path], "session": session}), 422, "session")
    assert_problem(client.post("/v1/files", {"paths": [path], "session": number, "ttl": 1}), 422, "not both")
    assert client.post("/v1/files", {"paths": [path], "session": None, "ttl": None}).json["registered"] == 1
    assert_problem(client.get("/v1/sessions?x=1"), 422)


def test_without_the_token_sessions_are_read_alone(client: Client, manager: TempFileManager) -> None:
    number = begin(client)["number"]
    assert_problem(client.post("/v1/sessions", {"name": "x", "ttl": 1}, token=None), 401)
    assert_problem(client.post(f"/v1/sessions/{number}/renew", {"ttl": 1}, token=None), 401)
    assert_problem(end(client, number, token=None), 401)
    assert [session["number"] for session in living(client)] == [number]
    with service(manager, http_host="0.0.0.0") as remote:
        assert_problem(remote.get("/v1/sessions"), 401)
        assert_problem(remote.get("/v1/limits"), 401)
        assert remote.get("/v1/sessions", token=TOKEN).status == 200


def test_methods_that_are_not_there(client: Client) -> None:
    assert_problem(client.ask("GET", "/v1/sessions/1", token=TOKEN), 405, "DELETE")
    assert_problem(client.ask("GET", "/v1/sessions/1/renew", token=TOKEN), 405, "POST")
    assert_problem(client.ask("DELETE", "/v1/sessions", token=TOKEN), 405)


@pytest.mark.parametrize(("error", "status"), [(RegistryError("see /mat"), 503), (RegistryFullError("/mat"), 507)])
def test_a_registry_that_cannot_be_used(
    client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    number = begin(client)["number"]
    for method in ("begin", "renew", "end"):
        monkeypatch.setattr(manager.registry, method, broken)
    for answer in (
        client.post("/v1/sessions", {"name": "x", "ttl": 1}),
        client.post(f"/v1/sessions/{number}/renew", {"ttl": 1}),
        end(client, number),
    ):
        assert_problem(answer, status)
        assert b"mat" not in answer.body
    monkeypatch.setattr(manager.registry, "sessions", broken)
    assert client.get("/v1/sessions").status == status
