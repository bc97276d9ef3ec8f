"""Serialization of values as plain JSON, and deserialization by type annotation."""

from typing import TYPE_CHECKING

from durable_execution_sdk.first_use import on_first_use
from durable_execution_sdk.serdes.annotations import (
    parameter_text,
    serdes_for_parameter,
    serdes_for_return,
    serdes_for_type,
)
from durable_execution_sdk.serdes.protocol import (
    ENVELOPE,
    PassThroughSerDes,
    SerDes,
    SerDesContext,
    ValueContext,
    checked_text,
    on_a_fresh_stack,
)
from durable_execution_sdk.serdes.values import INTS, JsonSerDes

if TYPE_CHECKING:
    from durable_execution_sdk.serdes import paths
    from durable_execution_sdk.serdes.callback import CallbackSerDes
    from durable_execution_sdk.serdes.custom import CustomSerDes, custom_serdes
    from durable_execution_sdk.serdes.envelopes import without_envelopes
    from durable_execution_sdk.serdes.round_trip import fidelity, fitting
    from durable_execution_sdk.serdes.types import models, shapes
else:
    __getattr__ = on_first_use(
        __name__,
        {
            "CallbackSerDes": "callback",
            "CustomSerDes": "custom",
            "custom_serdes": "custom",
            "fidelity": "round_trip.fidelity",
            "fitting": "round_trip.fitting",
            "models": "types.models",
            "paths": "paths",
            "shapes": "types.shapes",
            "without_envelopes": "envelopes",
        },
    )

__all__ = [
    "ENVELOPE",
    "INTS",
    "CallbackSerDes",
    "CustomSerDes",
    "JsonSerDes",
    "PassThroughSerDes",
    "SerDes",
    "SerDesContext",
    "ValueContext",
    "checked_text",
    "custom_serdes",
    "fidelity",
    "fitting",
    "models",
    "on_a_fresh_stack",
    "parameter_text",
    "paths",
    "serdes_for_parameter",
    "serdes_for_return",
    "serdes_for_type",
    "shapes",
    "without_envelopes",
]
