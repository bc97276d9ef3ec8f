"""The functions of a registry as Lambda's API describes and lists them."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from durable_execution_sdk.emulator.functions.registry import LATEST, Function, Functions
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.protocol.control_plane import DurableConfig
from durable_execution_sdk.protocol.functions import (
    AliasConfiguration,
    AliasPage,
    FunctionConfiguration,
    FunctionDescription,
    FunctionPage,
    VersionPage,
)
from durable_execution_sdk.protocol.limits import MAX_FUNCTIONS_PER_PAGE, MAX_FUNCTIONS_REQUESTED

_ALL = "ALL"
_Item = TypeVar("_Item")


class Catalog:
    """Descriptions of the functions of a registry."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def describe(self, name: str, qualifier: str | None) -> FunctionDescription:
        """Describe a function, or its version or alias. Raises ``ServiceError`` if it is not here."""
        resolved = self._functions.resolve(name, qualifier)
        arn = resolved.arn if resolved.qualified else self._functions.arn(resolved.function.name)
        return FunctionDescription(
            configuration=_configuration(resolved.function, arn, resolved.version)
        )

    def functions(
        self, *, version: str | None, master_region: str | None, marker: str | None, max_items: int
    ) -> FunctionPage:
        """List the functions by name, or with the version ``ALL`` all their versions.

        Raises ``ServiceError`` for a version other than ``ALL``, and for a region without it.
        """
        if version not in (None, _ALL):
            raise invalid(f"FunctionVersion is {_ALL}, or left out, not {version!r}.")
        if master_region is not None:
            if version is None:
                raise invalid(f"MasterRegion needs FunctionVersion={_ALL}.")
            # It asks for replicas of functions at the edge, and there are none.
            return FunctionPage(functions=[])
        configurations: list[FunctionConfiguration] = []
        for name in self._functions.names:
            if version is None:
                function = self._functions.get(name)
                if function is not None:
                    configurations.append(
                        _configuration(function, self._functions.arn(name), LATEST)
                    )
            else:
                configurations += self._versions(name)
        page, next_marker = _page(configurations, marker, max_items, _position)
        return FunctionPage(functions=page, next_marker=next_marker)

    def versions(self, name: str, *, marker: str | None, max_items: int) -> VersionPage:
        """List ``$LATEST`` and the published versions of a function.

        Raises ``ServiceError`` if the function is not here.
        """
        name = self._functions.resolve(name).function.name
        page, next_marker = _page(self._versions(name), marker, max_items, _position)
        return VersionPage(versions=page, next_marker=next_marker)

    def aliases(
        self, name: str, *, version: str | None, marker: str | None, max_items: int
    ) -> AliasPage:
        """List the aliases of a function by name, or those that stand for a version.

        Raises ``ServiceError`` if the function is not here.
        """
        name = self._functions.resolve(name).function.name
        aliases = [
            AliasConfiguration(
                alias_arn=self._functions.arn(name, alias), name=alias, function_version=stands_for
            )
            for alias, stands_for in sorted(self._functions.aliases(name).items())
            if version in (None, stands_for)
        ]
        page, next_marker = _page(aliases, marker, max_items, lambda alias: (alias.name, 0))
        return AliasPage(aliases=page, next_marker=next_marker)

    def _versions(self, name: str) -> list[FunctionConfiguration]:
        configurations: list[FunctionConfiguration] = []
        for version in (LATEST, *self._functions.versions(name)):
            function = self._functions.get(name, version)
            if function is not None:
                arn = self._functions.arn(name, version)
                configurations.append(_configuration(function, arn, version))
        return configurations


def _configuration(function: Function, arn: str, version: str) -> FunctionConfiguration:
    durable_config = None
    if function.durable:
        durable_config = DurableConfig(
            execution_timeout=function.execution_timeout,
            retention_period_in_days=function.retention_days,
        )
    return FunctionConfiguration(
        function_name=function.name,
        function_arn=arn,
        version=version,
        # The API has whole seconds.
        timeout=math.ceil(function.timeout),
        memory_size=function.memory_mb,
        durable_config=durable_config,
        package_type="Zip",
        state="Active",
        last_update_status="Successful",
    )


def _page(
    items: Sequence[_Item],
    marker: str | None,
    max_items: int,
    position: Callable[[_Item], tuple[str, int]],
) -> tuple[list[_Item], str | None]:
    """Return the items after the marker's, and the marker of the next page.

    A marker names the last item of its page, so nothing is left out when functions come and go.
    """
    if not 0 <= max_items <= MAX_FUNCTIONS_REQUESTED:
        raise invalid(f"Invalid MaxItems {max_items}: 1 to {MAX_FUNCTIONS_REQUESTED}.")
    size = min(max_items or MAX_FUNCTIONS_PER_PAGE, MAX_FUNCTIONS_PER_PAGE)
    after = _read_marker(marker) if marker else None
    rest = [item for item in items if after is None or position(item) > after]
    next_marker = _marker(*position(rest[size - 1])) if len(rest) > size else None
    return rest[:size], next_marker


def _position(item: FunctionConfiguration) -> tuple[str, int]:
    return item.function_name, -1 if item.version == LATEST else int(item.version)


def _marker(name: str, number: int) -> str:
    return base64.b64encode(f"{name}:{number}".encode()).decode()


def _read_marker(marker: str) -> tuple[str, int]:
    try:
        name, _, number = base64.b64decode(marker, validate=True).decode().partition(":")
        return name, int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise invalid(f"Invalid Marker {marker!r}: use the NextMarker of an answer.") from error
