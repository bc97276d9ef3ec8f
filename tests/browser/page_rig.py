"""The addresses of the page, and what it complains of."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

__all__ = ["Complaints", "address"]


def address(arn: str, tab: str = "timeline", query: str = "") -> str:
    return f"/executions/{quote(arn, safe=':$')}/{tab}{query}"


class Complaints:
    """Complaints of a page; ``are_allowed`` for a test in which requests have to fail."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.are_allowed = False

    def watch(self, page: Page, url: str) -> None:
        """Take the messages of the console, exceptions, and requests to anything but the server."""
        page.on("console", lambda message: self.all.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.all.append(str(error)))

        def asked(request: Request) -> None:
            if not request.url.startswith((url, "data:")):
                self.all.append(f"a request to {request.url}")

        page.on("request", asked)
