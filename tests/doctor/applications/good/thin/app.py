"""A workflow whose packages are in a layer."""

from durable_execution_sdk import DurableContext, durable_execution


@durable_execution
async def handler(event: dict, ctx: DurableContext) -> int:
    """Answer with a number."""
    return 1
