"""Open a case for a person when a refund fails for good.

A compensation is retried like every step, and one that fails for good does not stop the others. In the end the
saga raises a ``CompensationError``, a group of the error that ended the block and those of the compensations.

Run it with::

    durable run examples/sagas/concert_ticket/app.py --skip-time --input '"night at the opera"'
"""

from durable_execution_sdk import (
    CompensationError,
    DurableContext,
    FixedDelay,
    NoRetry,
    StepConfig,
    durable_execution,
)

ONCE = StepConfig(retry_strategy=NoRetry())
THREE_TIMES = StepConfig(retry_strategy=FixedDelay(max_attempts=3))


class SoldOutError(Exception):
    pass


class BankClosedError(Exception):
    pass


def charge(order: str) -> str:
    return f"payment for {order}"


def refund(payment: str) -> None:
    if "night" in payment:
        raise BankClosedError(payment)


def reserve_seat(order: str) -> str:
    return f"seat for {order}"


def release_seat(seat: str) -> str:
    return f"{seat} is free"


def print_ticket(order: str) -> str:
    raise SoldOutError(order)


def open_case(order: str, reasons: list[str]) -> str:
    return f"case for {order}: {', '.join(reasons)}"


@durable_execution
async def sell_ticket(order: str, ctx: DurableContext) -> str:
    try:
        async with ctx.saga() as saga:
            await saga.step(charge, order, compensate=refund, compensation_config=THREE_TIMES)
            await saga.step(reserve_seat, order, compensate=release_seat)
            return await ctx.step(print_ticket, order, config=ONCE)
    except CompensationError as group:
        reasons = [type(error).__name__ for error in group.exceptions]
        return await ctx.step(open_case, order, reasons)
    except SoldOutError:
        return f"{order} is refunded"
