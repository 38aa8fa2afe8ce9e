"""Trains both versions of the model flight-delay and writes the files under models/ that no hand wrote.

Deterministic: the same library versions give the same files. README.md has the reasons behind the steps.
"""

import importlib.metadata
import itertools
import json
import math
import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import features
import graphs
from airport_delays import AirportDelays, airport_delays
from flights import Airport, Flight, iso, read_airports, read_flights
from tables import read_delays, read_profiles, write_tables

TRAIN = Path(__file__).resolve().parent
MODELS = TRAIN.parent
VEGA = MODELS.parent / "node_modules" / "vega-datasets" / "data"
FLIGHT_DELAY = MODELS / "flight-delay"

TRAIN_SHARE = 0.7
EXPECTED_FLIGHTS = 200

REGULARISATIONS = [0.1, 1, 10]  # sklearn's C
TREE_SETTINGS = [
    {"smoothing": smoothing, "num_leaves": leaves, "trees": trees, "min_data_in_leaf": rows}
    for smoothing, leaves, trees, rows in itertools.product([30, 100], [4, 8, 16], [60, 120], [50, 200])
]


def main() -> None:
    flights = read_flights(VEGA / "flights-20k.json")
    airports = read_airports(
        VEGA / "airports.csv", {code for f in flights for code in (f.origin, f.destination)}
    )
    profiles = {airport.iata: airport for airport in airports}
    training, held_out = split(flights)
    cut = held_out[0].scheduled
    check_expressions(training)

    # Settings are chosen inside the training part; the held-out flights are looked at once, at the end.
    validation = validate(*split(training), profiles)
    chosen = {version: max(runs, key=lambda run: run["auc"]) for version, runs in validation.items()}

    delays = airport_delays(training, cut, chosen[2]["smoothing"])
    write_tables(airports, delays, cut, held_out)
    profiles, delays = read_profiles(), read_delays()

    logistic = train_logistic(training, chosen[1])
    trees = train_trees(training, profiles, chosen[2])
    probabilities = {
        1: publish(1, graphs.logistic_graph(logistic), logistic_rows(held_out), logistic_scores(logistic)),
        2: publish(2, graphs.trees_graph(trees), tree_rows(held_out, profiles, delays), tree_scores(trees)),
    }
    write_expected(1, held_out, profiles, delays, logistic_rows)
    write_expected(2, held_out, profiles, delays, lambda some: tree_rows(some, profiles, delays))
    write_report(training, held_out, validation, chosen, probabilities)


def split(flights: list[Flight]) -> tuple[list[Flight], list[Flight]]:
    """The first 70 % in time order, and the rest."""
    cut = round(TRAIN_SHARE * len(flights))
    # Flights of the same minute stay together, so that "before the cut" means the same everywhere.
    while flights[cut].scheduled == flights[cut - 1].scheduled:
        cut += 1
    return flights[:cut], flights[cut:]


# Features


def logistic_rows(flights: list[Flight]) -> np.ndarray:
    return features.matrix([features.row_of_version_1(flight) for flight in flights])


def tree_rows(
    flights: list[Flight], profiles: dict[str, Airport], delays: dict[str, AirportDelays]
) -> np.ndarray:
    return features.matrix([features.row_of_version_2(flight, profiles, delays) for flight in flights])


def tree_training_rows(flights: list[Flight], profiles: dict[str, Airport], smoothing: float) -> np.ndarray:
    """Each flight with the statistics as of the midnight before it: no flight is part of its own features."""
    days = itertools.groupby(flights, key=lambda flight: flight.scheduled.date())
    return np.concatenate(
        [
            tree_rows(list(of_day), profiles, airport_delays(flights, midnight(day), smoothing))
            for day, of_day in days
        ]
    )


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)


def labels(flights: list[Flight]) -> np.ndarray:
    return np.array([flight.late for flight in flights], dtype=np.int64)


# Training


def train_logistic(flights: list[Flight], setting: dict) -> LogisticRegression:
    model = LogisticRegression(C=setting["C"], max_iter=1000)
    return model.fit(logistic_rows(flights).astype(np.float64), labels(flights))


def train_trees(flights: list[Flight], profiles: dict[str, Airport], setting: dict) -> lightgbm.Booster:
    rows = tree_training_rows(flights, profiles, setting["smoothing"]).astype(np.float64)
    return train_trees_on(rows, labels(flights), setting)


def train_trees_on(rows: np.ndarray, late: np.ndarray, setting: dict) -> lightgbm.Booster:
    parameters = {
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": setting["num_leaves"],
        "min_data_in_leaf": setting["min_data_in_leaf"],
        "lambda_l2": 10,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "seed": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, lightgbm.Dataset(rows, late), setting["trees"])


def logistic_scores(model: LogisticRegression) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: model.predict_proba(rows.astype(np.float64))[:, 1]


def tree_scores(model: lightgbm.Booster) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: model.predict(rows.astype(np.float64))


def validate(fit: list[Flight], check: list[Flight], profiles: dict[str, Airport]) -> dict[int, list[dict]]:
    """AUC of every setting on the later part of the training flights, trained on the earlier part."""
    late_fit, late_check = labels(fit), labels(check)
    runs: dict[int, list[dict]] = {1: [], 2: []}
    for C in REGULARISATIONS:
        scores = logistic_scores(train_logistic(fit, {"C": C}))
        runs[1].append({"C": C, "auc": auc(late_check, scores(logistic_rows(check)))})
    for smoothing, settings in itertools.groupby(TREE_SETTINGS, key=lambda setting: setting["smoothing"]):
        rows_fit = tree_training_rows(fit, profiles, smoothing).astype(np.float64)
        rows_check = tree_rows(check, profiles, airport_delays(fit, check[0].scheduled, smoothing))
        for setting in settings:
            scores = tree_scores(train_trees_on(rows_fit, late_fit, setting))
            runs[2].append({**setting, "auc": auc(late_check, scores(rows_check))})
    return runs


def auc(late: np.ndarray, scores: np.ndarray) -> float:
    return round(float(roc_auc_score(late, scores)), 4)


# Files


def publish(
    version: int, graph: onnx.ModelProto, rows: np.ndarray, scores: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Writes the graph, once it answers as the library that trained it; returns its probabilities."""
    path = FLIGHT_DELAY / str(version) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, path)
    late = run(version, rows)
    difference = float(np.abs(late - scores(rows)).max())
    assert difference < 1e-6, f"version {version}: the graph is off by {difference}"
    return late


def run(version: int, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        FLIGHT_DELAY / str(version) / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (probabilities,) = session.run([graphs.OUTPUT], {graphs.INPUT: rows})
    return probabilities[:, 1]


def write_expected(
    version: int,
    held_out: list[Flight],
    profiles: dict[str, Airport],
    delays: dict[str, AirportDelays],
    rows_of: Callable[[list[Flight]], np.ndarray],
) -> None:
    """Requests, the rows that they become and what the model says: the server's tests must reproduce them."""
    flights = expected_flights(held_out, profiles, delays)
    rows = rows_of(flights)
    records = [
        {
            "request": request_of(flight),
            "features": [None if math.isnan(value) else shortest(value) for value in row],
            "delayed": shortest(late),
        }
        for flight, row, late in zip(flights, rows, run(version, rows), strict=True)
    ]
    lines = ",\n".join(f"  {json.dumps(record)}" for record in records)
    (FLIGHT_DELAY / str(version) / "expected.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def expected_flights(
    held_out: list[Flight], profiles: dict[str, Airport], delays: dict[str, AirportDelays]
) -> list[Flight]:
    """Spread over the held-out range, then every flight that lacks a feature, then made-up ones."""
    spread = held_out[:: len(held_out) // EXPECTED_FLIGHTS][:EXPECTED_FLIGHTS]
    lacking = [f for f in held_out if any(map(math.isnan, features.row_of_version_2(f, profiles, delays)))]
    unknown = [
        replace(held_out[0], flight_id="unknown-origin", origin="ZZZ"),
        replace(held_out[-1], flight_id="unknown-destination", destination="ZZZ"),
        replace(held_out[-1], flight_id="unknown-both", origin="ZZY", destination="ZZZ"),
    ]
    return list(dict.fromkeys([*spread, *lacking])) + unknown


def request_of(flight: Flight) -> dict:
    return {
        "flight_id": flight.flight_id,
        "origin": flight.origin,
        "destination": flight.destination,
        "distance": flight.distance,
        "scheduled": iso(flight.scheduled),
    }


def shortest(value: np.float32) -> float:
    """The float64 with the fewest digits that is this float32 once rounded."""
    short = float(str(value))
    assert np.float32(short) == value
    return short


def write_report(
    training: list[Flight],
    held_out: list[Flight],
    validation: dict[int, list[dict]],
    chosen: dict[int, dict],
    probabilities: dict[int, np.ndarray],
) -> None:
    late = labels(held_out)
    versions = {
        version: {
            "held_out_auc": auc(late, probabilities[version]),
            "chosen": {name: value for name, value in chosen[version].items() if name != "auc"},
            "validation_auc": chosen[version]["auc"],
            "settings_tried": len(validation[version]),
            "onnx_bytes": (FLIGHT_DELAY / str(version) / "model.onnx").stat().st_size,
        }
        for version in probabilities
    }
    libraries = ["lightgbm", "numpy", "onnx", "onnxruntime", "scikit-learn"]
    report = {
        "cut": iso(held_out[0].scheduled),
        "training_flights": len(training),
        "held_out_flights": len(held_out),
        "training_late_share": round(float(labels(training).mean()), 4),
        "held_out_late_share": round(float(late.mean()), 4),
        "versions": versions,
        "libraries": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in libraries},
    }
    (TRAIN / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{'version':<9}{'validation AUC':<16}{'held-out AUC':<14}chosen")
    for version, row in versions.items():
        print(f"{version:<9}{row['validation_auc']:<16}{row['held_out_auc']:<14}{row['chosen']}")


# Checks


def check_expressions(training: list[Flight]) -> None:
    """The expressions are written twice, here and in the model.yaml files; they must be the same."""
    logs = [math.log1p(flight.distance) for flight in training]
    measured = round(float(np.mean(logs)), 4), round(float(np.std(logs)), 4)
    if measured != (features.LOG_DISTANCE_MEAN, features.LOG_DISTANCE_STD):
        raise SystemExit(
            f"mean and standard deviation of log1p(distance) are {measured}, not as in features.py"
        )
    for version, path in {1: FLIGHT_DELAY / "1" / "model.yaml", 2: FLIGHT_DELAY / "model.yaml"}.items():
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        listed = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
        if listed != features.EXPRESSIONS[version]:
            raise SystemExit(f"the expressions in {path} are not those in features.py")


if __name__ == "__main__":
    main()
