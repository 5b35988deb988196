"""Rules over HTTP, in metrics and on the page: how many files each decides about."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser import PHONE, Visitor, browser, readable, visit
from serving import Client, service
from temp_file_manager import TempFileManager
from temp_file_manager.errors import RegistryError
from temp_file_manager.records import Nature
from temp_file_manager.registering.identify import identify
from temp_file_manager.rules.rule import By, Rule
from temp_file_manager.settings import Settings
from temp_file_manager.sweeping.rule_notes import HELD

__all__ = ["browser", "visit"]

RULES = (
    Rule("charts", ("charts/**", "*.svg"), age=3600, by=By.USE, quarantine=86400),
    Rule("late", ("charts/a/*",), keep=True),
    Rule("kept", tags=("<b>\u202e", "other"), larger=1 << 20, keep_last=3),
)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TempFileManager]:
    settings = Settings(base_dir=str(tmp_path / "base"), rules=RULES)
    with closing(TempFileManager.from_settings(settings, registry="sqlite:")) as manager:
        yield manager


@pytest.fixture
def client(manager: TempFileManager) -> Iterator[Client]:
    with service(manager) as client:
        yield client


def put(manager: TempFileManager, rule: str, *names: str) -> None:
    """Make files, and put them on record under a rule."""
    paths = [os.path.join(manager.base_dir, name) for name in names]
    for path in paths:
        Path(path).write_bytes(b"12345")
    rows = [(path, None, 5, (), identify(path), 4096) for path in paths]
    manager.registry.add(rows, manager.context.clock.wall(), natures=dict.fromkeys(paths, Nature(rule=rule)))


def test_each_rule_with_its_files_and_doubts(manager: TempFileManager, client: Client) -> None:
    put(manager, "charts", "a.svg", "b.svg")
    told = client.get("/v1/rules").json
    assert told["asof"] > 0
    assert told["held"] == ""
    charts, late, kept = told["rules"]
    assert charts == {
        "name": "charts", "place": 1, "match": ["charts/**", "*.svg"], "tags": [], "larger": None, "age": 3600,
        "by": "use", "keep": False, "keep_last": None, "compress": None, "quarantine": 86400, "records": 2,
        "about": "charts/** or *.svg", "warnings": [],
        "does": "goes 1 h after its last use, can be had back for 1 d",
    }  # fmt: skip
    assert late["warnings"] == ['it decides about nothing: all that it is about comes under "charts", rule 1, before']
    assert kept["warnings"] == ["no file on record has the tag <b>\u202e", "no file on record has the tag other"]


def test_metrics_count_them(manager: TempFileManager, client: Client) -> None:
    assert "temp_file_rule_records{" in client.get("/metrics").body.decode()
    put(manager, "charts", "a.svg", "b.svg")
    with service(manager) as other:  # the first may still know what was before
        metrics = other.get("/metrics").body.decode()
    assert 'temp_file_rule_records{rule="charts"} 2.0\n' in metrics
    assert 'temp_file_rule_records{rule="late"} 0.0\n' in metrics


def test_without_rules_there_are_none(tmp_path: Path) -> None:
    with closing(TempFileManager(tmp_path / "base")) as manager, service(manager) as client:
        assert client.get("/v1/rules").json["rules"] == []
        assert "temp_file_rule_records{" not in client.get("/metrics").body.decode()


def test_what_is_refused(manager: TempFileManager, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RegistryError("see /mat")

    assert client.get("/v1/rules?x=1").status == 422
    assert client.post("/v1/rules", {}).status == 405
    monkeypatch.setattr(manager.registry, "rules", broken)
    answer = client.get("/v1/rules")
    assert answer.status == 503
    assert b"mat" not in answer.body


def test_a_record_says_which_rule_it_is_under(manager: TempFileManager, client: Client) -> None:
    put(manager, "charts", "a.svg")
    path = os.path.join(manager.base_dir, "a.svg")
    (record,) = client.get("/v1/files").json["files"]
    assert (record["rule"], record["kind"], record["origin"]) == ("charts", "file", None)
    story = client.get(f"/v1/files/why?path={path}").json
    assert story["nature"] == {"rule": "charts", "kind": "file", "origin": None}
    assert (story["ruling"]["name"], story["ruling"]["place"], story["ruling"]["of"]) == ("charts", 1, 3)
    unknown = client.get(f"/v1/files/why?path={path}x").json
    assert (unknown["nature"], unknown["ruling"]) == (None, None)


# -- the page


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_has_them(manager: TempFileManager, client: Client, visit: Visitor, scheme: str) -> None:
    put(manager, "charts", "a.svg", "b.svg")
    page = visit(client, color_scheme=scheme)
    rows = page.locator("#rules tbody")
    expect(rows).to_have_count(3)
    expect(rows.nth(0).locator("th")).to_have_text("charts")
    expect(rows.nth(0).locator(".about")).to_have_text("charts/** or *.svg")
    expect(rows.nth(0).locator(".does")).to_contain_text("goes 1 h after its last use, can be had back for 1 d")
    expect(rows.nth(0).locator(".files")).to_have_text("2")
    expect(rows.nth(0).locator(".doubt")).to_have_text("")
    expect(rows.nth(1).locator(".doubt")).to_contain_text("▲ it decides about nothing")
    expect(rows.nth(2).locator(".about")).to_have_text(r"with a tag of <b>\u202e, other, 1.0 MiB or more")
    expect(page.locator("#rules-note")).to_have_text("2 of 3 to be looked at")
    expect(rows.nth(2).locator(".doubt")).to_contain_text("has the tag other")
    assert {"Rules", "charts", "late"} <= set(readable(page))


def test_without_rules_the_page_has_no_place_for_them(tmp_path: Path, visit: Visitor) -> None:
    with closing(TempFileManager(tmp_path / "base")) as manager, service(manager) as client:
        page = visit(client)
        expect(page.locator("#line")).to_have_text("live")
        expect(page.locator("#rules-panel")).to_be_hidden()


def test_rules_that_are_not_in_force_are_told(manager: TempFileManager, client: Client, visit: Visitor) -> None:
    manager.registry.write(HELD, "more would go", manager.context.clock.wall(), keep=1)
    assert client.get("/v1/rules").json["held"] == "more would go"
    expect(visit(client).locator("#rules-note")).to_have_text("▲ not in force: more would go")


def test_on_a_phone_they_fit(client: Client, visit: Visitor) -> None:
    page = visit(client, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("#rules tbody")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    assert page.locator("#rules").evaluate("table => table.getBoundingClientRect().right <= 390")
