"""Address of Lambda's API, from region, partition and the settings that all AWS tools share."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from durable_execution_sdk.aws.signer import segment
from durable_execution_sdk.errors import ConfigError

__all__ = ["Endpoint", "configured_url", "find_endpoint"]

# Region prefix, DNS suffix, dual-stack DNS suffix; the first matching prefix is used.
_PARTITIONS = (
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("", "amazonaws.com", "api.aws"),
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Characters besides letters and digits in a plain host or path segment.
_PUNCTUATION = dict.fromkeys(b"-._")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An address of the API, and the region that requests to it are signed for."""

    region: str
    host: str
    port: int = 443
    secure: bool = True
    prefix: str = ""

    @property
    def authority(self) -> str:
        """The ``Host`` header: the host, and the port unless it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default_port = _DEFAULT_PORTS["https" if self.secure else "http"]
        return host if self.port == default_port else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address, for messages."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.prefix}"

    @classmethod
    def at(cls, url: str, *, region: str) -> Endpoint:
        """Return the endpoint at a URL: http(s), with or without port and path prefix.

        Raises ``ConfigError`` for anything else.
        """
        plain = _plain(url, region)
        if plain is not None:
            return plain
        from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - not needed by most cold starts

        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), -1
        if (
            parts.scheme not in _DEFAULT_PORTS
            or not parts.hostname
            or port == -1
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            raise ConfigError(
                f"not an endpoint URL: {_without_password(url)!r}; expected http(s)://HOST[:PORT][/PREFIX] "
                "(from AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL or an argument)"
            )
        return cls(
            region=region,
            host=parts.hostname,
            port=port or _DEFAULT_PORTS[parts.scheme],
            secure=parts.scheme == "https",
            prefix="".join(f"/{segment(unquote(part))}" for part in parts.path.split("/") if part),
        )


def _without_password(url: str) -> str:
    """Return the URL without user name and password, for messages."""
    address, question, _ = url.partition("?")
    if question:
        return f"{_without_password(address)}?***"
    address, fragment, _ = url.partition("#")
    if fragment:
        return f"{_without_password(address)}#***"
    scheme, mark, rest = url.rpartition("//")
    secret, at, place = rest.rpartition("@")
    return f"{scheme}{mark}***@{place}" if at and secret else url


def _plain(url: str, region: str) -> Endpoint | None:
    """Parse a URL of letters, digits and ``-._``; return ``None`` for others, which need ``urllib``.

    Importing ``urllib.parse`` takes a third as long as importing the rest of the SDK.
    """
    scheme, _, authority_path = url.partition("://")
    authority, _, path = authority_path.partition("/")
    host, colon, port = authority.partition(":")
    default_port = _DEFAULT_PORTS.get(scheme)
    segments = [part for part in path.split("/") if part]
    if default_port is None or not all(map(_is_plain, (host, *segments))):
        return None
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return None
    return Endpoint(
        region=region,
        host=host.lower(),
        port=int(port) if colon else default_port,
        secure=scheme == "https",
        prefix="".join([f"/{part}" for part in segments]),
    )


def _is_plain(text: str) -> bool:
    return text.isascii() and text.translate(_PUNCTUATION).isalnum()


def find_endpoint(
    environ: Mapping[str, str], *, url: str | None = None, region: str | None = None
) -> Endpoint:
    """Return the endpoint of the arguments, else of the environment, else of the AWS profile.

    Raises ``ConfigError`` when no region is set, or settings contradict each other.
    """
    region = region or _region(environ)
    if not region.replace("-", "").isalnum() or not region.isascii():
        raise ConfigError(f"not an AWS region: {region!r}; expected one like eu-west-1")
    url = url or configured_url(environ)
    fips = _flag(environ, "AWS_USE_FIPS_ENDPOINT")
    dual_stack = _flag(environ, "AWS_USE_DUALSTACK_ENDPOINT")
    if url is not None:
        if fips or dual_stack:
            raise ConfigError(
                f"AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT choose among AWS's own "
                f"endpoints, but the endpoint URL is {url}; unset them, or the endpoint URL"
            )
        return Endpoint.at(url, region=region)
    suffix, dual_suffix = next(
        (suffix, dual) for prefix, suffix, dual in _PARTITIONS if region.startswith(prefix)
    )
    service = "lambda-fips" if fips else "lambda"
    return Endpoint(
        region=region, host=f"{service}.{region}.{dual_suffix if dual_stack else suffix}"
    )


def _region(environ: Mapping[str, str]) -> str:
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not region:
        from durable_execution_sdk.aws.botocore_credentials import (  # noqa: PLC0415 - Lambda sets it
            botocore_session,
        )

        session = botocore_session()
        region = session.get_config_variable("region") if session is not None else None
    if not region:
        raise ConfigError(
            "no AWS region: set AWS_REGION (or AWS_DEFAULT_REGION, or the region of the AWS "
            "profile, which is read when botocore is installed)"
        )
    return region


def configured_url(environ: Mapping[str, str]) -> str | None:
    """Return the URL of the endpoint that the environment names, as for other AWS tools."""
    if _flag(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        return None
    return environ.get("AWS_ENDPOINT_URL_LAMBDA") or environ.get("AWS_ENDPOINT_URL") or None


def _flag(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() == "true"
