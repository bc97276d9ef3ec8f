"""Names, payloads, errors and answers are text: markup, scripts, controls and turned text are inert."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect
from tests.browser.page_rig import address
from tests.dev.dev_server_rig import Client

TEXTS = [
    "<script>globalThis.owned = 1</script>",
    "<img src=x onerror='globalThis.owned = 1'>",
    "javascript:globalThis.owned=1",
    "'\"><svg onload=globalThis.owned=1>",
    "{{constructor.constructor('globalThis.owned=1')()}}",
    "\x1b[31mred\x1b[0m",
    "gnp.\u202eexe.\u2066x\u2069",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", TEXTS)
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
        assert page.evaluate("globalThis.owned") is None
        assert page.locator("#app script, #app img[onerror], #app svg[onload]").count() == 0
        shown = page.locator("#app").inner_text()
        assert not any(sign in shown for sign in "\x1b\u202e\u2066\u2069")
    page.goto("/executions")
    expect(page.get_by_text("first")).to_be_visible()
