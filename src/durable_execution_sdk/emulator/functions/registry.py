"""Registry of the functions of an emulator, and the parsing of their names.

A name may be a function's name, a partial or a full ARN, each with or without a qualifier. Until a version
of a function is published, all its versions run the same code, and all its aliases resolve to ``$LATEST``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from durable_execution_sdk.emulator.functions.invokers import Handler, InProcess, Invoker
from durable_execution_sdk.engine.commands import FunctionTarget
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.error_codes import INVALID_PARAMETER, NOT_FOUND, STATUS
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import (
    DEFAULT_MEMORY_MB,
    DEFAULT_RETENTION_DAYS,
    LONGEST_INVOCATION_SECONDS,
    LONGEST_TIMER_SECONDS,
    MAX_EXECUTION_NAME_CHARACTERS,
    MAX_NAME_CHARACTERS,
)

LATEST = "$LATEST"


def unqualified(name: str) -> str:
    """Return the service's refusal of a durable function without a version or an alias, and the cure."""
    return (
        "You cannot invoke a durable function using an unqualified ARN. Name it with a version or an alias,"
        f" such as {name}:{LATEST}"
    )


_NAME = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:(?P<region>[a-z0-9-]+):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?"
)

_FUNCTION_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_EXECUTION_NAME_CHARACTERS}}}")

Bind = Callable[[DataPlane], Handler]
"""Makes a durable handler that uses the given data plane."""


def is_function_name(name: str) -> bool:
    """True if a function can have this name."""
    return _FUNCTION_NAME.fullmatch(name) is not None


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function. ``connect`` makes its invoker for a data plane; timeouts are in seconds.

    ``code`` is the digest of its code, if it is known: the log keeps that of the last invocation.
    """

    name: str
    durable: bool
    connect: Callable[[DataPlane], Invoker]
    code: str | None = None
    execution_timeout: int | None = None
    retention_days: int = DEFAULT_RETENTION_DAYS
    timeout: float = LONGEST_INVOCATION_SECONDS
    memory_mb: int = DEFAULT_MEMORY_MB


class Resolved(NamedTuple):
    """The function and version that a name resolves to. ``qualified``: the name had a qualifier."""

    function: Function
    version: str
    arn: str
    qualified: bool


class Functions:
    """A registry of functions in one account and region."""

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account: str = "123456789012",
        partition: str = "aws",
    ) -> None:
        self.region = region
        self.account = account
        self.partition = partition
        self._functions: dict[str, Function] = {}
        self._versions: dict[str, dict[str, Function]] = {}
        self._aliases: dict[str, dict[str, str]] = {}

    def add_durable(
        self,
        name: str,
        bind: Bind,
        *,
        execution_timeout: int = LONGEST_TIMER_SECONDS,
        timeout: float = LONGEST_INVOCATION_SECONDS,
        retention_days: int = DEFAULT_RETENTION_DAYS,
        code: str | None = None,
    ) -> Function:
        """Register a durable handler of this process; timeouts are in seconds."""
        return self.add_function(
            Function(
                name=name,
                durable=True,
                connect=lambda plane: InProcess(bind(plane)),
                code=code,
                execution_timeout=execution_timeout,
                retention_days=retention_days,
                timeout=timeout,
            )
        )

    def add_plain(
        self, name: str, handler: Handler, *, timeout: float = LONGEST_INVOCATION_SECONDS
    ) -> Function:
        """Register an ordinary Lambda handler of this process."""
        return self.add_function(
            Function(
                name=name, durable=False, connect=lambda _: InProcess(handler), timeout=timeout
            )
        )

    def add_function(self, function: Function) -> Function:
        """Register a function, replacing one with the same name."""
        if not is_function_name(function.name):
            raise ConfigError(
                f"a function's name is 1 to {MAX_EXECUTION_NAME_CHARACTERS} letters, digits, '-' and '_', not {function.name!r}"
            )
        limit = function.execution_timeout
        if limit is not None and not 1 <= limit <= LONGEST_TIMER_SECONDS:
            raise ConfigError(
                f"the execution timeout of {function.name!r} is 1 to {LONGEST_TIMER_SECONDS}"
                f" seconds, not {limit}"
            )
        self._functions[function.name] = function
        return function

    def add_version(self, version: str, function: Function) -> None:
        """Register the code of a published version; executions of the version stay with it."""
        if not version.isdecimal():
            raise ConfigError(
                f"a version of the function {function.name!r} is a number, not {version!r}"
            )
        self._versions.setdefault(function.name, {})[version] = function

    def add_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias of a function stand for a version, ``$LATEST`` included."""
        self._aliases.setdefault(name, {})[alias] = version

    def remove(self, name: str) -> None:
        """Forget the latest code of a function; its published versions stay."""
        self._functions.pop(name, None)

    def versions(self, name: str) -> list[str]:
        """Return the published versions of a function, oldest first."""
        return sorted(self._versions.get(name, {}), key=int)

    def aliases(self, name: str) -> dict[str, str]:
        """Return the versions of a function's aliases."""
        return dict(self._aliases.get(name, {}))

    @property
    def names(self) -> list[str]:
        """The names of all registered functions, sorted."""
        return sorted(self._functions)

    def get(self, name: str, version: str = LATEST) -> Function | None:
        """Return the function with exactly this name, and the code of this version, if any."""
        if version == LATEST or name not in self._versions:
            return self._functions.get(name)
        return self._versions[name].get(version)

    def resolve(self, name: str, qualifier: str | None = None) -> Resolved:
        """Return the function of a name or ARN; raise the service's ``ServiceError`` if there is none."""
        match, qualifier = _split_name(name, qualifier)
        version = self._version(match["name"], qualifier)
        function = None if version is None else self.get(match["name"], version)
        is_local = match["region"] in (None, self.region) and match["account"] in (
            None,
            self.account,
        )
        if version is None or function is None or not is_local:
            raise self._not_found(match, qualifier)
        arn = self.arn(function.name, version)
        return Resolved(function, version, arn, qualifier is not None)

    def parse(self, name: str, qualifier: str | None = None) -> tuple[str, str | None]:
        """Return name and version (if any) of a name or ARN; the function may be unregistered."""
        match, qualifier = _split_name(name, qualifier)
        if qualifier is not None:
            qualifier = self._version(match["name"], qualifier) or LATEST
        return match["name"], qualifier

    def listed(self, name: str, qualifier: str | None = None) -> tuple[str, str | None]:
        """Like ``parse``, but raise the service's ``ServiceError`` for an alias that the function lacks."""
        match, qualifier = _split_name(name, qualifier)
        version = None if qualifier is None else self._version(match["name"], qualifier)
        if qualifier is not None and version is None:
            raise self._not_found(match, qualifier)
        return match["name"], version

    def target(self, name: str) -> FunctionTarget | ErrorObject:
        """Return the target of a chained invoke of this name, or the error that prevents it."""
        try:
            resolved = self.resolve(name)
        except ServiceError as error:
            return ErrorObject(error_type=error.code, error_message=self._told(error))
        if resolved.function.durable and not resolved.qualified:
            return ErrorObject(error_type=INVALID_PARAMETER, error_message=unqualified(name))
        return FunctionTarget(
            function_arn=resolved.arn,
            version=resolved.version,
            durable=resolved.function.durable,
            execution_timeout=resolved.function.execution_timeout,
        )

    def _told(self, error: ServiceError) -> str:
        """Return the service's message, with the functions that an invoke finds here if its own is not among them."""
        if error.code != NOT_FOUND:
            return error.message
        return (
            f"{error.message}. The functions here are {', '.join(self._functions)}; a test gives the runner others:"
            " functions={NAME: handler}"
        )

    def _version(self, name: str, qualifier: str | None) -> str | None:
        """Return the version of a qualifier; ``None`` for an alias that a function with aliases lacks."""
        if qualifier is None or qualifier.startswith(LATEST):
            return LATEST
        if qualifier.isdecimal():
            return qualifier
        aliases = self._aliases.get(name)
        return LATEST if aliases is None else aliases.get(qualifier)

    def _not_found(self, match: re.Match[str], qualifier: str | None) -> ServiceError:
        suffix = f":{qualifier}" if qualifier else ""
        region_account = f"{match['region'] or self.region}:{match['account'] or self.account}"
        return ServiceError(
            f"Function not found: arn:{self.partition}:lambda:{region_account}:function:"
            f"{match['name']}{suffix}",
            code=NOT_FOUND,
            status=STATUS[NOT_FOUND],
        )

    def arn(self, name: str, version: str | None = None) -> str:
        """Return the ARN of a function, or of a version of it."""
        suffix = f":{version}" if version else ""
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{name}{suffix}"


def _split_name(name: str, qualifier: str | None) -> tuple[re.Match[str], str | None]:
    match = _NAME.fullmatch(name)
    if match is None or len(name) > MAX_NAME_CHARACTERS:
        raise _invalid(f"not a function name or ARN: {name!r}")
    name_qualifier = match["qualifier"]
    if name_qualifier and qualifier and name_qualifier != qualifier:
        raise _invalid(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return match, name_qualifier or qualifier


def _invalid(message: str) -> ServiceError:
    return ServiceError(message, code=INVALID_PARAMETER, status=STATUS[INVALID_PARAMETER])
