"""Endpoints that describe and list functions."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.catalog import Catalog
from durable_execution_sdk.server.request import Incoming
from durable_execution_sdk.server.responses import json_answer


def get_function(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``GetFunction``."""
    description = Catalog(emulator.functions).describe(
        incoming.path["FunctionName"], incoming.text("Qualifier")
    )
    return json_answer(msgspec.json.encode(description))


def list_functions(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``ListFunctions``."""
    page = Catalog(emulator.functions).functions(
        version=incoming.text("FunctionVersion"),
        master_region=incoming.text("MasterRegion"),
        marker=incoming.text("Marker"),
        max_items=incoming.number("MaxItems"),
    )
    return json_answer(msgspec.json.encode(page))


def list_versions(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``ListVersionsByFunction``."""
    page = Catalog(emulator.functions).versions(
        incoming.path["FunctionName"],
        marker=incoming.text("Marker"),
        max_items=incoming.number("MaxItems"),
    )
    return json_answer(msgspec.json.encode(page))


def list_aliases(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``ListAliases``."""
    page = Catalog(emulator.functions).aliases(
        incoming.path["FunctionName"],
        version=incoming.text("FunctionVersion"),
        marker=incoming.text("Marker"),
        max_items=incoming.number("MaxItems"),
    )
    return json_answer(msgspec.json.encode(page))
