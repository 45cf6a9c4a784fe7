"""Writes rows as CSV, Parquet or FHIR, a few thousand at a time."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, TypeAlias

import msgspec

from aggregator.export import csv_cell
from aggregator.exporting.fhir import resource
from aggregator.exporting.policy import Column, ExportRefused, FileForm
from aggregator.exporting.rows import Value

ROWS_AT_ONCE = 5_000
_INTEGERS = frozenset(
    {"tries", "gallery_size", "face_templates", "finger_templates", "planned", "served", "exceptions"}
)
_REALS = frozenset({"score_llr", "threshold_llr", "duration_s"})
_TRUTHS = frozenset({"confirmed", "declined"})
_TIMES = frozenset({"received_at", "time"})


Rows: TypeAlias = "Iterable[tuple[str, dict[str, Value]]]"
"""Each with the kind of its event."""


def write(form: FileForm, columns: Sequence[Column], rows: Rows, out: BinaryIO) -> int:
    """Write the rows; returns how many. Raises ExportRefused for Parquet where pyarrow is not installed."""
    match form:
        case "csv":
            return _write_csv(columns, rows, out)
        case "parquet":
            return _write_parquet(columns, rows, out)
        case "fhir":
            return _write_fhir(rows, out)


def _write_csv(columns: Sequence[Column], rows: Rows, out: BinaryIO) -> int:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow(columns)
        written = 0
        for _kind, row in rows:
            writer.writerow([csv_cell(row[column]) for column in columns])
            written += 1
        return written
    finally:
        text.detach()  # flushes, and leaves the file open


def _write_fhir(rows: Rows, out: BinaryIO) -> int:
    written = 0
    for kind, row in rows:
        if (made := resource(kind, row)) is not None:
            out.write(msgspec.json.encode(made) + b"\n")
            written += 1
    return written


def _write_parquet(columns: Sequence[Column], rows: Rows, out: BinaryIO) -> int:
    try:
        # Imported when it is needed: 40 MB that no other work wants.
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise ExportRefused(
            "this aggregator was installed without Parquet: install aidpost[parquet], or ask for csv"
        ) from error
    schema = arrow.schema([(column, _type(arrow, column)) for column in columns])
    written = 0
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        left = iter(rows)
        while some := tuple(islice(left, ROWS_AT_ONCE)):
            columns_of = {column: [_cell(column, row[column]) for _kind, row in some] for column in columns}
            writer.write_table(arrow.table(columns_of, schema=schema))
            written += len(some)
    return written


def _type(arrow: Any, column: str) -> Any:
    if column in _INTEGERS:
        return arrow.int64()
    if column in _REALS:
        return arrow.float64()
    if column in _TRUTHS:
        return arrow.bool_()
    if column in _TIMES:
        return arrow.timestamp("ms", tz="UTC")
    return arrow.string()


def _cell(column: str, value: Value) -> Any:
    if column in _TIMES:
        return datetime.fromisoformat(str(value))
    return value
