"""Control of executions from outside, at AWS or any endpoint with Lambda's API."""
