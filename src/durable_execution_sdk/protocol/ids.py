"""Execution ARNs and the ids inside them.

An execution's ARN is
``arn:{partition}:lambda:{region}:{account}:function:{name}:{version}/durable-execution/{execution name}/{run id}``;
its last segment is also the id of the EXECUTION operation (API reference, section 3.2).
"""

from functools import lru_cache

import msgspec


class ExecutionArn(msgspec.Struct, frozen=True):
    """The parts of a durable execution's ARN."""

    partition: str
    region: str
    account: str
    function_name: str
    version: str
    execution_name: str
    run_id: str

    @staticmethod
    def parse(arn: str) -> "ExecutionArn":
        """Split an ARN into its parts; raise ``ValueError`` for a malformed one."""
        return _parsed(arn)

    @staticmethod
    def read(arn: str) -> "ExecutionArn | None":
        """Split an ARN, or return ``None`` for another format: the SDK must accept any text as an ARN."""
        try:
            return _parsed(arn)
        except ValueError:
            return None

    @property
    def function_arn(self) -> str:
        """The qualified ARN of the function version that the execution is pinned to."""
        return (
            f"arn:{self.partition}:lambda:{self.region}:{self.account}"
            f":function:{self.function_name}:{self.version}"
        )

    def __str__(self) -> str:
        """Return the ARN as text."""
        return f"{self.function_arn}/durable-execution/{self.execution_name}/{self.run_id}"


# Cached, because an emulator parses the same few ARNs with each call.
@lru_cache(maxsize=64)
def _parsed(arn: str) -> ExecutionArn:
    function_arn, _, execution = arn.partition("/durable-execution/")
    parts = function_arn.split(":")
    names = execution.split("/")
    if len(parts) != 8 or len(names) != 2:
        raise _not_an_arn(arn)
    prefix, partition, service, region, account, kind, function_name, version = parts
    if (prefix, service, kind) != ("arn", "lambda", "function") or not (
        account.isdigit()
        and len(account) == 12
        and (version.isdigit() or version in {"$LATEST", "$LATEST.PUBLISHED"})
        and all(map(_is_name, (partition, region, function_name, *names)))
    ):
        raise _not_an_arn(arn)
    return ExecutionArn(partition, region, account, function_name, version, *names)


def execution_operation_id(arn: str) -> str:
    """Return the id of the EXECUTION operation of the execution with this ARN."""
    return arn.rpartition("/")[2]


def _is_name(text: str) -> bool:
    """True for letters, digits, ``-`` and ``_``; a regular expression would slow the cold start."""
    return text.isascii() and text.replace("-", "a").replace("_", "a").isalnum()


def _not_an_arn(arn: str) -> ValueError:
    return ValueError(
        f"not a durable execution ARN: {arn!r}; expected arn:aws:lambda:REGION:ACCOUNT:function:"
        "NAME:VERSION/durable-execution/EXECUTION-NAME/RUN-ID"
    )
