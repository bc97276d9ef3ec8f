"""Finds code in workflows that replay cannot repeat, by reading it: nothing is imported or run."""

from durable_execution_sdk.lint.check import Finding, check_source

__all__ = ["Finding", "check_source"]
