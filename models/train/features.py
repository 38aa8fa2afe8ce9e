"""The input rows of both versions, computed as the expressions in the model.yaml files say.

The server computes the same rows from the same expressions with code of its own; expected.json compares the
two. Arithmetic is float64, the result is cast to float32 once, as the server does. A missing number is NaN.
"""

import math
from datetime import datetime

import numpy as np

from airport_delays import AirportDelays
from flights import Airport, Flight

LOG_DISTANCE_MEAN = 6.2917
LOG_DISTANCE_STD = 0.7841

# As they stand in the model.yaml files; train.py refuses to run when a file says something else.
EXPRESSIONS = {
    1: [
        "cyclic(hour(request.scheduled), 24)",
        "cyclic(hour(request.scheduled), 12)",
        "onehot(day_of_week(request.scheduled), [0, 1, 2, 3, 4, 5, 6])",
        f"standardize(log1p(request.distance), {LOG_DISTANCE_MEAN}, {LOG_DISTANCE_STD})",
    ],
    2: [
        "hour(request.scheduled)",
        "day_of_week(request.scheduled)",
        "request.distance",
        "origin.airport_delays.departure_delay_mean",
        "origin.airport_delays.departure_late_share",
        "origin.airport_delays.departures_per_day ?? 0",
        "origin.airport_profile.latitude",
        "origin.airport_profile.longitude",
        "destination.airport_delays.arrival_delay_mean",
        "destination.airport_delays.arrival_late_share",
        "destination.airport_delays.arrivals_per_day ?? 0",
        "destination.airport_profile.latitude",
        "destination.airport_profile.longitude",
    ],
}


def row_of_version_1(flight: Flight) -> list[float]:
    hour, weekday = flight.scheduled.hour, day_of_week(flight.scheduled)
    return [
        *cyclic(hour, 24),
        *cyclic(hour, 12),
        *(float(weekday == day) for day in range(7)),
        (math.log1p(flight.distance) - LOG_DISTANCE_MEAN) / LOG_DISTANCE_STD,
    ]


def row_of_version_2(
    flight: Flight, profiles: dict[str, Airport], delays: dict[str, AirportDelays]
) -> list[float]:
    origin, destination = delays.get(flight.origin), delays.get(flight.destination)
    return [
        flight.scheduled.hour,
        day_of_week(flight.scheduled),
        flight.distance,
        number(origin and origin.departure_delay_mean),
        number(origin and origin.departure_late_share),
        origin.departures_per_day if origin else 0,
        *position(profiles.get(flight.origin)),
        number(destination and destination.arrival_delay_mean),
        number(destination and destination.arrival_late_share),
        destination.arrivals_per_day if destination else 0,
        *position(profiles.get(flight.destination)),
    ]


def matrix(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).astype(np.float32)


def day_of_week(time: datetime) -> int:
    """0 = Sunday … 6 = Saturday."""
    return time.isoweekday() % 7


def cyclic(x: float, period: float) -> tuple[float, float]:
    angle = 2 * math.pi * x / period
    return math.sin(angle), math.cos(angle)


def number(value: float | None) -> float:
    return math.nan if value is None else value


def position(airport: Airport | None) -> tuple[float, float]:
    return (airport.latitude, airport.longitude) if airport else (math.nan, math.nan)
