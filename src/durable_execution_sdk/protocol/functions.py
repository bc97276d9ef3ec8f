"""Functions in responses of Lambda's API: their configuration, and lists of them and of their aliases.

Members that a function has only in AWS (role, code size, layers ...) are left out.
"""

from __future__ import annotations

import msgspec

from durable_execution_sdk.protocol.control_plane import DurableConfig


class FunctionConfiguration(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """A version of a function (API shape ``FunctionConfiguration``); the timeout is in seconds."""

    function_name: str
    function_arn: str
    version: str
    timeout: int
    memory_size: int
    durable_config: DurableConfig | None = None
    package_type: str | None = None
    state: str | None = None
    last_update_status: str | None = None


class FunctionDescription(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Response of ``GetFunction``."""

    configuration: FunctionConfiguration


class FunctionPage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Response of ``ListFunctions``; ``next_marker`` requests the next page."""

    functions: list[FunctionConfiguration]
    next_marker: str | None = None


class VersionPage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Response of ``ListVersionsByFunction``; ``next_marker`` requests the next page."""

    versions: list[FunctionConfiguration]
    next_marker: str | None = None


class AliasRouting(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The second version of an alias, with the share of the calls that it gets."""

    additional_version_weights: dict[str, float] | None = None


class AliasConfiguration(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """An alias of a function (API shape ``AliasConfiguration``)."""

    alias_arn: str
    name: str
    function_version: str
    routing_config: AliasRouting | None = None


class AliasPage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Response of ``ListAliases``; ``next_marker`` requests the next page."""

    aliases: list[AliasConfiguration]
    next_marker: str | None = None
