"""Run the checks of a loan at once; the first one that fails gives up the others.

By default a batch ends at its first failure. Branches that are under way are cancelled, also those that wait for
weeks. ``throw_if_error`` raises what the branch raised.

Run it with::

    durable run examples/parallel/credit_check/app.py --skip-time --input '{"applicant": "Ada", "income": 60000}'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    NoRetry,
    durable_execution,
    durable_step,
)


@dataclass(frozen=True)
class Application:
    applicant: str
    income: int


class IncomeError(Exception):
    """The income is too low."""


@durable_step(retry_strategy=NoRetry())
async def check_income(income: int) -> None:
    if income < 40_000:
        raise IncomeError(f"{income} is too low")


async def read_register(applicant: str) -> str:
    return f"nothing is known against {applicant}"


@durable_execution
async def check_credit(application: Application, ctx: DurableContext) -> str:
    async def income(branch: DurableContext) -> None:
        await branch.step(check_income, application.income)

    async def register(branch: DurableContext) -> str:
        await branch.wait(timedelta(weeks=2), name="register answers")
        return await branch.step(read_register, application.applicant)

    batch = await ctx.parallel({"income": income, "register": register}, name="checks")
    try:
        batch.throw_if_error()
    except IncomeError as error:
        return f"refused: {error}"
    return "granted"
