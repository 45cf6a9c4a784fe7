"""What one cell may hold. Each function returns the value, or raises BadCell with what to do."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal, InvalidOperation

from trust.lists.terms import MAX_LABEL
from trust.names import is_name

MAX_SIZE = 99
FORMULA_STARTS = ("=", "+", "-", "@")
_MAX_AMOUNT = 1_000_000
_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
# What spreadsheets make of numbers such as 3-12 or 123456789012 where the cell is not formatted as text.
_BECAME_A_DATE = re.compile(
    r"\d{4}-\d\d-\d\d|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|[A-Z][a-z]{2}-\d\d|\d{1,2}-[A-Z][a-z]{2}"
)
_BECAME_SHORT = re.compile(r"\d([.,]\d+)?E\+\d+")
_BETWEEN = re.compile(r"[\s,;|]+")
_DECIMAL = re.compile(r"(\d+)(?:[.,](\d+))?")
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::00)?")
_AS_TEXT = "format the column as text and enter it anew"


class BadCell(ValueError):
    """The cell cannot be used; the message says what to do and repeats nothing that might be a name."""


def number(text: str) -> str:
    """Return a card or case number: with a digit, so that a name is noticed."""
    if _BECAME_A_DATE.fullmatch(text):
        raise BadCell(f"the spreadsheet made a date of this number: {_AS_TEXT}")
    if _BECAME_SHORT.fullmatch(text):
        raise BadCell(f"the spreadsheet shortened this number: {_AS_TEXT}")
    if not _NUMBER.fullmatch(text) or not any(letter.isdigit() for letter in text):
        raise BadCell(
            "this is no card or case number: it holds letters A to Z, digits (one at least) and . _ - /, "
            "63 at most and no spaces; a list never holds names"
        )
    return text


def numbers(text: str) -> tuple[str, ...]:
    """Return the numbers of a cell, separated by spaces, commas or semicolons."""
    return tuple(number(part) for part in _BETWEEN.split(text) if part)


def household_size(text: str) -> int:
    """Return how many people a household has."""
    return whole(text, 1, MAX_SIZE, "people")


def whole(text: str, least: int, most: int, what: str) -> int:
    """Return a whole number between the two limits."""
    if not text.isdecimal() or not least <= (value := int(text[:12])) <= most:
        raise BadCell(f"write how many {what}: a whole number from {least} to {most}")
    return value


def amount(text: str) -> str:
    """Return an amount as a decimal number with a point, without zeros at its end; a comma is taken for one.

    One comma before three digits is refused: it may part thousands.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise BadCell("write an amount as 12 or 12.5, without its unit, which stands in the column's heading")
    units, part = match[1], match[2] or ""
    if part and "," in text and len(part) == 3:
        raise BadCell("is this comma a decimal one? Write 1.25 or 1250")
    try:
        value = Decimal(f"{units}.{part or 0}")
    except InvalidOperation as error:
        raise BadCell("write an amount as 12 or 12.5") from error
    if not 0 < value <= _MAX_AMOUNT or len(part) > 3:
        raise BadCell(
            f"an amount is more than 0 and at most {_MAX_AMOUNT}, with at most three digits after the point; "
            "leave the cell empty where there is none"
        )
    return f"{value.normalize():f}"


def clock_time(text: str) -> time:
    """Return a time of day, written as 08:30."""
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise BadCell("write the time as 08:30 or 14:00, or leave it empty")
    return time(int(match[1]), int(match[2]))


def day(text: str) -> date:
    """Return a day, written as 2026-11-25."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadCell(
        "write the day as 2026-11-25 (year, month, day); where a spreadsheet changes it, format the cell as "
        "text"
    )


def name(text: str) -> str:
    """Return the name of a site, a cycle or a device."""
    if not is_name(text):
        raise BadCell("write 1 to 63 letters A to Z, digits and . _ -, a letter or digit first")
    return text


def names(text: str) -> tuple[str, ...]:
    """Return the names of a cell, separated by spaces, commas or semicolons."""
    return tuple(name(part) for part in _BETWEEN.split(text) if part)


def secret(text: str) -> str:
    """Return what the key of a cycle or day is made from."""
    if not re.fullmatch(r"[A-Za-z0-9]{24,64}", text):
        raise BadCell("a secret is 24 to 64 letters and digits, as `aidpost list template` writes one")
    return text


def label(text: str) -> str:
    """Return a short text for screens and reports.

    A spreadsheet takes what begins with one of these signs for a formula (OWASP, CSV injection).
    """
    if text.startswith(FORMULA_STARTS):
        raise BadCell(
            f"a cell that begins with {text[0]} is a formula to spreadsheets: write it without this sign, or "
            "begin it with a letter or digit"
        )
    if len(text) > MAX_LABEL or not text.isprintable():
        raise BadCell(f"write at most {MAX_LABEL} characters in one line")
    return text
