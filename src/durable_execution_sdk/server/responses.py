"""Successful HTTP responses."""

from __future__ import annotations

from starlette.responses import Response


def json_answer(body: bytes = b"{}", *, status: int = 200) -> Response:
    """Build a response whose body is JSON."""
    return Response(body, status, media_type="application/json")
