"""The screen of one execution: its parts, its actions, and the panel."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client, execution

from durable_execution_sdk import DurableContext, durable_execution


@pytest.fixture
def arn(client: Client) -> str:
    started = client.start("order", "first", {"n": 1})
    client.until_waiting("first")
    return started


def status(page: Page):
    return page.locator("h1 + .status")


@pytest.mark.smoke
def test_the_timeline_names_bars_and_groups(page: Page, arn: str) -> None:
    page.goto(address(arn))
    names = page.locator(".tree-name a")
    expect(names).to_have_text(["✓ group", "✓ one", "✕ charge", "● approval"])
    texts = page.locator(".bar-text")
    expect(texts).to_have_count(4)
    expect(texts.first).to_contain_text("group (1)")
    page.get_by_role("button", name="Close group").click()
    expect(names).to_have_text(["✓ group", "✕ charge", "● approval"])
    page.get_by_role("button", name="Failed only").click()
    expect(names).to_have_text(["✕ charge"])
    expect(page).to_have_url(re.compile("failed=1"))


def test_an_open_operation_grows_with_the_clock_alone(page: Page, arn: str) -> None:
    page.goto(address(arn))
    text = page.locator(".bar-text").filter(has_text="approval")
    before = text.text_content()
    expect(text).not_to_have_text(before or "")


@pytest.mark.smoke
def test_an_error_has_its_type_its_message_and_the_users_frames(page: Page, arn: str) -> None:
    page.goto(address(arn))
    expect(page.get_by_role("link", name="✕ charge")).to_be_visible()
    page.keyboard.press("n")
    panel = page.get_by_role("complementary", name="charge")
    expect(panel.get_by_role("heading", name="DeclinedError")).to_be_visible()
    expect(panel.get_by_text("no money").first).to_be_visible()
    expect(panel.get_by_label("Frames of your code")).to_contain_text("in charge")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


@pytest.mark.smoke
def test_a_callback_is_answered_in_its_panel(page: Page, arn: str, client: Client) -> None:
    page.goto(address(arn))
    page.get_by_role("link", name="Answer").click()
    panel = page.get_by_role("complementary", name="approval")
    field = panel.get_by_label("Answer as JSON")
    field.fill('{"ok": tru}')
    expect(panel.get_by_text("Line 1, column 8: a value is expected")).to_be_visible()
    expect(panel.get_by_role("button", name="Succeed")).to_be_disabled()
    field.fill('{"ok": true, "n": 12345678901234567890}')
    panel.get_by_role("button", name="Succeed").click()
    expect(status(page)).to_contain_text("succeeded")
    page.get_by_role("link", name="Input and output").click()
    expect(page.locator(".payload").filter(has_text="Result")).to_contain_text(
        '"n": 12345678901234567890'
    )
    expect(page).to_have_title(re.compile("✓ first"))


def test_a_message_is_sent_from_the_panel_of_an_inbox(page: Page, client: Client) -> None:
    page.goto(address(client.start("support", "second")))
    page.get_by_role("link", name="Send").click()
    panel = page.get_by_role("complementary", name="inbox:tickets:1")
    field = panel.get_by_label("Message for the inbox tickets, as JSON")
    field.fill('{"n": tru}')
    expect(panel.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    field.fill('{"n": 1}')
    panel.get_by_text("From a program").click()
    expect(panel.get_by_text("durable send second tickets '{\"n\": 1}'")).to_be_visible()
    panel.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Sent.")).to_be_visible()
    expect(panel.get_by_role("button", name="Send", exact=True)).to_have_count(0)
    page.get_by_role("list", name="Waits for").get_by_role("link", name="Send").click()
    panel = page.get_by_role("complementary", name="inbox:tickets:2")
    panel.get_by_label("Message for the inbox tickets, as JSON").fill("2")
    panel.get_by_role("button", name="Send", exact=True).click()
    expect(status(page)).to_contain_text("succeeded")
    page.goto("/callbacks")
    expect(page.get_by_text("No callback waits for an answer")).to_be_visible()


def test_a_callback_is_failed(page: Page, arn: str) -> None:
    page.goto("/callbacks")
    page.get_by_role("button", name="Answer").click()
    page.get_by_text("Fail it").click()
    page.get_by_label("Error type").fill("Declined")
    page.get_by_label("Message").fill("too expensive")
    page.get_by_role("button", name="Fail", exact=True).click()
    expect(page.get_by_text("No callback waits for an answer")).to_be_visible()
    page.goto(address(arn))
    expect(status(page)).to_contain_text("failed")
    expect(page.get_by_text("Declined: too expensive")).to_be_visible()


def test_every_part_is_at_an_address_of_its_own(page: Page, arn: str) -> None:
    page.goto(address(arn, "history"))
    expect(page.locator(".history-grid.row").first).to_contain_text("ExecutionStarted")
    failed = page.locator(".history-grid.row").filter(has_text="StepFailed")
    expect(failed).to_contain_text("DeclinedError: no money")
    failed.click()
    expect(page.get_by_role("complementary")).to_contain_text('"EventType": "StepFailed"')
    page.get_by_role("searchbox").fill("callback")
    expect(page.locator(".history-grid.row")).to_have_count(1)
    page.goto(address(arn, "operations"))
    expect(page.locator(".operations-grid.row").nth(2)).to_contain_text("failed")
    page.goto(address(arn, "payloads"))
    expect(page.locator(".payload").first).to_contain_text('"n": 1')
    page.goto(address(arn, "invocations"))
    expect(page.locator(".invocations-grid.row").first).to_contain_text("ended")
    page.goto(address(arn, "logs"))
    expect(page.get_by_text("Its functions wrote nothing.")).to_be_visible()


@pytest.mark.smoke
def test_pause_resume_and_stop(page: Page, arn: str) -> None:
    page.goto(address(arn))
    page.get_by_role("button", name="Pause").click()
    expect(status(page)).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(status(page)).to_contain_text("asking")
    page.get_by_role("button", name="Stop…").click()
    page.get_by_label("Reason").fill("no longer wanted")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(status(page)).to_contain_text("stopped")
    expect(page.get_by_text("no longer wanted")).to_be_visible()
    # What the end cut off is open no more.
    expect(page.get_by_role("link", name="■ approval")).to_be_visible()


@pytest.mark.smoke
def test_fork_with_another_input_and_another_result(page: Page, arn: str, client: Client) -> None:
    page.goto(address(arn))
    page.locator(".tree-name a", has_text="approval").click()
    page.get_by_role("button", name="Fork before this…").click()
    dialog = page.get_by_role("dialog", name="Fork before approval")
    dialog.get_by_label("Input").fill('{"n": 2}')
    dialog.get_by_label("Another result of").select_option(index=1)
    dialog.get_by_label("That result").fill("7")
    dialog.get_by_label("Name of the new execution").fill("second")
    dialog.get_by_role("button", name="Fork").click()
    expect(page.get_by_role("heading", name="second")).to_be_visible()
    expect(page.get_by_role("link", name="Fork of")).to_be_visible()
    assert client.get(execution("second", "/payload"), kind="input") == {"payload": '{"n": 2}'}


@durable_execution
async def counts(event: int, ctx: DurableContext) -> int:
    if event < 3:
        await ctx.continue_as_new(event + 1)
    return event


def test_a_chain_has_links_to_the_executions_before_and_after(page: Page, client: Client) -> None:
    client.server.functions.add_durable("counts", counts.bind)
    first = client.start("counts", "n", 1)
    client.until_ended("n")
    page.goto(address(first))
    page.get_by_role("link", name="Went on as n-run2-").click()
    expect(page.get_by_role("heading", name="n-run2-")).to_be_visible()
    expect(page.get_by_role("link", name="Went on as n-run3-")).to_be_visible()
    page.get_by_role("link", name="Continues n").click()
    expect(page.get_by_role("heading", name="n", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Continues")).to_have_count(0)


def test_a_refusal_is_shown_where_it_was_asked_for(
    page: Page, arn: str, complaints: Complaints
) -> None:
    complaints.are_allowed = True
    page.goto(address(arn))
    page.get_by_role("button", name="Rerun…").click()
    dialog = page.get_by_role("dialog", name="Rerun")
    dialog.get_by_label("Name of the new execution").fill("not a name")
    dialog.get_by_role("button", name="Rerun").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    dialog.get_by_label("Name of the new execution").fill("again")
    dialog.get_by_role("button", name="Rerun").click()
    expect(page.get_by_role("heading", name="again")).to_be_visible()


def test_time_is_changed_and_a_timer_fires(page: Page, client: Client) -> None:
    retried = client.start("retries", "r")
    client.until(
        execution("r", "/events"), lambda m: m["data"]["execution"]["activity"] == "suspended"
    )
    page.goto(address(retried))
    expect(page.get_by_label("Waits for")).to_contain_text("attempt 2, 59 min")
    page.get_by_role("combobox", name="Time").select_option("paused")
    expect(page.get_by_text("time paused")).to_be_visible()
    page.get_by_role("combobox", name="Time").select_option("real")
    page.get_by_role("button", name="Fire this timer now").click()
    expect(page.get_by_label("Waits for")).to_contain_text("attempt 3")
    page.get_by_role("button", name="Advance…").click()
    page.get_by_label("By", exact=True).fill("nonsense")
    page.get_by_role("button", name="Advance", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("90s")
    page.get_by_label("By", exact=True).fill("1h")
    page.get_by_role("button", name="Advance", exact=True).click()
    expect(page.locator(".bar-text").filter(has_text="charge")).to_contain_text("3 attempts")


def test_time_skips_and_goes_on_to_the_next_timer(page: Page, client: Client) -> None:
    for name in ("next", "skipping"):
        arn = client.start("retries", name)
        client.until(
            execution(name, "/events"),
            lambda m: m["data"]["execution"]["activity"] == "suspended",
        )
        page.goto(address(arn))
        expect(page.get_by_label("Waits for")).to_contain_text("attempt 2")
        if name == "next":
            page.get_by_role("button", name="Next timer").click()
            expect(page.get_by_label("Waits for")).to_contain_text("attempt 3")
        else:
            page.get_by_role("combobox", name="Time").select_option("skip")
            expect(status(page)).to_contain_text("failed")
            expect(page.locator("header .message")).to_have_text("DeclinedError: no money")


def test_a_heartbeat_keeps_a_callback_open(page: Page, arn: str) -> None:
    page.goto(address(arn))
    page.get_by_role("link", name="Answer").click()
    page.get_by_role("button", name="Heartbeat").click()
    expect(page.get_by_text("The heartbeat was sent.")).to_be_visible()
    expect(page.get_by_role("button", name="Succeed")).to_be_enabled()


def test_an_answer_from_elsewhere_closes_the_form(page: Page, arn: str, client: Client) -> None:
    page.goto(address(arn))
    page.get_by_role("link", name="Answer").click()
    expect(page.get_by_role("button", name="Succeed")).to_be_enabled()
    client.server.emulator.callback_success(
        client.until_waiting("first")["waiting"][0]["callback_id"], b"1"
    )
    client.until_ended("first")
    expect(page.get_by_role("button", name="Succeed")).to_have_count(0)
    expect(status(page)).to_contain_text("succeeded")


@pytest.mark.smoke
def test_a_function_is_started(page: Page) -> None:
    page.goto("/functions")
    page.locator("article", has_text="order").get_by_role("button", name="Start…").click()
    page.get_by_label("Input").fill('{"n": 3}')
    page.get_by_label("Name", exact=True).fill("from-the-page")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="from-the-page")).to_be_visible()
    expect(status(page)).to_contain_text("asking")


def test_a_function_is_started_with_an_earlier_input(page: Page, client: Client) -> None:
    client.start("order", "first", {"n": "<b>1</b>"})
    client.start("order", "second", {"n": 2})
    client.until_waiting("second")
    page.goto("/functions")
    page.locator("article", has_text="order").get_by_role("button", name="Start…").click()
    expect(page.get_by_label("Input", exact=True)).to_have_value('{\n  "n": 2\n}')
    page.get_by_label("Recent values of Input").select_option('{ "n": "<b>1</b>" }')
    expect(page.get_by_label("Input", exact=True)).to_have_value('{\n  "n": "<b>1</b>"\n}')
    page.get_by_label("Name", exact=True).fill("third")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="third")).to_be_visible()
    assert client.get(execution("third", "/payload"), kind="input")["payload"] == (
        '{\n  "n": "<b>1</b>"\n}'
    )


def test_an_execution_that_is_deleted_while_it_is_looked_at(
    page: Page, client: Client, complaints: Complaints
) -> None:
    arn = client.start("order", "first")
    client.answer(client.until_waiting("first"))
    client.until_ended("first")
    page.goto(address(arn))
    expect(page.get_by_role("link", name="✓ approval")).to_be_visible()
    client.server.emulator.delete(arn)
    expect(page.get_by_role("status").filter(has_text="This execution was deleted")).to_be_visible()
    expect(page.get_by_role("link", name="✓ approval")).to_be_visible()
    expect(page.get_by_role("button", name="Rerun…")).to_have_count(0)
    complaints.are_allowed = True
    page.reload()
    expect(page.get_by_text("was deleted")).to_be_visible()


def test_an_execution_that_is_not_there(page: Page, complaints: Complaints) -> None:
    complaints.are_allowed = True
    page.goto("/executions/nothing/timeline")
    expect(page.get_by_text("This execution is not there")).to_be_visible()


@pytest.mark.parametrize("count", [200, 10_000])
def test_the_number_of_elements_does_not_depend_on_that_of_operations(
    page: Page, client: Client, arn: str, count: int
) -> None:
    document = client.get(execution("first"))
    [charge] = [each for each in document["operations"] if each["name"] == "charge"]

    def many() -> list[dict[str, Any]]:
        attempts = charge["attempts"] * 20
        return [
            {
                **copy.deepcopy(charge),
                "id": f"o{number}",
                "name": f"o{number}",
                "attempts": attempts,
            }
            for number in range(count)
        ]

    text = json.dumps({**document, "operations": many()})

    def answer(route: Route) -> None:
        route.fulfill(body=text, content_type="application/json")

    # More operations than an execution may have: a saved history of another service has no such limit.
    page.route(re.compile(r"/_durable/executions/[^/?]+$"), answer)
    page.goto(address(arn))
    expect(page.locator(".tree-name a").first).to_have_text("✕ o0")
    assert page.locator("*").count() <= 300
    rows = page.get_by_role("region", name="Operations over time")
    rows.hover()
    page.mouse.wheel(0, 26 * count)
    expect(page.get_by_role("link", name=f"✕ o{count - 1}", exact=True)).to_be_visible()
    assert page.locator("*").count() <= 300
