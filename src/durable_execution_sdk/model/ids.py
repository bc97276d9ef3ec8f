"""The names of things on the wire: execution ARNs and the ids inside them.

An execution's ARN is
``arn:{partition}:lambda:{region}:{account}:function:{name}:{version}/durable-execution/{execution name}/{run id}``;
its last segment is also the id of the EXECUTION operation (API reference, section 3.2).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ARN = re.compile(
    r"arn:([a-zA-Z0-9-]+):lambda:([a-zA-Z0-9-]+):(\d{12}):function:([a-zA-Z0-9_-]+)"
    r":(\$LATEST(?:\.PUBLISHED)?|[0-9]+)/durable-execution/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)"
)


class ExecutionArn(NamedTuple):
    """A durable execution's ARN, taken apart."""

    partition: str
    region: str
    account: str
    function_name: str
    version: str
    execution_name: str
    run_id: str

    @classmethod
    def parse(cls, arn: str) -> ExecutionArn:
        """Take an ARN apart; a ``ValueError`` says what an ARN looks like."""
        match = _ARN.fullmatch(arn)
        if match is None:
            raise ValueError(
                f"not a durable execution ARN: {arn!r}; expected arn:aws:lambda:REGION:ACCOUNT:function:"
                "NAME:VERSION/durable-execution/EXECUTION-NAME/RUN-ID"
            )
        return cls(*match.groups())

    @property
    def function_arn(self) -> str:
        """The qualified ARN of the function version that the execution is pinned to."""
        return (
            f"arn:{self.partition}:lambda:{self.region}:{self.account}"
            f":function:{self.function_name}:{self.version}"
        )

    def __str__(self) -> str:
        """Put the ARN together again."""
        return f"{self.function_arn}/durable-execution/{self.execution_name}/{self.run_id}"


def execution_operation_id(arn: str) -> str:
    """The id of the EXECUTION operation of the execution with this ARN."""
    return arn.rpartition("/")[2]
