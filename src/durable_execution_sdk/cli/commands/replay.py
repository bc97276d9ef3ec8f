"""``durable replay``: replay recorded histories against the current code."""

from __future__ import annotations

import json

import click

from durable_execution_sdk.cli.options import json_option
from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.cli.output.streams import Streams
from durable_execution_sdk.cli.refusals import ExitCode
from durable_execution_sdk.cli.user_code import UserCode, split_target
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.report import ReplayReport

_EPILOG = """\b
Exit codes:
   0  the code replays every history
   1  the code diverges from a recorded history
   2  a file cannot be used: no workflow, no history, or a history without payloads
"""


@click.command(epilog=_EPILOG)
@click.argument("target", metavar="FILE[:HANDLER]")
@click.argument("histories", metavar="HISTORY...", nargs=-1, required=True)
@click.option("--arn", metavar="ARN", help="The execution's ARN, if the history lacks it.")
@json_option
def replay(target: str, histories: tuple[str, ...], arn: str | None, as_json: bool) -> int:
    """Replay recorded histories against the current code. No step runs again.

    HISTORY is a JSON file: the output of `durable history NAME --json`, or of
    `aws lambda get-durable-execution-history` with all pages and payloads. No step runs and nothing is
    recorded; workflow code outside of operations does run, with its side effects.

    Shows the first divergence: the operation in the history, the one that the code asked for, and the
    line of code. The ARN is needed by workflows that use ctx.uuid4(), ctx.random() or
    ctx.execution_arn.
    """
    streams = Streams(as_json=as_json)
    user_code = UserCode()
    file, wanted = split_target(target)
    with streams.for_user_code():
        handler = user_code.handlers(file)[user_code.choose(file, wanted)]
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
    divergence = report.divergence
    document: dict[str, object] = {
        "history": history,
        "function": report.function,
        "recorded_as": report.recorded_as,
        "ok": report.ok,
        "operations": report.operations,
        "moments": report.moments,
        "skipped": report.skipped,
        "notes": report.notes,
        "patches": report.patches,
        "patches_gone": report.patches_gone,
    }
    if divergence is not None:
        place = divergence.place
        document["divergence"] = {
            "kind": divergence.kind,
            "invocation": divergence.invocation,
            "operation_id": divergence.operation_id,
            "expected": divergence.expected,
            "actual": divergence.actual,
            "file": place.file if place else None,
            "line": place.line if place else None,
        }
    return document
