"""Ask again when an answer is not of the type that was asked for.

AWS takes any answer, because the type stands in the code alone. One that does not fit raises a ``CallbackError``
at the ``await``. Its subclasses stand for other cases (a timeout, a refusal, an id that was not handed out), so
they pass.

Run it with::

    durable run examples/callbacks/appointment_slot/app.py --name visit --input '"Ada"'
    durable callback succeed visit --data '{"day": "tomorrow"}' --anyway
    durable callback succeed visit --data '{"day": "2030-05-01", "hour": 9}'
"""

from dataclasses import dataclass
from datetime import date

from durable_execution_sdk import (
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    DurableContext,
    WaitForCallbackConfig,
    durable_execution,
)


@dataclass(frozen=True)
class Slot:
    day: date
    hour: int


SLOT = WaitForCallbackConfig(result_type=Slot)


def ask_for_slot(callback_id: str, patient: str) -> None:
    print(f"{patient}: pick a day and an hour, {callback_id}")


@durable_execution
async def book_appointment(patient: str, ctx: DurableContext) -> str:
    for attempt in range(1, 4):
        try:
            slot = await ctx.wait_for_callback(
                ask_for_slot, patient, name=f"slot {attempt}", config=SLOT
            )
        except (CallbackTimeoutError, CallbackExternalError, CallbackSubmitterError):
            raise
        except CallbackError as error:
            ctx.log_warn("no slot", attempt=attempt, reason=str(error))
        else:
            return f"{patient} comes on {slot.day} at {slot.hour}"
    return f"call {patient}"
