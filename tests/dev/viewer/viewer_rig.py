"""A server of the page that only reads, and histories as programs save them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from tests.dev.dev_server_rig import Client, execution

from durable_execution_sdk.dev.viewer.server import ViewerServer
from durable_execution_sdk.dev.viewer.source import Source
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryPage

__all__ = ["as_the_aws_cli_prints", "document", "page_of", "saved", "viewed"]


@contextmanager
def viewed(source: Source) -> Iterator[Client]:
    """Serve a source, and yield a reader of its routes."""
    with closing(source), ViewerServer(source) as server:
        yield Client(cast("Any", server))


def page_of(client: Client, arn: str, *, with_data: bool = True) -> dict[str, Any]:
    """Return the history of an execution in the service's own form."""
    events = history(client.server.emulator.recording(arn)(), include_execution_data=with_data)
    page = control_plane_codec.encode_history_page(HistoryPage(events=events))
    return cast("dict[str, Any]", json.loads(page))


def saved(client: Client, arn: str, path: Path) -> Path:
    """Save a history as `durable history --json` does."""
    path.write_text(json.dumps({"DurableExecutionArn": arn, **page_of(client, arn)}))
    return path


def as_the_aws_cli_prints(page: Any) -> Any:
    """Write the times of a page as the AWS CLI does."""
    if isinstance(page, dict):
        return {
            key: datetime.fromtimestamp(value, UTC).isoformat()
            if key.endswith("Timestamp")
            else as_the_aws_cli_prints(value)
            for key, value in page.items()
        }
    return [as_the_aws_cli_prints(each) for each in page] if isinstance(page, list) else page


def document(client: Client, arn: str) -> dict[str, Any]:
    """Return the document of an execution, without the positions in a log, which the place of the log decides."""
    found = client.get(execution(arn))
    return {key: value for key, value in found.items() if key not in {"head", "position"}}
