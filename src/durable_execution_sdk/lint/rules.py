"""What workflow code may not call, and what to do instead. The codes are for ``ignore`` comments."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """Why something is not for workflow code, and the fix."""

    code: str
    why: str
    fix: str


TIME = Rule("DUR001", "tells another time on every replay", "use ctx.now(), or do it in a step")
RANDOM = Rule(
    "DUR002", "gives another value on every replay", "use ctx.random(), or do it in a step"
)
IDS = Rule("DUR003", "gives another id on every replay", "use ctx.uuid4(), or do it in a step")
OUTSIDE = Rule(
    "DUR004",
    "reaches outside, again on every replay, and may find something else there",
    "do it in a step",
)
BLOCKING = Rule(
    "DUR005",
    "stops the whole invocation, again on every replay",
    "use ctx.wait() or asyncio.sleep(), which are recorded",
)
ORDER = Rule("DUR006", "goes through a set, whose order differs on replay", "use sorted(...)")
FORGOTTEN = Rule(
    "DUR007",
    "starts an operation that nobody waits for: when its context ends it is cancelled",
    "await it, or keep what it returns and await that later",
)
FOREIGN = Rule(
    "DUR008",
    "uses a context where it does not belong, and is refused at run time",
    "use the context that the function was given; a step has none",
)
GLOBAL = Rule(
    "DUR009",
    "changes a global, which another machine, or the next replay, does not share",
    "keep it in a local variable, or in a step's result",
)

RULES = (TIME, RANDOM, IDS, OUTSIDE, BLOCKING, ORDER, FORGOTTEN, FOREIGN, GLOBAL)

_CALLS: dict[str, Rule] = {
    "time.sleep": BLOCKING,
    **dict.fromkeys(
        (
            "time.time",
            "time.time_ns",
            "time.monotonic",
            "time.monotonic_ns",
            "time.perf_counter",
            "time.perf_counter_ns",
            "time.localtime",
            "time.gmtime",
            "datetime.datetime.now",
            "datetime.datetime.utcnow",
            "datetime.datetime.today",
            "datetime.date.today",
        ),
        TIME,
    ),
    **dict.fromkeys(("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"), IDS),
    "os.urandom": RANDOM,
    **dict.fromkeys(
        (
            "open",
            "input",
            "os.getenv",
            "os.environ.get",
            "os.system",
            "os.popen",
            "sqlite3.connect",
            "pathlib.Path.cwd",
            "pathlib.Path.home",
        ),
        OUTSIDE,
    ),
}

# Every function of these; constructors of exceptions and types among them are not worth a rule.
_MODULES: dict[str, Rule] = {
    "random": RANDOM,
    "secrets": RANDOM,
    "numpy.random": RANDOM,
    **dict.fromkeys(
        (
            "aiohttp",
            "boto3",
            "httpx",
            "psycopg",
            "redis",
            "requests",
            "shutil",
            "smtplib",
            "socket",
            "subprocess",
            "tempfile",
            "urllib.request",
            "urllib3",
        ),
        OUTSIDE,
    ),
}

READS: dict[str, Rule] = {"os.environ": OUTSIDE}


def rule_for_call(name: str) -> Rule | None:
    """The rule that forbids to call this fully qualified name in workflow code."""
    rule = _CALLS.get(name)
    if rule is not None:
        return rule
    module = name.rpartition(".")[0]
    while module:
        if module in _MODULES:
            return _MODULES[module]
        module = module.rpartition(".")[0]
    return None
