"""The addresses of the page."""

from urllib.parse import quote


def address(arn: str, tab: str = "timeline", query: str = "") -> str:
    return f"/executions/{quote(arn, safe=':$')}/{tab}{query}"
