"""Collect the errors of several checks, and tell them apart by ``except*``.

``throw_if_error`` of a batch raises the error of the one branch that failed, or a group of several. The members are of
their own classes on the first run and on replay, so ``except*`` sorts them as usual.

Run it with::

    durable run examples/errors/form_errors/app.py --input '{"name": "", "age": 200}'
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    NoRetry,
    ParallelConfig,
    durable_execution,
)


@dataclass(frozen=True)
class Form:
    name: str
    age: int


class MissingError(Exception):
    """A field is empty."""


class ImplausibleError(Exception):
    """A field has a value that cannot be."""


async def check_name(form: Form) -> None:
    if not form.name:
        raise MissingError("name")


async def check_age(form: Form) -> None:
    if form.age > 130:
        raise ImplausibleError(f"age {form.age}")


@durable_execution(default_retry=NoRetry())
async def check_form(form: Form, ctx: DurableContext) -> list[str]:
    async def name(branch: DurableContext) -> None:
        await branch.step(check_name, form)

    async def age(branch: DurableContext) -> None:
        await branch.step(check_age, form)

    config = ParallelConfig(completion=CompletionConfig.all_completed())
    batch = await ctx.parallel({"name": name, "age": age}, name="checks", config=config)
    answers = []
    try:
        batch.throw_if_error()
    except* MissingError as missing:
        answers += [f"please fill in: {error}" for error in missing.exceptions]
    except* ImplausibleError as implausible:
        answers += [f"please check: {error}" for error in implausible.exceptions]
    return answers
