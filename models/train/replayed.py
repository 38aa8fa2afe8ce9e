"""The input rows of version 2, from `millrace replay`: each flight with the features that the server would have had
just before it."""

import csv
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from flights import LATE_MINUTES, Flight
from tables import AIRPORTS, FLIGHTS

ROOT = Path(__file__).resolve().parent.parent.parent


def replayed_rows(flights: list[Flight]) -> np.ndarray:
    """One row a flight, in their order; all of them are replayed, from the first on."""
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "table.csv"
        replay(table)
        with table.open(newline="", encoding="utf-8") as file:
            head, *lines = csv.reader(file)
    of_flight, label = head.index("flight_id"), head.index("label")
    # Rows of other flights, or of another order, would train a model on chance.
    assert [line[of_flight] for line in lines] == [flight.flight_id for flight in flights]
    assert [line[label] for line in lines] == [str(int(flight.late)) for flight in flights]
    inputs = [[cell or "nan" for cell in line[of_flight + 1 : label]] for line in lines]
    # Each cell is a float32 in the fewest digits: it is read back as exactly that.
    return np.array(inputs, dtype=np.float64).astype(np.float32)


def replay(table: Path) -> None:
    program = [ROOT / "node_modules" / ".bin" / "tsx", ROOT / "src" / "cli.ts", "replay"]
    options = {
        "--project": ROOT / "models",
        "--endpoint": "flight-delay",
        "--model": "flight-delay@2",
        "--events": FLIGHTS,
        "--rows": f"airport_profile={AIRPORTS}",
        "--label": f"delay > {LATE_MINUTES}",
        "--keep": "flight_id",
        "--out": table,
    }
    arguments = [part for option in options.items() for part in option]
    subprocess.run([*program, *arguments], cwd=ROOT, check=True)
