"""The connection with an endpoint of Lambda's API: its address, and the credentials for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.botocore_credentials import BotocoreCredentials, botocore_session
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.aws.credentials import FixedCredentials
from durable_execution_sdk.aws.endpoint import Endpoint, configured_url, find_endpoint
from durable_execution_sdk.aws.function_catalog import LambdaFunctions
from durable_execution_sdk.aws.loopback import is_loopback
from durable_execution_sdk.aws.signer import Credentials
from durable_execution_sdk.aws.transport import NoAnswerError
from durable_execution_sdk.call_timing import Backoff
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.error_codes import NOT_FOUND

if TYPE_CHECKING:
    from durable_execution_sdk.aws.credentials import CredentialSource

__all__ = ["EndpointConnection", "EndpointOptions"]

_FORBIDDEN = 403
_ANY_REGION = "us-east-1"
# The first answer is waited for; later ones are asked for again anyway.
_FOR_A_PERSON = Backoff(attempts=3)
_LOCAL = Credentials(access_key="local", secret_key="local")  # noqa: S106 - servers of this computer take any


class EndpointOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the connection; what is left out comes from the environment.

    ``token`` is that of a server of this project, which takes it as the access key.
    """

    url: str | None = None
    profile: str | None = None
    region: str | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        """Refuse options that are no text, which Struct does not check."""
        for name, value in (
            ("endpoint", self.url),
            ("profile", self.profile),
            ("region", self.region),
            ("token", self.token),
        ):
            if not isinstance(cast("object", value), str | None):
                raise ConfigError(f"{name} is a text, not {value!r}")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ConfigError(
                "token has a new line, or another character that no token of durable dev has"
            )


class EndpointConnection:
    """A client of the endpoint, for the region of an ARN if there is one and the options name none.

    Raises ``ConfigError`` if the settings contradict one another, or there are no credentials.
    """

    def __init__(
        self,
        region: str | None,
        options: EndpointOptions,
        environ: Mapping[str, str] = os.environ,
        backoff: Backoff = _FOR_A_PERSON,
    ) -> None:
        region = options.region or region or _local_region(options, environ)
        endpoint = find_endpoint(environ, url=options.url, region=region)
        self._client = LambdaClient(
            endpoint=endpoint,
            credentials=_credentials(endpoint, options, environ),
            backoff=backoff,
            environ=environ,
        )
        self.url = endpoint.url
        self.is_local = is_loopback(endpoint.host)
        self.control = LambdaControlPlane(self._client)
        self.functions = LambdaFunctions(self._client)

    def explained(
        self,
        error: ServiceError,
        *,
        absent: str,
        gone: str,
        reads: str,
        actions: Sequence[str],
        verb: str = "read",
    ) -> ServiceError:
        """Say what an error means for the reader of ``reads``: ``absent`` is not there for the reason ``gone``, or ``actions`` are not allowed.

        ``verb`` is what is done with ``reads``.
        """
        if error.code == NOT_FOUND:
            text = (
                f"there is no {absent} at {self.url}: {gone};"
                " --endpoint, --profile and --region say where to look"
            )
        elif error.status == _FORBIDDEN:
            *first, last = (f"lambda:{action}" for action in actions)
            needed = f"{', '.join(first)} and {last}" if first else last
            text = (
                f"{self.url} does not let you {verb} {reads}: {error.message}; it takes permission for"
                f" {needed}"
            )
        elif isinstance(error.__cause__, NoAnswerError):
            text = f"{self.url} does not answer: {error.message}"
        else:
            text = f"{self.url}: {error.message}"
        return ServiceError(text)

    async def aclose(self) -> None:
        """Close the connections of the running loop; a later call opens new ones."""
        await self._client.aclose()


def _local_region(options: EndpointOptions, environ: Mapping[str, str]) -> str | None:
    """Return a region for a server on this computer, which looks at none, if the environment has none."""
    names = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")
    url = options.url or configured_url(environ)
    if url is None or options.profile or any(environ.get(name) for name in names):
        return None
    is_local = is_loopback(Endpoint.at(url, region=_ANY_REGION).host)
    return _ANY_REGION if is_local else None


def _credentials(
    endpoint: Endpoint, options: EndpointOptions, environ: Mapping[str, str]
) -> CredentialSource | None:
    """Return the source of credentials; ``None`` for that of the environment."""
    if options.token is not None:
        return FixedCredentials(Credentials(access_key=options.token, secret_key="local"))  # noqa: S106 - no secret
    profile = options.profile
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
