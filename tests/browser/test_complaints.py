"""Complaints about the pages of others, each of which has to be untrue of this one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client, dev_server, execution

STATUS = "h1 + .status"


def test_bars_grow_without_an_event(page: Page, client: Client) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    page.goto(address(arn))
    bar = page.locator(".plot path.bar-waiting")
    expect(bar).to_have_count(1)
    text = page.locator(".bar-text").filter(has_text="approval")
    before = text.text_content() or ""
    head = client.get(execution("first"))["head"]
    expect(text).not_to_have_text(before)
    assert client.get(execution("first"))["head"] == head


def test_list_page_and_command_say_the_same(page: Page, client: Client) -> None:
    waiting, ended = client.start("order", "waits"), client.start("order", "ends")
    client.until_waiting("waits")
    client.answer(client.until_waiting("ends"))
    client.until_ended("ends")
    stopped = client.start("order", "stops")
    client.until_waiting("stops")
    client.server.emulator.stop(stopped)
    store = str(client.server._options.store)
    command = [
        sys.executable,
        "-m",
        "durable_execution_sdk.cli.main",
        "list",
        "--store",
        store,
        "--json",
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = {row["durable_execution_name"]: row for row in json.loads(printed)}
    words = {"waits": "asking", "ends": "succeeded", "stops": "stopped"}
    for name, arn in (("waits", waiting), ("ends", ended), ("stops", stopped)):
        assert client.get(execution(name))["execution"]["status"] == told[name]["status"]
        page.goto("/executions")
        row = page.get_by_role("link").filter(has=page.get_by_text(name, exact=True))
        expect(row.locator(".status")).to_contain_text(words[name])
        row.click()
        expect(page.locator(STATUS)).to_contain_text(words[name])
        assert address(arn).removesuffix("/timeline") in page.url


def test_the_header_waits_for_no_other_part(page: Page, client: Client) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    held: list[Route] = []
    arrived = threading.Event()

    def hold(route: Route) -> None:
        held.append(route)
        arrived.set()

    # Its operations do not come, and the header is there.
    page.route(re.compile(r"/_durable/executions/[^/?]+$"), hold)
    page.goto(address(arn))
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    expect(page.locator(STATUS)).to_contain_text("asking")
    expect(page.get_by_text("Reading its operations…")).to_be_visible()
    for route in held:
        route.continue_()
    expect(page.locator(".tree-name a")).to_have_count(4)
    # Neither lines nor payloads come, and the other parts are there.
    page.unroute(re.compile(r"/_durable/executions/[^/?]+$"))
    page.route(re.compile(r"/(logs|payload|history)(\?|$)"), hold)
    page.goto(address(arn, "payloads"))
    expect(page.locator(STATUS)).to_contain_text("asking")
    expect(page.get_by_text("Reading…")).to_be_visible()
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator(".tree-name a")).to_have_count(4)


def test_the_timeline_is_the_first_part(page: Page, client: Client) -> None:
    client.start("order", "first")
    client.until_waiting("first")
    page.goto("/executions/first")
    expect(page.get_by_role("link", name="Timeline")).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("region", name="Operations over time")).to_be_visible()


def test_a_name_is_enough(page: Page, client: Client) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    row = client.get("/_durable/executions")["executions"][0]
    assert row["durable_execution_arn"] == arn
    for reference in ("first", arn, "@last", arn.rsplit("/", 1)[1][:8]):
        page.goto(address(reference))
        expect(page.get_by_role("heading", name="first", exact=True)).to_be_visible()
        expect(page.locator(".tree-name a")).to_have_count(4)


def test_the_history_has_the_link_to_its_operation_and_the_operation_to_its_lines(
    page: Page, client: Client
) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    page.goto(address(arn, "history"))
    page.locator(".history-grid.row").filter(has_text="StepFailed").click()
    page.get_by_role("link", name="Its operation").click()
    panel = page.get_by_role("complementary", name="charge")
    expect(panel.get_by_role("heading", name="DeclinedError")).to_be_visible()
    panel.get_by_role("link", name="Its log lines").click()
    expect(page.get_by_role("button", name="Of charge alone")).to_be_visible()


def test_an_answer_reaches_the_execution_that_was_named(page: Page, client: Client) -> None:
    for name in ("ada", "bob"):
        client.start("order", name)
        client.until_waiting(name)
    page.goto("/callbacks")
    items = page.locator(".callback")
    expect(items).to_have_count(2)
    ada = items.filter(has=page.get_by_role("link", name="ada"))
    expect(ada).to_contain_text("approval")
    expect(ada).to_contain_text("(order)")
    ada.get_by_role("button", name="Answer").click()
    ada.get_by_label("Answer as JSON").fill('"for ada"')
    ada.get_by_role("button", name="Succeed").click()
    expect(items).to_have_count(1)
    expect(items).to_contain_text("bob")
    client.until_ended("ada")
    assert client.get(execution("ada", "/payload"), kind="result") == {"payload": '"for ada"'}
    assert client.get(execution("bob"))["execution"]["activity"] == "asking"


def test_idle_means_idle(page: Page, client: Client) -> None:
    client.start("order", "first")
    client.answer(client.until_waiting("first"))
    client.until_ended("first")
    page.clock.install()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for path in ("/executions", "/executions/first", "/callbacks", "/functions"):
        page.goto(path)
        expect(page.get_by_text("● live")).to_be_visible()
        expect(page.get_by_text("Reading").first).to_have_count(0)
        page.clock.run_for(10_000)
        page.evaluate(COUNT_FRAMES)
        # What the page asked for as it was loaded may come late, since the clock of the network runs on its own.
        for _ in range(5):
            requests.clear()
            page.evaluate("globalThis.frames_asked_for = 0")
            page.clock.run_for(600_000)
            frames = page.evaluate("globalThis.frames_asked_for")
            if (frames, requests) == (0, []):
                break
        assert (frames, requests) == (0, []), path


def test_an_open_execution_draws_once_a_second(page: Page, client: Client) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    page.clock.install()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for path in ("/executions", address(arn), "/callbacks"):
        page.goto(path)
        expect(page.get_by_text("approval").first).to_be_visible()
        page.clock.run_for(10_000)
        page.evaluate(COUNT_FRAMES)
        requests.clear()
        page.clock.run_for(60_000)
        assert 0 < page.evaluate("globalThis.frames_asked_for") <= 62, path
        assert requests == [], path


COUNT_FRAMES = """() => {
    const ask = globalThis.requestAnimationFrame;
    globalThis.frames_asked_for = 0;
    globalThis.requestAnimationFrame = (draw) => {
        globalThis.frames_asked_for += 1;
        return ask(draw);
    };
}"""


def test_a_feed_that_never_began_is_told(
    page: Page, client: Client, complaints: Complaints
) -> None:
    complaints.are_allowed = True
    client.start("order", "first")
    client.until_waiting("first")
    page.route("**/_durable/events?*", lambda route: route.abort())
    page.goto("/executions")
    expect(page.get_by_text("approval").first).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("The feed is lost")
    page.unroute_all(behavior="wait")
    expect(page.get_by_text("● live")).to_be_visible()


@pytest.mark.parametrize("path", ["/executions/first", "/executions", "/callbacks"])
def test_a_broken_feed_is_told_and_caught_up_with(
    page: Page, client: Client, complaints: Complaints, path: str
) -> None:
    complaints.are_allowed = True
    client.start("order", "first")
    client.until_waiting("first")
    page.goto(path)
    expect(page.get_by_text("approval").first).to_be_visible()
    page.evaluate("globalThis.was_not_loaded_again = true")
    store, port = client.server._options.store, int(client.server.url.rpartition(":")[2])
    client.server.close()
    expect(page.get_by_role("alert")).to_contain_text("The feed is lost")
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", "/page/icon_off.svg")
    with dev_server(store, port=port) as server:
        again = Client(server)
        again.answer(again.until_waiting("first"))
        news = page.get_by_text("No callback waits").or_(page.locator(".status.ended"))
        expect(news.first).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.get_by_text("● live")).to_be_visible()
    assert page.evaluate("globalThis.was_not_loaded_again") is True
