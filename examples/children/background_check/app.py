"""Give a part of the workflow two weeks in all, however many steps and waits it has.

``ChildConfig(timeout=...)`` gives up everything in the context when its time is over, and raises
``ChildContextTimeoutError``. The limit is a durable timer: it holds over suspensions and crashes.

Run it with::

    durable run examples/children/background_check/app.py --skip-time --input '"Ada"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    CallbackConfig,
    ChildConfig,
    ChildContextTimeoutError,
    DurableContext,
    durable_execution,
)


async def ask_former_employer(callback_id: str, name: str) -> None:
    """Send a letter; the answer goes to the callback."""


async def verify(reference: str) -> str:
    return f"verified: {reference}"


async def check_reference(child: DurableContext, name: str) -> str:
    config = CallbackConfig(result_type=str)
    answer = await child.create_callback(name="reference", config=config)
    await child.step(ask_former_employer, answer.callback_id, name)
    return await child.step(verify, await answer)


@durable_execution
async def background_check(name: str, ctx: DurableContext) -> str:
    config = ChildConfig(timeout=timedelta(weeks=2))
    try:
        return await ctx.run_in_child_context(check_reference, name, name="check", config=config)
    except ChildContextTimeoutError:
        return f"no reference for {name} within two weeks"
