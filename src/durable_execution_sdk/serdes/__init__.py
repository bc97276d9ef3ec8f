"""Serialization of values as plain JSON, and deserialization by type annotation."""

from typing import TYPE_CHECKING

from durable_execution_sdk.first_use import on_first_use
from durable_execution_sdk.serdes.annotations import (
    serdes_for_parameter,
    serdes_for_return,
    serdes_for_type,
)
from durable_execution_sdk.serdes.envelopes import ENVELOPE, without_envelopes
from durable_execution_sdk.serdes.protocol import (
    PassThroughSerDes,
    SerDes,
    SerDesContext,
    checked_text,
)
from durable_execution_sdk.serdes.values import INTS, JsonSerDes

if TYPE_CHECKING:
    from durable_execution_sdk.serdes import fidelity, fitting, models, shapes
    from durable_execution_sdk.serdes.callback import CallbackSerDes
else:
    __getattr__ = on_first_use(
        __name__,
        {
            "CallbackSerDes": "callback",
            "fidelity": "fidelity",
            "fitting": "fitting",
            "models": "models",
            "shapes": "shapes",
        },
    )

__all__ = [
    "ENVELOPE",
    "INTS",
    "CallbackSerDes",
    "JsonSerDes",
    "PassThroughSerDes",
    "SerDes",
    "SerDesContext",
    "checked_text",
    "fidelity",
    "fitting",
    "models",
    "serdes_for_parameter",
    "serdes_for_return",
    "serdes_for_type",
    "shapes",
    "without_envelopes",
]
