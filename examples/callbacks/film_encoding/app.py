"""Notice within five minutes that a worker has died, although its work may take hours.

A short timeout for the answer would end healthy work. ``heartbeat_timeout`` ends the wait five minutes after the
last sign of life (``SendDurableExecutionCallbackHeartbeat``), and the film goes to the next worker.

Run it with::

    durable run examples/callbacks/film_encoding/app.py --name film --input '"metropolis"'
    durable callback heartbeat film
    durable callback succeed film --data '"metropolis.mp4"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    CallbackTimeoutError,
    DurableContext,
    WaitForCallbackConfig,
    durable_execution,
)

ALIVE = WaitForCallbackConfig(
    timeout=timedelta(hours=12), heartbeat_timeout=timedelta(minutes=5), result_type=str
)


def send_to_worker(callback_id: str, film: str, worker: str) -> None:
    print(f"{worker}: encode {film}, report to {callback_id}")


@durable_execution
async def encode_film(film: str, ctx: DurableContext) -> str:
    for worker in ("worker-a", "worker-b"):
        try:
            return await ctx.wait_for_callback(
                send_to_worker, film, worker, name=f"encoded by {worker}", config=ALIVE
            )
        except CallbackTimeoutError as error:
            ctx.log_warn("no sign of life", worker=worker, reason=str(error))
    raise RuntimeError(f"no worker has encoded {film}")
