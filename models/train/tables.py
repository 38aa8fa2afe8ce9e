"""The CSV files under models/data: what `millrace load` reads, written and read back."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import datetime, timezone
from pathlib import Path

from airport_delays import AirportDelays
from flights import Airport, Flight, iso

DATA = Path(__file__).resolve().parent.parent / "data"
PROFILES_KNOWN_SINCE = datetime(2001, 1, 1, tzinfo=timezone.utc)


def write_tables(
    airports: list[Airport], delays: dict[str, AirportDelays], cut: datetime, held_out: list[Flight]
) -> None:
    write_csv(
        DATA / "airports.csv",
        ({**asdict(airport), "event_timestamp": iso(PROFILES_KNOWN_SINCE)} for airport in airports),
    )
    write_csv(
        DATA / "airport_delays.csv",
        ({"iata": iata, **asdict(row), "event_timestamp": iso(cut)} for iata, row in delays.items()),
    )
    write_csv(
        DATA / "held_out_flights.csv",
        ({**asdict(flight), "scheduled": iso(flight.scheduled)} for flight in held_out),
    )


def write_csv(path: Path, rows: Iterable[dict]) -> None:
    rows = list(rows)
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_profiles() -> dict[str, Airport]:
    with (DATA / "airports.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["iata"]: Airport(
                row["iata"],
                row["name"],
                row["city"] or None,
                row["state"] or None,
                float(row["latitude"]),
                float(row["longitude"]),
            )
            for row in csv.DictReader(file)
        }


def read_delays() -> dict[str, AirportDelays]:
    """The statistics as the server will load them: from the file, where an empty cell is a missing value."""
    columns = [field.name for field in fields(AirportDelays)]
    with (DATA / "airport_delays.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["iata"]: AirportDelays(*(None if row[name] == "" else float(row[name]) for name in columns))
            for row in csv.DictReader(file)
        }
