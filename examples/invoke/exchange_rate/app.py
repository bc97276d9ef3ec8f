"""Go on with a standard rate when another team's function fails.

An ``InvokeError`` has the type name, the message and the data of the other function's error. It is an instance of
no class of ours, because a sender must not choose which ``except`` catches it: compare the name by ``is_a``.

Run it with::

    durable run examples/invoke/exchange_rate/app.py \
        --function rates=examples/invoke/exchange_rate/app.py:exchange_rates --input '"USD"'
"""

from typing import Any

from durable_execution_sdk import DurableContext, InvokeConfig, InvokeError, durable_execution


class UnknownCurrency(Exception):  # noqa: N818 - as the other team has named it
    pass


def exchange_rates(event: dict[str, Any], context: object) -> float:
    """Stand for the other team's function."""
    if event["currency"] not in {"USD", "CHF"}:
        raise UnknownCurrency(event["currency"])
    return 0.92


RATE = InvokeConfig(result_type=float)


def standard_rate(currency: str) -> float:
    return 0.9 if currency == "USD" else 1.0


@durable_execution
async def convert(currency: str, ctx: DurableContext) -> str:
    try:
        rate = await ctx.invoke("rates", {"currency": currency}, name="rate", config=RATE)
        source = "live"
    except InvokeError as error:
        if error.is_a("UnknownCurrency"):
            return f"nobody trades {currency}"
        ctx.log_warn("no live rate", reason=str(error))
        rate = await ctx.step(standard_rate, currency)
        source = "standard"
    return f"1 {currency} = {rate} EUR ({source})"
