"""The page over executions that it may not change: no action is there, and it says where it reads from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client
from tests.dev.viewer.viewer_rig import as_the_aws_cli_prints, page_of, saved, viewed

from durable_execution_sdk.client.endpoint_connection import EndpointOptions
from durable_execution_sdk.dev.viewer.endpoint import EndpointExecution, Pace
from durable_execution_sdk.dev.viewer.saved_history import SavedHistory
from durable_execution_sdk.dev.viewer.source import Source
from durable_execution_sdk.dev.viewer.store import StoreFile

ACTION = re.compile(
    "(Answer|Succeed|Fail|Heartbeat|Fork|Rerun|Stop|Pause|Resume|Crash|Advance|Next timer|Fire|Start|Run)(…| |$)"
)
"""The beginnings of the names of buttons and links that change something."""


class Opened(Protocol):
    def __call__(self, source: Source) -> AbstractContextManager[tuple[Page, Client]]: ...


@pytest.fixture
def opened(browser: Browser, complaints: Complaints) -> Opened:
    return partial(_opened, browser, complaints)


@contextmanager
def _opened(
    browser: Browser, complaints: Complaints, source: Source
) -> Iterator[tuple[Page, Client]]:
    with viewed(source) as viewer:
        context = browser.new_context(
            base_url=viewer.server.url, viewport={"width": 1280, "height": 800}, locale="en-GB"
        )
        page = context.new_page()
        complaints.watch(page, viewer.server.url)
        yield page, viewer
        context.close()


@pytest.fixture
def arn(client: Client) -> str:
    started = client.start("order", "first", {"n": 1})
    client.until_waiting("first")
    return started


def operation_id(client: Client, arn: str, name: str) -> str:
    found = client.server.emulator.operations(arn)
    return next(each.id for each in found if each.name == name)


def check_no_actions(page: Page) -> None:
    for role in ("button", "link"):
        names = page.get_by_role(role).all_inner_texts()
        assert [name for name in names if ACTION.match(name)] == []
    expect(page.locator("form.answer, textarea, .actions, dialog")).to_have_count(0)


def check_every_screen(page: Page, client: Client, arn: str) -> None:
    """Look at each screen, and find no action and nothing that is not drawn."""
    waits = operation_id(client, arn, "approval")
    failed = operation_id(client, arn, "charge")
    for path, sign in (
        ("/executions", "first"),
        ("/callbacks", "approval"),
        (address(arn), "approval"),
        (address(arn, "timeline", f"?operation={waits}"), "It waits for an answer."),
        (address(arn, "timeline", f"?operation={failed}"), "no money"),
        (address(arn, "operations"), "charge"),
        (address(arn, "history"), "CallbackStarted"),
        (address(arn, "payloads"), '"n": 1'),
        (address(arn, "invocations"), "ended"),
    ):
        page.goto(path)
        expect(page.get_by_text(sign).first).to_be_visible()
        expect(page.locator(".source")).to_contain_text("read-only")
        check_no_actions(page)


def test_a_page_that_acts_has_the_actions_that_these_have_not(page: Page, arn: str) -> None:
    page.goto(address(arn))
    expect(page.get_by_role("button", name="Stop…")).to_be_visible()
    names = page.get_by_role("button").all_inner_texts()
    assert len([name for name in names if ACTION.match(name)]) > 5
    expect(page.locator(".source")).to_have_count(0)


def test_a_saved_history(client: Client, arn: str, opened: Opened, tmp_path: Path) -> None:
    path = saved(client, arn, tmp_path / "h.json")
    with opened(SavedHistory(path)) as (page, _):
        check_every_screen(page, client, arn)
        expect(page.locator(".source")).to_contain_text(str(path))
        expect(page.get_by_role("status").filter(has_text="saved")).to_be_visible()
        page.goto(address(arn))
        expect(page.get_by_text("It had not ended when this was saved.")).to_be_visible()
        text = page.locator(".bar-text").filter(has_text="approval")
        before = text.text_content()
        page.goto(address(arn, "logs"))
        expect(page.get_by_text("A history has no lines of functions.")).to_be_visible()
        page.goto(address(arn))
        # Its time stands still.
        expect(text).to_have_text(before or "")


def test_what_the_aws_cli_has_saved(
    client: Client, arn: str, opened: Opened, tmp_path: Path
) -> None:
    path = tmp_path / "aws.json"
    path.write_text(json.dumps(as_the_aws_cli_prints(page_of(client, arn, with_data=False))))
    with opened(SavedHistory(path)) as (page, _):
        page.goto("/executions")
        page.get_by_role("link", name="first").click()
        expect(page.get_by_text("It was saved without payloads")).to_be_visible()
        expect(page.get_by_text("The ARN is not in it")).to_be_visible()
        expect(page.get_by_role("link", name="charge")).to_be_visible()


def test_a_link_to_an_execution_that_is_not_there_is_none(
    client: Client, opened: Opened, tmp_path: Path
) -> None:
    arn = client.start("outer", "second")
    client.until_waiting("second")
    inner = operation_id(client, arn, "inner")
    with opened(SavedHistory(saved(client, arn, tmp_path / "h.json"))) as (page, _):
        page.goto(address(arn, "timeline", f"?operation={inner}"))
        expect(page.get_by_text("(not in this file)")).to_be_visible()
        expect(page.get_by_role("link", name="Its execution")).to_have_count(0)


def test_a_store_is_live_while_another_program_runs_it(
    client: Client, arn: str, opened: Opened, tmp_path: Path
) -> None:
    with opened(StoreFile(tmp_path / "x.db", 0.02)) as (page, _):
        check_every_screen(page, client, arn)
        expect(page.get_by_role("link", name="Functions")).to_have_count(0)
        page.goto("/functions")
        expect(page.get_by_text("knows no functions")).to_be_visible()
        page.goto(address(arn, "logs"))
        expect(
            page.get_by_text("There are no lines of functions beside this store")
        ).to_be_visible()
        page.goto("/executions")
        expect(page.get_by_text("● live")).to_be_visible()
        client.start("retries", "another")
        expect(page.get_by_role("link", name="another")).to_be_visible()
        page.goto(address(arn))
        [row] = [
            each
            for each in client.get("/_durable/executions")["executions"]
            if each["durable_execution_name"] == "first"
        ]
        client.answer(row)
        expect(page.locator("h1 + .status")).to_contain_text("succeeded")


def test_an_empty_store_says_so(client: Client, opened: Opened, tmp_path: Path) -> None:
    with opened(StoreFile(tmp_path / "x.db", 0.02)) as (page, _):
        page.goto("/executions")
        expect(page.get_by_text("There are no executions in this store")).to_be_visible()
        check_no_actions(page)


def test_an_execution_at_an_endpoint(client: Client, arn: str, opened: Opened) -> None:
    options = EndpointOptions(url=client.server.url)
    pace = Pace(first=0.02, longest=0.1)
    # In a thread of its own, since playwright runs an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        source = thread.submit(EndpointExecution, arn, options, {}, pace).result()
    with opened(source) as (page, _):
        check_every_screen(page, client, arn)
        expect(page.locator(".source")).to_contain_text(client.server.url)
        page.goto(address(arn))
        client.answer(client.until_waiting("first"))
        expect(page.locator("h1 + .status")).to_contain_text("succeeded")
        expect(page.get_by_role("status").filter(has_text="ended")).to_be_visible()


def test_an_address_can_be_shared(client: Client, arn: str, opened: Opened, tmp_path: Path) -> None:
    """An address of a page leads to the same in another page over the same history."""
    path = saved(client, arn, tmp_path / "h.json")
    with opened(SavedHistory(path)) as (page, viewer):
        page.goto(address(arn))
        page.get_by_role("link", name="✕ charge").click()
        expect(page.get_by_role("complementary", name="charge")).to_be_visible()
        shared = page.url.removeprefix(viewer.server.url)
    with opened(SavedHistory(path)) as (page, _):
        page.goto(shared)
        expect(page.get_by_role("complementary", name="charge")).to_be_visible()


def test_a_store_that_cannot_be_read_is_told_and_read_again(
    client: Client, arn: str, opened: Opened, tmp_path: Path
) -> None:
    del client
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        source = tmp_path / f"x.db{suffix}"
        if source.exists():
            copy.with_name(f"copy.db{suffix}").write_bytes(source.read_bytes())
    with opened(StoreFile(copy, 0.02)) as (page, _):
        page.goto(address(arn))
        expect(page.get_by_role("link", name="charge")).to_be_visible()
        moved = copy.with_name("moved.db")
        copy.rename(moved)
        expect(page.get_by_role("alert")).to_contain_text("no longer live")
        moved.rename(copy)
        expect(page.get_by_text("● live")).to_be_visible()
