"""Statements that are known to be dangerous. Each has a feature of its own, which runs turn on by name."""

from __future__ import annotations

from tests.generated.programs import Node, operation, statement
from tests.generated.rendering import Writer
from tests.generated.statements import _jobs, functions, jobs


@statement(ops=(1, 1), feature="spin")
def spin(w: Writer, node: Node) -> None:
    handle = w.name("h")
    w.line(f"{handle} = {w.start(node.ops[0])}")
    with w.under(f"while not {handle}.done():"):
        w.line("await asyncio.sleep(0)")
    w.observe_op(node.ops[0], handle)


@statement(feature="foreign", racy=True, make=lambda rng: {"how": rng.randrange(3)}, weight=4)
def thread(w: Writer, node: Node) -> None:
    """Work in a thread of workflow code, which is not recorded and runs again on replay."""
    w.observe(f"in_thread({node.data['how']})")


@statement(blocks=(2, 2), make=_jobs, feature="all_tasks", racy=True, weight=4)
def all_tasks(w: Writer, node: Node) -> None:
    """Gather all other tasks."""
    calls = ", ".join(jobs(w, node))
    w.line(f"others = [asyncio.create_task(job) for job in ({calls},)]")
    w.line("rest = asyncio.all_tasks() - {asyncio.current_task()}")
    w.line(f"see(c, {w.key()}, len(rest))")
    w.line("await asyncio.gather(*others)")
    w.line("await asyncio.gather(*rest, return_exceptions=True)")


@statement(blocks=(2, 2), make=_jobs, feature="factory", weight=4)
def direct_task(w: Writer, node: Node) -> None:
    """Tasks that are made without the loop's factory."""
    calls = ", ".join(jobs(w, node))
    w.observe(f"asyncio.gather(*[asyncio.Task(job) for job in ({calls},)])")


@operation(feature="factory", weight=3)
def meddling(w: Writer, node: Node) -> str:
    return f"c.step(meddle, {w.key()})"


@statement(feature="swallow", racy=True)
def swallow(w: Writer, node: Node) -> None:
    """A task that catches its cancellation and goes on, for longer than clean-up waits for it.

    It ends at some time, because ``all_tasks`` waits for it, and tasks that wait for one another for as long as it moves.
    """
    with w.under("async def stubborn():"):
        with w.under("for _ in range(20):"):
            with w.under("try:"):
                w.line("await asyncio.sleep(0.5)")
            with w.under("except asyncio.CancelledError:"):
                w.line(f"see(c, {w.key()})")
    w.line(f"{w.name('stubborn')} = asyncio.create_task(stubborn())")


@statement(feature="many_threads", make=lambda rng: {"count": rng.choice((4, 40))})
def meeting(w: Writer, node: Node) -> None:
    """Steps in threads that wait for one another."""
    count = node.data["count"]
    steps = (
        f"(c.step(meet, {w.key(None, '-{k}')}, {count}, config=ONE_TRY) for k in range({count}))"
    )
    w.observe(f"asyncio.gather(*{steps})")


@statement(blocks=(2, 3), make=_jobs, feature="giveup", racy=True, weight=3)
def first_only(w: Writer, node: Node) -> None:
    """The first of several tasks wins, and the others are cancelled."""
    pairs = ", ".join(f"{name}({key})" for name, key in functions(w, node))
    w.line(f"racing = [asyncio.create_task(job) for job in ({pairs},)]")
    w.line("await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)")
    w.line("won = [job.result() for job in racing if job.done()]")
    with w.under("for job in racing:"):
        w.line("job.cancel()")
    w.line("await asyncio.gather(*racing, return_exceptions=True)")
    w.tell("won")
