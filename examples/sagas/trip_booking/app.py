"""Book a trip as a whole or not at all: when a booking fails, the earlier ones are cancelled.

The hotel takes half a day to confirm; ``--skip-time`` skips that wait::

    durable run examples/sagas/trip_booking/app.py:book_trip --skip-time \
        --input '{"traveller": "Ada", "budget": 900}'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import DurableContext, NoRetry, durable_execution, durable_step


@dataclass(frozen=True)
class Trip:
    traveller: str
    budget: int


@dataclass(frozen=True)
class Booking:
    number: str
    price: int


@dataclass(frozen=True)
class Itinerary:
    flight: str
    hotel: str
    car: str


class TooExpensiveError(Exception):
    def __init__(self, missing: int) -> None:
        super().__init__(f"{missing} short")
        self.missing = missing


def book_flight(trip: Trip) -> Booking:
    return Booking(f"flight-{trip.traveller}", 400)


def cancel_flight(booking: Booking) -> str:
    return f"cancelled {booking.number}"


def book_hotel(trip: Trip) -> Booking:
    return Booking(f"hotel-{trip.traveller}", 500)


def cancel_hotel(booking: Booking) -> str:
    return f"cancelled {booking.number}"


@durable_step(retry_strategy=NoRetry())
def book_car(trip: Trip, subtotal: int) -> Booking:
    price = 200
    if subtotal + price > trip.budget:
        raise TooExpensiveError(subtotal + price - trip.budget)
    return Booking(f"car-{trip.traveller}", price)


def cancel_car(booking: Booking) -> str:
    return f"cancelled {booking.number}"


def write_to(traveller: str, message: str) -> str:
    return f"Dear {traveller}, {message}"


@durable_execution
async def book_trip(trip: Trip, ctx: DurableContext) -> Itinerary | str:
    try:
        async with ctx.saga() as saga:
            saga.add_compensation(write_to, trip.traveller, "we are sorry", name="apologize")
            flight = await saga.step(book_flight, trip, compensate=cancel_flight)
            hotel = await saga.step(book_hotel, trip, compensate=cancel_hotel)
            # The execution suspends here. That is not a failure, so nothing is cancelled.
            await ctx.wait(timedelta(hours=12), name="hotel_confirms")
            subtotal = flight.price + hotel.price
            car = await saga.step(book_car, trip, subtotal, compensate=cancel_car)
    except TooExpensiveError as error:
        return f"the trip is {error.missing} over budget"
    return Itinerary(flight.number, hotel.number, car.number)
