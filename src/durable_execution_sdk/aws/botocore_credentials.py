"""Credentials and settings from botocore's chain, outside of Lambda: profiles, SSO, roles."""

from __future__ import annotations

import asyncio
import importlib
from typing import Protocol, cast

from durable_execution_sdk.aws.signer import Credentials
from durable_execution_sdk.errors import ConfigError

__all__ = ["BotocoreCredentials", "BotocoreSession", "botocore_session"]


class _FrozenCredentials(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _RefreshingCredentials(Protocol):
    def get_frozen_credentials(self) -> _FrozenCredentials: ...


class BotocoreSession(Protocol):
    """The used methods of ``botocore.session.Session``."""

    def get_credentials(self) -> _RefreshingCredentials | None:
        """Return the first credentials in botocore's chain, if any."""
        ...

    def get_config_variable(self, logical_name: str) -> str | None:
        """Return a setting of the profile, such as ``region``."""
        ...


class BotocoreCredentials:
    """botocore's chain: profiles, SSO, assumed roles, container and instance roles."""

    def __init__(self, session: BotocoreSession) -> None:
        self._session = session
        self._refreshing: _RefreshingCredentials | None = None

    async def credentials(self) -> Credentials:
        """Return the chain's credentials, refreshed when they are about to expire."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Credentials:
        if self._refreshing is None:
            self._refreshing = self._session.get_credentials()
        if self._refreshing is None:
            raise ConfigError(
                "no AWS credentials: neither the environment nor botocore's credential chain has "
                "any; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a "
                "profile that is configured (aws configure, aws sso login)"
            )
        frozen = self._refreshing.get_frozen_credentials()
        return Credentials(
            access_key=frozen.access_key, secret_key=frozen.secret_key, session_token=frozen.token
        )


def botocore_session(profile: str | None = None) -> BotocoreSession | None:
    """Return a botocore session, if botocore is installed; imported here because that is slow.

    Without a ``profile`` it is the one that the environment names.
    """
    try:
        module = importlib.import_module("botocore.session")
    except ImportError:
        return None
    return cast("BotocoreSession", module.Session(profile=profile))
