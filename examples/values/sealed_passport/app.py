"""Keep secrets out of the log: a middleware encrypts what is written, and decrypts what is read.

``info.is_foreign`` marks payloads that have another reader than this handler: its event and its result, the
answers to callbacks, and what other functions get. Put a cipher with a key of yours in place of ``encrypt`` and
``decrypt``.

Run it with::

    durable run examples/values/sealed_passport/app.py --input '"Ada"'
"""

import base64
from collections.abc import Callable
from typing import Any

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.middleware import Middleware, PayloadInfo


def encrypt(text: str) -> str:
    return base64.b85encode(text.encode()).decode()  # stands for a cipher with a key of KMS


def decrypt(sealed: str) -> str:
    return base64.b85decode(sealed).decode()


class Sealed(Middleware):
    def around_serialize(
        self, value: Any, info: PayloadInfo, call_next: Callable[[Any], str]
    ) -> str:
        text = call_next(value)
        return text if info.is_foreign else encrypt(text)

    def around_deserialize(
        self, payload: str, info: PayloadInfo, call_next: Callable[[str], Any]
    ) -> Any:
        return call_next(payload if info.is_foreign else decrypt(payload))


def read_passport(name: str) -> str:
    return f"passport C01X00T47 of {name}"


@durable_execution(middleware=[Sealed()])
async def check_in(name: str, ctx: DurableContext) -> str:
    passport = await ctx.step(read_passport, name)
    return f"{name} has a passport that ends with {passport.split()[1][-2:]}"
