"""Names, payloads, errors, lines and answers are text: markup, scripts, controls and turned text are inert."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client
from tests.dev.session_rig import SessionClient, declared, session_of

TEXTS = [
    "<script>globalThis.owned = 1</script>",
    "<img src=x onerror='globalThis.owned = 1'>",
    "javascript:globalThis.owned=1",
    "'\"><svg onload=globalThis.owned=1>",
    "</title><iframe src=//example.invalid></iframe>",
    "{{constructor.constructor('globalThis.owned=1')()}}",
    "../../../etc/passwd?x=1#y%2f",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "gnp.\u202eexe.\u2066x\u2069",
    "zero\u200bwidth\ufeff\u00adhidden\U000e0041\u115f",
    "&lt;b&gt;",
    "long " + "W" * 20_000,
]
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\u00ad\u115f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\U000e0041]"
)
PARTS = ("timeline", "operations", "history", "payloads", "logs", "invocations")

# What a server decides by itself, and what pages are addressed and ordered by.
KEPT = re.compile(
    r"^(status|activity|mode|waits_for|head|position|next|read_only|origin|is_.*|has_.*|durable_execution_arn"
    r"|id|parent_id|operation_id|request_id|.*_timestamp|until|stands_at|advances_to|fires_at|at|EventId"
    r"|EventTimestamp|Id|ParentId|EventType|.*_arn|stream|now)$"
)


TOO_WIDE = """document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('#app *')]
    .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => `${each.tagName} ${each.className}`)"""


def replaced(value: Any, text: str, name: str = "") -> Any:
    """Put a text in the place of every other text of a document."""
    if isinstance(value, dict):
        return {key: replaced(each, text, key) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, text, name) for each in value]
    return text if isinstance(value, str) and not KEPT.match(name) else value


def check(page: Page) -> None:
    """Assert that nothing of a text was taken for more than a text."""
    assert page.evaluate("globalThis.owned") is None
    foreign = "script, img:not([src^='/page/']), svg[onload], iframe, b b, [onerror], a[href^='javascript']"
    assert page.locator(f"#app :is({foreign})").count() == 0
    shown = page.evaluate("document.body.innerText + document.title")
    assert HIDDEN.search(shown) is None
    titles = page.evaluate(
        "[...document.querySelectorAll('[title], [aria-label]')]"
        ".map((each) => `${each.title}${each.ariaLabel ?? ''}`).join()"
    )
    assert HIDDEN.search(titles) is None
    # A long text does not make the page wider than its window.
    assert page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_payload_and_an_error_are_text(page: Page, client: Client, text: str) -> None:
    arn = client.start("order", "first", {text: [text]})
    row = client.until_waiting("first")
    callback_id = row["waiting"][0]["callback_id"]
    status, _ = client.posted(
        f"/2025-12-01/durable-execution-callbacks/{callback_id.replace('/', '%2F')}/fail",
        json.dumps({"ErrorType": text[:60], "ErrorMessage": text, "ErrorData": text}).encode(),
    )
    assert status == 200
    for tab in ("timeline", "payloads", "history", "operations"):
        page.goto(address(arn, tab))
        expect(page.locator("h1 + .status")).to_contain_text("failed")
        expect(page.locator(".message").first).to_be_visible()
        check(page)
    page.goto("/executions")
    expect(page.get_by_text("first")).to_be_visible()


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_every_field_of_every_document_is_text(
    page: Page, client: Client, complaints: Complaints, text: str
) -> None:
    """Each text of each answer is replaced: a saved history of another service may have anything in it."""
    complaints.are_allowed = True  # Requests about names that are not there are refused.
    arn = client.start("order", "first", {"n": 1})
    row = client.until_waiting("first")

    def answer(route: Route) -> None:
        response = route.fetch()
        body = json.dumps(replaced(response.json(), text))
        route.fulfill(response=response, body=body)

    page.route(re.compile(r"/_durable/(?!events)|/history\?"), answer)
    paths = ["/executions", "/callbacks", "/functions", *(address(arn, part) for part in PARTS)]
    paths.append(address(arn, query=f"?operation={row['waiting'][0]['id']}"))
    for path in paths:
        page.goto(path)
        expect(page.get_by_text("● live")).to_be_visible()
        expect(page.locator("main")).to_contain_text(text[:4] if text[0].isalnum() else "")
        expect(page.locator(".empty", has_text="Reading")).to_have_count(0)
        check(page)
    page.goto(address(arn))
    card = page.get_by_role("tooltip")
    for _ in range(20):
        # Rows that come above this one take it away from below the pointer.
        page.locator(".tree-name").last.hover()
        with suppress(AssertionError):
            expect(card).to_be_visible(timeout=2_000)
            break
    expect(card).to_be_visible()
    check(page)
    page.keyboard.press("n")
    expect(page.locator(".drawer .error")).to_be_visible()
    check(page)
    complaints.all = [each for each in complaints.all if "Failed to load resource" not in each]
    assert complaints.all == []
    page.unroute_all(behavior="ignoreErrors")


APP = """
import json
from durable_execution_sdk import *

TEXTS = json.loads({texts!r})

@durable_execution
async def told(event: object, ctx: DurableContext) -> object:
    for text in TEXTS:
        print(text)
        # The service takes no other names than these.
        name = text[:256] if text.isascii() and text.isprintable() else None
        await ctx.step(lambda text=text: text, name=name)
    config = StepConfig(retry_strategy=NoRetry())
    def fails() -> None:
        raise RuntimeError("\\n".join(TEXTS))
    try:
        await ctx.step(fails, name=TEXTS[0], config=config)
    except RuntimeError:
        pass
    return await (await ctx.create_callback(name=TEXTS[1]))
"""


@pytest.fixture
def told(tmp_path: Path) -> Iterator[SessionClient]:
    (tmp_path / "app.py").write_text(APP.format(texts=json.dumps(TEXTS)))
    with session_of(tmp_path / "x.db", declared(tmp_path, ["told"])) as made:
        yield made


def test_names_results_and_lines_of_functions_are_text(
    browser: Browser, told: SessionClient, complaints: Complaints
) -> None:
    arn = told.start("told", "first")
    row = told.until_activity("first", "asking")
    url = told.session.server.url
    page = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
    complaints.watch(page, url)
    for part in PARTS:
        page.goto(address(arn, part))
        expect(page.locator("h1 + .status")).to_contain_text("asking")
        if part in {"timeline", "operations"}:
            expect(page.locator(".tree-name a")).to_have_count(len(TEXTS) + 2)
        if part == "logs":
            expect(page.locator(".logs-grid.row")).to_have_count(len(TEXTS))
        check(page)
    document = told.get("/_durable/executions/first")
    for operation in document["operations"]:
        page.goto(address(arn, query=f"?operation={operation['id']}"))
        expect(page.locator(".drawer")).to_be_visible()
        expect(
            page.locator(".drawer .payload, .drawer .error, .drawer .answer").first
        ).to_be_visible()
        check(page)
    page.goto("/callbacks")
    page.get_by_role("button", name="Answer").click()
    page.get_by_text("From a program").click()
    assert row["waiting"][0]["name"] == TEXTS[1]
    check(page)
    page.close()
