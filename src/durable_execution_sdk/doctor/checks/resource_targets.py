"""The functions that the resources of a template invoke: by schedules, rules, routes, state machines and others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from durable_execution_sdk.dev.discovery.cloudformation import mapping
from durable_execution_sdk.doctor.references import References
from durable_execution_sdk.doctor.template import Resource, is_intrinsic, items

__all__ = ["resource_targets"]

_Path = tuple[str | int, ...]
_NAMED_BY: dict[str, tuple[str, ...]] = {
    "AWS::ApiGateway::Method": ("Integration", "Uri"),
    "AWS::ApiGatewayV2::Integration": ("IntegrationUri",),
    "AWS::AppSync::DataSource": ("LambdaConfig", "LambdaFunctionArn"),
    "AWS::CloudFormation::CustomResource": ("ServiceToken",),
    "AWS::Lambda::EventSourceMapping": ("FunctionName",),
    "AWS::Logs::SubscriptionFilter": ("DestinationArn",),
    "AWS::Pipes::Pipe": ("Target",),
    "AWS::Scheduler::Schedule": ("Target", "Arn"),
    "AWS::SecretsManager::RotationSchedule": ("RotationLambdaARN",),
}
"""The property of a resource that names the function that it invokes, by the type of the resource."""
_DESCRIBED_BY = {
    "AWS::ApiGateway::RestApi": "Body",
    "AWS::ApiGatewayV2::Api": "Body",
    "AWS::Serverless::Api": "DefinitionBody",
    "AWS::Serverless::HttpApi": "DefinitionBody",
}
"""The property of an API that has its document of OpenAPI."""


def resource_targets(resource: Resource, references: References) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions that a resource invokes, with the paths of the properties that name them."""
    properties = resource.properties
    match resource.type:
        case "AWS::Events::Rule":
            for index, target in enumerate(items(properties.get("Targets"))):
                yield ("Targets", index, "Arn"), mapping(target).get("Arn")
        case "AWS::Lambda::Url" if not properties.get("Qualifier"):
            yield ("TargetFunctionArn",), properties.get("TargetFunctionArn")
        case "AWS::SNS::Subscription" if properties.get("Protocol") == "lambda":
            yield ("Endpoint",), properties.get("Endpoint")
        case _ if resource.type in _NAMED_BY:
            path = _NAMED_BY[resource.type]
            value: Any = properties
            for name in path:
                value = mapping(value).get(name)
            yield path, value
        case _ if resource.type.startswith("Custom::"):
            yield ("ServiceToken",), properties.get("ServiceToken")
        case _ if resource.type in _DESCRIBED_BY:
            body = _DESCRIBED_BY[resource.type]
            yield from _uris(properties.get(body), (body,))
        case "AWS::StepFunctions::StateMachine" | "AWS::Serverless::StateMachine":
            yield from _of_states(resource, references)
        case _:
            yield from _nested_targets(resource)


def _nested_targets(resource: Resource) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions that are named deeper in a resource."""
    properties = resource.properties
    path: _Path
    match resource.type:
        case "AWS::Cognito::UserPool":
            for name, trigger in mapping(properties.get("LambdaConfig")).items():
                is_mapping = "LambdaArn" in mapping(trigger)
                path = ("LambdaConfig", name, "LambdaArn") if is_mapping else ("LambdaConfig", name)
                yield path, mapping(trigger)["LambdaArn"] if is_mapping else trigger
        case "AWS::IoT::TopicRule":
            payload = mapping(properties.get("TopicRulePayload"))
            for index, action in enumerate(items(payload.get("Actions"))):
                path = ("TopicRulePayload", "Actions", index, "Lambda", "FunctionArn")
                yield path, mapping(mapping(action).get("Lambda")).get("FunctionArn")
            error = mapping(mapping(payload.get("ErrorAction")).get("Lambda"))
            yield (
                ("TopicRulePayload", "ErrorAction", "Lambda", "FunctionArn"),
                error.get("FunctionArn"),
            )
        case "AWS::S3::Bucket":
            configuration = mapping(properties.get("NotificationConfiguration"))
            for index, each in enumerate(items(configuration.get("LambdaConfigurations"))):
                path = ("NotificationConfiguration", "LambdaConfigurations", index, "Function")
                yield path, mapping(each).get("Function")
        case "AWS::ElasticLoadBalancingV2::TargetGroup" if properties.get("TargetType") == "lambda":
            for index, each in enumerate(items(properties.get("Targets"))):
                yield ("Targets", index, "Id"), mapping(each).get("Id")
        case _:
            pass


def _uris(value: Any, path: _Path) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions of the integrations in a document of OpenAPI."""
    for key, part in _parts(value):
        if key == "x-amazon-apigateway-integration":
            yield (*path, key, "uri"), mapping(part).get("uri")
        yield from _uris(part, (*path, key))


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, list):
        yield from enumerate(items(value))
    else:
        yield from mapping(value).items()


def _of_states(resource: Resource, references: References) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions that the states of a machine invoke."""
    properties = resource.properties
    text = _definition(resource)
    for name, value in mapping(properties.get("DefinitionSubstitutions")).items():
        state = rf"(?:Resource|FunctionName)['\"]?\s*:\s*['\"]?\$\{{{re.escape(str(name))}\}}['\"]?\s*(?:[,}}\n]|$)"
        # A state that has the function in its text, or a qualifier beside it, adds an alias.
        if "Qualifier" not in text and re.search(state, text):
            yield ("DefinitionSubstitutions", name), value
    for key in ("Definition", "DefinitionString"):
        given = properties.get(key)
        if isinstance(given, dict) and not is_intrinsic(given):
            yield from _states(given, (key,))
        elif given is not None:
            written = references.text(given)
            found = _STATE.finditer(written) if "Qualifier" not in written else ()
            yield from (((key,), match[1]) for match in found)


_STATE = re.compile(r'"(?:Resource|FunctionName)"\s*:\s*"([^"]*)"')


def _states(value: Any, path: _Path) -> Iterator[tuple[_Path, Any]]:
    """Yield the functions that an intrinsic gives to the states of a definition."""
    has_qualifier = "Qualifier" in mapping(value)
    for key, part in _parts(value):
        if key in {"Resource", "FunctionName"} and is_intrinsic(part) and not has_qualifier:
            yield (*path, key), part
        yield from _states(part, (*path, key))


def _definition(resource: Resource) -> str:
    """Return the text of a state machine; an empty one if it is not here."""
    properties = resource.properties
    given = properties.get("DefinitionString", properties.get("Definition"))
    uri = properties.get("DefinitionUri")
    if given is not None or not isinstance(uri, str):
        return given if isinstance(given, str) else repr(given)
    try:
        return (resource.template.file.parent / uri).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
