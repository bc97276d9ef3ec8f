"""The connection with an endpoint of Lambda's API: its address, and the credentials for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.botocore_credentials import BotocoreCredentials, botocore_session
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.aws.credentials import FixedCredentials
from durable_execution_sdk.aws.endpoint import Endpoint, find_endpoint
from durable_execution_sdk.aws.signer import Credentials
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.ports.backoff import Backoff
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.server.access import is_loopback

if TYPE_CHECKING:
    from durable_execution_sdk.aws.credentials import CredentialSource

__all__ = ["EndpointConnection", "EndpointOptions"]

_LOCAL = Credentials(access_key="local", secret_key="local")  # noqa: S106 - servers of this computer take any


class EndpointOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the connection; what is left out comes from the environment, and the region from the ARN."""

    url: str | None = None
    profile: str | None = None
    region: str | None = None


class EndpointConnection:
    """A client of the endpoint that an execution is at.

    Raises ``ConfigError`` if the settings contradict one another, or there are no credentials.
    """

    def __init__(
        self, arn: ExecutionArn, options: EndpointOptions, environ: Mapping[str, str] = os.environ
    ) -> None:
        endpoint = find_endpoint(environ, url=options.url, region=options.region or arn.region)
        self._client = LambdaClient(
            endpoint=endpoint,
            credentials=_credentials(endpoint, options.profile, environ),
            # A person waits for the first answer; later ones are asked for again anyway.
            backoff=Backoff(attempts=3),
            environ=environ,
        )
        self.url = endpoint.url
        self.control = LambdaControlPlane(self._client)

    async def aclose(self) -> None:
        """Close the connections of the running loop; a later call opens new ones."""
        await self._client.aclose()


def _credentials(
    endpoint: Endpoint, profile: str | None, environ: Mapping[str, str]
) -> CredentialSource | None:
    """Return the source of credentials; ``None`` for that of the environment."""
    if profile is not None:
        session = botocore_session(profile)
        if session is None:
            raise ConfigError(
                f"the profile {profile!r} is read by botocore, which is not installed:"
                ' pip install "durable-execution-sdk[aws]"'
            )
        return BotocoreCredentials(session)
    if is_loopback(endpoint.host) and not environ.get("AWS_ACCESS_KEY_ID"):
        return FixedCredentials(_LOCAL)
    return None
