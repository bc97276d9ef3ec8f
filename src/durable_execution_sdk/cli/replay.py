"""``durable replay``: does the code, as it is now, do what a recorded history holds?"""

from __future__ import annotations

import json

import click

from durable_execution_sdk.cli.loading import Workshop, split_target
from durable_execution_sdk.cli.options import json_option
from durable_execution_sdk.cli.refusal import ExitCode
from durable_execution_sdk.cli.saying import say
from durable_execution_sdk.cli.streams import Streams
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.report import ReplayReport

_EPILOG = """\b
Exit codes:
   0  the code does what every history holds
   1  code and a history part
   2  a file cannot be used: no workflow, no history, no payloads
"""


@click.command(epilog=_EPILOG)
@click.argument("target", metavar="FILE[:HANDLER]")
@click.argument("histories", metavar="HISTORY...", nargs=-1, required=True)
@click.option("--arn", metavar="ARN", help="The execution's ARN, if the history does not tell it.")
@json_option
def replay(target: str, histories: tuple[str, ...], arn: str | None, as_json: bool) -> int:
    """Replay recorded histories against the code as it is now. Nothing of them runs again.

    HISTORY is a JSON file: `durable history NAME --json`, or
    `aws lambda get-durable-execution-history`, all pages of it and with the payloads. No step is run
    and nothing is recorded; what workflow code does outside its operations does happen.

    The first place where code and history part is shown, with the operation that the history holds,
    the one that the code asked for, and its line. The ARN matters to workflows that use ctx.uuid4(),
    ctx.random() or ctx.execution_arn.
    """
    streams = Streams(as_json=as_json)
    workshop = Workshop()
    file, wanted = split_target(target)
    with streams.for_user_code():
        handler = workshop.handlers(file)[workshop.choose(file, wanted)]
        reports = {
            history: replay_history(handler, history, execution_arn=arn) for history in histories
        }
    if as_json:
        documents = [_document(history, report) for history, report in reports.items()]
        say(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        for history, report in reports.items():
            say(f"{history}: {report}")
    return ExitCode.SUCCEEDED if all(reports.values()) else ExitCode.FAILED


def _document(history: str, report: ReplayReport) -> dict[str, object]:
    found = report.divergence
    document: dict[str, object] = {
        "history": history,
        "function": report.function,
        "recordedAs": report.recorded_as,
        "ok": report.ok,
        "operations": report.operations,
        "moments": report.moments,
        "skipped": report.skipped,
        "notes": report.notes,
    }
    if found is not None:
        place = found.place
        document["divergence"] = {
            "kind": found.kind,
            "invocation": found.invocation,
            "operationId": found.operation_id,
            "expected": found.expected,
            "actual": found.actual,
            "file": place.file if place else None,
            "line": place.line if place else None,
        }
    return document
