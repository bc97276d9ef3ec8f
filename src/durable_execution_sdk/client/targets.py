"""The functions that a client's calls name: by a handler, a reference, a name or an ARN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from durable_execution_sdk.client.function_ref import FunctionRef, function_text, split_name
from durable_execution_sdk.client.service import Service
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.serdes import SerDes, serdes_for_type

__all__ = ["AnyTarget", "Targets"]

AnyTarget = AnyHandler | FunctionRef[Any, Any] | str
"""A function as calls name it."""


class Targets:
    """Finds the function that a call means; handlers by ``functions``, or by their name in code on a local service."""

    def __init__(self, functions: Mapping[AnyHandler, str], service: Service) -> None:
        self._service = service
        self._refs: dict[object, FunctionRef[Any, Any]] = {}
        if not isinstance(cast("object", functions), Mapping):
            raise ConfigError(
                f"functions is a mapping of handlers to names, as in {{process_order: 'orders:live'}}, not {functions!r}"
            )
        for handler, name in functions.items():
            if not isinstance(handler, DurableHandler):
                raise ConfigError(
                    f"functions={{...}} has a handler of @durable_execution as each key, not {handler!r}"
                )
            # ``handler.bind(...)`` is another object for the same workflow.
            self._refs[handler.__wrapped__] = FunctionRef(name, handler=handler)

    def ref(self, target: AnyTarget, call: str) -> FunctionRef[Any, Any]:
        """Return the reference of a function with a version or an alias; ``call`` begins errors."""
        if isinstance(target, FunctionRef):
            return target
        if isinstance(target, str):
            return FunctionRef(target)
        if not isinstance(cast("object", target), DurableHandler):
            raise ConfigError(
                f"{call} takes a handler of @durable_execution, a FunctionRef, or the name or ARN of a function, not"
                f" {target!r}"
            )
        known = self._refs.get(target.__wrapped__)
        if known is not None:
            return known
        if not self._service.is_local:
            raise ConfigError(
                f"{call}: {target!r} is a name in code, and {self._service.address} knows functions by their deployed"
                f" names: DurableClient(functions={{{target.__name__}: 'NAME:ALIAS'}}), or"
                f" FunctionRef('NAME:ALIAS', handler={target.__name__})"
            )
        return FunctionRef(f"{target.__name__}:$LATEST", handler=target)

    def hint(self, target: AnyTarget) -> str:
        """Return a note for errors of a function that is not there: a handler may be deployed under another name."""
        if not isinstance(target, DurableHandler) or target.__wrapped__ in self._refs:
            return ""
        name = target.__name__
        deployed = "".join(part.capitalize() for part in name.split("_"))
        return (
            f". A handler is looked for by its name in code; if its template names it otherwise, give that name to the"
            f' client: functions={{{name}: "{deployed}:$LATEST"}}'
        )

    def listed_name(self, target: AnyTarget, call: str) -> str:
        """Return the name of the function whose executions are listed: of all versions, unless a text names one.

        A reference has an alias for its starts, and that leads to other versions in time.
        """
        if isinstance(target, str):
            return function_text(target, call)
        return split_name(self.ref(target, call).name)[0]

    def result_serdes(self, target: AnyTarget | None, call: str) -> SerDes[Any]:
        """Return the serdes of the results of a function; that of plain JSON if it is given by name, or not at all."""
        if target is None or isinstance(target, str):
            return serdes_for_type(Any)
        if isinstance(target, DurableHandler):
            serdes: SerDes[Any] = target.result_serdes
            return serdes
        return self.ref(target, call).result_serdes
