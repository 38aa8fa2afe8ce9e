"""The input rows of version 1, computed as the expressions in its model.yaml say.

The server computes the same rows from the same expressions with code of its own; expected.json compares the
two. Arithmetic is float64, the result is cast to float32 once, as the server does. The rows of version 2 come from
the server's own code (replayed.py), since they depend on what happened before.
"""

import math
from datetime import datetime

import numpy as np

from flights import Flight

LOG_DISTANCE_MEAN = 6.2917
LOG_DISTANCE_STD = 0.7841

# As they stand in ../flight-delay/1/model.yaml; train.py refuses to run when the file says something else.
EXPRESSIONS = [
    "cyclic(hour(request.scheduled), 24)",
    "cyclic(hour(request.scheduled), 12)",
    "onehot(day_of_week(request.scheduled), [0, 1, 2, 3, 4, 5, 6])",
    f"standardize(log1p(request.distance), {LOG_DISTANCE_MEAN}, {LOG_DISTANCE_STD})",
]


def rows(flights: list[Flight]) -> np.ndarray:
    return np.array([row(flight) for flight in flights], dtype=np.float64).astype(np.float32)


def row(flight: Flight) -> list[float]:
    hour, weekday = flight.scheduled.hour, day_of_week(flight.scheduled)
    return [
        *cyclic(hour, 24),
        *cyclic(hour, 12),
        *(float(weekday == day) for day in range(7)),
        (math.log1p(flight.distance) - LOG_DISTANCE_MEAN) / LOG_DISTANCE_STD,
    ]


def day_of_week(time: datetime) -> int:
    """0 = Sunday … 6 = Saturday."""
    return time.isoweekday() % 7


def cyclic(x: float, period: float) -> tuple[float, float]:
    angle = 2 * math.pi * x / period
    return math.sin(angle), math.cos(angle)
