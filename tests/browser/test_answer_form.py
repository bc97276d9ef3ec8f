"""The form of a callback's answer, made from the schema of the type that its code waits for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pydantic
import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.page_rig import Complaints, address
from tests.dev.dev_server_rig import Client, execution

from durable_execution_sdk.dev.functions.records import CodeNote
from durable_execution_sdk.dev.logs.log_store import LogStore
from durable_execution_sdk.dev.schemas.type_schemas import type_schema


class Carrier(Enum):
    POST = "post"
    COURIER = "courier"


@dataclass
class Line:
    sku: str
    count: int
    price: float | None = None


@dataclass
class Approved:
    by: str
    on: date
    carrier: Carrier
    urgent: bool
    lines: list[Line]
    comment: str | None = None
    limits: dict[str, int] = field(default_factory=dict)
    further: Any = None


@dataclass
class Declined:
    reason: str


class Guest(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2)
    friend: Guest | None = None


class Asking:
    """An execution that waits for an answer of a type."""

    def __init__(self, client: Client, logs: LogStore) -> None:
        self._client = client
        self._logs = logs
        self.arn = client.start("order", "first")
        [waiting] = client.until_waiting("first")["waiting"]
        self.callback_id, self._operation_id = waiting["callback_id"], waiting["id"]

    def waits_for(self, kind: Any) -> None:
        schema = type_schema(kind)
        assert schema is not None
        note = CodeNote(
            arn=self.arn,
            operation_id=self._operation_id,
            file="app.py",
            line=1,
            function="order",
            awaited_type="Answer",
            awaited_schema=schema,
        )
        self._logs.add_notes([note])

    def result(self) -> Any:
        self._client.until_ended("first")
        return json.loads(
            self._client.get(execution("first", "/payload"), kind="result")["payload"]
        )

    def open(self, page: Page) -> Locator:
        page.goto(f"/callbacks?callback={quote(self.callback_id, safe='')}")
        return page.locator("form.answer")


@pytest.fixture
def asking(client: Client, tmp_path: Path) -> Iterator[Asking]:
    logs = LogStore(tmp_path / "x.db.logs")
    client.server.processes.logs = logs
    yield Asking(client, logs)
    client.server.close()
    logs.close()


def succeed(form: Locator) -> None:
    form.get_by_role("button", name="Succeed").click()


def test_a_form_has_a_field_for_each_part_of_a_type(page: Page, asking: Asking) -> None:
    asking.waits_for(Approved | Declined)
    form = asking.open(page)
    form.get_by_label("by", exact=True).fill('a "name"')
    form.get_by_label("on", exact=True).fill("2030-01-31")
    form.get_by_label("carrier").select_option("courier")
    form.get_by_role("radiogroup", name="urgent").get_by_label("true").check()
    for _ in range(3):
        form.get_by_role("button", name="Add an item").click()
    for place, sku in enumerate(("a", "b", "c")):
        form.get_by_label("sku").nth(place).fill(sku)
        form.get_by_label("count").nth(place).fill(f"{place + 1}")
    form.get_by_role("button", name="Remove Item 2").click()
    form.get_by_label("Give price").last.check()
    form.get_by_label("price, number").fill("1.50")
    form.get_by_label("Give limits").check()
    form.get_by_role("button", name="Add a member").click()
    form.get_by_label("Name of the member").fill("most")
    form.get_by_label("most", exact=True).fill("12345678901234567890")
    form.get_by_label("Give further").check()
    form.get_by_label("further", exact=True).fill('{"any": [1]}')
    succeed(form)
    assert asking.result() == {
        "by": 'a "name"',
        "on": "2030-01-31",
        "carrier": "courier",
        "urgent": True,
        "lines": [{"sku": "a", "count": 1}, {"sku": "c", "count": 3, "price": 1.5}],
        "limits": {"most": 12345678901234567890},
        "further": {"any": [1]},
    }


def test_another_member_of_a_union_is_chosen_in_the_panel(page: Page, asking: Asking) -> None:
    asking.waits_for(Approved | Declined | None)
    page.goto(address(asking.arn))
    page.get_by_role("link", name="Answer").click()
    form = page.get_by_role("complementary", name="approval").locator("form.answer")
    form.get_by_label("Approved or Declined or null", exact=True).select_option("Declined")
    form.get_by_label("reason").fill("too dear")
    succeed(form)
    assert asking.result() == {"reason": "too dear"}


def test_what_is_missing_is_told_at_its_field_before_anything_is_sent(
    page: Page, asking: Asking
) -> None:
    asking.waits_for(Line)
    form = asking.open(page)
    expect(form.get_by_text("A whole number")).to_have_count(0)
    succeed(form)
    expect(form.get_by_text("A whole number is expected")).to_be_visible()
    expect(form.get_by_label("count")).to_be_focused()
    form.get_by_label("count").fill("x")
    succeed(form)
    form.get_by_label("count").fill("2")
    expect(form.get_by_text("A whole number is expected")).to_have_count(0)
    succeed(form)
    assert asking.result() == {"sku": "", "count": 2}


def test_form_and_json_keep_what_was_typed(page: Page, asking: Asking) -> None:
    asking.waits_for(Line)
    form = asking.open(page)
    form.get_by_label("sku").fill("typed")
    form.get_by_role("button", name="JSON").click()
    text = form.get_by_label("Answer as JSON")
    expect(text).to_have_value('{\n  "sku": "typed",\n  "count": null\n}')
    text.fill('{"sku": "typed", "count": 12345678901234567890, "price": "dear", "more": {"a": 1e2}')
    expect(form.get_by_text("Line 1, column 84: a comma or } is expected")).to_be_visible()
    expect(form.get_by_role("button", name="Form")).to_be_disabled()
    text.fill(
        '{"sku": "typed", "count": 12345678901234567890, "price": "dear", "more": {"a": 1e2}}'
    )
    form.get_by_role("button", name="Form").click()
    expect(form.get_by_label("sku")).to_have_value("typed")
    expect(form.get_by_label("count")).to_have_value("12345678901234567890")
    # What has no field is JSON, in its place.
    expect(form.get_by_label("price", exact=True)).to_have_value('"dear"')
    expect(form.get_by_label("more", exact=True)).to_have_value('{\n  "a": 1e2\n}')
    form.get_by_role("button", name="JSON").click()
    expect(text).to_have_value(
        '{\n  "sku": "typed",\n  "count": 12345678901234567890,\n  "price": "dear",\n'
        '  "more": {\n    "a": 1e2\n  }\n}'
    )


def test_a_refusal_is_shown_at_its_field_and_the_answer_is_sent_anyway(
    page: Page, asking: Asking, complaints: Complaints
) -> None:
    complaints.are_allowed = True
    asking.waits_for(Guest)
    form = asking.open(page)
    form.get_by_label("name", exact=True).fill("a")
    form.get_by_label("Give friend").check()
    expect(form.get_by_label("name", exact=True)).to_have_count(2)
    form.get_by_label("name", exact=True).last.fill("bb")
    expect(form.get_by_role("button", name="Send anyway")).to_have_count(0)
    succeed(form)
    field = form.locator(".schema-member").filter(has=page.get_by_label("name", exact=True)).last
    expect(form.get_by_text('Expected at least 2 characters, not "a"')).to_have_count(1)
    expect(field.get_by_text("Expected at least")).to_have_count(0)
    expect(form.get_by_label("name", exact=True).first).to_have_attribute("aria-invalid", "true")
    form.get_by_label("name", exact=True).first.fill("b")
    expect(form.get_by_text("Expected at least")).to_have_count(0)
    succeed(form)
    form.get_by_role("button", name="Send anyway").click()
    assert asking.result() == {"name": "b", "friend": {"name": "bb"}}


def test_a_refusal_of_json_names_the_place(
    page: Page, asking: Asking, complaints: Complaints
) -> None:
    complaints.are_allowed = True
    asking.waits_for(list[Line])
    form = asking.open(page)
    form.get_by_role("button", name="JSON").click()
    form.get_by_label("Answer as JSON").fill('[{"sku": "a", "count": 1}, {"sku": 3}]')
    succeed(form)
    expect(form.get_by_text("1 / sku: expected text, not 3")).to_be_visible()
    expect(form.get_by_text("1 / count: it is missing")).to_be_visible()
    form.get_by_role("button", name="Form").click()
    expect(form.get_by_text("Expected text, not 3")).to_be_visible()


def test_a_callback_without_a_type_is_answered_by_json(page: Page, asking: Asking) -> None:
    form = asking.open(page)
    form.get_by_label("Answer as JSON").fill('"fine"')
    expect(form.get_by_role("button", name="Form")).to_have_count(0)
    succeed(form)
    assert asking.result() == "fine"


def test_names_of_members_are_text(page: Page, asking: Asking) -> None:
    hostile = "<img src=x onerror=alert(1)>\u202e"
    asking.waits_for(dict[str, int])
    form = asking.open(page)
    form.get_by_role("button", name="JSON").click()
    form.get_by_label("Answer as JSON").fill(json.dumps({"a": 1, hostile: 2, "__proto__": 3}))
    form.get_by_role("button", name="Form").click()
    expect(form.get_by_label("__proto__", exact=True)).to_have_value("3")
    expect(page.locator("main img")).to_have_count(0)
    succeed(form)
    assert asking.result() == {"a": 1, hostile: 2, "__proto__": 3}
