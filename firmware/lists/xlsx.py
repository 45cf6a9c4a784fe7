"""From an XLSX file to the rows of cells that a CSV file would have; what spreadsheets hide is a fault."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from datetime import date, datetime, time
from typing import Any
from xml.etree.ElementTree import ParseError

from trust.lists.faults import Fault, ListRefused
from trust.lists.table import MAX_COLUMNS, MAX_ROWS, Row, Table, too_many_rows, trimmed, unusable_cells

MAGIC = b"PK\x03\x04"
OLD_OR_LOCKED_MAGIC = b"\xd0\xcf\x11\xe0"
_MAX_PARTS = 200
_MAX_UNPACKED_BYTES = 24 * 1024 * 1024  # 20,000 rows of twelve columns are about 14 MB of XML
_EMPTY_ROWS_IN_A_ROW = 2_000
_DAMAGED = Fault("this is no whole XLSX file: save it as XLSX, or copy it again")


def read_xlsx(content: bytes) -> Table:
    """Return what the first sheet holds, as `read_csv` does. Raises ListRefused.

    content: whole, at most `MAX_FILE_BYTES`; it may hold anything.
    """
    _refuse_bombs(content)
    # Imported here: it takes 0.2 s, and most starts of the appliance load no list.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of drop-down lists and the like, which change no value
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False)
            try:
                return _table_of(book.worksheets[0])
            finally:
                book.close()
    except ListRefused:
        raise
    # Whatever openpyxl raises for a file that is none: it checks little before it uses it.
    except (
        InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError, RuntimeError,
        LookupError, ValueError, TypeError, AttributeError, OverflowError,
    ) as error:  # fmt: skip
        raise ListRefused([_DAMAGED]) from error


def _refuse_bombs(content: bytes) -> None:
    """Refuse what would fill the memory: sizes come before anything is unpacked, and hold while it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > _MAX_UNPACKED_BYTES:
                raise ListRefused([Fault("it unpacks to more than a list can be: is this the right file?")])
            for part in parts:
                # Entities are the other way to make much of little; no spreadsheet writes them.
                if part.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(part):
                    raise ListRefused([Fault("this is no file of a spreadsheet: save it again as XLSX")])
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ListRefused([_DAMAGED]) from error


def _table_of(sheet: Any) -> Table:
    # A sheet may claim a million rows; what is there counts.
    sheet.reset_dimensions()
    rows: list[Row] = []
    faults: list[Fault] = []
    empty = 0
    for number, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1), 1):
        texts = []
        for column, cell in enumerate(cells, 1):
            text = _text(cell.value, getattr(cell, "data_type", "n"))
            if isinstance(text, Fault):
                faults.append(Fault(text.what, number, column))
                text = ""
            texts.append(text)
        rows.append(trimmed(texts))
        faults += unusable_cells(number, rows[-1])
        empty = 0 if rows[-1] else empty + 1
        if number - empty > MAX_ROWS or empty > _EMPTY_ROWS_IN_A_ROW:
            if number - empty > MAX_ROWS:
                raise ListRefused([too_many_rows()])
            break
    while rows and not rows[-1]:
        rows.pop()
    return Table(tuple(rows), tuple(faults))


def _text(value: object, data_type: str) -> str | Fault:
    """Return a cell as it would stand in a CSV file; a date is written as 2026-11-25, a time as 08:30."""
    match value:
        case None:
            return ""
        case _ if data_type == "f":
            return Fault("a formula: paste its value instead (paste special, values)")
        case _ if data_type == "e":
            return Fault("the spreadsheet shows an error here: correct it")
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime() if value.time() != time():
            return f"{value:%Y-%m-%d %H:%M}"
        case date():  # a datetime is one, too
            return f"{value:%Y-%m-%d}"
        case time():
            return f"{value:%H:%M}"
        case str():
            return re.sub(r"\s+", " ", value)
        case _:
            return Fault("neither text nor a number: enter it anew as text")
