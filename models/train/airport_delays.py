"""Delay statistics by airport as of a moment: the rows of the feature view airport_delays."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flights import Flight


@dataclass(frozen=True)
class AirportDelays:
    """Nothing measured is None: an airport from which no flight left has no mean delay."""

    departures: int
    departures_per_day: float
    departure_delay_mean: float | None
    departure_late_share: float | None
    arrivals: int
    arrivals_per_day: float
    arrival_delay_mean: float | None
    arrival_late_share: float | None


class Tally:
    """Flights, minutes of delay and late flights."""

    def __init__(self) -> None:
        self.flights = 0
        self.delay = 0
        self.late = 0

    def add(self, flight: Flight) -> None:
        self.flights += 1
        self.delay += flight.delay
        self.late += flight.late


def airport_delays(flights: list[Flight], as_of: datetime, smoothing: float) -> dict[str, AirportDelays]:
    """Statistics of the flights before `as_of`, by airport code.

    Means and shares are drawn towards those of all airports with the weight of `smoothing` flights: an airport
    seen twice says little about itself.
    """
    overall, origins, destinations = Tally(), {}, {}
    for flight in flights:
        if flight.scheduled >= as_of:
            break
        overall.add(flight)
        origins.setdefault(flight.origin, Tally()).add(flight)
        destinations.setdefault(flight.destination, Tally()).add(flight)

    days = max((as_of - flights[0].scheduled) / timedelta(days=1), 1)
    none = Tally()
    return {
        iata: AirportDelays(
            *summary(origins.get(iata, none), overall, days, smoothing),
            *summary(destinations.get(iata, none), overall, days, smoothing),
        )
        for iata in sorted(origins.keys() | destinations.keys())
    }


def summary(
    tally: Tally, overall: Tally, days: float, smoothing: float
) -> tuple[int, float, float | None, float | None]:
    """Rounded, so that the CSV file holds exactly the numbers that the model saw."""
    per_day = round(tally.flights / days, 4)
    if tally.flights == 0:
        return 0, per_day, None, None
    weight = tally.flights + smoothing
    delay_mean = (tally.delay + smoothing * overall.delay / overall.flights) / weight
    late_share = (tally.late + smoothing * overall.late / overall.flights) / weight
    return tally.flights, per_day, round(delay_mean, 4), round(late_share, 6)
