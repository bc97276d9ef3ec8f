"""Finds code in workflows that replay cannot repeat, by reading it: nothing is imported or run."""

from durable_execution_sdk.lint.check import Finding, check_source
from durable_execution_sdk.lint.rules import CODES

__all__ = ["CODES", "Finding", "check_source"]
