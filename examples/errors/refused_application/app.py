"""Fail an execution on purpose: an exception that the workflow does not catch ends it as FAILED, with its type and text.

It is not tried again. Callers see the error: those who invoke the function, the list of executions, alarms. Return a
value instead if a refusal is an ordinary outcome.

Run it with::

    durable run examples/errors/refused_application/app.py --input '{"name": "Ada", "age": 36}'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, durable_execution


@dataclass(frozen=True)
class Applicant:
    name: str
    age: int


class TooYoungError(Exception):
    """The applicant may not open an account."""


async def open_account(applicant: Applicant) -> str:
    return f"account of {applicant.name}"


@durable_execution
async def apply(applicant: Applicant, ctx: DurableContext) -> str:
    if applicant.age < 18:
        raise TooYoungError(f"{applicant.name} is {applicant.age}")
    return await ctx.step(open_account, applicant)
