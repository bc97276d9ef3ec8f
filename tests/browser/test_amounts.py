"""Large executions and long lists: elements, requests and frames are counted, and no scrolling shows a blank."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client, execution

MOST_ELEMENTS = 300
ROW = 26
EXECUTIONS = 5_000

COVERED = """(element, positions) => {
    // At each position: whether rows cover the window, in the frame that the position is first seen in.
    const blanks = [];
    const look = (position) => new Promise((done) => {
        element.scrollTop = position;
        requestAnimationFrame(() => {
            // After the page's own frame, which was asked for when the list was scrolled.
            queueMicrotask(() => requestAnimationFrame(() => {
                const box = element.getBoundingClientRect();
                const rows = [...element.querySelectorAll(".row")].map((row) => row.getBoundingClientRect());
                let reached = box.top;
                for (const row of rows.sort((a, b) => a.top - b.top)) {
                    reached = row.top <= reached + 1 ? Math.max(reached, row.bottom) : reached;
                }
                if (reached < box.bottom - 1) {
                    blanks.push(position);
                }
                done();
            }));
        });
    });
    return positions.reduce((before, position) => before.then(() => look(position)), Promise.resolve())
        .then(() => blanks);
}"""


def enlarged(client: Client, count: int, attempts: int) -> str:
    """Multiply the failed step of an execution: a saved history may be larger than an execution here."""
    client.start("order", "first", {"n": 1})
    client.until_waiting("first")
    document = client.get(execution("first"))
    [charge] = [each for each in document["operations"] if each["name"] == "charge"]
    tried: list[Any] = [charge["attempts"][0]] * attempts
    operations = [
        {**charge, "id": f"o{number}", "name": f"o{number}", "attempts": tried}
        for number in range(count)
    ]
    return json.dumps({**document, "operations": operations})


SIZES = [(200, 20), (10_000, 1)]
PATIENCE_MILLISECONDS = 240_000
"""The document with 20 attempts of each of 10,000 operations takes long on its way through the test."""


@pytest.fixture(params=SIZES, ids=str)
def large(request: pytest.FixtureRequest, page: Page, client: Client) -> int:
    count, attempts = request.param
    text = enlarged(client, count, attempts)

    def answer(route: Route) -> None:
        route.fulfill(body=text, content_type="application/json")

    page.route(re.compile(r"/_durable/executions/[^/?]+$"), answer)
    return count


@pytest.mark.parametrize("large", [*SIZES, (200, 1), (10_000, 20)], indirect=True, ids=str)
def test_elements_and_scrolling(page: Page, large: int) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address("first"))
    first = page.locator(".tree-name a").first
    expect(first).to_have_text("✕ o0", timeout=PATIENCE_MILLISECONDS)
    asked = [url for url in requests if "/_durable/executions/" in url]
    assert len([url for url in asked if url.endswith("/first")]) == 1
    assert page.locator("*").count() <= MOST_ELEMENTS
    rows = page.get_by_role("region", name="Operations over time")
    height = large * ROW
    jumps = [
        0,
        1,
        40,
        300,
        2_000,
        height // 3,
        height // 2,
        height // 2 + 500,
        height - 900,
        height,
    ]
    assert rows.evaluate(COVERED, jumps) == []
    assert rows.evaluate(COVERED, list(range(0, min(height, 6_000), 117))) == []
    rows.evaluate("(element, top) => { element.scrollTop = top; }", height)
    expect(page.get_by_role("link", name=f"✕ o{large - 1}", exact=True)).to_be_visible()
    assert page.locator("*").count() <= MOST_ELEMENTS


def test_the_other_parts_of_a_large_execution(
    page: Page, large: int, complaints: Complaints
) -> None:
    complaints.are_allowed = True  # The server has not the operation that the panel asks about.
    page.goto(address("first", "operations"))
    expect(page.locator(".tree-name a").first).to_have_text("✕ o0")
    assert page.locator("*").count() <= MOST_ELEMENTS + 100
    page.get_by_role("searchbox").fill(f"o{large - 1}")
    expect(page.locator(".tree-name a")).to_have_text([f"✕ o{large - 1}"])
    page.locator(".tree-name a").click()
    expect(page.get_by_role("complementary", name=f"o{large - 1}")).to_be_visible()
    assert page.locator("*").count() <= MOST_ELEMENTS


def test_the_first_paint_needs_few_requests_and_frames(page: Page, large: int) -> None:
    page.add_init_script(
        """
        globalThis.frames_asked_for = 0;
        const ask = globalThis.requestAnimationFrame;
        globalThis.requestAnimationFrame = (draw) => {
            globalThis.frames_asked_for += 1;
            return ask(draw);
        };
        """
    )
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address("first"))
    expect(page.locator(".tree-name a").first).to_have_text("✕ o0")
    # As many with 10,000 operations as with 200: each answer is drawn once.
    assert page.evaluate("globalThis.frames_asked_for") <= 40
    assert len([url for url in requests if "/_durable/" in url]) <= 12
    assert page.evaluate("performance.getEntriesByType('paint').map((each) => each.name)") == [
        "first-paint",
        "first-contentful-paint",
    ]


@pytest.fixture
def many(page: Page, client: Client) -> Iterator[int]:
    """Answer pages of executions as the server does, with the row of one that is there."""
    client.start("order", "first")
    row = client.until_waiting("first")
    number = client.get("/_durable/executions")["number"]

    def answer(route: Route) -> None:
        after = re.search(r"after=(\d+)", route.request.url)
        first = int(after.group(1)) if after else 0
        last = min(EXECUTIONS, first + 200)
        rows = [
            {**row, "durable_execution_name": f"e{each}", "durable_execution_arn": f"arn/e{each}/i"}
            for each in range(first, last)
        ]
        following = str(last) if last < EXECUTIONS else None
        body = json.dumps({"number": number, "executions": rows, "next": following})
        route.fulfill(body=body, content_type="application/json")

    page.route(re.compile(r"/_durable/executions(\?|$)"), answer)
    yield EXECUTIONS


def test_five_thousand_executions(page: Page, many: int) -> None:
    page.goto("/executions")
    expect(page.get_by_text("at least 200 executions")).to_be_visible()
    rows = page.get_by_role("region", name="Executions")
    seen = 200
    while seen < many:
        rows.evaluate("(element) => { element.scrollTop = element.scrollHeight; }")
        seen += 200
        text = f"{'at least ' if seen < many else ''}{seen:,} executions"
        expect(page.get_by_text(text, exact=True)).to_be_visible()
        assert page.locator("*").count() <= MOST_ELEMENTS
    rows.evaluate("(element) => { element.scrollTop = element.scrollHeight; }")
    expect(page.get_by_text(f"e{many - 1}", exact=True)).to_be_visible()
    height = rows.evaluate("(element) => element.scrollHeight")
    assert rows.evaluate(COVERED, list(range(0, height, height // 40))) == []
    for number in (0, many // 2, many - 1):
        rows.evaluate("(element, top) => { element.scrollTop = top; }", number * 34)
        expect(page.get_by_text(f"e{number}", exact=True)).to_be_visible()
        assert page.locator("*").count() <= MOST_ELEMENTS
