"""The tables of forbidden calls, by qualified name of the function or by name of the method."""

from __future__ import annotations

import ast
from typing import NamedTuple

from durable_execution_sdk.lint.rules import (
    ADDRESS,
    ALIVE,
    BLOCKING,
    ELAPSED,
    IDS,
    LINES,
    OUTSIDE,
    RANDOM,
    THREAD,
    TIME,
    UNNUMBERED,
    Rule,
)
from durable_execution_sdk.lint.scope import Names


class Named(NamedTuple):
    """A rule, and the text that names the code it forbids."""

    what: str
    rule: Rule


def forbidden(call: ast.Call, names: Names) -> Named | None:
    """Return the rule that forbids this call in workflow code, or ``None``."""
    for function in names.meanings(call.func):
        found = _found(function, names)
        if found is not None:
            return found
    name = names.of(call.func)
    if name in _MAX_TIME and any(word.arg == "max_time" for word in call.keywords):
        return Named(f"{name}(max_time=...)", ELAPSED)
    if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS:
        library = names.library_of(call.func.value)
        if library is not None:
            return Named(f"this line of {library}", LINES)
    return None


def _found(function: ast.expr, names: Names) -> Named | None:
    """Return the rule that forbids to call this function."""
    name = names.of(function)
    if name is not None:
        rule = _rule_for(name)
        return None if rule is None else Named(f"{name}()", rule)
    match function:
        case ast.Attribute(value=ast.Call(func=maker) as made, attr=method):
            # The maker of an object within the function is found itself.
            if not names.is_within(made) and _rule_for(names.of(maker) or "") is THREAD:
                return Named(f"{names.of(maker)}(...).{method}()", THREAD)
        case _:
            pass
    if isinstance(function, ast.Attribute) and function.attr in _METHODS:
        return Named(f".{function.attr}()", _METHODS[function.attr])
    return None


def _rule_for(name: str) -> Rule | None:
    rule = _CALLS.get(name)
    if rule is not None:
        return rule
    module = name.rpartition(".")[0]
    while module:
        if module in _MODULES:
            return _MODULES[module]
        module = module.rpartition(".")[0]
    return None


READS: dict[str, Rule] = {"os.environ": OUTSIDE}

LEVELS = frozenset({"trace", "debug", "info", "success", "warning", "warn", "error", "msg"}) | {
    *("critical", "fatal", "exception", "log")
}
_MAX_TIME = frozenset({"backoff.on_exception", "backoff.on_predicate"})

# Methods by name alone, for objects of unknown type.
_METHODS: dict[str, Rule] = {
    "run_in_executor": THREAD,
    "set_task_factory": UNNUMBERED,
    **dict.fromkeys(
        ("iterdir", "rglob", "glob", "read_text", "read_bytes", "write_text", "write_bytes"),
        OUTSIDE,
    ),
    "add_signal_handler": OUTSIDE,
    **dict.fromkeys(("subprocess_exec", "subprocess_shell", "sock_recv", "sock_sendall"), OUTSIDE),
}

_OS = (
    *("getenv", "environ.get", "system", "popen", "listdir", "scandir", "walk", "stat", "getcwd"),
    *("getpid", "mkdir", "makedirs", "remove", "unlink", "rename", "replace", "rmdir", "cpu_count"),
    *("path.exists", "path.isfile", "path.isdir", "path.getsize", "path.getmtime"),
)
_TIMES = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("localtime", "gmtime"),
)
_SOCKETS = (
    *("create_subprocess_exec", "create_subprocess_shell", "open_connection", "start_server"),
    *("open_unix_connection", "start_unix_server"),
)
_ANYIO = ("run_process", "open_process", "connect_tcp", "connect_unix", "open_file", "Path")

_CALLS: dict[str, Rule] = {
    "time.sleep": BLOCKING,
    **dict.fromkeys(("signal.signal", "anyio.open_signal_receiver"), OUTSIDE),
    **dict.fromkeys((f"time.{name}" for name in _TIMES), TIME),
    **dict.fromkeys((f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")), TIME),
    "datetime.date.today": TIME,
    **dict.fromkeys(("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"), IDS),
    "os.urandom": RANDOM,
    **dict.fromkeys((f"os.{name}" for name in _OS), OUTSIDE),
    **dict.fromkeys((f"asyncio.{name}" for name in _SOCKETS), OUTSIDE),
    **dict.fromkeys((f"anyio.{name}" for name in _ANYIO), OUTSIDE),
    **dict.fromkeys(("open", "input", "sqlite3.connect", "platform.node"), OUTSIDE),
    **dict.fromkeys(("pathlib.Path.cwd", "pathlib.Path.home"), OUTSIDE),
    **dict.fromkeys(("hash", "id"), ADDRESS),
    **dict.fromkeys(
        (
            *("asyncio.Task", "asyncio.tasks.Task", "asyncio.eager_task_factory"),
            "asyncio.create_eager_task_factory",
        ),
        UNNUMBERED,
    ),
    **dict.fromkeys(("asyncio.all_tasks", "anyio.get_running_tasks"), ALIVE),
    **dict.fromkeys(
        (
            *("asyncio.to_thread", "asyncio.wrap_future", "asyncio.run_coroutine_threadsafe"),
            *("threading.Thread", "threading.Timer", "starlette.concurrency.run_in_threadpool"),
            "asgiref.sync.sync_to_async",
        ),
        THREAD,
    ),
    **dict.fromkeys(("tenacity.stop_after_delay", "tenacity.stop_before_delay"), ELAPSED),
}

# Every call into these modules. Harmless ones, such as constructors of exceptions, are found too.
_MODULES: dict[str, Rule] = {
    **dict.fromkeys(("random", "secrets", "numpy.random"), RANDOM),
    **dict.fromkeys(("anyio.to_thread", "anyio.to_process", "multiprocessing", "_thread"), THREAD),
    "concurrent.futures": THREAD,
    **dict.fromkeys(
        (
            *("aioboto3", "aiofiles", "aiohttp", "aiosqlite", "asyncpg", "boto3", "glob", "httpx"),
            *("psycopg", "pymongo", "redis", "requests", "shutil", "smtplib", "socket"),
            *("subprocess", "tempfile", "urllib.request", "urllib3"),
        ),
        OUTSIDE,
    ),
}
