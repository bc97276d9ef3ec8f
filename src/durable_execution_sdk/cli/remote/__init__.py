"""Commands for executions at AWS, or at another endpoint of Lambda's API."""
