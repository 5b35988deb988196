"""The API over a real socket: what each path answers, and what it says when it cannot."""

import errno
import http.client
import json
import os
import socket
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

import serving as kit
import temp_file_manager.service.api.events as live_module
import temp_file_manager.service.api.files as files_module
from serving import SECONDS, TOKEN, Answer, Client, service, serving, until
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError, RegistryFullError
from temp_file_manager.inspection import overview
from temp_file_manager.service.api.events import MOST
from temp_file_manager.service.app import build_metrics
from temp_file_manager.service.http import cached
from temp_file_manager.service.http.cached import Shared
from temp_file_manager.service.page import assets
from temp_file_manager.settings import Settings
from temp_file_manager.testing import FakeClock

manager, client = kit.manager, kit.client


def make(manager: TempFileManager, *names: str, content: bytes = b"12345") -> list[str]:
    for name in names:
        Path(manager.base_dir, name).write_bytes(content)
    return [os.path.join(manager.base_dir, name) for name in names]


def assert_problem(answer: Answer, status: int, words: str = "") -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json.keys() == {"type", "title", "status", "detail"}
    assert (answer.json["type"], answer.json["status"]) == ("about:blank", status)
    assert words in answer.json["detail"]


# -- probes and health


def test_probes(client: Client, manager: TempFileManager) -> None:
    assert (client.get("/livez").status, client.get("/livez").body) == (200, b"ok\n")
    assert (client.get("/readyz").status, client.get("/readyz").body) == (200, b"healthy\n")
    metrics = client.get("/metrics")
    assert metrics.status == 200
    assert metrics.headers["content-type"].startswith("text/plain")
    assert b"temp_files_active 0" in metrics.body


def test_the_metrics_listener_has_probes_and_nothing_else(manager: TempFileManager) -> None:
    with serving(build_metrics(manager)) as client:
        for path in ("/livez", "/readyz", "/metrics"):
            assert client.get(path, Host="10.1.2.3:9090").status == 200
        for path in ("/", "/health", "/v1/files", "/openapi.json", "/login"):
            assert_problem(client.get(path), 404)
        assert_problem(client.post("/metrics", {}), 405)


def test_a_dead_scheduler(client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(manager.context.scheduler), "alive", False)
    assert client.get("/livez").status == 503
    assert (client.get("/readyz").status, client.get("/readyz").body) == (503, b"unhealthy\n")
    health = client.get("/health")
    assert (health.status, health.json["status"]) == (503, "unhealthy")
    assert "scheduler" in health.json["reasons"][0]


def test_degraded_is_ready(manager: TempFileManager) -> None:
    manager = TempFileManager.from_context(replace(manager.context, settings=Settings(max_files=1)))
    manager.register_files(make(manager, "a", "b"))
    with service(manager) as client:
        assert (client.get("/readyz").status, client.get("/readyz").body) == (200, b"degraded\n")
        health = client.get("/health")
        assert (health.status, health.json["records"], health.json["status"]) == (200, 2, "degraded")


# -- files


def test_register_status_forget(client: Client, manager: TempFileManager) -> None:
    a, b = make(manager, "a", "b")
    answer = client.post("/v1/files", {"paths": [a, b], "ttl": 60, "tags": ["x", "y"]})
    assert (answer.status, answer.json) == (200, {"registered": 2, "oversized": 0, "refused": []})
    assert manager.registry.get([a])[a].tags == ("x", "y")
    told = client.post("/v1/files/status", {"paths": [b, "/nowhere", a]}).json
    assert (told["registered"], told["unregistered"], told["due"]) == (2, 1, 0)
    assert [file["path"] for file in told["files"]] == [b, "/nowhere", a]
    assert told["files"][1] == {
        "path": "/nowhere", "registered": False, "age": None, "due": False, "reason": "not registered",
    }  # fmt: skip
    assert told["files"][0]["due_in"] == pytest.approx(60, abs=SECONDS)
    assert client.post("/v1/files/forget", {"paths": [a, a, "/nowhere"]}).json == {"forgotten": 1}
    assert a not in manager.files
    assert Path(a).exists()


@pytest.mark.parametrize("registry", ["sqlite:", "memory:"])
def test_a_base_that_is_reached_by_a_link_is_the_base(tmp_path: Path, registry: str) -> None:
    """What was registered by that path is known by it, and by its own."""
    base, link = tmp_path / "base", tmp_path / "link"
    with closing(TempFileManager(base, registry=registry)) as manager:
        link.symlink_to(base)
        (path,) = make(manager, "a")
        asked = str(link / "a")
        with service(manager) as client:
            assert client.post("/v1/files", {"paths": [asked]}).json["registered"] == 1
            told = client.post("/v1/files/status", {"paths": [asked, path]}).json
            assert [(file["path"], file["registered"]) for file in told["files"]] == [(asked, True), (path, True)]
            assert client.get(f"/v1/files/why?path={asked}").json["registered"] is True
            assert client.post("/v1/files/forget", {"paths": [asked]}).json == {"forgotten": 1}
        assert not manager.files


def test_what_a_sweep_is_at_work_on_is_not_forgotten(client: Client, manager: TempFileManager) -> None:
    """Whoever asks is told to come again; nothing of the request is done."""
    a, b = make(manager, "a", "b")
    manager.registry.patience = 0.0
    manager.register_files([a, b])
    claim = manager.registry.claim(manager.context.due(force=True), now=0, lease=60, limit=1)
    answer = client.post("/v1/files/forget", {"paths": [a, b]})
    assert_problem(answer, 409, f"a sweep is at work on '{claim.records[0].path}'")
    assert len(manager.files) == 2


def test_what_cannot_be_registered_is_refused_with_the_reason(client: Client, manager: TempFileManager) -> None:
    base = manager.base_dir
    (good,) = make(manager, "good")
    os.mkdir(f"{base}/folder")
    os.mkfifo(f"{base}/pipe")
    paths = [good, f"{base}/gone", f"{base}/folder", f"{base}/pipe", f"{base}/none/x", f"{good}/x", f"{base}/",
             f"{base}/..", f"{base}/.", base, "/", f"{base}/a\0b", f"{base}/a\0/b", f"{base}/{'x' * 300}",
             f"{base}/{'x' * 300}/y"]  # fmt: skip
    answer = client.post("/v1/files", {"paths": paths}).json
    assert answer["registered"] == 1
    assert {one["path"] for one in answer["refused"]} == set(paths) - {good}
    assert all(one["reason"] for one in answer["refused"])
    assert list(manager.files) == [good]


def test_a_link_is_registered_and_not_its_target(client: Client, manager: TempFileManager, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"")
    link = f"{manager.base_dir}/link"
    os.symlink(tmp_path / "target", link)
    assert client.post("/v1/files", {"paths": [link], "ttl": 0}).json["registered"] == 1
    assert client.post("/v1/sweep", {}).json["removed"] == 1
    assert not os.path.lexists(link)
    assert (tmp_path / "target").exists()


def test_names_that_are_no_utf8_come_back_as_they_went(client: Client, manager: TempFileManager) -> None:
    raw = os.fsencode(manager.base_dir) + b"/\xff\xfe <b>\x1b[2J\n\xe2\x82"
    Path(os.fsdecode(raw)).write_bytes(b"")
    path = os.fsdecode(raw)
    body = json.dumps({"paths": [path], "tags": ["\udc80"]}).encode()
    assert b"\\udcff" in body
    assert client.post("/v1/files", body).json["registered"] == 1
    (file,) = client.get("/v1/files").json["files"]
    assert (file["path"], file["tags"]) == (path, ["\udc80"])
    assert os.fsencode(file["path"]) == raw
    story = client.get(f"/v1/files/why?path={quote_from_bytes(raw)}").json
    assert (story["path"], story["registered"]) == (path, True)
    assert client.post("/v1/files/status", {"paths": [path]}).json["registered"] == 1
    assert [item["path"] for item in client.get("/v1/outlook").json["oldest"]] == [path]
    assert client.post("/v1/files/forget", {"paths": [path]}).json == {"forgotten": 1}


def test_ten_thousand_paths(client: Client, manager: TempFileManager) -> None:
    folders = [f"{manager.base_dir}/{number}" for number in range(200)]
    paths = []
    for folder in folders:
        os.mkdir(folder)
        for number in range(50):
            paths.append(f"{folder}/{number}")
            os.close(os.open(paths[-1], os.O_CREAT | os.O_WRONLY))
    before = len(os.listdir("/proc/self/fd"))
    assert client.post("/v1/files", {"paths": paths}).json == {"registered": 10_000, "oversized": 0, "refused": []}
    assert len(os.listdir("/proc/self/fd")) <= before + 5
    assert client.post("/v1/files/status", {"paths": paths}).json["registered"] == 10_000
    assert_problem(client.post("/v1/files", {"paths": [*paths, "/x"]}), 422, "<= 10000")
    seen: list[str] = []
    following = ""
    while following is not None:
        page = client.get(f"/v1/files?limit=1000{following and f'&after={following}'}").json
        seen += [file["path"] for file in page["files"]]
        following = page["next"]
    assert sorted(seen) == sorted(paths)
    assert client.post("/v1/files/forget", {"paths": paths}).json == {"forgotten": 10_000}


@pytest.mark.parametrize("registry", ["sqlite:", "memory:"])
def test_a_search(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at so many records for an answer, finds what each has in its path or a tag, and goes on from there."""
    monkeypatch.setattr(files_module, "SEARCHED", 4)
    with closing(TempFileManager(tmp_path / "base", registry=registry)) as manager, service(manager) as client:
        for number in range(9):
            path = Path(manager.base_dir, f"file-{number}")
            path.touch()
            manager.register_file(path, tags=("Needle",) if number == 8 else ())
        found, looked_at, following = [], [], ""
        while following is not None:
            page = client.get(f"/v1/files?limit=2&contains=nEEdle{following and f'&after={following}'}").json
            found += page["files"]
            looked_at.append(page["looked_at"])
            following = page["next"]
        assert [Path(file["path"]).name for file in found] == ["file-8"]
        assert looked_at[:3] == [4, 4, 1]
        assert [Path(file["path"]).name for file in client.get("/v1/files?contains=E-3").json["files"]] == ["file-3"]
        assert client.get("/v1/files?contains=nothing").json["files"] == []


@pytest.mark.parametrize("registry", ["memory:", "sqlite:"])
def test_pages(tmp_path: Path, registry: str) -> None:
    with closing(TempFileManager(tmp_path / "base", registry=registry)) as manager, service(manager) as client:
        paths = make(manager, *"abcde")
        manager.register_files(paths)
        manager.files[paths[3]] = time.time() - 7200
        first = client.get("/v1/files?limit=3").json
        assert first["files"][0]["path"] == paths[3]
        rest = client.get(f"/v1/files?limit=3&after={first['next']}").json
        assert {file["path"] for file in first["files"] + rest["files"]} == set(paths)
        assert rest["next"] is None
        due = client.get("/v1/files?due=true").json
        assert [file["path"] for file in due["files"]] == [paths[3]]
        assert due["files"][0]["due"] is True
        assert_problem(client.get(f"/v1/files?after={first['next']}&due=true"), 404, "begin again")
        again = client.get(f"/v1/files?limit=3&after={first['next']}")
        assert again.json == rest | {"files": again.json["files"]}


def test_old_walks_are_dropped(client: Client, manager: TempFileManager) -> None:
    manager.register_files(make(manager, "a", "b"))
    first = client.get("/v1/files?limit=1").json["next"]
    for _ in range(64):
        client.get("/v1/files?limit=1")
    assert_problem(client.get(f"/v1/files?after={first}"), 404, "begin again")


def test_why(client: Client, manager: TempFileManager, tmp_path: Path) -> None:
    (path,) = make(manager, "a")
    manager.register_files([path], ttl=100)
    with open(path, "rb"):
        story = client.get(f"/v1/files/why?path={path}").json
    assert (story["registered"], story["rule"], story["kind"], story["size_now"]) == (True, "ttl", "a regular file", 5)
    assert story["open_in"][0]["pid"] == os.getpid()
    (other,) = make(manager, "other")
    assert client.get(f"/v1/files/why?path={other}").json["registered"] is False


def test_why_tells_nothing_of_files_elsewhere(client: Client, manager: TempFileManager, tmp_path: Path) -> None:
    elsewhere = tmp_path / "secret"
    elsewhere.write_bytes(b"x")
    os.symlink(tmp_path, f"{manager.base_dir}/out")
    for path in (elsewhere, tmp_path / "nothing", f"{manager.base_dir}/out/secret", f"{manager.base_dir}/../secret"):
        assert_problem(client.get(f"/v1/files/why?path={path}"), 404, "outside the base directory")
    manager.register_files([elsewhere])  # by whoever may: then it is on record
    assert client.get(f"/v1/files/why?path={elsewhere}").json["registered"] is True


# -- sweeping


def test_sweep_takes_what_is_due_and_keeps_what_is_open(client: Client, manager: TempFileManager) -> None:
    due, opened, young, unknown = make(manager, "due", "opened", "young", "unknown")
    manager.register_files([due, opened, young])
    manager.files[due] = manager.files[opened] = time.time() - 7200
    with open(opened, "rb"):
        rehearsed = client.post("/v1/sweep", {"dry_run": True}).json
        assert (rehearsed["dry_run"], rehearsed["removed"], rehearsed["kept"]) == (True, 1, 1)
        assert Path(due).exists()
        report = client.post("/v1/sweep", {}).json
    assert (report["removed"], report["kept"], report["failed"], report["unlisted"]) == (1, 1, 0, 0)
    assert {(one["outcome"], one["path"]) for one in report["outcomes"]} == {("removed", due), ("kept", opened)}
    assert [Path(path).exists() for path in (due, opened, young, unknown)] == [False, True, True, True]


def test_open_files_go_if_the_settings_say_so(manager: TempFileManager) -> None:
    (path,) = make(manager, "a")
    manager.register_files([path], ttl=0)
    with service(manager, protect_open=False) as client, open(path, "rb"):
        assert client.post("/v1/sweep", {}).json["removed"] == 1


def test_a_limit(client: Client, manager: TempFileManager) -> None:
    manager.register_files(make(manager, *"abc"), ttl=0)
    report = client.post("/v1/sweep", {"limit": 2.0}).json
    assert (report["removed"], report["stopped"]) == (2, "limit")
    assert client.post("/v1/sweep", {"limit": 0}).json["removed"] == 0


def test_a_large_sweep_is_refused(client: Client, manager: TempFileManager) -> None:
    paths = make(manager, *map(str, range(1100)), content=b"")
    manager.register_files(paths)
    assert client.post("/v1/sweep", {}).json["removed"] == 0
    manager.registry.replace([(path, time.time() - 600) for path in paths])
    manager.max_age = 1
    assert_problem(client.post("/v1/sweep", {}), 409, "Nothing was removed")
    assert len(os.listdir(manager.base_dir)) == 1101


# -- looks


def test_looks(client: Client, manager: TempFileManager) -> None:
    (path,) = make(manager, "a")
    room = 512 * os.stat(path).st_blocks
    manager.register_files([path], ttl=0)
    assert client.get("/v1/overview").json["stats"]["records"] == 1
    assert client.get("/v1/outlook").json["forecast"][0] == {"until": 0, "files": 1, "bytes": room}
    assert client.post("/v1/sweep", {}).json["removed"] == 1
    (sweep,) = client.get("/v1/sweeps?limit=5").json["sweeps"]
    assert (sweep["removed"], sweep["scheduled"]) == (1, False)
    told = client.get("/v1/overview").json
    assert (told["stats"]["cleaned"], told["sweeps"]) == (1, [sweep])
    assert client.get("/v1/samples?step=900&since=0").json == {"step": 900, "samples": []}
    assert client.get("/v1/samples").json["step"] == 60


def test_an_outlook_is_made_once_for_all(
    client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    go_on = threading.Event()

    def slow(_: TempFileManager) -> dict[str, object]:
        looks.append(1)
        go_on.wait(SECONDS)
        return {"look": len(looks)}

    monkeypatch.setattr(overview, "outlook", slow)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get("/v1/outlook").json)) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: looks)
    assert client.get("/livez").status == 200  # nobody else waits
    go_on.set()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == [{"look": 1}] * 8
    assert client.get("/v1/outlook").json == {"look": 1}


def test_an_answer_rests_as_long_as_it_is_worth() -> None:
    import asyncio

    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        if len(looks) == 2:
            raise OSError(errno.EIO, "once")
        return len(looks)

    async def ask() -> None:
        shared = Shared(look, lambda _: 0.0 if len(looks) < 3 else 60.0)
        assert await shared.get() == 1
        with pytest.raises(OSError, match="once"):
            await shared.get()
        assert [await shared.get() for _ in range(3)] == [3, 3, 3]

    asyncio.run(ask())


# -- what is refused


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"paths":' + b"[" * 100_000, 400, "nested too deeply"),
        (b'{"paths": [], "ttl": NaN}', 400, "NaN"),
        (b'{"paths": [], "ttl": -Infinity}', 400, "Infinity"),
        (b'{"paths": ["\xff"]}', 400, "not UTF-8 at byte 12"),
        (b'{"paths": [], "ttl": ' + b"9" * 5000 + b"}", 400, "no JSON"),
        (b'{"paths": [], "ttl": ' + b"9" * 4000 + b"}", 422, "ttl"),
        (b'{"paths": [], "ttl": 1e999}', 422, "ttl"),
        (b'{"paths": [], "ttl": -1}', 422, "ttl"),
        (b'{"paths": [], "ttl": true}', 422, "ttl"),
        (b'{"paths": [], "ttl": "a while"}', 422, "ttl"),
        (b"[]", 422, "object"),
        (b'"x"', 422, "object"),
        (b"{}", 422, "paths"),
        (b'{"paths": "/x"}', 422, "paths"),
        (b'{"paths": ["x"]}', 422, "'x' is no absolute path"),
        (b'{"paths": [""]}', 422, "absolute"),
        (b'{"paths": [1]}', 422, "$.paths[0]"),
        (b'{"paths": ["/\\ud800"]}', 422, "no file can be called"),
        (b'{"paths": [], "force": true}', 422, "`force`"),
        (b'{"paths": [], "\\udc80": true}', 422, "no text"),
        (b'{"paths": [], "tags": "x"}', 422, "tags"),
        (b'{"paths": [], "tags": [1]}', 422, "tags[0]"),
        (b'{"paths": [], "tags": ' + json.dumps([""] * 101).encode() + b"}", 422, "tags"),
        (b'{"paths": [], "tags": ["' + b"x" * 1001 + b'"]}', 422, "tag"),
    ],
)
def test_bodies_that_mean_nothing(client: Client, body: bytes, status: int, words: str) -> None:
    assert_problem(client.post("/v1/files", body), status, words)


@pytest.mark.parametrize("limit", ["-1", "1.5", "true", '"1"', "1e300", "[]"])
def test_limits_that_mean_nothing(client: Client, limit: str) -> None:
    assert_problem(client.post("/v1/sweep", f'{{"limit": {limit}}}'.encode()), 422, "limit")


def test_other_bodies_that_mean_nothing(client: Client) -> None:
    assert_problem(client.post("/v1/sweep", {"force": True}), 422, "`force`")
    assert_problem(client.post("/v1/sweep", {"dry_run": "yes"}), 422, "dry_run")
    assert_problem(client.post("/v1/files/status", {"paths": ["x"]}), 422, "absolute")
    assert_problem(client.post("/v1/files/forget", {"paths": [], "ttl": 1}), 422, "`ttl`")
    assert client.post("/v1/files/status", {"paths": ["/a\0b"]}).json["unregistered"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files?limit=0", "/v1/files?limit=1001", "/v1/files?limit=x", "/v1/files?limit=%C2%B2", "/v1/files?due=1",
        "/v1/files?due=True", "/v1/files?%FF=1",
        "/v1/files?limit=1&limit=2", "/v1/files?limits=1", "/v1/files/why", "/v1/files/why?path=x",
        "/v1/files/why?path=/%ED%A0%80%00x&y=1", "/v1/samples?step=61", "/v1/samples?since=nan",
        "/v1/samples?since=1e99", "/v1/sweeps?limit=-1", "/v1/overview?x=1", "/v1/outlook?x=1",
        "/v1/files?" + "&".join(f"a{n}=1" for n in range(200)),
    ],
)  # fmt: skip
def test_queries_that_mean_nothing(client: Client, path: str) -> None:
    assert_problem(client.get(path), 422)


def test_paths_and_methods_that_are_not_there(client: Client) -> None:
    for path in ("/nothing", "/v1", "/v1/files/", "//", "/static/", "/static/../app.py", "/static/%2e%2e%2fapp.py"):
        assert_problem(client.get(path), 404)
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"):
        answer = client.ask(method, "/v1/files", token=TOKEN)
        assert_problem(answer, 405, method)
        assert answer.headers["allow"] == "GET, POST, HEAD"
    assert_problem(client.ask("GET", "/v1/sweep"), 405)
    assert_problem(client.post("/v1/events", {}), 405)


def test_only_json_is_taken(client: Client) -> None:
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert_problem(client.post("/v1/sweep", b"{}", Content_Type=kind), 415)
    assert client.post("/v1/sweep", b"{}", Content_Type="Application/JSON; charset=utf-8").status == 200


def test_head_works_where_get_does(client: Client) -> None:
    paths = ("/livez", "/readyz", "/metrics", "/health", "/openapi.json", "/v1/files", "/v1/overview", "/v1/outlook",
             "/v1/samples", "/v1/sweeps", "/v1/events")  # fmt: skip
    for path in paths:
        answer = client.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b""), path
    assert client.ask("HEAD", "/nothing").status == 404


def test_a_fault_of_ours_tells_strangers_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise ValueError("the key is under /the/mat\nforged")

    monkeypatch.setattr(overview, "overview", broken)
    for path in ("/v1/overview", "/v1/events"):
        answer = client.get(path)
        assert_problem(answer, 500)
        assert b"mat" not in answer.body
        assert b"ValueError" not in answer.body
    assert r"GET /v1/overview: ValueError('the key is under /the/mat\nforged')" in caplog.text
    assert "in broken" in caplog.text
    assert not any(line.startswith("forged") for line in caplog.text.splitlines())


@pytest.mark.parametrize(("error", "status"), [(RegistryError("see /mat"), 503), (RegistryFullError("/mat"), 507)])
def test_a_registry_that_cannot_be_used(
    client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(manager.registry, "forget", broken)
    answer = client.post("/v1/files/forget", {"paths": ["/x"]})
    assert_problem(answer, status)
    assert b"mat" not in answer.body


def test_without_its_base_directory_nothing_is_registered(client: Client, manager: TempFileManager) -> None:
    os.rename(manager.base_dir, f"{manager.base_dir}.aside")
    answer = client.post("/v1/files", {"paths": [f"{manager.base_dir}/x"]})
    assert_problem(answer, 503)
    assert "/health says more" in answer.json["detail"]
    assert client.get("/health").status == 503
    os.rename(f"{manager.base_dir}.aside", manager.base_dir)
    assert client.get("/health").status == 200


# -- events


class Listener:
    """One who listens to ``/v1/events``."""

    def __init__(self, client: Client) -> None:
        self.socket = client.connect()
        self.socket.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.answer = http.client.HTTPResponse(self.socket)
        self.answer.begin()

    def event(self) -> Any:
        """Return the next event's data, or the text of a comment."""
        lines = []
        while line := self.answer.readline().decode().rstrip("\n"):
            lines.append(line)
        if lines[:1] != ["event: overview"]:
            return "\n".join(lines)
        assert lines[1].startswith("data: ")
        return json.loads(lines[1].removeprefix("data: "))

    def close(self) -> None:
        self.answer.close()
        self.socket.close()


def test_events(client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "PAUSE", 0.05)
    with closing(Listener(client)) as listener:
        assert listener.answer.status == 200
        assert listener.answer.headers["content-type"] == "text/event-stream"
        assert listener.event()["stats"]["records"] == 0
        manager.register_files(make(manager, "a"))
        until(lambda: listener.event()["stats"]["records"] == 1)


def test_all_who_listen_share_one_look_and_nobody_looks_for_nobody(
    client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look is good until the clock, which is set by hand, has gone on."""
    looks, clock = [], FakeClock()
    monkeypatch.setattr(cached, "monotonic", clock.elapsed)
    monkeypatch.setattr(live_module, "PAUSE", 0.01)
    monkeypatch.setattr(overview, "overview", lambda _: looks.append(1) or {"look": len(looks)})
    listeners = [Listener(client) for _ in range(10)]
    assert {listener.event()["look"] for listener in listeners} == {1}
    clock.advance(1)
    for listener in listeners:
        while (event := listener.event()) == {"look": 1}:
            pass
        assert event == {"look": 2}
    for listener in listeners:
        listener.close()
    until(lambda: client.service.live.listening == 0)
    clock.advance(1)
    for _ in range(20):
        assert client.get("/livez").status == 200
    assert len(looks) == 2


def test_when_nothing_can_be_told_a_comment_keeps_the_line(
    client: Client, manager: TempFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    looks = []

    def slow(_: TempFileManager) -> dict[str, object]:
        looks.append(1)
        if len(looks) == 2:
            go_on.wait(SECONDS)
        if len(looks) == 3:
            raise OSError(errno.EIO, "for once")
        return {}

    monkeypatch.setattr(overview, "overview", slow)
    monkeypatch.setattr(live_module, "PAUSE", 0.05)
    monkeypatch.setattr(live_module, "QUIET", 0.05)
    with closing(Listener(client)) as listener:
        until(lambda: listener.event() == ": still looking")
        go_on.set()
        until(lambda: listener.event() == ": the overview cannot be made")
        until(lambda: listener.event() == {})


def test_no_more_than_so_many_listen(client: Client) -> None:
    listeners = [Listener(client) for _ in range(MOST)]
    refused = client.get("/v1/events")
    assert_problem(refused, 503, "try again")
    assert int(refused.headers["retry-after"]) > 0
    listeners.pop().close()
    until(lambda: client.ask("HEAD", "/v1/events").status == 200)
    for listener in listeners:
        listener.close()


def test_events_end_with_the_service(client: Client) -> None:
    with closing(Listener(client)) as listener:
        listener.event()
        client.service.stop()
        assert listener.answer.read() == b"", "it was not cut off"
    assert_problem(client.get("/v1/events"), 503, "stopping")
    client.service.stop()


def test_who_takes_nothing_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "PAUSE", 0.0)
    monkeypatch.setattr(live_module, "PATIENCE", 0.2)
    listening = []

    def much(_: TempFileManager) -> dict[str, str]:
        listening.append(client.service.live.listening)
        return {"much": "x" * 1_000_000}

    monkeypatch.setattr(overview, "overview", much)
    with closing(client.connect()) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: listening and client.service.live.listening == 0)
    assert set(listening) == {1}


# -- elsewhere


def test_on_a_unix_socket(manager: TempFileManager, tmp_path: Path) -> None:
    with service(manager, uds=tmp_path / "socket", http_host="0.0.0.0") as client:
        assert client.get("/v1/files", Host="whatever.example").status == 200
        (path,) = make(manager, "a")
        assert client.post("/v1/files", {"paths": [path]}).json["registered"] == 1
        assert_problem(client.post("/v1/sweep", {}, token=None), 401)


def test_the_page_and_its_parts(manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    (package / "static" / "folder").mkdir(parents=True)
    (package / "secret.py").write_text("secret")
    (package / "static" / "out").symlink_to(package / "secret.py")
    for name, content in (("index.html", b"<p>"), ("page.js", b"1"), ("odd.xyz", b"2")):
        (package / "static" / name).write_bytes(content)
    monkeypatch.setattr(assets, "DIRECTORY", str(package / "static"))
    with service(manager) as client:
        for path, kind, content in (
            ("/", "text/html; charset=utf-8", b"<p>"),
            ("/static/index.html", "text/html; charset=utf-8", b"<p>"),
            ("/static/page.js", "text/javascript; charset=utf-8", b"1"),
            ("/static/odd.xyz", "application/octet-stream", b"2"),
        ):
            answer = client.get(path)
            assert (answer.status, answer.headers["content-type"], answer.body) == (200, kind, content)
            assert answer.headers["cache-control"] == "no-cache"
            head = client.ask("HEAD", path)
            assert (head.status, head.headers, head.body) == (200, answer.headers | {"date": head.headers["date"]}, b"")
            for tags in (answer.headers["etag"], f'"x", W/{answer.headers["etag"]}'):
                unchanged = client.get(path, If_None_Match=tags)
                assert (unchanged.status, unchanged.body) == (304, b"")
                assert (unchanged.headers["etag"], unchanged.headers["cache-control"]) == (
                    answer.headers["etag"],
                    "no-cache",
                )
            assert client.get(path, If_None_Match='"x"').body == content
            assert client.get(path, Range="bytes=x").body == content
            assert_problem(client.post(path, {}), 405)
        for path in ("folder", "secret.py", "..%2fsecret.py", "..", ".", "out", "%00", "%ff", "x" * 300, "/etc/hosts"):
            assert_problem(client.get(f"/static/{path}"), 404)


def test_another_page_of_the_same_time_and_size_is_another(
    manager: TempFileManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As packages come that were built to be the same each time."""
    monkeypatch.setattr(assets, "DIRECTORY", str(tmp_path))
    with service(manager) as client:
        tags = set()
        for content in (b"<b>", b"<p>"):
            (tmp_path / "index.html").write_bytes(content)
            os.utime(tmp_path / "index.html", (0, 0))
            tags.add(client.get("/").headers["etag"])
        assert len(tags) == 2


def test_a_directory_is_registered_as_a_whole(client: Client, manager: TempFileManager, tmp_path: Path) -> None:
    unit, outside = Path(manager.base_dir, "unit"), tmp_path / "outside"
    for directory in (unit, outside):
        directory.mkdir()
        (directory / "file").touch()
    answer = client.post("/v1/files", {"paths": [str(unit), str(outside), manager.base_dir], "unit": True}).json
    if not manager.registry.properties.keeps_identity:
        assert answer["registered"] == 0
        return
    assert answer["registered"] == 1, answer
    assert {one["path"] for one in answer["refused"]} == {str(outside), manager.base_dir}
    assert manager.registry.get([str(unit)])[str(unit)].kind == "unit"
