"""Checks of a function's own settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from durable_execution_sdk.dev.discovery.cloudformation import mapping
from durable_execution_sdk.doctor.application import Application
from durable_execution_sdk.doctor.findings import Fault, Level, check
from durable_execution_sdk.doctor.template import LambdaFunction, is_intrinsic, whole, written_out
from durable_execution_sdk.protocol.limits import (
    LONGEST_FUNCTION_TIMEOUT_SECONDS,
    LONGEST_INVOCATION_SECONDS,
    LONGEST_RETENTION_DAYS,
    LONGEST_TIMER_SECONDS,
)

RUNTIMES = ("python3.13", "python3.14")
_MEMBERS = ("ExecutionTimeout", "RetentionPeriodInDays", "KMSKeyArn")
_RUNTIME = re.compile(r"(python|nodejs|java|dotnet|ruby|go|provided)")


@check(
    "DOC101",
    Level.ERROR,
    reason="Lambda runs durable functions in Python on python3.13 and python3.14 only",
    fix="set Runtime to python3.13, and build the package with that Python",
)
def runtime(app: Application) -> Iterator[Fault]:
    """Find durable functions on a runtime without durable functions."""
    for function in app.durable:
        # A condition may choose the runtime and DurableConfig together.
        given = function.runtimes if function.has_known_config else [function.runtime]
        for name in dict.fromkeys(filter(None, given)):
            if _is_without_executions(name, has_python=function.logical_id in app.handlers):
                yield function.place("Runtime"), f"{function.logical_id} has the runtime {name}"
        # Included properties may have it.
        is_unset = "Runtime" not in function.properties and not is_intrinsic(function.properties)
        if is_unset and not function.is_image:
            yield function.head, f"{function.logical_id} has no Runtime"


def _is_without_executions(runtime_: str, *, has_python: bool) -> bool:
    """Tell if a runtime is none of Lambda's, or has no durable functions in Python."""
    is_one = _RUNTIME.match(runtime_) is not None
    is_python = has_python or runtime_.startswith("python")
    version = re.fullmatch(r"python3\.(\d+)", runtime_)
    is_older = version is None or int(version[1]) < 13
    return (is_python or not is_one) and runtime_ not in RUNTIMES and is_older


@check(
    "DOC102",
    Level.ERROR,
    reason="without it Lambda calls the handler with a plain event, and the SDK refuses that",
    fix="add DurableConfig with an ExecutionTimeout; for a function that is deployed already, make a new one",
)
def missing_config(app: Application) -> Iterator[Fault]:
    """Find handlers with ``@durable_execution`` whose function is not durable."""
    for name, handler in app.handlers.items():
        function = app.template.functions[name]
        if handler.durable and not function.is_durable:
            yield (
                function.head,
                f"{name} has no DurableConfig, but {function.handler} is a durable handler",
            )


@check(
    "DOC103",
    Level.ERROR,
    reason="a durable function is called with the service's envelope, which a plain handler cannot answer",
    fix="decorate the handler with @durable_execution, or remove DurableConfig",
)
def plain_handler(app: Application) -> Iterator[Fault]:
    """Find durable functions whose handler is a plain one."""
    for function in app.durable:
        handler = app.handlers.get(function.logical_id)
        if handler is not None and handler.function is not None and handler.durable is False:
            yield (
                function.place("DurableConfig"),
                (
                    f"{function.logical_id} has a DurableConfig, but {function.handler}"
                    " is no durable handler"
                ),
            )


@check(
    "DOC104",
    Level.ERROR,
    reason="an execution runs between 1 second and 366 days, and CloudFormation requires the number",
    fix=f"set ExecutionTimeout to a whole number of seconds from 1 to {LONGEST_TIMER_SECONDS}",
)
def execution_timeout(app: Application) -> Iterator[Fault]:
    """Find execution timeouts that the service refuses."""
    for function in app.durable:
        yield from _out_of_range(function, "ExecutionTimeout", LONGEST_TIMER_SECONDS, required=True)


@check(
    "DOC105",
    Level.ERROR,
    reason="the history of a closed execution is kept for 1 to 90 days",
    fix=f"set RetentionPeriodInDays to a whole number from 1 to {LONGEST_RETENTION_DAYS}, or leave it out for 14",
)
def retention(app: Application) -> Iterator[Fault]:
    """Find retention periods that the service refuses."""
    for function in app.durable:
        yield from _out_of_range(function, "RetentionPeriodInDays", LONGEST_RETENTION_DAYS)


def _out_of_range(
    function: LambdaFunction, name: str, largest: int, *, required: bool = False
) -> Iterator[Fault]:
    given = function.durable_config.get(name)
    if given is None:
        if required and function.has_known_config:
            yield function.place("DurableConfig"), f"{function.logical_id} has no {name}"
        return
    for value in function.template.values(given):
        number = whole(value)
        is_fraction = isinstance(value, float) and value != number
        if number is None or not 1 <= number <= largest or is_fraction:
            yield (
                function.place("DurableConfig", name),
                f"{function.logical_id} has the {name} {value!r}",
            )


@check(
    "DOC106",
    Level.ERROR,
    reason="one invocation takes 1,800 seconds at most, or 5,400 on Lambda Managed Instances",
    fix="set Timeout to a whole number of seconds up to that: it is the time of one invocation, while"
    " ExecutionTimeout is that of the execution",
)
def function_timeout(app: Application) -> Iterator[Fault]:
    """Find invocation timeouts that the service refuses."""
    for function in app.durable:
        for given in function.template.values(function.properties.get("Timeout")):
            seconds = whole(given)
            if seconds is None or not 1 <= seconds <= longest_timeout(function):
                yield function.place("Timeout"), f"{function.logical_id} has the Timeout {given!r}"


def longest_timeout(function: LambdaFunction) -> int:
    """Return the longest invocation of a function, in seconds."""
    managed = "CapacityProviderConfig" in function.properties
    return LONGEST_FUNCTION_TIMEOUT_SECONDS if managed else LONGEST_INVOCATION_SECONDS


@check(
    "DOC107",
    Level.WARNING,
    reason="the execution times out while its first invocation may still run",
    fix="set ExecutionTimeout to at least the Timeout of one invocation",
)
def shorter_than_invocation(app: Application) -> Iterator[Fault]:
    """Find executions that end before their first invocation may."""
    for function in app.durable:
        whole_time, one = function.execution_timeout, function.timeout
        if whole_time is not None and one is not None and 1 <= whole_time < one:
            yield (
                function.place("DurableConfig", "ExecutionTimeout"),
                f"{function.logical_id} has the ExecutionTimeout {whole_time}, less than its Timeout {one}",
            )


@check(
    "DOC108",
    Level.ERROR,
    reason="Lambda imports the module and looks the handler up in it before the first invocation",
    fix="correct Handler, or define the function",
)
def unknown_handler(app: Application) -> Iterator[Fault]:
    """Find names of handlers that their module does not define, or whose module is not there."""
    for name, handler in app.handlers.items():
        function = app.template.functions[name]
        is_undefined = handler.durable is False and handler.function is None
        if is_undefined and function not in app.without_module:
            yield (
                function.place("Handler"),
                f"{name} has the handler {function.handler}, which {handler.place.file} does not define",
            )
    for function in app.without_module:
        yield (
            function.place("Handler"),
            f"{function.logical_id} has the handler {function.handler}, whose module is not in its code",
        )


@check(
    "DOC109",
    Level.NOTE,
    reason="the SDK's lines carry the execution and the operation as fields, which a text line cannot be searched by",
    fix="set LoggingConfig: {LogFormat: JSON}",
)
def log_format(app: Application) -> Iterator[Fault]:
    """Find durable functions that log text."""
    for function in app.durable:
        logging = function.properties.get("LoggingConfig")
        if is_intrinsic(logging):
            continue
        given = function.template.value(mapping(logging).get("LogFormat", "Text"))
        if given is not None and given != "JSON":
            yield function.place("LoggingConfig"), f"{function.logical_id} logs text"


@check(
    "DOC110",
    Level.WARNING,
    reason="Lambda does not send the results of durable executions to destinations",
    fix="use a rule of EventBridge for changes of durable executions' status, or a dead-letter queue",
)
def destinations(app: Application) -> Iterator[Fault]:
    """Find destinations of durable functions."""
    for function in app.durable:
        invoke = mapping(function.properties.get("EventInvokeConfig"))
        if invoke.get("DestinationConfig"):
            yield (
                function.place("EventInvokeConfig", "DestinationConfig"),
                f"{function.logical_id} has destinations",
            )
    for resource in app.template.of_type("AWS::Lambda::EventInvokeConfig"):
        target = app.references.target(resource.properties.get("FunctionName"))
        is_durable = (
            target is not None and target.function is not None and target.function.is_durable
        )
        if is_durable and resource.properties.get("DestinationConfig"):
            yield resource.place("DestinationConfig"), f"{resource.logical_id} has destinations"


@check(
    "DOC111",
    Level.ERROR,
    reason="CloudFormation refuses a property that the service does not have",
    fix=f"correct the name: {', '.join(_MEMBERS)}",
)
def unknown_members(app: Application) -> Iterator[Fault]:
    """Find members of DurableConfig that the service does not have."""
    for function in app.durable:
        for name in written_out(function.durable_config):
            if name not in _MEMBERS:
                yield (
                    function.place("DurableConfig", name),
                    f"the DurableConfig of {function.logical_id} has {name!r}",
                )


CHECKS = (
    runtime,
    missing_config,
    plain_handler,
    execution_timeout,
    retention,
    function_timeout,
    shorter_than_invocation,
    unknown_handler,
    log_format,
    destinations,
    unknown_members,
)
