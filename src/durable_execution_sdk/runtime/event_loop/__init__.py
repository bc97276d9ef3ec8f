"""The asyncio event loop of invocations, and its threads."""
