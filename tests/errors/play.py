"""Run failing steps on a log in memory; as a script, replay such a log in a new process."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from tests.errors.facts import facts
from tests.memory_service import MemoryService

from durable_execution_sdk import (
    DurableContext,
    NoRetry,
    OperationError,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.protocol.operations import Operation

ONE_TRY = StepConfig(retry_strategy=NoRetry())


def handler_of(
    bodies: Mapping[str, Callable[[], Any]], see: Callable[[str, Exception], Any]
) -> Any:
    """Make a handler that runs each body as a step, and returns the facts of its error."""

    async def workflow(names: list[str], ctx: DurableContext) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name in names:
            try:
                await ctx.step(bodies[name], name=name, config=ONE_TRY)
            except OperationError as error:
                seen[name] = see(name, error)
        return seen

    return durable_execution(workflow)


def run(service: MemoryService, handler: Any, names: list[str]) -> Any:
    """Invoke the handler once with the log of the service."""
    outcome = handler.bind(service)(service.event(json.dumps(names)), None)
    assert outcome["Status"] == "SUCCEEDED", outcome
    return json.loads(outcome["Result"])


def not_run() -> None:
    raise AssertionError("a body ran on replay")


def main() -> None:
    """Replay the log on stdin, after importing the modules in the arguments."""
    request = json.load(sys.stdin)
    for module in request["modules"]:
        loaded = importlib.import_module(module)
        if hasattr(loaded, "modelled"):
            sys.modules["_kept"] = loaded.modelled()
    service = MemoryService()
    service.operations = msgspec.convert(request["operations"], dict[str, Operation])
    names = request["names"]
    handler = handler_of(dict.fromkeys(names, not_run), lambda _name, error: facts(error))
    json.dump(run(service, handler, names), sys.stdout)


if __name__ == "__main__":
    main()
