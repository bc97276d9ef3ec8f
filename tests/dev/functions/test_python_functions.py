from __future__ import annotations

from pathlib import Path

import pytest
from tests.dev.dev_rig import DevRig

from durable_execution_sdk.dev.functions.records import CodeNote, InvocationRecord

pytestmark = pytest.mark.dev

DURABLE = """
from durable_execution_sdk import DurableContext, Duration, durable_execution

@durable_execution
async def handler(event: dict, ctx: DurableContext) -> str:
    first = await ctx.step(lambda: event["name"].upper(), name="shout")
    ctx.log_info("between")
    await ctx.wait(Duration.from_seconds(1), name="nap")
    return await ctx.step(lambda: first + "!", name="finish")
"""


def test_a_durable_function_suspends_and_ends(rig: DevRig) -> None:
    rig.add("greet", DURABLE)
    payload, error = rig.invoke("greet:$LATEST", {"name": "ada"})
    assert (payload, error) == ("ADA!", None)
    first, second = rig.records.invocations
    assert (first.function, first.version, first.arn) == ("greet", "$LATEST", second.arn)
    assert first.init_milliseconds and second.init_milliseconds is None
    assert first.peak_kilobytes and first.ended_at >= first.started_at
    assert first.worker == second.worker


def test_a_plain_function_answers(rig: DevRig) -> None:
    rig.add_plain("double", "def handler(event, context):\n    return event * 2\n")
    assert rig.invoke("double", 21) == (42, None)
    assert rig.invoke("double", "ä") == ("ää", None)


def test_an_exception_is_lambdas_error(rig: DevRig) -> None:
    rig.add_plain(
        "bad",
        "def handler(event, context):\n    return inner()\ndef inner():\n    raise KeyError('x')\n",
    )
    payload, error = rig.invoke("bad")
    assert error == "Unhandled"
    assert payload["errorType"] == "KeyError"
    assert payload["errorMessage"] == "'x'"
    assert [line.split("line ")[1].split(",")[0] for line in payload["stackTrace"]] == ["2", "4"]
    assert rig.records.wait_for_line("KeyError: 'x'").stream == "stderr"


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("import no_such_module", "Runtime.ImportModuleError", "No module named 'no_such_module'"),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'broken'"),
        ("raise ValueError('at import')", "ValueError", "at import"),
        ("other = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'broken'"),
        (
            "import sys; sys.exit(3)",
            "Runtime.ExitError",
            "Runtime exited with error: exit status 3",
        ),
        (
            "import os; os._exit(0)",
            "Runtime.ExitError",
            "Runtime exited without providing a reason",
        ),
    ],
)
def test_errors_of_the_start_are_lambdas(rig: DevRig, code: str, kind: str, message: str) -> None:
    rig.add_plain("broken", code)
    payload, error = rig.invoke("broken")
    assert error == "Unhandled"
    assert payload["errorType"] == kind
    assert message in payload["errorMessage"]
    # The next call tries again.
    (rig.folder / "broken.py").write_text("def handler(event, context):\n    return 1\n")
    assert rig.invoke("broken") == (1, None)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("sys.exit(4)", "Runtime.ExitError", "exited with error: exit status 4"),
        ("os._exit(0)", "Runtime.ExitError", "exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime.ExitError", "exited with error: signal: killed"),
        ("return object()", "Runtime.MarshalError", "not JSON serializable"),
        ("return 'x' * 6_300_000", "Function.ResponseSizeTooLarge", "exceeded maximum"),
    ],
)
def test_ends_of_the_process_are_lambdas(rig: DevRig, body: str, kind: str, message: str) -> None:
    rig.add_plain(
        "dies",
        f"import os, sys\ndef handler(event, context):\n    if event:\n        return event\n    {body}\n",
    )
    assert rig.invoke("dies", 1) == (1, None)
    payload, error = rig.invoke("dies", 0)
    assert error == "Unhandled"
    assert payload["errorType"] == kind
    assert message in payload["errorMessage"]
    assert rig.invoke("dies", 2) == (2, None)


def test_a_function_is_killed_at_its_timeout(rig: DevRig) -> None:
    rig.add_plain(
        "slow",
        "import threading\ndef handler(event, context):\n    print(context.get_remaining_time_in_millis())\n"
        "    threading.Event().wait()\n",
        timeout=0.5,
    )
    payload, error = rig.invoke("slow")
    assert error == "Unhandled"
    assert payload["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 0.50 seconds" in payload["errorMessage"]
    assert 0 < int(rig.records.text[0]) <= 500


def test_a_cold_start_does_not_count_towards_the_timeout(rig: DevRig) -> None:
    rig.add_plain(
        "cold",
        "import time\ntime.sleep(0.7)\ndef handler(event, context):\n    return 'warm'\n",
        timeout=0.6,
    )
    assert rig.invoke("cold") == ("warm", None)


def test_a_process_over_its_memory_is_killed(rig: DevRig) -> None:
    rig.add_plain(
        "greedy",
        "import threading\ndef handler(event, context):\n    hoard = bytearray(400 << 20)\n"
        "    hoard[::4096] = b'x' * len(hoard[::4096])\n    threading.Event().wait()\n",
        memory_mb=256,
    )
    payload, error = rig.invoke("greedy")
    assert error == "Unhandled"
    assert payload["errorType"] == "Runtime.OutOfMemory"
    assert "signal: killed" in payload["errorMessage"]


def test_a_crashed_invocation_of_an_execution_is_made_again(rig: DevRig) -> None:
    rig.add(
        "phoenix",
        """
import os
from pathlib import Path
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def handler(event: str, ctx: DurableContext) -> str:
    await ctx.step(lambda: "kept", name="first")
    if not Path(event).exists():
        Path(event).touch()
        os._exit(1)
    return "risen"
""",
    )
    arn = rig.start("phoenix", str(rig.folder / "crashed"))
    description = rig.finish(arn)
    assert description.result == '"risen"'
    assert [record.error_type for record in rig.records.invocations] == ["Runtime.ExitError", None]


def test_the_worker_of_an_execution_can_be_killed(rig: DevRig) -> None:
    rig.add(
        "victim",
        """
import threading
from pathlib import Path
from durable_execution_sdk import DurableContext, durable_execution

def hang(file):
    if not Path(file).exists():
        Path(file).touch()
        print("hanging", flush=True)
        threading.Event().wait()
    return "done"

@durable_execution
async def handler(event: str, ctx: DurableContext) -> str:
    return await ctx.step(hang, event, name="hang")
""",
    )
    arn = rig.start("victim", str(rig.folder / "hung"))
    line = rig.records.wait_for_line("hanging")
    assert line.arn == arn
    assert not rig.host.kill("arn:of:another")
    assert rig.host.kill(arn)
    assert rig.finish(arn).result == '"done"'


def test_lines_belong_to_invocation_and_operation(rig: DevRig) -> None:
    rig.add("greet", DURABLE)
    arn = rig.start("greet", {"name": "ada"})
    rig.finish(arn)
    line = rig.records.wait_for_line("between")
    assert (line.arn, line.stream, line.function) == (arn, "stdout", "greet")
    assert line.request_id == rig.records.invocations[0].request_id


def test_output_without_line_end_and_binary_output_are_kept(rig: DevRig) -> None:
    rig.add_plain(
        "writer",
        "import sys\ndef handler(event, context):\n    sys.stdout.buffer.write(b'no end \\xff')\n"
        "    sys.stderr.write('x' * 200_000)\n",
    )
    rig.invoke("writer")
    texts = rig.records.text
    assert "no end \N{REPLACEMENT CHARACTER}" in texts
    assert sum(len(text) for text in texts if set(text) == {"x"}) == 200_000


def test_the_environment_is_lambdas(rig: DevRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    rig.add_plain(
        "shows",
        "import os\ndef handler(event, context):\n    return dict(os.environ) | {'fn': context.invoked_function_arn}\n",
        environment={"STAGE": "local"},
        memory_mb=1024,
    )
    shown, _ = rig.invoke("shows")
    assert shown["AWS_LAMBDA_FUNCTION_NAME"] == "shows"
    assert shown["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert shown["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "1024"
    assert shown["_HANDLER"] == "shows.handler"
    assert shown["LAMBDA_TASK_ROOT"] == str(rig.folder.resolve())
    assert shown["AWS_ENDPOINT_URL_LAMBDA"] == rig.server.url
    assert shown["STAGE"] == "local"
    assert shown["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" not in shown
    assert shown["fn"].endswith(":function:shows:$LATEST")


def test_positions_in_the_code_and_awaited_types_reach_the_server(rig: DevRig) -> None:
    rig.add(
        "asks",
        """
from durable_execution_sdk import CallbackConfig, DurableContext, durable_execution

@durable_execution
async def handler(event: None, ctx: DurableContext) -> bool:
    callback = await ctx.create_callback(
        name="approval", config=CallbackConfig(result_type=bool)
    )
    return await callback
""",
    )
    arn = rig.start("asks")
    note = rig.records.wait_for(lambda record: isinstance(record, CodeNote) and record.awaited_type)
    assert (note.arn, note.function, note.awaited_type) == (arn, "handler", "bool")
    assert note.file == str(rig.folder / "asks.py")
    assert note.line == 6
    rig.records.wait_for(lambda record: isinstance(record, InvocationRecord))
    (operation,) = [each for each in rig.emulator.operations(arn) if each.name == "approval"]
    assert note.operation_id == operation.id


def test_a_line_that_a_step_logs_names_its_operation(rig: DevRig) -> None:
    rig.add(
        "logs",
        """
import logging
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def handler(event: None, ctx: DurableContext) -> None:
    await ctx.step(lambda: logging.getLogger("app").warning("inside"), name="noisy")
""",
    )
    arn = rig.start("logs")
    rig.finish(arn)
    line = rig.records.wait_for_line("inside")
    (operation,) = [each for each in rig.emulator.operations(arn) if each.name == "noisy"]
    assert (line.arn, line.operation_id) == (arn, operation.id)


def test_without_deadlines_a_function_takes_its_time(tmp_path: Path) -> None:
    with DevRig(tmp_path, has_deadlines=False) as rig:
        rig.add_plain(
            "slow",
            "import time\ndef handler(event, context):\n    time.sleep(0.4)\n"
            "    return context.get_remaining_time_in_millis() > 60_000\n",
            timeout=0.1,
        )
        assert rig.invoke("slow") == (True, None)
