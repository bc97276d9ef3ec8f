"""Messages for wrong arguments of a context's methods: how the method is called, and how to correct the call.

Python raises a bare ``TypeError`` before any code of the SDK runs. A method could accept every keyword and
refuse the wrong ones itself, but each call would cost a dictionary, and type checkers could not check the
options. So the message is completed where the error leaves the workflow's code. Wrong options of a config
have their messages in ``option_errors``, wrong functions and names in ``argument_checks``.
"""

from __future__ import annotations

import re

__all__ = ["complete_type_error"]

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


def complete_type_error(error: TypeError) -> None:
    """Add to an error about a method of a context how the method is called."""
    message = str(error.args[0]) if len(error.args) == 1 else ""
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
