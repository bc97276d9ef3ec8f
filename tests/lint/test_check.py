"""What stands out in a workflow when it is read, and what does not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from durable_execution_sdk.lint import check_source
from durable_execution_sdk.lint.rules import RULES

_ROOT = Path(__file__).parents[2]

HEAD = """
import asyncio, os, random, secrets, time, uuid
import datetime as dt
from datetime import datetime, UTC
from functools import partial
from uuid import uuid4 as new_id
import requests
import urllib.request
from durable_execution_sdk import DurableContext, durable_execution
"""


def codes(body: str) -> list[str]:
    return [each.rule.code for each in check_source(HEAD + dedent(body))]


def in_workflow(line: str) -> list[str]:
    return codes(f"""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            {line}
    """)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("now = time.time()", "DUR001"),
        ("now = datetime.now(UTC)", "DUR001"),
        ("now = dt.datetime.utcnow()", "DUR001"),
        ("day = dt.date.today()", "DUR001"),
        ("n = random.randint(1, 6)", "DUR002"),
        ("n = random.SystemRandom().random()", "DUR002"),
        ("n = secrets.token_hex()", "DUR002"),
        ("n = os.urandom(4)", "DUR002"),
        ("key = new_id()", "DUR003"),
        ("key = str(uuid.uuid1())", "DUR003"),
        ("page = requests.get(event['url'])", "DUR004"),
        ("page = urllib.request.urlopen('x')", "DUR004"),
        ("text = open('x').read()", "DUR004"),
        ("mode = os.environ['MODE']", "DUR004"),
        ("mode = os.getenv('MODE')", "DUR004"),
        ("time.sleep(3)", "DUR005"),
        ("[await ctx.step(print, each) for each in {1, 2}]", "DUR006"),
        ("[await ctx.step(print, each) for each in set(event)]", "DUR006"),
        ("ctx.step(print)", "DUR007"),
        ("global total", "DUR009"),
    ],
)
def test_what_replay_cannot_repeat_is_found(line: str, code: str) -> None:
    assert in_workflow(line) == [code]


@pytest.mark.parametrize(
    "line",
    [
        "now = ctx.now()",
        "n = ctx.random().randint(1, 6)",
        "key = ctx.uuid4()",
        "await ctx.step(time.time)",
        "await ctx.step(lambda: time.time())",
        "handle = ctx.step(print)",
        "moment = datetime(2027, 1, 1, tzinfo=UTC)",
        "for each in sorted({1, 2}): await ctx.step(print, each)",
        "loop_time = asyncio.get_running_loop().time()",
        "now = time.time()  # durable: ignore[DUR001]",
        "now = time.time()  # durable: ignore",
        "now = event.time()",
    ],
)
def test_what_replay_repeats_is_not(line: str) -> None:
    assert in_workflow(line) == []


def test_an_ignore_is_for_its_own_code_only() -> None:
    assert in_workflow("now = time.time()  # durable: ignore[DUR002, DUR003]") == ["DUR001"]


def test_functions_without_a_context_are_nobodys_business() -> None:
    assert codes("def charge(): return time.time()\nasync def send(ctx): time.sleep(1)") == []


@pytest.mark.parametrize(
    "body",
    [
        "@durable_execution\nasync def handler(event, context): time.time()",
        "@durable_execution(plugins=[])\nasync def handler(event, context): time.time()",
        "async def child(ctx: 'DurableContext'): time.time()",
        "async def item(c, x, i): time.time()\nasync def f(e, ctx): await ctx.map([1], item)",
        "async def part(c): time.time()\nasync def f(e, ctx): await ctx.parallel([part])",
        "async def part(c): time.time()\nasync def f(e, ctx): await ctx.parallel({'a': part})",
        "async def part(c): time.time()\nasync def f(e, ctx): await ctx.with_retry(part)",
    ],
)
def test_whatever_is_given_a_context_is_workflow_code(body: str) -> None:
    assert codes(body) == ["DUR001"]


def test_a_nested_step_body_is_plain_code_that_may_not_use_the_context() -> None:
    assert codes("""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            async def body() -> None:
                time.time()
                await ctx.step(print)

            await ctx.step(partial(body))
    """) == ["DUR008"]


def test_a_nested_context_function_uses_its_own_context() -> None:
    assert codes("""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            async def child(inner: DurableContext) -> None:
                await ctx.step(print)
                await inner.step(print)

            async def fine(ctx: DurableContext) -> None:
                await ctx.step(print)

            await ctx.run_in_child_context(child)
            await ctx.run_in_child_context(fine)
    """) == ["DUR008"]


def test_a_nested_task_is_a_part_of_the_workflow() -> None:
    assert codes("""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            async def branch() -> None:
                await ctx.step(print, time.time())

            await asyncio.gather(branch(), branch())
    """) == ["DUR001"]


def test_each_finding_tells_place_reason_and_fix() -> None:
    [finding] = check_source(HEAD + "async def f(ctx: DurableContext): x = time.time()")
    assert (finding.line, finding.column) == (10, 39)
    assert str(finding) == (
        "DUR001 time.time() tells another time on every replay: use ctx.now(), or do it in a step"
    )


def test_the_page_names_every_rule() -> None:
    page = (_ROOT / "docs" / "determinism.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert rule.code in page


def test_nothing_stands_out_in_the_examples() -> None:
    for path in sorted((_ROOT / "examples").rglob("*.py")):
        assert check_source(path.read_text(encoding="utf-8")) == [], path
