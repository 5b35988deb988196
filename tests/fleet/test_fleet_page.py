"""The fleet over HTTP and on the page, in a real browser: hosts, those that are missed, policies, and an outage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from playwright.sync_api import expect

import temp_file_manager.service.api.fleet as fleet_module
from browser import PHONE, Visitor, browser, readable, visit
from contexts import MakeManager as MakeHost
from serving import TOKEN, Client, service
from temp_file_manager import TempFileManager
from temp_file_manager.fleet.centre import Centre
from temp_file_manager.fleet.host import Report
from temp_file_manager.fleet.policy import Policy
from temp_file_manager.inspection.fleet import Reporter
from temp_file_manager.service.api.answers.fleet import Fleet

__all__ = ["browser", "visit"]

MARKUP = '<img src=x onerror="alert(1)">\u202e\x1b'
SHOWN = r'<img src=x onerror="alert(1)">\u202e\x1b'


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is asked for anew."""
    monkeypatch.setattr(fleet_module, "REST", 0.0)


@pytest.fixture
def client(host: TempFileManager) -> Iterator[Client]:
    with service(host) as client:
        yield client


def row(centre: Centre, host: str, **others: Any) -> None:
    told: dict[str, Any] = {"scope": f"local:{host}:/srv/tmp", "team": "web", "records": 3, "bytes": 4096}
    told |= {"overdue": 0.0, "failures": 0, "max_age": 60.0, "health": "healthy", "version": "1", "policy": ""}
    centre.report(Report(host=host, **told | {"swept_ago": 9.0} | others))


def test_the_answer_is_as_it_is_described(client: Client, centre: Centre, host: TempFileManager, address: str) -> None:
    centre.set(Policy("team:build", max_age=60, max_bytes=5, max_files=6, paused=True))
    Reporter(host.context).work()
    row(centre, "large", bytes=10**12)
    row(centre, "late", overdue=5.0, bytes=None, swept_ago=None)
    with psycopg.connect(address) as server:
        server.execute("UPDATE tfm.hosts SET seen_at = seen_at - 500 WHERE host = 'late'")
    answer = client.get("/v1/fleet")
    told = msgspec.json.decode(answer.body, type=Fleet)
    assert told.set
    assert told.view is not None
    assert [one.host for one in told.view.hosts][:2] == ["late", "large"]
    assert [one.host for one in told.view.missing] == ["late"]
    assert (told.view.totals.hosts, told.view.totals.missing) == (3, 1)
    assert [one.target for one in told.here.policies] == ["team:build"] == [one.target for one in told.view.policies]
    assert client.get("/v1/fleet?order=bytes").json["view"]["hosts"][0]["host"] == "large"
    assert client.get("/v1/fleet?order=name").status == 422


def test_without_a_fleet_there_is_nothing_to_tell(make_host: MakeHost) -> None:
    with service(make_host(fleet=None)) as client:
        told = msgspec.json.decode(client.get("/v1/fleet").body, type=Fleet)
    assert (told.set, told.view, told.trouble) == (False, None, "")


def test_an_outage_is_told_and_the_policies_known_last(make_host: MakeHost, centre: Centre, nowhere: str) -> None:
    centre.set(Policy("team:build", paused=True))
    Reporter(make_host().context).work()
    with service(make_host(fleet=nowhere)) as client:
        told = msgspec.json.decode(client.get("/v1/fleet").body, type=Fleet)
    assert told.view is None
    assert "does not answer" in told.trouble
    assert [one.target for one in told.here.policies] == ["team:build"]


def test_a_pause_refuses_a_sweep_over_http(client: Client, centre: Centre, host: TempFileManager) -> None:
    centre.set(Policy("team:build", paused=True))
    Reporter(host.context).work()
    refused = client.post("/v1/sweep", {})
    assert refused.status == 409
    assert "sweeps are paused by fleet policy team:build" in refused.json["detail"]
    assert client.post("/v1/sweep", {"dry_run": True}).status == 200
    assert client.post("/v1/sweep", {}, token=f"{TOKEN}x").status == 401


# -- the page


def test_hosts_and_policies_are_shown(
    client: Client, centre: Centre, host: TempFileManager, address: str, visit: Visitor
) -> None:
    centre.set(Policy("team:build", max_age=7200, max_bytes=2**30))
    centre.set(Policy("scope:volume:*", paused=True))
    Reporter(host.context).work()
    row(centre, "late.example.net", overdue=90.0)
    row(centre, "gone.example.net")
    row(centre, MARKUP, team="")
    with psycopg.connect(address) as server:
        server.execute("UPDATE tfm.hosts SET seen_at = seen_at - 500 WHERE host ~ 'gone'")
    page = visit(client)
    rows = page.locator("#hosts tbody")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("late.example.net")
    expect(rows.first.locator(".overdue")).to_have_text("1 min 30 s")
    expect(page.locator("#missing tbody")).to_have_count(1)
    expect(page.locator("#missing tbody")).to_contain_text("8 min ago")
    expect(page.locator("#hosts")).to_contain_text(SHOWN)
    policies = page.locator("#policies tbody")
    expect(policies.nth(0)).to_contain_text("sweeps are paused")
    expect(policies.nth(1)).to_contain_text("max_age at most 2 h, at most 1.0 GiB in force here")
    expect(page.locator("#fleet-note")).to_contain_text("4 hosts, 4 scopes")
    readable(page)


def test_another_order_is_asked_for(client: Client, centre: Centre, visit: Visitor) -> None:
    row(centre, "late", overdue=90.0)
    row(centre, "large", bytes=10**12)
    page = visit(client)
    first = page.locator("#hosts tbody").first
    expect(first).to_contain_text("late")
    page.locator("#fleet-orders button", has_text="Size").click()
    expect(first).to_contain_text("large")


def test_no_panel_without_a_fleet(make_host: MakeHost, visit: Visitor) -> None:
    with service(make_host(fleet=None)) as client:
        page = visit(client)
        expect(page.locator("#records")).to_have_text("0")
        expect(page.locator("#fleet-panel")).to_be_hidden()


def test_an_outage_is_on_the_page(make_host: MakeHost, nowhere: str, visit: Visitor) -> None:
    with service(make_host(fleet=nowhere)) as client:
        page = visit(client)
        expect(page.locator("#fleet-trouble")).to_contain_text("does not answer")
        expect(page.locator("#hosts-part")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(
    client: Client, centre: Centre, visit: Visitor, scheme: str, tmp_path: Path
) -> None:
    for number in range(20):
        name = f"worker-{number}.a-rack-with-a-long-name.example.net"
        row(centre, name, overdue=1e6 * number, bytes=10 ** (number % 19), policy="team:web, scope:local:*")
    centre.set(
        Policy("scope:local:" + "long-name-" * 20 + "*", max_age=60, max_bytes=10**15, max_files=10**9, paused=True)
    )
    page = visit(client, viewport=PHONE, color_scheme=scheme)
    expect(page.locator("#hosts tbody")).to_have_count(20)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    beyond = (
        "cells => cells.filter(one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth).length"
    )
    assert page.locator("#fleet-panel :is(td, th, span)").evaluate_all(beyond) == 0
    readable(page)
