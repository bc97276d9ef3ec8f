"""The service's ports over the Lambda HTTP API.

Nothing is imported here, so that a handler in Lambda loads the data plane only.
"""
