"""Upload a video part by part, and tell people and programs outside how far it is.

``ctx.progress(done, total)`` sets the status of the execution, which ``durable show``, the page and the client read. It is no
operation: it goes along with the next call. ``ctx.set_status`` takes any value.

Run it, and look at it from another terminal::

    durable run examples/steps/video_upload/app.py --name film --input '{"title": "film", "parts": 4}'
    durable show film
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


@dataclass(frozen=True)
class Video:
    title: str
    parts: int


async def send_part(title: str, part: int) -> int:
    return part * 1000


@durable_execution
async def upload(video: Video, ctx: DurableContext) -> int:
    sent = 0
    for part in range(1, video.parts + 1):
        sent += await ctx.step(send_part, video.title, part, name=f"part {part}")
        ctx.progress(part, video.parts, label=video.title)
        await ctx.wait(timedelta(seconds=30), name="spare the line")
    return sent
