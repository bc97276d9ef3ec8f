"""Checks of callers that wait for a whole execution, which takes longer than they do."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.dev.discovery.cloudformation import mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.checks.configuration import longest_timeout
from durable_execution_sdk.doctor.findings import Fault, Level, Place, check
from durable_execution_sdk.doctor.template import LambdaFunction, written_out
from durable_execution_sdk.protocol.limits import (
    LONGEST_EVENT_SOURCE_SECONDS,
    LONGEST_INVOCATION_SECONDS,
)

_QUEUES = frozenset({"SQS", "Kinesis", "DynamoDB", "MSK", "MQ", "SelfManagedKafka", "DocumentDB"})
_GATEWAY_SECONDS = 29


@check(
    "DOC401",
    Level.ERROR,
    reason="an event source mapping waits for the whole execution, and cannot be made for one that may take"
    " longer than an invocation",
    fix="lower ExecutionTimeout to 900, or let a plain function take the events and start executions"
    " with the invocation type Event",
)
def event_sources(app: Application) -> Iterator[Fault]:
    """Find event source mappings of functions whose executions may take longer than an invocation can."""
    for place, name, function, timeout in _mappings(app):
        if timeout > longest_timeout(function):
            yield (
                place,
                f"{name} feeds {function.logical_id}, whose ExecutionTimeout is {timeout} s",
            )


@check(
    "DOC402",
    Level.WARNING,
    reason="the guide to event source mappings allows 900 s, the guide to timeouts 1,800 s",
    fix="lower ExecutionTimeout to 900 to be sure that the mapping can be made",
)
def event_sources_in_doubt(app: Application) -> Iterator[Fault]:
    """Find event source mappings between the two limits that are documented."""
    for place, name, function, timeout in _mappings(app):
        if LONGEST_EVENT_SOURCE_SECONDS < timeout <= longest_timeout(function):
            yield (
                place,
                f"{name} feeds {function.logical_id}, whose ExecutionTimeout is {timeout} s",
            )


def _mappings(app: Application) -> Iterator[tuple[Place, str, LambdaFunction, int]]:
    for function in app.durable:
        for name, event in written_out(function.properties.get("Events")).items():
            timeout = function.execution_timeout
            if str(mapping(event).get("Type")) in _QUEUES and timeout is not None:
                yield function.place("Events", name), f"the event {name}", function, timeout
    for resource in app.template.of_type("AWS::Lambda::EventSourceMapping"):
        target = app.references.target(resource.properties.get("FunctionName"))
        function_ = None if target is None else target.function
        if function_ is not None and function_.is_durable:
            timeout = function_.execution_timeout
            if timeout is not None:
                yield resource.place("FunctionName"), resource.logical_id, function_, timeout


@check(
    "DOC403",
    Level.ERROR,
    reason="API Gateway waits 29 s for an answer (an HTTP API 30 s), and an execution goes on until it ends",
    fix="start the execution with the invocation type Event: an integration of type AWS with the header"
    " X-Amz-Invocation-Type, or a plain function that starts it",
)
def gateways(app: Application) -> Iterator[Fault]:
    """Find routes of API Gateway that wait for an execution that may take longer."""
    for function in app.durable:
        timeout = function.execution_timeout
        if timeout is None or timeout <= _GATEWAY_SECONDS:
            continue
        for name, event in written_out(function.properties.get("Events")).items():
            if str(mapping(event).get("Type")) in {"Api", "HttpApi"}:
                yield (
                    function.place("Events", name),
                    f"the event {name} waits for {function.logical_id}, whose ExecutionTimeout is {timeout} s",
                )
    for resource in app.template.of_type(
        "AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Integration"
    ):
        integration = mapping(resource.properties.get("Integration")) or resource.properties
        path = (
            ("Integration", "Uri") if "Integration" in resource.properties else ("IntegrationUri",)
        )
        target = app.references.target(integration.get("Uri", integration.get("IntegrationUri")))
        header = mapping(integration.get("RequestParameters")).get(
            "integration.request.header.X-Amz-Invocation-Type"
        )
        if header is not None or target is None or target.function is None:
            continue
        timeout = target.function.execution_timeout
        if target.function.is_durable and timeout is not None and timeout > _GATEWAY_SECONDS:
            yield (
                resource.place(*path),
                f"{resource.logical_id} waits for {target.function.logical_id}, whose ExecutionTimeout is {timeout} s",
            )


@check(
    "DOC404",
    Level.ERROR,
    reason="a function URL waits for the whole execution, and Lambda for 1,800 s at most",
    fix="put a plain function behind the URL, which starts the execution with the invocation type Event",
)
def urls(app: Application) -> Iterator[Fault]:
    """Find function URLs of functions whose executions take longer than a synchronous call can."""
    for function in app.durable:
        timeout = function.execution_timeout
        if timeout is None or timeout <= LONGEST_INVOCATION_SECONDS:
            continue
        if function.is_serverless and function.properties.get("FunctionUrlConfig"):
            yield (
                function.place("FunctionUrlConfig"),
                f"the URL waits for {function.logical_id}, whose ExecutionTimeout is {timeout} s",
            )
        for resource in app.template.of_type("AWS::Lambda::Url"):
            target = app.references.target(resource.properties.get("TargetFunctionArn"))
            if target is not None and target.function is function:
                yield (
                    resource.place("TargetFunctionArn"),
                    f"{resource.logical_id} waits for {function.logical_id}, whose ExecutionTimeout is {timeout} s",
                )


CHECKS = (event_sources, event_sources_in_doubt, gateways, urls)
