"""Example files to fill in."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

from trust.lists.parsing import TITLE
from trust.lists.secret import new_secret

_CLINIC_ROWS = (
    ("number", "time", "cohort"),
    ("A-1001", "08:30", "f 18-59"),
    ("A-1002", "08:45", "60+"),
    ("A-1003", "", ""),
)
_DISTRIBUTION_ROWS = (
    (
        "household", "size", "collectors", "alternates", "cohort",
        "ration rice (kg)", "ration oil (l)", "ration soap (piece)",
    ),
    ("H-0001", "5", "P-0101 P-0102", "P-0901", "", "25", "2.5", "4"),
    ("H-0002", "2", "P-0103", "", "60+", "10", "1", "2"),
    ("H-0003", "7", "P-0104 P-0105 P-0106", "P-0902 P-0903", "female head", "35", "3.5", "6"),
)  # fmt: skip


def clinic_rows(site: str, today: date) -> list[tuple[str, ...]]:
    """Return the rows of an example of a clinic's day."""
    settings = [("site", site), ("day", today.isoformat())]
    return _with_table("clinic", settings, _CLINIC_ROWS)


def distribution_rows(site: str, device_id: str, today: date) -> list[tuple[str, ...]]:
    """Return the rows of an example of a cycle of one day with one appliance."""
    settings = [
        ("site", site),
        ("cycle", "cycle-1"),
        ("first day", today.isoformat()),
        ("last day", today.isoformat()),
        ("desk", "Desk 2"),
        ("loss cap", "10"),
        ("roster", device_id),
    ]
    return _with_table("distribution", settings, _DISTRIBUTION_ROWS)


def write_template(rows: list[tuple[str, ...]], path: Path) -> None:
    """Write the rows to a new file: XLSX with cells of text where the name ends so, CSV in UTF-8 otherwise.

    Raises OSError, FileExistsError where the file is there.
    """
    content = _xlsx(rows) if path.suffix.lower() == ".xlsx" else _csv(rows)
    with path.open("xb") as file:
        file.write(content)


def _with_table(
    kind: str, settings: list[tuple[str, str]], table: tuple[tuple[str, ...], ...]
) -> list[tuple[str, ...]]:
    checks = [("secret", new_secret()), ("rows", str(len(table) - 1))]
    return [(TITLE.capitalize(), kind), *settings, *checks, (), *table]


def _csv(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8-sig")  # with its mark Excel opens it as UTF-8


def _xlsx(rows: list[tuple[str, ...]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "list"
    for number, row in enumerate(rows, 1):
        for column, text in enumerate(row, 1):
            sheet.cell(number, column, text).number_format = "@"  # text: numbers keep their leading zeros
    for letter in "ABCDEFGH":
        sheet.column_dimensions[letter].width = 20
        # Rows that are added below are text as well.
        sheet.column_dimensions[letter].number_format = "@"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
