"""Code that lint finds in workflows, and code that it accepts."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from durable_execution_sdk.lint import check_source
from durable_execution_sdk.lint.rules import RULES

_ROOT = Path(__file__).parents[2]

HEAD = """
import _thread, anyio, anyio.lowlevel, anyio.to_thread
import asyncio, glob, os, random, secrets, signal, time, uuid
import datetime as dt
from datetime import datetime, UTC
import backoff, concurrent.futures, loguru, structlog, tenacity, threading
from functools import partial
from pathlib import Path
from uuid import uuid4 as new_id
import requests
import urllib.request
from durable_execution_sdk import DurableContext, durable_execution
cache: dict[str, int] = {}
names = []
settings = load()
POOL = concurrent.futures.ThreadPoolExecutor()
in_thread = asyncio.to_thread
log = structlog.get_logger()
rows = logging.getLogger()
"""


def codes(body: str) -> list[str]:
    return [finding.rule.code for finding in check_source(HEAD + dedent(body))]


def in_workflow(line: str) -> list[str]:
    return codes(f"""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            {line}
    """)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("now = time.time()", "DUR001"),
        ("now = datetime.now(UTC)", "DUR001"),
        ("now = dt.datetime.utcnow()", "DUR001"),
        ("day = dt.date.today()", "DUR001"),
        ("n = random.randint(1, 6)", "DUR002"),
        ("n = random.SystemRandom().random()", "DUR002"),
        ("n = secrets.token_hex()", "DUR002"),
        ("n = os.urandom(4)", "DUR002"),
        ("key = new_id()", "DUR003"),
        ("key = str(uuid.uuid1())", "DUR003"),
        ("page = requests.get(event['url'])", "DUR004"),
        ("page = urllib.request.urlopen('x')", "DUR004"),
        ("text = open('x').read()", "DUR004"),
        ("mode = os.environ['MODE']", "DUR004"),
        ("mode = os.getenv('MODE')", "DUR004"),
        ("time.sleep(3)", "DUR005"),
        ("[await ctx.step(print, each) for each in {1, 2}]", "DUR006"),
        ("[await ctx.step(print, each) for each in set(event)]", "DUR006"),
        ("ctx.step(print)", "DUR007"),
        ("ctx.complete_execution_failure('no')", "DUR007"),
        ("ctx.complete_execution_success()", "DUR007"),
        ("ctx.continue_as_new(event)", "DUR007"),
        ("global total", "DUR009"),
        *(
            (line, "DUR004")
            for line in (
                "files = os.listdir('.')",
                "files = sorted(os.scandir('.'))",
                "files = glob.glob('*')",
                "files = list(Path('.').iterdir())",
                "files = sorted(Path('.').rglob('*'))",
                "text = event['path'].read_text()",
                "await asyncio.create_subprocess_exec('ls')",
                "await asyncio.open_connection('x', 1)",
                "await anyio.run_process('ls')",
                "os.environ['MODE'] = 'x'",
                "names = os.path.exists('x')",
            )
        ),
        ("cache['a'] = 1", "DUR009"),
        ("cache['a'] += 1", "DUR009"),
        ("del cache['a']", "DUR009"),
        ("cache.update(a=1)", "DUR009"),
        ("names.append(1)", "DUR009"),
        ("settings.debug = True", "DUR009"),
        ("os.curdir = 'x'", "DUR009"),
        ("n = hash(event)", "DUR010"),
        ("n = id(event)", "DUR010"),
        ("asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)", "DUR011"),
        ("asyncio.Task(work())", "DUR011"),
        ("for task in asyncio.all_tasks(): task.cancel()", "DUR012"),
        ("tasks = asyncio.all_tasks() - {asyncio.current_task()}", "DUR012"),
        ("asyncio.get_running_loop().add_signal_handler(15, print)", "DUR004"),
        ("signal.signal(15, print)", "DUR004"),
        ("await asyncio.to_thread(requests.get, 'x')", "DUR016"),
        ("await asyncio.get_running_loop().run_in_executor(None, work)", "DUR016"),
        ("await anyio.to_thread.run_sync(work)", "DUR016"),
        ("threading.Thread(target=work).start()", "DUR016"),
        ("pool = concurrent.futures.ThreadPoolExecutor()", "DUR016"),
        ("await asyncio.wrap_future(event)", "DUR016"),
        ("_thread.start_new_thread(work, ())", "DUR016"),
        ("POOL.submit(work)", "DUR016"),
        ("pages = list(POOL.map(work, event))", "DUR016"),
        ("await in_thread(work)", "DUR016"),
        ("stop = tenacity.stop_after_delay(30)", "DUR017"),
        ("stop = tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(30)", "DUR017"),
        ("loguru.logger.info('x')", "DUR018"),
        ("loguru.logger.bind(a=1).warning('x')", "DUR018"),
        ("structlog.get_logger().info('x')", "DUR018"),
        ("log.info('x')", "DUR018"),
        ("log.bind(a=1).info('x')", "DUR018"),
    ],
)
def test_what_replay_cannot_repeat_is_found(line: str, code: str) -> None:
    assert in_workflow(line) == [code]


@pytest.mark.parametrize(
    "line",
    [
        "now = ctx.now()",
        "n = ctx.random().randint(1, 6)",
        "key = ctx.uuid4()",
        "await ctx.step(time.time)",
        "await ctx.step(lambda: time.time())",
        "handle = ctx.step(print); await handle",
        "moment = datetime(2027, 1, 1, tzinfo=UTC)",
        "for each in sorted({1, 2}): await ctx.step(print, each)",
        "loop_time = asyncio.get_running_loop().time()",
        "now = time.time()  # durable: ignore[DUR001]",
        "now = time.time()  # durable: ignore",
        "now = event.time()",
        "await ctx.complete_execution_failure('no')",
        "await ctx.continue_as_new(event)",
        "files = await ctx.step(os.listdir, '.')",
        "files = await ctx.step(lambda: sorted(Path('.').iterdir()))",
        "path = os.path.join('a', 'b')",
        "n = cache['a'] + len(names)",
        "cache = {}; cache['a'] = 1",
        "names: list[str] = []; names.append('x')",
        "settings = {}; settings.update(a=1)",
        "event['seen'] = True",
        "id = event['id']; key = f'{id}'",
        "hash = str; key = hash(event)",
        "task = asyncio.create_task(work())",
        "task: asyncio.Task[int] = asyncio.ensure_future(work())",
        "me = asyncio.current_task()",
        "page = await ctx.step(asyncio.to_thread, requests.get, 'x')",
        "lock = threading.Lock()",
        "stop = tenacity.stop_after_attempt(3)",
        "rows.info('x')",
        "ctx.logger.info('x')",
        "match = loguru.logger",
    ],
)
def test_what_replay_repeats_is_not(line: str) -> None:
    assert in_workflow(line) == []


@pytest.mark.parametrize(
    ("library", "name"),
    [("structlog", "structlog_renderer"), ("loguru", "loguru_filter"), ("loguru", None)],
)
def test_lines_of_another_library_are_fine_in_a_module_that_imports_its_filter(
    library: str, name: str | None
) -> None:
    logger = {"structlog": "structlog.get_logger()", "loguru": "loguru.logger"}[library]
    source = f"""
import {library}
from durable_execution_sdk import DurableContext, {name or "Duration"}
log = {logger}
async def flow(event, ctx: DurableContext):
    log.info("x")
    {logger}.info("x")
"""
    assert [each.rule.code for each in check_source(source)] == ([] if name else ["DUR018"] * 2)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("seen = {1}\nfor x in seen: pass", "DUR006"),
        ("seen = set(event)\nfor x in list(seen): pass", "DUR006"),
        ("seen = set()\nfor x in event: seen.add(x['id'])\nfor x in seen: pass", "DUR006"),
        ("left = set(event) - {1}\nsteps = [ctx.step(print, x) for x in left]", "DUR006"),
        ("seen = {1} | {2}\nfirst = seen.pop()", "DUR006"),
        ("seen = frozenset(event)\ntext = ', '.join(seen)", "DUR006"),
        ("seen = frozenset(event)\nall_of_them = [*seen]", "DUR006"),
        ("seen = set(event)\nawait ctx.map(seen, work)", "DUR006"),
        ("await asyncio.gather(*{work(1), work(2)})", "DUR006"),
        ("jobs = {work(n) for n in range(3)}\nawait asyncio.gather(*jobs)", "DUR006"),
        ("jobs = set()\njobs.add(work(1))\nawait asyncio.gather(*jobs)", "DUR006"),
        ("for each in asyncio.as_completed({work(1)}): await each", "DUR006"),
        (
            (
                "done, _ = await asyncio.wait([asyncio.gather(work(1)), asyncio.gather(work(2))])"
                "\nfor each in done: await ctx.step(print, each.result())"
            ),
            "DUR014",
        ),
        (
            (
                "parts = [asyncio.shield(t) for t in event]\ndone, rest = await asyncio.wait(parts)"
                "\nvalues = [await ctx.step(print, each.result()) for each in done]"
            ),
            "DUR014",
        ),
        (
            (
                "one = asyncio.gather(work(1))\nrest = [one, asyncio.gather(work(2))]"
                "\nwhile rest:\n    done, rest = await asyncio.wait(rest)\n    done.pop()"
            ),
            "DUR014",
        ),
        ("futures = [asyncio.Future()]\nawait asyncio.wait(futures)", "DUR014"),
        (
            (
                "f = asyncio.get_running_loop().create_future()\ndone, _ = await asyncio.wait([f])"
                "\nfor each in done: pass"
            ),
            "DUR014",
        ),
        ("done = ctx.step(print)\nwhile not done.done():\n    await asyncio.sleep(0)", "DUR013"),
        ("while True:\n    if event: break\n    await asyncio.sleep(delay=0)", "DUR013"),
        ("while not event:\n    await anyio.lowlevel.checkpoint()", "DUR013"),
        ("run = asyncio.get_running_loop().run_in_executor\nawait run(None, work)", "DUR016"),
        ("run = in_thread\nawait run(work)", "DUR016"),
        ("run: Run = partial(asyncio.to_thread, work)\nawait run()", "DUR016"),
        ("begin = _thread.start_new_thread\nbegin(work, ())", "DUR016"),
        ("pool = concurrent.futures.ThreadPoolExecutor()\nrun = pool.submit\nrun(work)", "DUR016"),
        ("pool = POOL\nrun = pool.submit\nrun(work)", "DUR016"),
        ("clock = time\nnow = clock.time()", "DUR001"),
        ("read = event['path'].read_text\ntext = read()", "DUR004"),
        ("if not ctx.is_replaying:\n    await ctx.step(print)", "DUR015"),
        (
            "while event:\n    if ctx.patched('a'):\n        await ctx.step(print)\n    await ctx.wait(1)",
            "DUR020",
        ),
        ("while ctx.patched('a'):\n    await ctx.step(print)", "DUR020"),
        ("if ctx.is_replaying:\n    return", "DUR015"),
        ("if ctx.is_replaying:\n    pass\nelse:\n    event['n'] = 1", "DUR015"),
        ("name = 'a' if ctx.is_replaying else 'b'", "DUR015"),
        ("while ctx.is_replaying:\n    await ctx.step(print)", "DUR015"),
        ("async def part():\n    return time.time()\nawait asyncio.gather(part())", "DUR001"),
        (
            (
                "@tenacity.retry(stop=tenacity.stop_after_delay(9))\nasync def part():\n"
                "    await ctx.step(print)\nawait part()"
            ),
            "DUR017",
        ),
        (
            (
                "@backoff.on_exception(backoff.expo, OSError, max_time=9)\nasync def part():\n"
                "    await ctx.step(print)\nawait part()"
            ),
            "DUR017",
        ),
    ],
)
def test_lines_that_together_cannot_be_repeated_are_found(lines: str, code: str) -> None:
    assert in_workflow(indented(lines)) == [code]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (
            "n = 0\nasync def part():\n    nonlocal n\n    n += 1\nawait ctx.step(part)",
            "nonlocal n in part",
        ),
        (
            "out = []\nasync def part():\n    out.append(1)\nawait ctx.step(part)",
            "out.append() in part",
        ),
        ("out = []\nawait ctx.step(lambda: out.append(1))", "out.append() in a lambda"),
        ("out = []\nawait ctx.step(out.append, 1)", "out.append() in a step"),
        ("out = dict()\nawait ctx.step(partial(out.update, a=1))", "out.update() in a step"),
        (
            "def part():\n    event['n'] = 1\nawait ctx.step(part)",
            "the change of event['n'] in part",
        ),
        (
            "order = load()\ndef part():\n    order.n = 1\nawait ctx.step(part)",
            "the change of order.n in part",
        ),
        (
            "def part():\n    del event['n']\nawait ctx.step(partial(part))",
            "the change of event['n'] in part",
        ),
        (
            "out = {}\ndef undo(x):\n    out[x] = 1\nawait saga.step(print, compensate=undo)",
            "the change of out[x] in undo",
        ),
        (
            "out = []\nasync def part(c):\n    out.append(1)\nawait ctx.run_in_child_context(part)",
            "out.append() in part",
        ),
        (
            "out = set()\nasync def part(c, x, i):\n    out.add(x)\nawait ctx.map(event, part)",
            "out.add() in part",
        ),
        (
            "out = []\nasync def part(c):\n    out.append(1)\nawait ctx.parallel([part, part])",
            "out.append() in part",
        ),
        (
            "out = []\nasync def part(c):\n    out.append(1)\nawait ctx.parallel({'a': part})",
            "out.append() in part",
        ),
        (
            "out = []\nasync def part(c):\n    async def inner():\n        out.append(1)\n    await inner()\nawait ctx.with_retry(part)",
            "out.append() in part",
        ),
        (
            "out = []\nasync def part(state):\n    out.append(1)\nawait ctx.wait_for_condition(part)",
            "out.append() in part",
        ),
        (
            "async def part():\n    out = []\n    def body():\n        out.append(1)\n    await ctx.step(body)\nawait part()",
            "out.append() in body",
        ),
        (
            "async def part(order):\n    order['n'] = 1\nawait ctx.step(part, event)",
            "the change of order['n'], an argument of part,",
        ),
        (
            "async def part(a, order):\n    order.n += 1\n    return a\nawait ctx.step(part, 1, event)",
            "the change of order.n, an argument of part,",
        ),
    ],
)
def test_changes_that_replay_loses_are_found(lines: str, what: str) -> None:
    found = check_source(
        HEAD
        + dedent(f"""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            {indented(lines)}
    """)
    )
    assert [(each.what, each.rule.code) for each in found] == [(what, "DUR021")]


@pytest.mark.parametrize(
    "lines",
    [
        "out = []\nasync def part():\n    out.append(1)\nawait asyncio.gather(part())",
        "out = []\nasync def part():\n    out.append(await ctx.step(print))\nawait part()",
        "def part():\n    out = []\n    out.append(1)\n    return out\nawait ctx.step(part)",
        "def part():\n    n = 0\n    def count():\n        nonlocal n\n        n += 1\n    count()\nawait ctx.step(part)",
        "out = []\ndef part(out):\n    out.append(1)\n    return out\nawait ctx.step(part, out)",
        "async def part(order):\n    order['n'] = 1\n    return order\nevent = await ctx.step(part, event)",
        "async def part(order):\n    order['n'] = 1\n    return {**order}\nevent = await ctx.step(part, event)",
        "async def part(order):\n    order['n'] = 1\nawait ctx.step(part, {})\nawait ctx.step(part, load())",
        "client = connect()\ndef part():\n    client.update(1)\nawait ctx.step(part)\nawait ctx.step(client.pop)",
        "out = []\nasync def part(c):\n    out.append(1)\nawait ctx.run_in_child_context(part, config=ChildConfig(virtual=True))",
        "out = []\nasync def part(c, x, i):\n    out.append(1)\nawait ctx.map(event, part, config=MapConfig(nesting=NestingType.FLAT))",
        "out = []\nawait ctx.map(event, out.append)  # durable: ignore[DUR021]",
    ],
)
def test_changes_that_replay_repeats_are_not(lines: str) -> None:
    assert in_workflow(indented(lines)) == []


@pytest.mark.parametrize(
    "lines",
    [
        "while event:\n    if ctx.patched('a', each_time=True):\n        await ctx.step(print)",
        "is_new = ctx.patched('a')\nwhile event:\n    if is_new: await ctx.step(print)",
        "for _ in event:\n    if ctx.patched('a'):\n        await ctx.step(print)",
        "seen = {1}\nfor x in sorted(seen): pass",
        "seen = set(event)\nfor x in sorted(list(seen), reverse=True): pass",
        "seen = set(event)\ntotal = sum(x for x in seen)\nsome = any([x for x in seen])",
        "seen = set(event)\nmore = {x.lower() for x in seen}\nn = len(seen)\nis_in = 1 in seen",
        "seen = [1]\nfor x in seen: pass",
        "seen = set(event)\nseen = sorted(seen)\nfor x in seen: pass",  # not known to be a set
        "jobs = [work(n) for n in range(3)]\nawait asyncio.gather(*jobs)",
        "jobs = {asyncio.create_task(work(n)) for n in range(3)}\nawait asyncio.gather(*jobs)",
        "jobs = set()\njob = asyncio.create_task(work())\njobs.add(job)\nawait asyncio.gather(*jobs)",
        "steps = {ctx.step(print, n) for n in range(3)}\nfor each in steps: await each",
        "tasks = [ctx.step(print)]\nleft = set(tasks)\nfor each in left: each.cancel()",
        "done, _ = await asyncio.wait([ctx.step(print, n) for n in 'abc'])\nfor each in done: pass",
        (
            "tasks = [asyncio.create_task(work())]\ndone, _ = await asyncio.wait(tasks)"
            "\nfor each in done: pass"
        ),
        (
            "rest = set(event)\nwhile rest:\n    done, rest = await asyncio.wait(rest)"
            "\n    for each in done: pass"
        ),
        "both = await asyncio.gather(asyncio.gather(work()), asyncio.shield(work()))",
        "done, _ = await asyncio.wait([asyncio.gather(work())])\nn = len(done)",
        "for each in asyncio.as_completed([work(1), work(2)]): await each",
        "f = asyncio.get_running_loop().create_future()\nawait asyncio.wait([f])",
        "run = asyncio.to_thread\nawait ctx.step(run, work)",
        "await ctx.step(POOL.submit, work)",
        "POOL = event\nPOOL.submit(work)",
        "in_thread = event\nawait in_thread(work)",
        "f = f if event else g\ng = f\nf()",
        "for _ in range(3): await asyncio.sleep(0)",
        "while not event:\n    await asyncio.sleep(5)",
        "while not event:\n    await ctx.wait(1)\n    await asyncio.sleep(0)",
        "while not event:\n    async with lock:\n        await asyncio.sleep(0)",
        "if not ctx.is_replaying:\n    print('new')",
        "if not ctx.is_replaying:\n    logger.info('new')\nelse:\n    ctx.log_debug('old')",
        "is_replaying = ctx.is_replaying",
        "def part():\n    time.time()\nawait ctx.step(part)",
        "async def part():\n    return time.time()\nawait ctx.step(part)",
        "async def part():\n    cache['a'] = time.time()\nhandle = ctx.step(part)\nawait handle",
    ],
)
def test_lines_that_together_can_be_repeated_are_not(lines: str) -> None:
    assert in_workflow(indented(lines)) == []


def indented(lines: str) -> str:
    """Indent lines as in the workflow's body."""
    return lines.replace("\n", "\n" + " " * 12)


@pytest.mark.parametrize(
    "lines",
    [
        "handle = ctx.step(print)",
        "handle: Handle[None] = ctx.step(print)",
        "winner = ctx.race(ctx.step(print), ctx.wait(event))",
        "ctx.race(ctx.step(print), ctx.wait(event))",
        "asyncio.create_task(part(ctx))",
        "asyncio.ensure_future(ctx.step(print))",
        "asyncio.gather(ctx.step(print), ctx.step(print))",
        "await ctx.create_callback(name='pay')",
        "callback = await ctx.create_callback(name='pay')",
        "def start(): return ctx.step(print)\nstart()",
        "def start(n):\n    if n: return ctx.step(print)\n    return ctx.wait(n)\nmade = start(1)",
        "for each in event:\n    handle = ctx.step(print, each)",
        "def start(n):\n    if n: return ctx.step(print)\nstart(1)",
    ],
)
def test_a_handle_that_is_never_awaited_is_found(lines: str) -> None:
    assert in_workflow(indented(lines)) == ["DUR007"]


@pytest.mark.parametrize(
    "lines",
    [
        "if ctx.step(print): pass",
        "while ctx.step(print): break",
        "ok = not ctx.step(print)",
        "ok = ctx.step(print) == 1",
        "ok = ctx.step(print) and event",
        "total = ctx.step(print) + 1",
        "name = 'a' if ctx.step(print) else 'b'",
        "text = f'{ctx.step(print)}'",
        "assert ctx.step(print)",
        "await ctx.race(ctx.create_callback(name='pay'), ctx.wait(event))",
        "await ctx.any(ctx.create_callback(), ctx.wait(event))",
        "made = ctx.create_callback()\nawait ctx.race(made, ctx.wait(event))",
        "def start(): return ctx.step(print)\nif start(): pass",
        "name = ctx.step(print)\nawait ctx.step(print, name.upper())",
        "name = ctx.step(print)\nawait ctx.step(print, name['id'])",
        "name = ctx.step(print)\nawait ctx.step(print, name)",
        "name = ctx.step(print)\nawait ctx.invoke('ship:live', name)",
        "names = ctx.step(print)\nawait ctx.map(names, part)",
        "names = ctx.step(print)\nfor each in names: pass",
        "names = ctx.step(print)\nshort = [each for each in names]",
        "pair = ctx.step(print)\none, two = pair",
        "name = ctx.step(print)\nif name: pass",
        "name = ctx.step(print)\nif name == 'Ada': pass",
        "number = ctx.step(print)\nif number > 3: pass",
        "names = ctx.step(print)\nif event in names: pass",
        "number = ctx.step(print)\ntotal = number + 1",
        "number = ctx.step(print)\ntotal = -number",
        "name = ctx.step(print)\ntext = f'to {name}'",
        "batch = ctx.map(event, part)\nawait ctx.step(print, batch.results())",
        "made = ctx.create_callback()\nawait ctx.step(print, made.callback_id)",
        "name = ctx.step(print)\nasync def tell(): print(name.upper())\nawait tell()",
    ],
)
def test_a_handle_in_place_of_a_result_is_found(lines: str) -> None:
    assert in_workflow(indented(lines)) == ["DUR019"]


@pytest.mark.parametrize(
    "returned",
    [
        "ctx.step(print)",
        "ctx.race(ctx.step(print), ctx.wait(event))",
        "asyncio.gather(ctx.step(print), ctx.step(print))",
        "asyncio.create_task(part(ctx))",
        "[ctx.step(print)]",
        "held",
        "[held]",
        "[ctx.step(print, each) for each in event]",
        "{'a': ctx.step(print)}",
        "start(ctx)",
    ],
)
@pytest.mark.parametrize(
    "head",
    [
        "@durable_execution\nasync def f(event, ctx):",
        "async def f(ctx, event): ...\nasync def f(ctx, event):",
    ],
)
def test_a_handle_that_is_returned_where_a_result_is_recorded_is_found(
    returned: str, head: str
) -> None:
    starts = "def start(ctx: DurableContext): return ctx.step(print)"
    called = "async def g(event, ctx: DurableContext): await ctx.map(event, f)"
    held = "    held = ctx.step(print)\n" if "held" in returned else ""
    assert codes(f"{starts}\n{head}\n{held}    return {returned}\n{called}") == ["DUR019"]


@pytest.mark.parametrize(
    "lines",
    [
        "handle = ctx.step(print)\nawait handle",
        "handle = ctx.step(print)\nhandle.cancel()",
        "one = ctx.step(print)\nif one.done(): pass\none.result()\nprint(one.name, one.operation_id)",
        "one = ctx.step(print)\nif one is event: pass\nif one == event or one is not None: pass",
        "one = ctx.step(print)\nif one in (event, 1): pass",
        "one = ctx.step(print)\nawait ctx.race(one, ctx.wait(event))",
        "one = ctx.step(print)\none = await one\nprint(one.upper())",
        "one = ctx.step(print)\ndef inner(one): return one.upper()\nawait one",
        "one = None\nif event: one = ctx.step(print)\nif one: await one",
        "await ctx.run_in_child_context(part, ctx.step(print))",
        "handle = ctx.step(print)\nasync def later(): return await handle\nawait later()",
        "handle = None\nfor each in event:\n    handle = ctx.step(print)\nawait handle",
        "_ = ctx.step(print)",
        "handles = [ctx.step(print) for each in event]\nawait asyncio.gather(*handles)",
        "event['handle'] = ctx.step(print)",
        "async with asyncio.TaskGroup() as group:\n    group.create_task(part(ctx))",
        "task = asyncio.create_task(part(ctx))",
        "asyncio.create_task(tick())",
        "callback = await ctx.create_callback()\nawait ctx.race(callback, ctx.wait(event))",
        "made = ctx.create_callback()\ncallback = await made\nawait ctx.race(callback, ctx.wait(event))",
        "made = ctx.create_callback()\nmade = await made\nawait ctx.race(made, ctx.wait(event))",
        "one, two = await ctx.all(ctx.create_callback(), ctx.create_callback())",
        "one, two = await asyncio.gather(ctx.create_callback(), ctx.create_callback())",
        "callback = await ctx.create_callback()\nawait ctx.step(send, callback.callback_id)",
        "def start(): return ctx.step(print)\nawait start()",
        "if await ctx.step(print): pass",
        "handle = event or ctx.step(print)\nawait handle",
        "last = ctx.step(print)\nif last is not event and last in [last]: await last",
        "return [await handle for handle in [ctx.step(print)]]",
        "await asyncio.gather(*(ctx.step(print, each) for each in event))",
    ],
)
def test_a_handle_that_is_awaited_or_kept_is_not(lines: str) -> None:
    assert in_workflow(indented(lines)) == []


@pytest.mark.parametrize(
    "function",
    [
        "async def start(ctx: DurableContext) -> Handle[int]: return ctx.step(print)",
        "async def start(ctx: DurableContext): return ctx.step(print)",
        "def start(ctx: DurableContext): return ctx.step(print)",
        "@durable_execution\nasync def f(event, ctx):\n    def start(): return ctx.step(print)\n    await start()",
        "@durable_execution\nasync def f(event, ctx): return await ctx.step(print)",
    ],
)
def test_a_function_that_only_its_own_code_calls_may_return_a_handle(function: str) -> None:
    assert codes(function) == []


def test_a_limit_of_time_around_a_workflow_is_found() -> None:
    assert codes("""
        @tenacity.retry(stop=tenacity.stop_after_delay(9))
        async def part(ctx: DurableContext) -> None:
            await ctx.step(print)
    """) == ["DUR017"]


def test_a_builtin_that_the_module_hides_is_its_own_business() -> None:
    assert (
        codes("""
        def hash(value): return value["key"]

        async def workflow(event: dict, ctx: DurableContext) -> None:
            key = hash(event)
    """)
        == []
    )


def test_an_end_that_nobody_waits_for_is_told_as_such() -> None:
    body = "async def f(ctx: DurableContext): ctx.complete_execution_success(1)"
    [finding] = check_source(body)
    assert str(finding) == (
        "DUR007 ctx.complete_execution_success(...) asks for the end of the execution without"
        " waiting for it, so the code after it runs on: await it"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "pay = ctx.step(print)",
            (
                "DUR007 pay = ctx.step(...) starts an operation that is never awaited: it is cancelled when"
                " its context ends: await it, or keep what it returns and await that later"
            ),
        ),
        (
            "await ctx.create_callback()",
            (
                "DUR007 await ctx.create_callback(...) makes a callback whose answer is never awaited: keep"
                " the callback, and await that too"
            ),
        ),
        (
            "if ctx.step(print): pass",
            (
                "DUR019 ctx.step(...) is a handle, and stands here in place of the operation's result: await"
                " it"
            ),
        ),
        (
            "await ctx.race(ctx.create_callback(), ctx.wait(event))",
            (
                "DUR019 ctx.race(...) is given the creation of a callback, which ends at once, and not the"
                " callback's answer: callback = await ctx.create_callback(...) first, and give it the callback"
            ),
        ),
    ],
)
def test_a_handle_is_told_with_its_name_and_the_cure(line: str, message: str) -> None:
    source = f"async def f(event, ctx: DurableContext):\n    {line}"
    assert [str(finding) for finding in check_source(source)] == [message]


def test_an_ignore_is_for_its_own_code_only() -> None:
    assert in_workflow("now = time.time()  # durable: ignore[DUR002, DUR003]") == ["DUR001"]


def test_functions_without_a_context_are_nobodys_business() -> None:
    assert codes("def charge(): return time.time()\nasync def send(ctx): time.sleep(1)") == []


@pytest.mark.parametrize(
    "body",
    [
        "@durable_execution\nasync def handler(event, context): time.time()",
        "@durable_execution(plugins=[])\nasync def handler(event, context): time.time()",
        "async def child(ctx: 'DurableContext'): time.time()",
        "async def item(c, x, i): time.time()\nasync def f(e, ctx): await ctx.map([1], item)",
        "async def part(c): time.time()\nasync def f(e, ctx): await ctx.parallel([part])",
        "async def part(c): time.time()\nasync def f(e, ctx): await ctx.parallel({'a': part})",
        "async def part(c): time.time()\nasync def f(e, ctx): await ctx.with_retry(part)",
    ],
)
def test_whatever_is_given_a_context_is_workflow_code(body: str) -> None:
    assert codes(body) == ["DUR001"]


def test_a_nested_step_body_is_plain_code_that_may_not_use_the_context() -> None:
    assert codes("""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            async def body() -> None:
                time.time()
                await ctx.step(print)

            await ctx.step(partial(body))
    """) == ["DUR008"]


def test_a_nested_context_function_uses_its_own_context() -> None:
    assert codes("""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            async def child(inner: DurableContext) -> None:
                await ctx.step(print)
                await inner.step(print)

            async def fine(ctx: DurableContext) -> None:
                await ctx.step(print)

            await ctx.run_in_child_context(child)
            await ctx.run_in_child_context(fine)
    """) == ["DUR008"]


@pytest.mark.parametrize("call", ["set_status('x')", "progress(1, 2)", "patched('x')"])
def test_a_step_sets_no_status(call: str) -> None:
    assert codes(f"""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            async def body() -> None:
                ctx.{call}

            ctx.{call}
            await ctx.step(body)
    """) == ["DUR008"]


def test_a_nested_task_is_a_part_of_the_workflow() -> None:
    assert codes("""
        async def workflow(event: dict, ctx: DurableContext) -> None:
            async def branch() -> None:
                await ctx.step(print, time.time())

            await asyncio.gather(branch(), branch())
    """) == ["DUR001"]


def test_each_finding_tells_place_reason_and_fix() -> None:
    [finding] = check_source(HEAD + "async def f(ctx: DurableContext): x = time.time()")
    assert (finding.line, finding.column) == (HEAD.count("\n") + 1, 39)
    assert str(finding) == (
        "DUR001 time.time() tells another time on every replay: use ctx.now(), or do it in a step"
    )


def test_the_page_names_every_rule() -> None:
    page = (_ROOT / "docs" / "determinism.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert rule.code in page


def test_nothing_stands_out_in_the_examples() -> None:
    for path in sorted((_ROOT / "examples").rglob("*.py")):
        assert check_source(path.read_text(encoding="utf-8")) == [], path


def test_nothing_stands_out_in_the_pages() -> None:
    for path in [*_ROOT.glob("*.md"), *sorted((_ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(
            r"```python[^\n]*\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL
        )
        for block in blocks:
            found = [str(finding) for finding in check_source(block)]
            assert not found, (path.name, found)


def test_in_the_programs_of_the_proofs_only_operations_left_alone_stand_out() -> None:
    folder = _ROOT / "tests" / "replay"
    for name in ("corpus.py", "test_plain_asyncio.py", "test_schedules.py", "test_invariants.py"):
        findings = check_source((folder / name).read_text(encoding="utf-8"))
        others = [str(each) for each in findings if each.rule.code not in {"DUR007", "DUR008"}]
        assert not others, name


def test_a_handler_without_annotations_is_known_by_its_decorator_though_all_names_are_imported() -> (
    None
):
    source = (
        "import time\nfrom durable_execution_sdk import *\n@durable_execution\n"
        "async def handler(event, ctx): return time.time()"
    )
    assert [finding.rule.code for finding in check_source(source)] == ["DUR001"]
