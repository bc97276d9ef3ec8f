"""The lint rules, each with its code, its reason and its fix."""

from __future__ import annotations

from typing import NamedTuple

from durable_execution_sdk.version import PAGES


class Rule(NamedTuple):
    """A rule: its code for ``ignore`` comments, the problem, and the fix."""

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
    "has effects outside or reads from there, again on every replay, perhaps with another result",
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
    "starts an operation that is never awaited: it is cancelled when its context ends",
    "await it, or keep what it returns and await that later",
)
UNANSWERED = Rule(
    "DUR007",
    "makes a callback whose answer is never awaited",
    "keep the callback, and await that too",
)
HANDLE = Rule(
    "DUR019",
    "is a handle, and stands here in place of the operation's result",
    "await it",
)
CREATION = Rule(
    "DUR019",
    "is given the creation of a callback, which ends at once, and not the callback's answer",
    "callback = await ctx.create_callback(...) first, and give it the callback",
)
RUNS_ON = Rule(
    "DUR007",
    "asks for the end of the execution without waiting for it, so the code after it runs on",
    "await it",
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
ADDRESS = Rule(
    "DUR010",
    "depends on memory addresses or on the hash seed of the process, and differs on replay",
    "use a key of the value itself, or hashlib",
)
UNNUMBERED = Rule(
    "DUR011",
    "makes tasks without the SDK's numbering, so replay cannot tell their operations apart",
    "use asyncio.create_task(), gather() or a TaskGroup, and leave the loop's task factory alone",
)
ALIVE = Rule(
    "DUR012",
    "gives the tasks that are alive at this moment, in the order of a set",
    "keep the tasks that you make in a list of your own",
)
SPINNING = Rule(
    "DUR013",
    "spins: turns of the loop are not recorded, and no operation ends while the code spins",
    "await the handle, task or asyncio.Event itself, or poll with ctx.wait_for_condition()",
)
PLAIN_FUTURES = Rule(
    "DUR014",
    "is given futures made with asyncio.Future(...), whose order in its sets is that of memory"
    " addresses: it is refused at run time",
    "make them with asyncio.get_running_loop().create_future(), or wait for tasks",
)
GATHERS = Rule(
    "DUR014",
    "goes through a set of gathers or other futures, whose order follows neither the list that was"
    " waited for nor their ends, and changes when functions are renamed",
    "go through that list, or make each of them a task",
)
REPLAYING = Rule(
    "DUR015",
    "takes another path on replay than on the first run",
    "let both take the same path; do in a step what must happen once",
)
THREAD = Rule(
    "DUR016",
    "runs again on every replay, and its result is not recorded",
    "do it in a step: a plain function runs in a thread there",
)
ELAPSED = Rule(
    "DUR017",
    "counts its time anew in every invocation",
    "stop after a number of attempts, use ctx.with_retry(), or put asyncio.timeout() around it",
)
LINES = Rule(
    "DUR018",
    "is written again on every replay, unless the library has a filter for it",
    f"use ctx.logger, or set up the filter of {PAGES}/determinism.md#other-loggers and lint with --ignore DUR018",
)
PATCH_ONCE = Rule(
    "DUR020",
    "has one answer for all rounds: an execution that began before the patch never takes its new code",
    "give it each_time=True, or ask before the loop if that is what you want",
)
LOST = Rule(
    "DUR021",
    "is lost on replay, which does not run a step's function again, nor that of a context that has ended",
    "return the value, and change the variable after the await",
)

RULES = (
    *(TIME, RANDOM, IDS, OUTSIDE, BLOCKING, ORDER, FORGOTTEN, RUNS_ON, FOREIGN, GLOBAL, ADDRESS),
    *(UNNUMBERED, ALIVE, SPINNING, PLAIN_FUTURES, GATHERS, REPLAYING, THREAD, ELAPSED, LINES),
    *(UNANSWERED, HANDLE, CREATION, PATCH_ONCE, LOST),
)
CODES = frozenset(rule.code for rule in RULES)
