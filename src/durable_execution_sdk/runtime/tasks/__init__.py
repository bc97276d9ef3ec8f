"""The asyncio tasks of workflow code."""
