"""The flights and airports as the npm package vega-datasets ships them, in time order."""

import csv
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

LATE_MINUTES = 15


@dataclass(frozen=True)
class Flight:
    flight_id: str
    scheduled: datetime
    origin: str
    destination: str
    distance: int  # miles
    delay: int  # minutes, on arrival; negative = early

    @property
    def late(self) -> bool:
        return self.delay > LATE_MINUTES


@dataclass(frozen=True)
class Airport:
    iata: str
    name: str
    city: str | None
    state: str | None
    latitude: float
    longitude: float


def read_flights(path: Path) -> list[Flight]:
    """All flights in time order. Ties are broken by the other columns, which are together unique."""
    records = json.loads(path.read_text())
    records.sort(key=lambda r: (r["date"], r["origin"], r["destination"], r["distance"], r["delay"]))
    return [
        Flight(f"f{number:05}", utc(r["date"]), r["origin"], r["destination"], r["distance"], r["delay"])
        for number, r in enumerate(records, start=1)
    ]


def read_airports(path: Path, used: set[str]) -> list[Airport]:
    """The airports in `used`, by code. The source writes an unknown city or state as NA."""
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(
            (
                Airport(
                    r["iata"],
                    r["name"],
                    known(r["city"]),
                    known(r["state"]),
                    float(r["latitude"]),
                    float(r["longitude"]),
                )
                for r in csv.DictReader(file)
                if r["iata"] in used
            ),
            key=lambda airport: airport.iata,
        )


def iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(local: str) -> datetime:
    """The source has local clock times without a zone; they are taken as UTC throughout."""
    return datetime.strptime(local, "%Y/%m/%d %H:%M").replace(tzinfo=timezone.utc)


def known(text: str) -> str | None:
    return None if text == "NA" else text
