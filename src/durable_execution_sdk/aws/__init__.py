"""The service's ports over the Lambda HTTP API.

Nothing is imported here: a handler in Lambda loads the data plane and no more.
"""
