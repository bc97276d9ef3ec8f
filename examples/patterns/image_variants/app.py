"""Let another function make three variants of an image, two at a time.

The other function has its own memory, layers and timeout, and its work is not done in this one's time: the
execution is suspended until all variants are there. A function that is not durable is invoked once for each
variant.

Run it with::

    durable run examples/patterns/image_variants/app.py \
        --function resize=examples/patterns/image_variants/app.py:resize --input '"cat.jpg"'
"""

from typing import Any

from durable_execution_sdk import DurableContext, InvokeConfig, MapConfig, durable_execution

KEY = InvokeConfig(result_type=str)


def resize(event: dict[str, Any], context: object) -> str:
    """Stand for the other function, which has more memory and an image library."""
    return f"{event['image']}@{event['width']}"


@durable_execution
async def publish(image: str, ctx: DurableContext) -> list[str]:
    async def variant(item: DurableContext, width: int, index: int) -> str:
        payload = {"image": image, "width": width}
        return await item.invoke("resize", payload, name=f"{width} px", config=KEY)

    batch = await ctx.map(
        [320, 640, 1280], variant, name="variants", config=MapConfig(max_concurrency=2)
    )
    batch.throw_if_error()
    return batch.results()
