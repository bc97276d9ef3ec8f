"""Keep large data out of the log: a step stores it, and returns the key under which it lies.

A result has at most 1 MB, and each invocation reads the whole log. So the scan goes into a bucket, and steps pass
its key on. The key follows from the content: a step that runs again after a crash stores the same thing at the
same place. Put S3 in place of ``bucket``.

Run it with::

    durable run examples/values/scanned_document/app.py --skip-time --input '"a lease"'
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution

bucket: dict[str, bytes] = {}  # what S3 holds, by key


@dataclass(frozen=True)
class Stored:
    key: str
    size: int


def scan(document: str) -> Stored:
    pixels = document.encode() * 100_000
    key = f"scans/{hashlib.sha256(pixels).hexdigest()[:16]}"
    bucket[key] = pixels
    return Stored(key, len(pixels))


def read_text(stored: Stored) -> str:
    return bucket[stored.key][:7].decode()


@durable_execution
async def archive(document: str, ctx: DurableContext) -> str:
    stored = await ctx.step(scan, document)
    await ctx.wait(timedelta(hours=1), name="the night rate of the text recognition")
    return await ctx.step(read_text, stored)
