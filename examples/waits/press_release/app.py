"""Publish at a given moment: ``ctx.wait_until`` takes a datetime with a time zone.

A moment that has passed is no error; the workflow goes on at once. The event decides the moment, so the type of the
field, ``datetime``, reads it from the JSON.

Run it with::

    durable run examples/waits/press_release/app.py --skip-time \
        --input '{"title": "A new office", "embargo": "2026-12-24T09:00:00+01:00"}'
"""

from dataclasses import dataclass
from datetime import datetime

from durable_execution_sdk import DurableContext, durable_execution


@dataclass(frozen=True)
class Release:
    title: str
    embargo: datetime


def check_spelling(title: str) -> str:
    return title.strip()


def publish(title: str) -> str:
    return f"published: {title}"


@durable_execution
async def press_release(release: Release, ctx: DurableContext) -> str:
    title = await ctx.step(check_spelling, release.title)
    await ctx.wait_until(release.embargo, name="embargo")
    return await ctx.step(publish, title)
