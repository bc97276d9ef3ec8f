"""Messages for mistakes that Python finds in workflow code before any code of the SDK runs, with the correction.

They are wrong arguments of a context's methods, methods that it does not have, and operations that are used in
place of their results. A method could accept every keyword and refuse the wrong ones itself, but each call would
cost a dictionary, and type checkers could not check the options. So the message is completed where the error leaves
the workflow's code. Wrong options of a config have their messages in ``option_errors``, wrong functions and names
in ``argument_checks``.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.runtime.completions.handle import Handle

if TYPE_CHECKING:
    from durable_execution_sdk.runtime.run import InvocationRun

__all__ = ["complete_error", "not_a_function", "refuse_arguments"]

_REFUSED = re.compile(
    r"(?:DurableContext|Combinators|Saga)\.(\w+)\(\) "
    r"(?:got an unexpected keyword argument '(\w+)'|got multiple|got some|missing|takes)"
)
_SAGA = "Saga.step"
_CALLED_AS = ". It is called as "

# The parameters of each method, as in its signature.
CALLS: dict[str, str] = {
    "step": "function, *arguments, name=None, config=StepConfig(...)",
    "wait": "duration, name=None",
    "wait_until": "moment, name=None",
    "wait_for_condition": "check, config=WaitForConditionConfig(...), name=None",
    "create_callback": "name=None, config=CallbackConfig(...)",
    "wait_for_callback": "submitter, *arguments, name=None, config=WaitForCallbackConfig(...)",
    "invoke": "function_name, payload=None, name=None, config=InvokeConfig(...)",
    "run_in_child_context": "function, *arguments, name=None, config=ChildConfig(...)",
    "map": "items, function, name=None, config=MapConfig(...)",
    "parallel": "branches, name=None, config=ParallelConfig(...)",
    "with_retry": "function, *arguments, name=None, config=WithRetryConfig(...)",
    "all": "*operations, name=None",
    "any": "*operations, name=None, cancel_losers=False",
    "race": "*operations, name=None, cancel_losers=False",
    "all_settled": "*operations, name=None",
    "patched": "patch_id, each_time=False",
    "set_status": "value, every=None",
    "progress": "done, total=None, label=None, every=None",
    "inbox": "name, type_=Any, window=4",
    "saga": "",
    "add_compensation": "function, *arguments, name=None, config=StepConfig(...)",
    "continue_as_new": "event, qualifier=None, retry_strategy=None",
    "complete_execution_success": "result=None",
    "complete_execution_failure": "error",
}
SAGA_STEP = (
    "function, *arguments, compensate=function, name=None, config=StepConfig(...),"
    " compensation_config=StepConfig(...)"
)
OPTIONS: dict[str, str] = {
    "StepConfig": "retry_strategy semantics serdes acknowledge_start timeout needs",
    "WaitForConditionConfig": "initial_state wait_strategy serdes timeout",
    "CallbackConfig": "timeout heartbeat_timeout result_type serdes",
    "WaitForCallbackConfig": "timeout heartbeat_timeout result_type serdes retry_strategy submitter_timeout",
    "InvokeConfig": "payload_serdes result_type serdes tenant_id timeout",
    "ChildConfig": "serdes error_mapper summary_generator virtual timeout",
    "MapConfig": "max_concurrency completion item_namer item_batcher serdes item_serdes summary_generator nesting"
    " progress_every item_timeout",
    "ParallelConfig": "max_concurrency completion serdes item_serdes summary_generator nesting branch_timeout",
    "WithRetryConfig": "retry_strategy serdes summary_generator attempt_timeout timeout",
}
_CURES = {
    "wait": "a duration is Duration.from_seconds(3) or a datetime.timedelta",
    "wait_until": "a moment is a datetime with a time zone; for a duration use ctx.wait",
}
_CONTEXT = "DurableContext"
# The methods that other SDKs call by these names, or that newcomers look for.
ELSEWHERE: dict[str, str] = {
    "activity": "step",
    "call_activity": "step",
    "execute_activity": "step",
    "run": "step",
    "side_effect": "step",
    "start_activity": "step",
    "sleep": "wait",
    "sleep_until": "wait_until",
    "create_timer": "wait_until",
    "start_timer": "wait",
    "poll": "wait_for_condition",
    "poll_until": "wait_for_condition",
    "wait_condition": "wait_for_condition",
    "awakeable": "create_callback",
    "promise": "create_callback",
    "wait_for_task_token": "wait_for_callback",
    "receive": "inbox",
    "recv": "inbox",
    "signal": "inbox",
    "wait_for_external_event": "inbox",
    "wait_for_signal": "inbox",
    "call": "invoke",
    "call_sub_orchestrator": "invoke",
    "execute_child_workflow": "invoke",
    "start_child_workflow": "invoke",
    "child_context": "run_in_child_context",
    "create_child_context": "run_in_child_context",
    "gather": "all",
    "select": "race",
    "task_all": "all",
    "task_any": "race",
    "get_version": "patched",
    "upsert_search_attributes": "set_status",
    "set_custom_status": "set_status",
    "current_utc_datetime": "now",
    "time": "now",
    "utcnow": "now",
    "new_guid": "uuid4",
    "log": "log_info",
}
# Python's words for a handle where a value belongs: subscripts, operators, loops, calls.
_HANDLE = re.compile(r"'Handle'|await wasn't used with future")
_AWAITED = (
    "; what ctx.step and the other operations return is a handle, and no result yet: await it first, as in"
    " result = await ctx.step(function). `durable lint` finds most of these"
)
# Python's words for other ways to use what the context gives.
_OTHERS = {
    "'Inbox' object is not iterable": "; write async for, as in: async for message in inbox",
    "object bool can't be used in 'await' expression": "; ctx.patched(...) is called without await",
    "object NoneType can't be used in 'await' expression": (
        "; ctx.set_status, ctx.progress and the calls of loggers are made without await"
    ),
}


def complete_error(error: Exception) -> None:
    """Add the correction to an error of Python's about a context, or about an operation that was not awaited."""
    if type(error) not in {TypeError, AttributeError, RuntimeError}:
        return  # an error of the user's, or one that was recorded
    if isinstance(error, AttributeError):
        _complete_attribute_error(error)
        return
    message = str(error.args[0]) if len(error.args) == 1 else ""
    if _HANDLE.search(message) and _AWAITED not in message:
        error.args = (f"{message}{_AWAITED}",)
    elif message in _OTHERS:
        error.args = (f"{message}{_OTHERS[message]}",)
    elif isinstance(error, TypeError):
        _complete_type_error(error, message)


def _complete_attribute_error(error: AttributeError) -> None:
    message, name = str(error), error.name or ""
    owner: object = error.obj
    kind: type = type(owner)
    if kind is Handle:
        text = (
            f": this is {_label_of(owner)} before it was awaited. Put await before the call that makes it; its result"
            f" may have {name!r}"
        )
    elif kind.__name__ == _CONTEXT and not name.startswith("_"):
        text = _no_such_method(name, [each for each in dir(owner) if each[0] != "_"])
    else:
        return
    if not message.endswith(text):
        error.args = (f"{message}{text}",)


def _label_of(handle: object) -> str:
    return repr(handle).strip("<>").rpartition(" ")[0]


def _no_such_method(name: str, methods: list[str]) -> str:
    """Return the method of a context that was probably meant; all operations if that is not known."""
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    known = snake if snake in methods else ELSEWHERE.get(snake)
    near = [known] if known else get_close_matches(snake, methods, 1, 0.75)
    near = near or [each for each in methods if each in snake.split("_")][:1]
    if near:
        return f"; did you mean ctx.{near[0]}?"
    return f". Its operations are {', '.join(sorted(CALLS.keys() - {'add_compensation'}))}"


def _complete_type_error(error: TypeError, message: str) -> None:
    found = _REFUSED.match(message)
    if found is None or found[1] not in CALLS or _CALLED_AS in message:
        return
    method, keyword = found[1], found[2]
    owner, call = f"ctx.{method}", CALLS[method]
    if method == "add_compensation" or message.startswith(_SAGA):
        owner, call = f"saga.{method}", SAGA_STEP if method == "step" else call
    text = f"{message}{_CALLED_AS}{owner}({call})"
    error.args = (f"{text}{_cure(method, keyword, call)}",)


def _cure(method: str, keyword: str | None, call: str) -> str:
    if method in _CURES:
        return f"; {_CURES[method]}"
    if keyword is None:
        return ""
    config = re.search(r"config=(\w+)", call)
    if config is not None and keyword in OPTIONS[config[1]].split():
        return f"; {keyword} is an option of its config: config={config[1]}({keyword}=...)"
    if "*arguments" in call:
        return (
            "; keyword arguments of the function go through functools.partial(function,"
            f" {keyword}=...)"
        )
    return ""


def refuse_arguments(run: InvocationRun, label: str, args: tuple[object, ...]) -> NoReturn:
    """Fail the execution for an operation, or a config, among the arguments of a step's function."""
    places = [place for place, arg in enumerate(args) if type(arg) is Handle]
    if places:
        other = _label_of(args[places[0]])
        text = (
            f"argument {places[0] + 1} of its function is {other}, which was not awaited: put await before the"
            " call that makes it, and pass on the result"
        )
    else:
        text = (
            "a StepConfig is among the arguments of its function; options are given by keyword:"
            " ctx.step(function, ..., config=StepConfig(...))"
        )
    error = ConfigError(f"{label}: {text}")
    run.fail(error)
    raise error


_USAGES = {"ctx.map": "items, function", "ctx.wait_for_condition": "function, config"}


def not_a_function(found: object, operation: str) -> ConfigError:
    """Return the error for an object that stands where an operation takes a function."""
    call = f"{operation}({_USAGES.get(operation, 'function, a, b')})"
    if isinstance(found, str):
        cure = (
            f"did you call the function? A name is given by keyword: {call[:-1]}, name={found!r})"
        )
    elif type(found) is Handle:
        cure = (
            "what an operation returns is no function; give it the function that the operation runs"
        )
    else:
        cure = "did you call the function?"
    return ConfigError(
        f"{operation} takes a function, as in {call}, and was given {found!r} in its place; {cure}"
    )
