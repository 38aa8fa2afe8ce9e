"""The files under models/data: flights as the events of the demo, and rows of airports that the server loads."""

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from flights import Airport, Flight, iso

DATA = Path(__file__).resolve().parent.parent / "data"
AIRPORTS, FLIGHTS, HELD_OUT = DATA / "airports.csv", DATA / "flights.csv.gz", DATA / "held_out_flights.csv"
PROFILES_KNOWN_SINCE = datetime(2001, 1, 1, tzinfo=timezone.utc)


def write_tables(airports: list[Airport], flights: list[Flight], held_out: list[Flight]) -> None:
    DATA.mkdir(exist_ok=True)
    known_since = iso(PROFILES_KNOWN_SINCE)
    profiles = csv_text({**asdict(airport), "event_timestamp": known_since} for airport in airports)
    AIRPORTS.write_text(profiles, encoding="utf-8", newline="")
    HELD_OUT.write_text(csv_text(map(event_of, held_out)), encoding="utf-8", newline="")
    # Without a time in its header, the same flights are the same bytes.
    FLIGHTS.write_bytes(gzip.compress(csv_text(map(event_of, flights)).encode(), 9, mtime=0))


def event_of(flight: Flight) -> dict:
    return {**asdict(flight), "scheduled": iso(flight.scheduled)}


def csv_text(rows: Iterable[dict]) -> str:
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
