"""Ask three reviewers for a grade, and go on as soon as two have answered.

Each reviewer has a context of their own in the map, which ends with the second success. The third callback stays
open, and an answer to it changes nothing. For a vote of all, leave out ``completion=``.

Run it with::

    durable run examples/callbacks/paper_review/app.py --name paper --input '"On replay"'
    durable callback succeed paper/Grace --data 2
    durable callback succeed paper/Alan --data 5
"""

from datetime import timedelta

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    MapConfig,
    WaitForCallbackConfig,
    durable_execution,
)

GRADE = WaitForCallbackConfig(result_type=int, timeout=timedelta(days=14))
TWO_ANSWERS = MapConfig(completion=CompletionConfig(min_successful=2))


def ask_reviewer(callback_id: str, reviewer: str, paper: str) -> None:
    print(f"{reviewer}: please grade {paper!r}, {callback_id}")


@durable_execution
async def review(paper: str, ctx: DurableContext) -> float:
    async def grade(item: DurableContext, reviewer: str, index: int) -> int:
        return await item.wait_for_callback(
            ask_reviewer, reviewer, paper, name=reviewer, config=GRADE
        )

    grades = await ctx.map(["Ada", "Grace", "Alan"], grade, name="reviews", config=TWO_ANSWERS)
    return sum(grades.results()) / grades.success_count
