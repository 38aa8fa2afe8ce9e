"""Trains both versions of the model flight-delay and writes the files under models/ that no hand wrote.

Deterministic: the same library versions give the same files. README.md has the reasons behind the steps.
"""

import importlib.metadata
import itertools
import json
import math
import platform
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import features
import graphs
from flights import Flight, iso, read_airports, read_flights
from replayed import replayed_rows
from tables import write_tables

TRAIN = Path(__file__).resolve().parent
MODELS = TRAIN.parent
VEGA = MODELS.parent / "node_modules" / "vega-datasets" / "data"
FLIGHT_DELAY = MODELS / "flight-delay"

TRAIN_SHARE = 0.7
EXPECTED_FLIGHTS = 200

REGULARISATIONS = [0.1, 1, 10]  # sklearn's C
# Version 3 is grown from the same rows as version 2, with splits at random thresholds: less alike, less sure of itself.
TREE_KINDS = {2: {}, 3: {"extra_trees": True}}
TREE_SETTINGS = [
    {"num_leaves": leaves, "trees": trees, "min_data_in_leaf": rows}
    for leaves, trees, rows in itertools.product([4, 8, 16], [60, 100, 150], [50, 100, 200])
]


def main() -> None:
    flights = read_flights(VEGA / "flights-20k.json")
    airports = read_airports(
        VEGA / "airports.csv", {code for f in flights for code in (f.origin, f.destination)}
    )
    cut = cut_of(flights)
    training, held_out = flights[:cut], flights[cut:]
    check_expressions(training)
    write_tables(airports, flights, held_out)

    replayed = replayed_rows(flights)
    rows = {1: features.rows(flights), 2: replayed, 3: replayed}
    late = labels(flights)

    # Settings are chosen inside the training part; the held-out flights are looked at once, at the end.
    inner = cut_of(training)
    validation = {version: validate(version, rows[version], late, inner, cut) for version in rows}
    chosen = {version: max(runs, key=lambda run: run["auc"]) for version, runs in validation.items()}

    logistic = train_logistic(rows[1][:cut], late[:cut], chosen[1])
    probabilities = {
        1: publish(1, graphs.logistic_graph(logistic), rows[1][cut:], logistic_scores(logistic))
    }
    for version, kind in TREE_KINDS.items():
        trees = train_trees(rows[version][:cut], late[:cut], chosen[version], kind)
        graph = graphs.trees_graph(trees)
        probabilities[version] = publish(version, graph, rows[version][cut:], tree_scores(trees))
    for version in rows:
        write_expected(version, held_out, rows[version][cut:])
    write_report(training, held_out, validation, chosen, probabilities)


def cut_of(flights: list[Flight]) -> int:
    """How many are the first 70 % in time order."""
    cut = round(TRAIN_SHARE * len(flights))
    # Flights of the same minute stay together, so that "before the cut" means the same everywhere.
    while flights[cut].scheduled == flights[cut - 1].scheduled:
        cut += 1
    return cut


def labels(flights: list[Flight]) -> np.ndarray:
    return np.array([flight.late for flight in flights], dtype=np.int64)


# Training


def train_logistic(rows: np.ndarray, late: np.ndarray, setting: dict) -> LogisticRegression:
    return LogisticRegression(C=setting["C"], max_iter=1000).fit(rows.astype(np.float64), late)


def train_trees(rows: np.ndarray, late: np.ndarray, setting: dict, kind: dict) -> lightgbm.Booster:
    parameters = {
        **kind,
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": setting["num_leaves"],
        "min_data_in_leaf": setting["min_data_in_leaf"],
        "lambda_l2": 10,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "seed": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, lightgbm.Dataset(rows.astype(np.float64), late), setting["trees"])


def logistic_scores(model: LogisticRegression) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: model.predict_proba(rows.astype(np.float64))[:, 1]


def tree_scores(model: lightgbm.Booster) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: model.predict(rows.astype(np.float64))


def validate(version: int, rows: np.ndarray, late: np.ndarray, inner: int, cut: int) -> list[dict]:
    """AUC of every setting on the later part of the training flights, trained on the earlier part."""
    fit, check = slice(0, inner), slice(inner, cut)
    runs = []
    for setting in [{"C": C} for C in REGULARISATIONS] if version == 1 else TREE_SETTINGS:
        if version == 1:
            scores = logistic_scores(train_logistic(rows[fit], late[fit], setting))
        else:
            kind = TREE_KINDS[version]
            scores = tree_scores(train_trees(rows[fit], late[fit], setting, kind))
        runs.append({**setting, "auc": auc(late[check], scores(rows[check]))})
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


def write_expected(version: int, held_out: list[Flight], rows: np.ndarray) -> None:
    """Requests spread over the held-out flights, the rows that they become and what the model says: the server's
    tests must reproduce them."""
    spread = slice(0, None, len(held_out) // EXPECTED_FLIGHTS)
    records = [
        {
            "request": request_of(flight),
            "features": [None if math.isnan(value) else shortest(value) for value in row],
            "delayed": shortest(late),
        }
        for flight, row, late in zip(held_out[spread], rows[spread], run(version, rows[spread]), strict=True)
    ]
    lines = ",\n".join(f"  {json.dumps(record)}" for record in records)
    (FLIGHT_DELAY / str(version) / "expected.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


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
    """Those of version 1 are written twice, here and in its model.yaml; they must be the same."""
    logs = [math.log1p(flight.distance) for flight in training]
    measured = round(float(np.mean(logs)), 4), round(float(np.std(logs)), 4)
    if measured != (features.LOG_DISTANCE_MEAN, features.LOG_DISTANCE_STD):
        raise SystemExit(
            f"mean and standard deviation of log1p(distance) are {measured}, not as in features.py"
        )
    path = FLIGHT_DELAY / "1" / "model.yaml"
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    listed = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    if listed != features.EXPRESSIONS:
        raise SystemExit(f"the expressions in {path} are not those in features.py")


if __name__ == "__main__":
    main()
