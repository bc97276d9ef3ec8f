"""The configuration, the versions and the aliases of a function, from Lambda's API."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from durable_execution_sdk.aws import Call, LambdaClient
from durable_execution_sdk.aws.error_mapping import read_answer
from durable_execution_sdk.aws.signer import segment
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.control_plane import DurableConfig
from durable_execution_sdk.protocol.functions import (
    AliasConfiguration,
    AliasPage,
    FunctionConfiguration,
    FunctionPage,
    VersionPage,
)

__all__ = ["DeployedConfiguration", "LambdaFunctions"]

_Page = TypeVar("_Page", FunctionPage, VersionPage, AliasPage)


class LoggingConfiguration(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The logging of a function."""

    log_format: str | None = None


class DeployedConfiguration(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The part of a function's configuration that a check of it reads."""

    function_arn: str
    runtime: str | None = None
    durable_config: DurableConfig | None = None
    logging_config: LoggingConfiguration | None = None


class _Description(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    configuration: DeployedConfiguration


class LambdaFunctions:
    """Reads all pages. Its methods raise ``ServiceError`` when the service refuses a call or cannot be reached."""

    def __init__(self, client: LambdaClient) -> None:
        self._client = client

    async def all(self) -> list[FunctionConfiguration]:
        """Return the functions of the account and region, each as it is in ``$LATEST``."""
        pages: list[FunctionPage] = await self._pages("ListFunctions", None, "", FunctionPage)
        return [function for page in pages for function in page.functions]

    async def deployed(self, name: str) -> tuple[DeployedConfiguration, str | None]:
        """Return the configuration of a function, and the ``Date`` of the answer."""
        operation = "GetFunction"
        call = Call(
            operation=operation, method="GET", path=f"/2015-03-31/functions/{segment(name)}"
        )
        response = await self._client.call(call)
        decoder = msgspec.json.Decoder(_Description)
        description = read_answer(operation, decoder.decode, response)
        return description.configuration, response.headers.get("date")

    async def versions(self, name: str) -> list[FunctionConfiguration]:
        """Return ``$LATEST`` and the published versions of a function."""
        pages = await self._pages("ListVersionsByFunction", name, "versions", VersionPage)
        return [version for page in pages for version in page.versions]

    async def aliases(self, name: str) -> list[AliasConfiguration]:
        """Return the aliases of a function."""
        pages = await self._pages("ListAliases", name, "aliases", AliasPage)
        return [alias for page in pages for alias in page.aliases]

    async def _pages(
        self, operation: str, name: str | None, part: str, type_: type[_Page]
    ) -> list[_Page]:
        path = "" if name is None else f"/{segment(name)}/{part}"
        pages: list[_Page] = []
        marker: str | None = None
        while True:
            call = Call(
                operation=operation,
                method="GET",
                path=f"/2015-03-31/functions{path}",
                query=() if marker is None else (("Marker", marker),),
            )
            decoder = msgspec.json.Decoder(type_)
            page = read_answer(operation, decoder.decode, await self._client.call(call))
            pages.append(page)
            if not page.next_marker:
                return pages
            if page.next_marker == marker:
                raise ConfigError(
                    f"{operation}: the answer of the endpoint has no end: a marker came twice"
                )
            marker = page.next_marker
