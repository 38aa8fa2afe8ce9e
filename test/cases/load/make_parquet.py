"""Writes the Parquet files of this folder: pip install pyarrow, then python make_parquet.py.

Every file but the last holds the same six rows, under another compression; `groups.parquet` has many row groups.
"""
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
ROWS = 6


def at(hour: int) -> datetime:
    return datetime(2001, 3, 9, hour, 5, 0, 250_000, tzinfo=timezone.utc)


table = pa.table(
    {
        "flight_id": pa.array([1, 2, 2**53 + 1, -(2**63), 2**63 - 1, None], pa.int64()),
        "event_timestamp": pa.array([at(hour) for hour in range(ROWS)], pa.timestamp("us", tz="UTC")),
        "state": pa.array(["CA", "TX", "CA", None, "Zürich ✈", "CA"]).dictionary_encode(),
        "delay": pa.array([1.5, None, float("nan"), -0.25, 1e300, 0.0], pa.float64()),
        "fare": pa.array([Decimal("0.57"), Decimal("12.30"), None, Decimal("-0.01"), Decimal("0.00"), Decimal("1.10")]),
        "late": pa.array([True, False, None, True, False, True]),
        "scheduled": pa.array([at(12)] * 5 + [None], pa.timestamp("ns")),
        "day": pa.array([at(12).date()] * ROWS, pa.date32()),
        "embedding": pa.array([[1.5, 2.5, 3.5], [0, 0, 0], None, [1, 2], [1, None, 3], [1, 2, 3]], pa.list_(pa.float32())),
        "recent": pa.array([[2**53 + 1, 2]] * ROWS, pa.list_(pa.int64(), 2)),
        "seats": pa.array([1, 2, 3, 4, 5, 6], pa.int32()),
        "note": pa.array(["extra"] * ROWS),
    }
)

for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    pq.write_table(table, HERE / f"flights-{codec}.parquet", compression=codec)

groups = pa.table(
    {
        "iata": pa.array([f"K{index}" for index in range(5000)]),
        "event_timestamp": pa.array([at(12)] * 5000, pa.timestamp("ms", tz="UTC")),
        "flights": pa.array(range(5000), pa.int64()),
    }
)
pq.write_table(groups, HERE / "groups.parquet", row_group_size=1200, compression="zstd")
pq.write_table(groups.slice(0, 0), HERE / "no-rows.parquet")
