"""What is wrong in a file, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique


@unique
class Form(Enum):
    """How a file's cells are named to whoever corrects it."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to correct.

    row, column: from 1, None where it is about the whole file or row. what: what is wrong and what to do; it
    repeats nothing of a cell that should hold a number, since a name may stand there.
    """

    what: str
    row: int | None = None
    column: int | None = None

    def line(self, file: str, form: Form) -> str:
        """Return the fault in one line: file, place, what to do."""
        return f"{file}{self._place(form)}: {self.what}"

    def _place(self, form: Form) -> str:
        if self.row is None:
            return ""
        if self.column is None:
            return f", row {self.row}"
        if form is Form.XLSX:
            return f", {self.column_in(form)}{self.row}"
        return f", row {self.row}, column {self.column_in(form)}"

    def column_in(self, form: Form) -> str:
        """Return the column as such a file names it, empty where the fault is about no single cell."""
        if self.column is None:
            return ""
        return column_letters(self.column) if form is Form.XLSX else str(self.column)


class ListRefused(ValueError):
    """A file is no list that can be used; faults: all that were found, in the order of the file."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} to correct")
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.row or 0, fault.column or 0)))


def column_letters(number: int) -> str:
    """Return a column as spreadsheets name it: A for 1, AA for 27."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
