"""Programs for the table about the parser: each returns the verdict that its row has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.middleware_factory.exceptions import MiddlewareInvalidArgumentError
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.parser import envelopes, event_parser, parse
from aws_lambda_powertools.utilities.parser.models import SqsModel
from pydantic import BaseModel
from tests.powertools.lambda_rig import as_function, run
from tests.powertools.queue import sqs_event

from durable_execution_sdk import DurableContext, durable_execution


class Order(BaseModel):
    id: str
    amount: int


EVENT = sqs_event({"id": "A", "amount": 1}, {"id": "B", "amount": 2})


@durable_execution
async def typed(event: Order, ctx: DurableContext) -> str:
    return event.id


def annotated() -> str:
    assert run(typed, {"id": "A", "amount": 1}).result == "A"
    refused = run(typed, {"id": "A"})
    assert (refused.status, refused.error.error_type) == ("FAILED", "SerDesError")
    return "works" if "amount" in refused.error.error_message else "wrong"


def annotated_event() -> str:
    @durable_execution
    async def workflow(event: SqsModel, ctx: DurableContext) -> list[str]:
        return [record.messageId for record in event.Records]

    return "works" if run(workflow, EVENT).result == ["message-0", "message-1"] else "wrong"


def envelope() -> str:
    @durable_execution
    async def workflow(event: dict[str, Any], ctx: DurableContext) -> list[str]:
        orders = parse(event=event, model=Order, envelope=envelopes.SqsEnvelope)
        return [order.id for order in orders]

    return "works" if run(workflow, EVENT).result == ["A", "B"] else "wrong"


def data_class() -> str:
    @durable_execution
    async def workflow(event: dict[str, Any], ctx: DurableContext) -> list[str]:
        return [record.json_body["id"] for record in SQSEvent(event).records]

    return "works" if run(workflow, EVENT).result == ["A", "B"] else "wrong"


def decorators_around() -> str:
    for decorate in (
        lambda handler: event_parser(handler, model=Order),
        lambda handler: event_source(handler, data_class=SQSEvent),
    ):
        with pytest.raises(MiddlewareInvalidArgumentError):
            decorate(typed)
    return "refused"


def around_a_function() -> str:
    ran = run(
        typed,
        {"id": "A", "amount": 1},
        wrap=lambda handler: event_parser(as_function(handler), model=Order),
    )
    # It parses the event of the service, not the input: each invocation fails, until the time is up.
    return "wrong" if ran.status == "TIMED_OUT" else str(ran.status)


ROWS: dict[str, Callable[[], str]] = {
    "`event: Order` of the durable handler, a pydantic model": annotated,
    "`event: SqsModel`, a model of Powertools": annotated_event,
    "`parse(event=event, model=Order, envelope=SqsEnvelope)` in workflow code": envelope,
    "`SQSEvent(event)` in workflow code": data_class,
    "`event_parser`, `event_source` around the durable handler": decorators_around,
    "`event_parser` around a function that calls it": around_a_function,
}
