"""Static analysis that finds code in workflows that replay cannot repeat. No user code is imported."""

from durable_execution_sdk.lint.check import Finding, check_source
from durable_execution_sdk.lint.rules import CODES

__all__ = ["CODES", "Finding", "check_source"]
