"""Wait for two signatures under one contract, in the order in which they come.

``ctx.create_callback`` takes two awaits: the first makes the callback, the second waits for its answer. So both
ids can stand in one letter before either is awaited.

Run it with::

    durable run examples/callbacks/contract_signatures/app.py --name house \
        --input '{"title": "The house", "seller": "Ada", "buyer": "Alan"}'
    durable callback succeed house/buyer --data '"A. Turing"'
    durable callback succeed house/seller --data '"A. Lovelace"'
"""

from dataclasses import dataclass

from durable_execution_sdk import CallbackConfig, DurableContext, durable_execution


@dataclass(frozen=True)
class Contract:
    title: str
    seller: str
    buyer: str


SIGNATURE = CallbackConfig(result_type=str)


def send_contract(title: str, callback_ids: dict[str, str]) -> None:
    for person, callback_id in callback_ids.items():
        print(f"{person}, please sign {title!r}: {callback_id}")


@durable_execution
async def sign_contract(contract: Contract, ctx: DurableContext) -> dict[str, str]:
    sellers = await ctx.create_callback(name="seller", config=SIGNATURE)
    buyers = await ctx.create_callback(name="buyer", config=SIGNATURE)
    ids = {contract.seller: sellers.callback_id, contract.buyer: buyers.callback_id}
    await ctx.step(send_contract, contract.title, ids)
    signed_by_seller, signed_by_buyer = await ctx.all(sellers, buyers, name="both have signed")
    return {contract.seller: signed_by_seller, contract.buyer: signed_by_buyer}
