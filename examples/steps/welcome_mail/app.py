"""Call a step's function with keyword arguments, and name the step after the customer that it writes to.

Positional arguments follow the function, keyword arguments go through ``functools.partial``. Names help people who read a
history; they must be the same on replay, so make them from the input.

Run it with::

    durable run examples/steps/welcome_mail/app.py --input '{"address": "ada@example.com", "language": "fr"}'
"""

from dataclasses import dataclass
from functools import partial

from durable_execution_sdk import DurableContext, durable_execution

GREETINGS = {"en": "Welcome", "fr": "Bienvenue"}


@dataclass(frozen=True)
class Customer:
    address: str
    language: str = "en"


async def send(address: str, *, subject: str, copy_to: str | None = None) -> str:
    return f"{subject}: to {address}, copy to {copy_to}"


@durable_execution
async def welcome(customer: Customer, ctx: DurableContext) -> str:
    greeting = GREETINGS[customer.language]
    mail = partial(send, subject=greeting, copy_to="sales@example.com")
    return await ctx.step(mail, customer.address, name=f"welcome {customer.address}")
