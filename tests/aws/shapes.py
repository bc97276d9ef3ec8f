"""botocore's service model as a specification: values of a shape, and the meaning of a request."""

from __future__ import annotations

import base64
import functools
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.session
from botocore.model import OperationModel, Shape
from hypothesis import strategies as st
from tests.aws.conftest import Received

SERVICE = botocore.session.Session().get_service_model("lambda")
OPERATIONS = (
    "CheckpointDurableExecution",
    "GetDurableExecutionState",
    "Invoke",
    "GetDurableExecution",
    "GetDurableExecutionHistory",
    "ListDurableExecutionsByFunction",
    "StopDurableExecution",
    "PauseDurableExecution",
    "ResumeDurableExecution",
    "DeleteDurableExecution",
    "SendDurableExecutionCallbackSuccess",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
)

_FIRST_SECOND, _LAST_SECOND = 0, 4_000_000_000
# Built from parts, because generating it from its pattern is slow in Hypothesis.
_ARNS = st.builds(
    "arn:{}:lambda:{}:123456789012:function:{}:{}/durable-execution/{}/{}".format,
    st.sampled_from(["aws", "aws-cn", "0"]),
    st.sampled_from(["eu-west-1", "us-gov-east-1", "-"]),
    st.sampled_from(["f", "A_b-9"]),
    st.sampled_from(["$LATEST", "$LATEST.PUBLISHED", "1", "42"]),
    st.text("aZ0_-", min_size=1, max_size=5),
    st.text("aZ0_-", min_size=1, max_size=5),
)
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
# Members that the service always sends, although the model does not require them.
_ALWAYS = {"Event": frozenset({"EventType", "EventId", "EventTimestamp"})}
# An enum value that a newer service may add.
NEWER = "SOMETHING_NEW"


def operation(name: str) -> OperationModel:
    return SERVICE.operation_model(name)


@functools.cache
def inputs(name: str, *, without: frozenset[str] = frozenset()) -> st.SearchStrategy[Any]:
    """Generate parameters that the model accepts, in the form of botocore's users."""
    return _structures(operation(name).input_shape, strict=True, without=without)


@functools.cache
def outputs(name: str) -> st.SearchStrategy[Any]:
    """Generate results of the service, with new enum values and without optional members."""
    return _structures(operation(name).output_shape, strict=False)


def _values(shape: Shape, *, strict: bool) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "structure":
            return _structures(shape, strict=strict)
        case "list":
            lowest = shape.metadata.get("min", 0)
            return st.lists(
                _values(shape.member, strict=strict), min_size=lowest, max_size=lowest + 2
            )
        case "string":
            return _strings(shape, strict=strict)
        case "integer":
            return st.integers(shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 40))
        case "boolean":
            return st.booleans()
        case "blob":
            return st.binary(max_size=30)
        case "timestamp":
            return st.integers(_FIRST_SECOND * 1000, _LAST_SECOND * 1000).map(from_milliseconds)
        case other:
            raise AssertionError(f"no values for {other}")


def _structures(
    shape: Shape, *, strict: bool, without: frozenset[str] = frozenset()
) -> st.SearchStrategy[dict[str, Any]]:
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, member in shape.members.items():
        if name not in without:
            always = name in shape.required_members or name in _ALWAYS.get(shape.name, ())
            chosen = required if always else optional
            chosen[name] = _values(member, strict=strict)
    return st.fixed_dictionaries(required, optional=optional)


def _strings(shape: Shape, *, strict: bool) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from([*shape.enum, *([] if strict else [NEWER])])
    if not strict:
        return _TEXT
    lowest, most = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
    pattern = shape.metadata.get("pattern")
    if shape.name == "DurableExecutionArn":
        return _ARNS
    strings = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True) if pattern else _TEXT
    return strings.filter(lambda text: lowest <= len(text) <= most)


def from_milliseconds(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(
        microsecond=milliseconds % 1000 * 1000
    )


def to_milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def encode(shape: Shape, value: Any, *, newer: bool = False) -> Any:
    """Encode a value as rest-json does in a body; ``newer`` adds unknown members."""
    match shape.type_name:
        case "structure":
            members = {
                member.serialization.get("name", name): encode(member, value[name], newer=newer)
                for name, member in shape.members.items()
                if name in value
            }
            if newer:
                members["NewMember"] = {"Of": ["any", "kind"]}
            return members
        case "list":
            return [encode(shape.member, item, newer=newer) for item in value]
        case "timestamp":
            milliseconds = to_milliseconds(value)
            return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000
        case "blob":
            return base64.b64encode(value).decode()
        case _:
            return value


def body_of(name: str, value: dict[str, Any], *, newer: bool = False) -> bytes:
    """Return a result as the body of a response."""
    return json.dumps(encode(operation(name).output_shape, value, newer=newer)).encode()


def parameters(name: str, received: Received) -> dict[str, Any]:
    """Return the parameters of a request, parsed by the model."""
    model = operation(name)
    path, _, query = received.target.partition("?")
    assert received.method == model.http["method"]
    request_parameters: dict[str, Any] = {}
    template = model.http["requestUri"].strip("/").split("/")
    segments = path.strip("/").split("/")
    assert len(template) == len(segments), f"{path} has other segments than {template}"
    for template_segment, sent in zip(template, segments, strict=True):
        if template_segment.startswith("{"):
            request_parameters[template_segment.strip("{}")] = unquote(sent, errors="strict")
        else:
            assert template_segment == sent
    in_query: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        in_query.setdefault(key, []).append(value)
    payload = model.input_shape.serialization.get("payload")
    in_body: dict[str, Shape] = {}
    for member_name, member in model.input_shape.members.items():
        wire_name = member.serialization.get("name", member_name)
        location = member.serialization.get("location")
        if location == "querystring" and wire_name in in_query:
            texts = in_query.pop(wire_name)
            request_parameters[member_name] = (
                texts if member.type_name == "list" else _read(member, texts[0])
            )
        elif location == "header" and wire_name.lower() in received.headers:
            request_parameters[member_name] = received.headers[wire_name.lower()]
        elif location is None and payload is None:
            in_body[member_name] = member
    assert not in_query, f"the model has no query parameters {sorted(in_query)}"
    if payload is not None:
        member = model.input_shape.members[payload]
        if received.body:
            request_parameters[payload] = (
                received.body if member.type_name == "blob" else json.loads(received.body)
            )
    elif in_body:
        sent = json.loads(received.body)
        assert set(sent) <= set(in_body), "the body has members that the model does not know"
        request_parameters.update(sent)
    else:
        assert not received.body
    return request_parameters


def _read(shape: Shape, text: str) -> Any:
    match shape.type_name:
        case "integer":
            return int(text)
        case "boolean":
            assert text in {"true", "false"}
            return text == "true"
        case "timestamp":
            return datetime.fromisoformat(text)
        case _:
            return text


def violations(shape: Shape, value: Any, at: str = "") -> list[str]:
    """List the constraints of the model that a value breaks; botocore itself checks only a few."""
    problems: list[str] = []
    match shape.type_name:
        case "structure":
            problems += [
                f"{at}.{name} is missing" for name in shape.required_members if name not in value
            ]
            for name, member in value.items():
                if name in shape.members:
                    problems += violations(shape.members[name], member, f"{at}.{name}")
                else:
                    problems.append(f"{at}.{name} is not known")
            return problems
        case "list":
            for index, item in enumerate(value):
                problems += violations(shape.member, item, f"{at}[{index}]")
            measure = len(value)
        case "string":
            pattern = shape.metadata.get("pattern")
            if pattern and not re.fullmatch(pattern, value, re.ASCII):
                problems.append(f"{at} does not match {pattern}")
            if shape.enum and value not in shape.enum:
                problems.append(f"{at} is none of {shape.enum}")
            measure = len(value)
        case "blob":
            measure = len(value)
        case "integer":
            measure = value
        case _:
            return problems
    lowest, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (lowest is not None and measure < lowest) or (most is not None and measure > most):
        problems.append(f"{at}: {measure} is not within {lowest} and {most}")
    return problems
