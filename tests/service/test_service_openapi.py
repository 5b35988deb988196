"""The description of the API is what the service does: read by a machine that tries it."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

import serving as kit
from places import DOCS
from serving import SECONDS, TOKEN, Client, until
from temp_file_manager import TempFileManager
from temp_file_manager.limits import Mark
from temp_file_manager.service.api import openapi
from temp_file_manager.service.api.models import Step
from temp_file_manager.service.app import build
from temp_file_manager.service.http import refusals
from temp_file_manager.sessions import THIS_PROCESS
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.history import STEPS
from temp_file_manager.version import VERSION

client = kit.client

EXAMPLES = 40
"""Of each kind, for each operation."""

DOCUMENT: dict[str, Any] = json.loads(openapi.written())
COMMITTED = DOCS / "openapi.json"
METHODS = [(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods]
TRIED = [one for one in METHODS if one != ("/v1/events", "GET")]  # whose answer has no end


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of made-up tokens are answered at once."""
    monkeypatch.setattr(refusals, "PAUSE", 0.0)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    """One with limits, which nothing can meet."""
    settings = Settings(base_dir=str(tmp_path / "base"), max_bytes=1, min_free=Mark(1, share=True))
    with closing(TempFileManager.from_settings(settings, registry="sqlite:")) as manager:
        yield manager


@pytest.fixture
def lively(client: Client, manager: TempFileManager) -> Client:
    """A service with something of everything to tell."""
    base = manager.base_dir
    # No name that is no UTF-8: the judge's parser takes no lone surrogate. Other tests have them.
    paths = [f"{base}/{name}" for name in ("due", "open", "young", "pinned", "<b>\u202e\n", "gone")]
    for path in paths:
        Path(path).write_bytes(b"12345")
    manager.register_files(paths[:2], ttl=0)
    manager.register_files(paths[2:], tags=["a", "\x1b"])
    manager.pin(paths[3])
    clock, registry = manager.context.clock, manager.registry
    for ends_at, owner in ((clock.wall() + 3600, None), (math.inf, THIS_PROCESS)):
        registry.begin("\x1b", now=clock.wall(), ends_at=ends_at, owner=owner)
    with open(paths[1], "rb"):
        manager.start()
        until(lambda: not os.path.exists(paths[0]) and client.get("/v1/sweeps").json["sweeps"])
    return client


def unordered(part: Any) -> Any:
    """Return a document without what it may name in any order, which differs from one msgspec to the next."""
    if isinstance(part, dict):
        return {name: unordered(one) for name, one in part.items()}
    return sorted(map(unordered, part), key=json.dumps) if isinstance(part, list) else part


def test_the_committed_document_is_the_one_that_is_made() -> None:
    """Or: ``python -m temp_file_manager.service.api.openapi > docs/openapi.json``."""
    assert unordered(json.loads(COMMITTED.read_text())) == unordered(DOCUMENT)
    assert get_args(Step) == tuple(STEPS)


def test_routes_and_document_name_the_same(manager: TempFileManager) -> None:
    served = build(manager, Settings(base_dir=manager.base_dir), token=TOKEN)
    assert {(path, method) for path, one in served.resources.items() for method in one.methods} == set(METHODS)


def test_the_document_is_served_as_it_is(client: Client) -> None:
    answer = client.get("/openapi.json")
    assert (answer.json, answer.headers["content-type"]) == (DOCUMENT, "application/json")
    assert DOCUMENT["info"]["version"] == VERSION
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))


def test_what_changes_things_needs_the_token_by_the_document_too() -> None:
    for path, method in METHODS:
        operation = DOCUMENT["paths"][path][method.lower()]
        if method != "GET" and path != "/login":
            assert operation["security"] == [{"bearer": []}]
            of_bodies = {"400", "413", "415", "422"} if "requestBody" in operation else set()
            assert {"401", "403"} | of_bodies <= operation["responses"].keys()


@pytest.mark.parametrize(("path", "method"), TRIED, ids=map(" ".join, TRIED))
def test_answers_are_what_the_document_says(lively: Client, path: str, method: str) -> None:
    """Whatever is asked, sensible or not: documented statuses, media types and shapes, no 5xx, the right refusals."""
    host, port = lively.address
    address = f"http://{host}:{port}"
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    asked = 0

    def ask(case: schemathesis.Case) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=SECONDS)

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        run = hypothesis.given(case=operation.as_strategy(generation_mode=mode))(ask)
        try:
            hypothesis.settings(
                max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(run)()  # fmt: skip
        except Unsatisfiable:  # nothing can be wrong where nothing is asked for
            assert mode is GenerationMode.NEGATIVE
            told = operation.definition.raw
            assert "requestBody" not in told
            assert all(parameter["in"] == "path" for parameter in told.get("parameters", ()))
    assert asked


def test_real_answers_are_what_the_document_says(lively: Client, manager: TempFileManager) -> None:
    """What no generator hits upon: files that are there, and every part of an answer."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    base = manager.base_dir
    number = manager.registry.sessions()[0].number
    (Path(base) / "new").write_bytes(b"")
    os.mkfifo(f"{base}/pipe")
    numbered = {"path_parameters": {"number": number}}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("/v1/files", "GET", {"query": {"limit": 1}}),
        ("/v1/files", "GET", {"query": {"due": "true"}}),
        ("/v1/files", "POST", {"body": {"paths": [f"{base}/new", f"{base}/pipe", "/x"], "ttl": 0.5, "tags": ["x"]}}),
        ("/v1/files/status", "POST", {"body": {"paths": [f"{base}/new", f"{base}/pinned", "/x"]}}),
        *(("/v1/files/why", "GET", {"query": {"path": f"{base}/{name}"}}) for name in ("new", "pinned", "pipe", "no")),
        ("/v1/sweep", "POST", {"body": {"dry_run": True}}),
        ("/v1/sweep", "POST", {"body": {}}),
        ("/v1/sessions", "POST", {"body": {"name": "x", "ttl": 0.5}}),
        ("/v1/files", "POST", {"body": {"paths": [f"{base}/new"], "session": number}}),
        *((f"/v1/{name}", "GET", {}) for name in ("overview", "outlook", "sweeps", "samples", "limits", "sessions")),
        ("/v1/quarantine", "GET", {"query": {"limit": 1}}),
        ("/health", "GET", {}),
        ("/v1/sessions/{number}/renew", "POST", {"body": {"ttl": 10}} | numbered),
        ("/v1/sessions/{number}", "DELETE", numbered),
        ("/v1/files/forget", "POST", {"body": {"paths": [f"{base}/new"]}}),
        ("/login", "POST", {"body": {"token": TOKEN}}),
        ("/login", "DELETE", {}),
    ]
    for path, method, more in asked:
        case = schema[path][method].Case(**more, **({"media_type": "application/json"} if "body" in more else {}))
        host, port = lively.address
        answer = case.call(base_url=f"http://{host}:{port}", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code < 300, (path, answer.text)
        case.validate_response(answer)
