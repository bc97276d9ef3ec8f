"""Read an answer that is not JSON: a bank reports a transfer in a format of its own.

``serdes=`` takes the place of ``result_type=``: ``from_line`` reads what the bank sends. The workflow answers no
callbacks, so ``to_line`` is there for tests, and for programs of ours that stand in for the bank.

Run it with::

    durable run examples/callbacks/bank_transfer/app.py --name invoice-7 --input '"invoice 7"'
    durable callback succeed invoice-7 --data 'REF=X9;AMT=1250' --text
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    DurableContext,
    WaitForCallbackConfig,
    custom_serdes,
    durable_execution,
)


@dataclass(frozen=True)
class Transfer:
    reference: str
    cents: int


def to_line(transfer: Transfer) -> str:
    return f"REF={transfer.reference};AMT={transfer.cents}"


def from_line(line: str) -> Transfer:
    fields = dict(field.split("=", 1) for field in line.split(";"))
    return Transfer(fields["REF"], int(fields["AMT"]))


BANK = WaitForCallbackConfig(serdes=custom_serdes(to_line, from_line))


def announce(callback_id: str, invoice: str) -> None:
    print(f"bank: report the transfer for {invoice} to {callback_id}")


@durable_execution
async def await_transfer(invoice: str, ctx: DurableContext) -> str:
    transfer = await ctx.wait_for_callback(announce, invoice, name="transfer", config=BANK)
    return f"{invoice} is paid: {transfer.cents / 100:.2f} by {transfer.reference}"
