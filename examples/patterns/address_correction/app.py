"""Let a person correct bad data, and go on from there.

A parcel with a bad address opens a ticket, and the workflow waits for as long as that takes. The corrected address
is tried again, and may be wrong again. What was done before the failure is not done twice.

Run it with::

    durable run examples/patterns/address_correction/app.py --name parcel \
        --input '{"street": "Via Po 7", "postcode": "1012"}'
    durable callback succeed parcel/correction --data '{"street": "Via Po 7", "postcode": "10124"}'
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    DurableContext,
    NoRetry,
    WaitForCallbackConfig,
    durable_execution,
    durable_step,
)


@dataclass(frozen=True)
class Address:
    street: str
    postcode: str


class BadAddressError(Exception):
    def __init__(self, field: str) -> None:
        super().__init__(f"the carrier does not know this {field}")
        self.field = field


@durable_step(retry_strategy=NoRetry())
def print_label(address: Address) -> str:
    if len(address.postcode) != 5:
        raise BadAddressError("postcode")
    return f"label for {address.street}, {address.postcode}"


def open_ticket(callback_id: str, address: Address, field: str) -> None:
    print(f"please correct the {field} of {address}: {callback_id}")


CORRECTED = WaitForCallbackConfig(result_type=Address)


@durable_execution
async def send_parcel(address: Address, ctx: DurableContext) -> str:
    while True:
        try:
            return await ctx.step(print_label, address)
        except BadAddressError as error:
            address = await ctx.wait_for_callback(
                open_ticket, address, error.field, name="correction", config=CORRECTED
            )
