"""Give an analysis two days for all of its parts together, and ask for another sample after that.

The limit is that of a child context, so it holds for the steps, the answer of the laboratory and the waits in it.
The timer is durable. What is still open when the time is up is given up, and the workflow goes on.

Run it with::

    durable run examples/patterns/lab_result/app.py --skip-time --name ada --input '"Ada"'
    durable callback succeed ada/lab --data '"all is well"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    ChildConfig,
    ChildContextTimeoutError,
    DurableContext,
    WaitForCallbackConfig,
    durable_execution,
)

TWO_DAYS = ChildConfig(timeout=timedelta(days=2))
TEXT = WaitForCallbackConfig(result_type=str)


def collect(sample: str) -> str:
    return f"tube of {sample}"


def send_to_lab(callback_id: str, tube: str) -> None:
    print(f"lab: analyse {tube}, report to {callback_id}")


def call_patient(sample: str) -> str:
    return f"{sample}: please come again for a second sample"


async def analysis(child: DurableContext, sample: str) -> str:
    tube = await child.step(collect, sample)
    values = await child.wait_for_callback(send_to_lab, tube, name="lab", config=TEXT)
    await child.wait(timedelta(hours=6), name="second reading")
    return values


@durable_execution
async def examine(sample: str, ctx: DurableContext) -> str:
    try:
        return await ctx.run_in_child_context(analysis, sample, config=TWO_DAYS)
    except ChildContextTimeoutError:
        return await ctx.step(call_patient, sample)
