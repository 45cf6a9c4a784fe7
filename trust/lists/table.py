"""From the bytes of a CSV file to rows of cells, with what spreadsheets do to such files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TypeAlias

from trust.lists.faults import Fault, ListRefused

Row: TypeAlias = tuple[str, ...]
"""The cells of one row, without white space around them and without empty ones at the end."""


@dataclass(frozen=True, slots=True)
class Table:
    """What could be read of a file. rows: the empty ones too, so that row n of the file is number n - 1.

    faults: what could not; the rest of the file is checked all the same.
    """

    rows: tuple[Row, ...]
    faults: tuple[Fault, ...] = ()


MAX_FILE_BYTES = 8 * 1024 * 1024  # 20,000 households with ten rations are about 2 MB
MAX_ROWS = 20_000
MAX_COLUMNS = 64
MAX_CELL_CHARACTERS = 1_000
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t"
_SAVE_AS_UTF8 = 'save it again as "CSV UTF-8" (Excel) or with the character set UTF-8 (LibreOffice)'


def read_csv(content: bytes) -> Table:
    """Return what the file holds.

    Commas, semicolons and tabs separate, whichever stands first outside quotation marks; a UTF-8 mark at the
    beginning is skipped. Raises ListRefused where the file is none at all.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ListRefused([too_large()])
    text = _decoded(content)
    faults: list[Fault] = []
    rows: list[Row] = []
    # newline="" keeps line breaks inside quotation marks as they are.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    try:
        for cells in lines:
            rows.append(trimmed(cells))
            if len(rows) > MAX_ROWS:
                raise ListRefused([too_many_rows()])
            faults += unusable_cells(len(rows), rows[-1])
    except csv.Error as error:
        faults.append(_csv_fault(error, len(rows) + 1))
    else:
        if text and not text.endswith(("\n", "\r")):
            faults.append(
                Fault(
                    "the file ends without a line end, so it may be cut short: see that this row is whole, "
                    "and save or copy the file again",
                    len(rows),
                )
            )
    return Table(tuple(rows), tuple(faults))


def trimmed(cells: list[str]) -> Row:
    """Return the row without white space around its cells and without empty cells at its end."""
    row = [cell.strip() for cell in cells]
    while row and not row[-1]:
        row.pop()
    return tuple(row)


def unusable_cells(number: int, row: Row) -> list[Fault]:
    """Return what of a row is too wide or too long for any list."""
    if len(row) > MAX_COLUMNS:
        return [Fault(f"more than {MAX_COLUMNS} columns: is this the right file?", number)]
    return [
        Fault(f"more than {MAX_CELL_CHARACTERS} characters: is this the right cell?", number, column)
        for column, cell in enumerate(row, 1)
        if len(cell) > MAX_CELL_CHARACTERS
    ]


def too_large() -> Fault:
    """Return the fault of a file that no list is as large as."""
    return Fault(f"larger than {MAX_FILE_BYTES // 2**20} MiB: is this the right file?")


def too_many_rows() -> Fault:
    """Return the fault of a file with more rows than an appliance serves."""
    return Fault(f"more than {MAX_ROWS} rows: split it among the sites or the days")


def _decoded(content: bytes) -> str:
    if content.startswith(_UTF16_MARKS) or _looks_utf16(content[:4096]):
        raise ListRefused([Fault(f"this is UTF-16: {_SAVE_AS_UTF8}")])
    if b"\0" in content[:4096]:
        raise ListRefused([Fault("this is no list: neither CSV nor XLSX nor signed; name another file")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise ListRefused([Fault(f"a letter here is not UTF-8: {_SAVE_AS_UTF8}", row)]) from error


def _looks_utf16(start: bytes) -> bool:
    """Whether every second byte is 0, as in UTF-16 of Latin letters without its mark."""
    return len(start) > 1 and any(set(start[first::2]) == {0} for first in (0, 1))


def delimiter_of(text: str) -> str:
    """Return what separates the cells: the first comma, semicolon or tab outside quotation marks."""
    quoted = False
    for letter in text[:MAX_CELL_CHARACTERS]:
        if letter == '"':
            quoted = not quoted
        elif letter in _DELIMITERS and not quoted:
            return letter
    return ","


def _csv_fault(error: csv.Error, row: int) -> Fault:
    message = str(error)
    if "end of data" in message:
        return Fault(
            "a quotation mark opens in this row and never closes, or the file is cut short: close it, or "
            "copy the file again",
            row,
        )
    if "field larger" in message:
        return Fault("a cell of this row never ends: look for a quotation mark too many", row)
    return Fault('a quotation mark stands in the middle of a cell: write it twice ("") or take it out', row)
