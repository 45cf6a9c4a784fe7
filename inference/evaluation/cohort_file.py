"""Reads who belongs to which cohort: a CSV of `image` or `identity`, and one column for each attribute."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from inference.evaluation.datasets import DataSetRefused
from inference.evaluation.report import Image

NOT_STATED = "not stated"
_KEYS = ("image", "identity")


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The value of each attribute for each image, in the order of the images."""

    values: dict[str, list[str]]
    rows_unused: int


@dataclass(frozen=True, slots=True, eq=False)
class CohortFile:
    """What a file says. by: `image` or `identity`. rows: key to the values, one for each attribute."""

    path: Path
    by: str
    attributes: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    def place(self, images: Sequence[Image]) -> Placed:
        """Give each image its cohorts; one that the file does not name is `NOT_STATED` in all.

        An image is named as DATA_SET/FILE, by its path in the folder, by its file name, or by that without
        its suffix; an identity as DATA_SET/IDENTITY or by itself. Raises DataSetRefused when no row fits.
        """
        nothing = (NOT_STATED,) * len(self.attributes)
        used: set[str] = set()
        found = []
        for image in images:
            key = next((name for name in self._names(image) if name in self.rows), None)
            found.append(nothing if key is None else self.rows[key])
            if key is not None:
                used.add(key)
        if not used:
            raise DataSetRefused(
                f"{self.path}, column {self.by}: no row names any {self.by} of the data, "
                f"which are named as in {next(iter(self._names(images[0])))}"
            )
        values = {name: [row[index] for row in found] for index, name in enumerate(self.attributes)}
        return Placed(values, len(self.rows) - len(used))

    def _names(self, image: Image) -> tuple[str, ...]:
        if self.by == "identity":
            return image.identity, f"{image.data_set}/{image.identity}"
        path = PurePath(image.name)
        return path.name, image.name, path.stem, f"{image.data_set}/{path.name}"


def read_cohorts(path: Path) -> CohortFile:
    """Read a CSV file. Raises DataSetRefused, naming row and column.

    The first row has the names of the columns, one of them `image` or `identity`; where both are there, the
    image counts. An empty field is `NOT_STATED`. Columns are separated by commas, or by semicolons, as
    spreadsheets of many languages write them.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").splitlines()
        first = text[0] if text else ""
        delimiter = ";" if first.count(";") > first.count(",") else ","
        lines = list(csv.reader(text, delimiter=delimiter, strict=True))
    except UnicodeDecodeError as fault:
        raise DataSetRefused(f"{path} is no UTF-8 text; save it as UTF-8: {fault}") from fault
    except (OSError, csv.Error) as fault:
        raise DataSetRefused(f"{path} cannot be read as CSV: {fault}") from fault
    header = [name.strip() for name in lines[0]] if lines else []
    keys = sorted(
        (name for name in header if name.lower() in _KEYS), key=lambda name: _KEYS.index(name.lower())
    )
    if not keys:
        raise DataSetRefused(f"{path}, row 1: expected a column named image or identity, not {header}")
    key_column = header.index(keys[0])
    columns = [column for column, name in enumerate(header) if name not in keys]
    attributes = tuple(header[column] for column in columns)
    for column, name in enumerate(header, start=1):
        if not name or header.count(name) > 1:
            raise DataSetRefused(f"{path}, row 1, column {column}: every column needs a name of its own")
    if not attributes:
        raise DataSetRefused(f"{path}, row 1: expected a column for each attribute, such as age_band or sex")
    rows: dict[str, tuple[str, ...]] = {}
    for number, fields in enumerate(lines[1:], start=2):
        if not any(field.strip() for field in fields):
            continue
        if len(fields) != len(header):
            raise DataSetRefused(f"{path}, row {number}: {len(fields)} columns, but row 1 has {len(header)}")
        key = fields[key_column].strip()
        if not key:
            raise DataSetRefused(f"{path}, row {number}, column {keys[0]}: is empty")
        values = tuple(fields[column].strip() or NOT_STATED for column in columns)
        if rows.setdefault(key, values) != values:
            column = next(i for i, value in enumerate(values) if value != rows[key][i])
            raise DataSetRefused(
                f"{path}, row {number}, column {attributes[column]}: {key} was {rows[key][column]!r} "
                f"in an earlier row and is {values[column]!r} here"
            )
    if not rows:
        raise DataSetRefused(f"{path} has no row after the names of the columns")
    return CohortFile(path, keys[0].lower(), attributes, rows)
