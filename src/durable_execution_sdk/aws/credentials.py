"""Sources of credentials: the environment in Lambda, botocore's chain elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from durable_execution_sdk.aws.signer import Credentials
from durable_execution_sdk.errors import ConfigError

__all__ = [
    "CredentialsAtHand",
    "EnvironmentCredentials",
    "FixedCredentials",
    "Variables",
    "credential_source",
]


_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


if TYPE_CHECKING:

    class CredentialSource(Protocol):
        """Provides credentials. Called before every request, so that keys may be rotated."""

        async def credentials(self) -> Credentials:
            """Return the credentials for the next request; raise ``ConfigError`` if there are none."""
            ...


class CredentialsAtHand:
    """A source that need not wait for its credentials."""

    async def credentials(self) -> Credentials:
        """Return the credentials."""
        return self.at_hand()

    def at_hand(self) -> Credentials:
        """Return the credentials for the next request; raise ``ConfigError`` if there are none."""
        raise NotImplementedError


class FixedCredentials(CredentialsAtHand):
    """The same credentials for every request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def at_hand(self) -> Credentials:
        """Return the given credentials."""
        return self._credentials


class Variables:
    """The present values of some environment variables, decoded again only when one has changed.

    ``os.environ`` encodes the name and decodes the value at each look, in Python. The dictionary that it
    keeps, if there is one, is compared instead.
    """

    def __init__(self, environ: Mapping[str, str], *names: str) -> None:
        self._environ = environ
        self._names = names
        self._look: Callable[[Any], object] = environ.get
        self._keys: tuple[Any, ...] = names
        kept, encoded = getattr(environ, "_data", None), getattr(environ, "encodekey", None)
        if kept is not None and encoded is not None:
            self._look, self._keys = kept.get, tuple(map(encoded, names))
        self._seen: tuple[object, ...] | None = None
        self._values: tuple[str | None, ...] = ()

    def read(self) -> tuple[str | None, ...]:
        """Return the values, in the order of the names; the same tuple until one changes."""
        seen = tuple(map(self._look, self._keys))
        if seen != self._seen:
            self._values = tuple(map(self._environ.get, self._names))
            self._seen = seen
        return self._values


class EnvironmentCredentials(CredentialsAtHand):
    """Reads ``AWS_ACCESS_KEY_ID`` and the related variables for every request."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._variables = Variables(environ, *_VARIABLES)
        self._values: tuple[str | None, ...] | None = None
        self._credentials: Credentials | None = None

    def at_hand(self) -> Credentials:
        """Return the environment's present credentials; raise ``ConfigError`` if they are gone."""
        values = self._variables.read()
        if values is not self._values:
            self._values, self._credentials = values, _from_values(*values)
        credentials = self._credentials
        if credentials is None:
            raise ConfigError(
                "the environment no longer has AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "which signed earlier calls to AWS; keep both set for as long as the client is used"
            )
        return credentials


def credential_source(environ: Mapping[str, str]) -> CredentialSource:
    """Choose the source of credentials: the environment first, as in botocore.

    Raises ``ConfigError`` when the environment has none and botocore is not installed.
    """
    if _from_environment(environ) is not None:
        return EnvironmentCredentials(environ)
    # Lambda sets the variables, so what reads botocore's chain is not loaded there.
    from durable_execution_sdk.aws.botocore_credentials import (  # noqa: PLC0415
        BotocoreCredentials,
        botocore_session,
    )

    session = botocore_session()
    if session is None:
        raise ConfigError(
            "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set, and "
            "botocore, which reads profiles and roles, is not installed; set both variables, or "
            'install it with: pip install "durable-execution-sdk[aws]"'
        )
    return BotocoreCredentials(session)


def _from_environment(environ: Mapping[str, str]) -> Credentials | None:
    return _from_values(*map(environ.get, _VARIABLES))


def _from_values(
    access_key: str | None, secret_key: str | None, session_token: str | None
) -> Credentials | None:
    if not access_key or not secret_key:
        return None
    return Credentials(
        access_key=access_key, secret_key=secret_key, session_token=session_token or None
    )
