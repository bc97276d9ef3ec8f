"""The code of an execution beside its operations, and the real lengths of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client
from tests.dev.session_rig import SessionClient, declared, session_of

APP = """
import time
from durable_execution_sdk import DurableContext, durable_execution

def look() -> str:
    ends_at = time.monotonic() + 0.02
    while time.monotonic() < ends_at:
        pass
    return "seen"

# <b>not bold</b> \u202e
@durable_execution
async def month(event: object, ctx: DurableContext) -> object:
    seen = await ctx.step(look, name="look")
    approval = await ctx.create_callback(name="approval")
    # The line above made the callback.
    return [seen, await approval]
"""


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(APP.splitlines(), 1) if text in line)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[SessionClient]:
    (tmp_path / "app.py").write_text(APP)
    functions = declared(tmp_path, ["month"])
    with session_of(tmp_path / "x.db", functions) as made:
        yield made


@pytest.fixture
def own_page(browser: Browser, session: SessionClient, complaints: Complaints) -> Iterator[Page]:
    url = session.session.server.url
    made = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800})
    complaints.watch(made, url)
    yield made
    made.close()


def test_lines_of_code_and_operations_lead_to_each_other(
    own_page: Page, session: SessionClient
) -> None:
    page = own_page
    arn = session.start("month", "m")
    session.until_activity("m", "asking")
    page.goto(address(arn, "code"))
    waits = page.locator(".waits-here")
    expect(waits).to_contain_text("return [seen, await approval]")
    expect(waits).to_contain_text("waits for approval: an answer")
    expect(page.get_by_text("# <b>not bold</b> \\u202e")).to_be_visible()
    expect(page.get_by_text("the file as it is now")).to_be_visible()
    page.get_by_role("link", name="✓ look").click()
    panel = page.get_by_role("complementary", name="look")
    expect(panel).to_contain_text("succeeded")
    expect(page.locator(".code-grid.selected")).to_contain_text("ctx.step(look")
    page.get_by_role("button", name=f"It waits at line {line_of('await approval')}").click()
    expect(page.locator(".code-grid.selected")).to_contain_text("await approval")
    page.goto(address(arn, "timeline", ""))
    page.get_by_role("link", name="● approval").click()
    panel = page.get_by_role("complementary", name="approval")
    panel.get_by_role("link", name=f"app.py:{line_of('await approval')}").click()
    expect(page.locator(".code-grid.selected")).to_contain_text("await approval")
    session.answer(session.until_waiting("m"))
    expect(page.locator(".waits-here")).to_have_count(0)


def test_a_step_has_the_length_that_its_process_saw(own_page: Page, session: SessionClient) -> None:
    page = own_page
    arn = session.start("month", "m")
    session.until_activity("m", "asking")
    page.goto(address(arn))
    # The history has one time for the start and the end.
    expect(page.locator(".bar-text").filter(has_text="look  ≈ ")).to_be_visible()
    page.get_by_role("link", name="✓ look").click()
    panel = page.get_by_role("complementary", name="look")
    expect(panel).to_contain_text("its process told when it really began")


REAL_STARTS = [
    ([[0, 0, None, 0]], [-300], [[0, 300, None, 0]]),
    # The delay before the second attempt, and its real start.
    ([[0, 0, 9, 1], [12, 12, None, 0]], [-5, 10], [[0, 5, 14, 1], [15, 17, None, 0]]),
    # A start that is not known, and starts that do not fit the log: time was paused, or an attempt ran again.
    ([[0, 0, 9, 1], [12, 12, None, 0]], [None, 11], [[0, 0, 9, 1], [11, 12, None, 0]]),
    ([[0, 9, 11, 1], [12, 12, None, 0]], [5, 13], [[0, 9, 11, 1], [12, 12, None, 0]]),
    ([[0, 9, 11, 1], [12, 12, None, 0]], [None, 4], [[0, 9, 11, 1], [12, 12, None, 0]]),
    # One that runs, and one whose start was not recorded.
    ([[0, None, None, 0]], [-20], [[0, None, None, 0]]),
    ([[None, 40, None, 0]], [15], [[15, 40, None, 0]]),
    ([], [-20], []),
]


def test_real_starts_stand_in_for_recorded_ones_where_they_fit(page: Page) -> None:
    page.goto("/functions")
    begin = 1_796_006_177_326
    for attempts, starts, expected in REAL_STARTS:
        operation = {"start_timestamp": "2026-11-30T02:36:17.326Z", "attempts": attempts}
        place = {"starts": [None if start is None else begin + start for start in starts]}
        joined = page.evaluate(
            "async ([operation, place]) =>"
            " (await import('/page/real_starts.js')).withRealStarts(operation, place)",
            [operation, place],
        )
        assert joined["attempts"] == expected
        is_earlier = bool(attempts) and starts[0] is not None and starts[0] < 0
        assert ("recorded_start_timestamp" in joined) == is_earlier


def test_functions_that_tell_no_lines_have_none(page: Page, client: Client) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    page.goto(address(arn, "code"))
    expect(page.get_by_text("The lines of code are not known")).to_be_visible()
