"""The report as files: PDF for people, CSV for spreadsheets, JSON for programs; whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from datetime import UTC, tzinfo
from pathlib import Path

import msgspec

from firmware.day.figures import Figures
from firmware.day.report_pdf import as_pdf
from firmware.day.sentences import sections, span, title

# A spreadsheet takes a cell that begins with one of these as a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class ReportNotWritten(OSError):
    """A file of the report cannot be written; the message says what to do."""


def write_report(found: Figures, folder: Path, zone: tzinfo = UTC) -> list[Path]:
    """Write report.pdf, .csv and .json into the folder; returns them. Raises ReportNotWritten."""
    makers: dict[str, Callable[[], bytes]] = {
        "report.pdf": lambda: as_pdf(found, zone),
        "report.csv": lambda: as_csv(found, zone),
        "report.json": lambda: as_json(found),
    }
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in makers.items():
            target = folder / name
            part = folder / f".{name}.{os.getpid()}"
            part.write_bytes(make())
            part.replace(target)
            written.append(target)
    except OSError as error:
        raise ReportNotWritten(
            f"cannot write the report into {folder}: {error.strerror}; name another"
        ) from error
    return written


def as_json(found: Figures) -> bytes:
    """Return all figures under stable keys."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def as_csv(found: Figures, zone: tzinfo = UTC) -> bytes:
    """Return section, line, value, note; UTF-8 with a byte order mark, which spreadsheets ask for."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("section", "what", "value", "note"))
    writer.writerow(("report", _cell(title(found)), _cell(span(found, zone)), ""))
    for section in sections(found):
        for row in section.rows:
            writer.writerow(tuple(_cell(text) for text in (section.title, row.what, row.value, row.note)))
    for hour, people in found.per_hour:
        writer.writerow(("people per hour", hour, people, ""))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(text: str) -> str:
    number = text.removeprefix("-").replace(".", "", 1).isdecimal()
    return f"'{text}" if text.startswith(_FORMULA_STARTS) and not number else text
