"""Finds the parts of a list in its rows: settings above, then the table; notes every fault on the way."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from trust.lists import cells
from trust.lists.faults import Fault
from trust.lists.table import MAX_ROWS, Row

T = TypeVar("T")

MAX_COHORTS = 40
_OPTIONAL_SETTINGS = ("rows", "secret")
_SHOWN_HEADING = 30


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with its place, counted from 1."""

    row: int
    column: int
    text: str


class Faults(list[Fault]):
    """The faults found so far."""

    def at(self, cell: Cell, what: str) -> None:
        """Note a fault of one cell."""
        self.append(Fault(what, cell.row, cell.column))

    def take(self, parse: Callable[[str], T], cell: Cell) -> T | None:
        """Return what the cell holds, or note why it cannot be used and return None."""
        try:
            return parse(cell.text)
        except cells.BadCell as error:
            self.at(cell, str(error))
            return None


def plain(heading: str) -> str:
    """Return a heading as it is compared: small letters, single spaces."""
    return " ".join(heading.replace("_", " ").casefold().split())


def nearest(heading: str, known: Collection[str]) -> str:
    """Say which heading was probably meant, or which there are."""
    near = difflib.get_close_matches(plain(heading), known, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else "known: " + ", ".join(sorted(known))


class Sheet:
    """The rows of one file. key: the heading of the column that each list of this kind has."""

    def __init__(self, rows: Sequence[Row], key: str, faults: Faults) -> None:
        self._rows = rows
        self._faults = faults
        headed = (number for number, row in enumerate(rows, 1) if number > 1 and key in map(plain, row))
        self.heading_row = next(headed, None)
        if self.heading_row is None:
            what = (
                f'there is no row of headings with "{key}": compare with `aidpost list template`, or copy '
                "the file again if it is cut short"
            )
            faults.append(Fault(what))

    def settings(self, names: Collection[str]) -> dict[str, Cell]:
        """Return the settings above the table by name; what is missing or unknown is noted.

        Each list may also have "secret", and "rows", which is held against the table.
        """
        known = {*names, *_OPTIONAL_SETTINGS}
        found: dict[str, Cell] = {}
        last = len(self._rows) if self.heading_row is None else self.heading_row - 1
        for number, row in enumerate(self._rows[1:last], 2):
            if not row:
                continue
            name, first = plain(row[0]), Cell(number, 1, row[0])
            if name not in known:
                self._faults.at(first, f"{_shown(row[0])} is no setting of this list: {nearest(name, known)}")
            elif name in found:
                self._faults.at(first, f'"{name}" stands in row {found[name].row} too: keep one of the two')
            else:
                found[name] = Cell(number, 2, " ".join(row[1:]))
        for missing in sorted(set(names) - set(found)):
            self._faults.append(Fault(f'the setting "{missing}" is missing: add a row for it', 1))
        self._check_row_count(found.pop("rows", None))
        return found

    def columns(
        self, known: Mapping[str, bool], more: Callable[[str], bool] = lambda _heading: False
    ) -> dict[str, int]:
        """Return the columns by heading, from 1. known: whether each is needed; more: tells further ones."""
        if self.heading_row is None:
            return {}
        found: dict[str, int] = {}
        for column, text in enumerate(self._rows[self.heading_row - 1], 1):
            heading, cell = plain(text), Cell(self.heading_row, column, text)
            if not heading:
                self._faults.at(cell, "this column has no heading: give it one, or delete it")
            elif heading in found:
                self._faults.at(cell, f'"{heading}" is the heading of column {found[heading]} too')
            elif heading in known or more(heading):
                found[heading] = column
            elif "name" in heading.split():
                self._faults.at(cell, "a list never holds names: delete this column from the file")
            else:
                self._faults.at(cell, f"{_shown(text)} is no column of this list: {nearest(heading, known)}")
        for missing in sorted(name for name, needed in known.items() if needed and name not in found):
            self._faults.append(Fault(f'the column "{missing}" is missing', self.heading_row))
        return found

    def rows(self, columns: Mapping[str, int]) -> Iterator[dict[str, Cell]]:
        """Yield the cells of each filled row by heading; a cell beyond the headings is a fault."""
        if self.heading_row is None:
            return
        width = len(self._rows[self.heading_row - 1])
        for number, row in self._filled(self.heading_row):
            if len(row) > width:
                extra = Cell(number, width + 1, "")
                self._faults.at(extra, "this row has more cells than headings: look for a separator too many")
            yield {
                heading: Cell(number, column, row[column - 1] if column <= len(row) else "")
                for heading, column in columns.items()
            }

    def _filled(self, heading_row: int) -> Iterator[tuple[int, Row]]:
        rows = enumerate(self._rows[heading_row:], heading_row + 1)
        return ((number, row) for number, row in rows if row)

    def _check_row_count(self, stated: Cell | None) -> None:
        if stated is None or self.heading_row is None:
            return
        rows_of = partial(cells.whole, least=0, most=MAX_ROWS, what="rows the table has")
        expected = self._faults.take(rows_of, stated)
        there = sum(1 for _ in self._filled(self.heading_row))
        if expected is not None and expected != there:
            what = (
                f"the table should have {expected} rows and has {there}: copy the file again, or correct it"
            )
            self._faults.at(stated, what)


def needed(row: Mapping[str, Cell], heading: str, parse: Callable[[str], T], faults: Faults) -> T | None:
    """Return what a cell holds that has to be filled in, or note why it cannot be used and return None."""
    cell = row.get(heading)
    if cell is None:  # its column or setting is missing, which was said once
        return None
    if not cell.text:
        faults.at(cell, f'"{heading}" is empty: fill it in, or copy the file again if it is cut short')
        return None
    return faults.take(parse, cell)


def optional(row: Mapping[str, Cell], heading: str, parse: Callable[[str], T], faults: Faults) -> T | None:
    """Return what a cell holds, None where it is empty or cannot be used, which is noted."""
    cell = row.get(heading)
    return faults.take(parse, cell) if cell is not None and cell.text else None


def own_number(row: Mapping[str, Cell], heading: str, seen: dict[str, int], faults: Faults) -> str | None:
    """Return the number that the row is about; seen: the row in which each stood first."""
    number = needed(row, heading, cells.number, faults)
    if number is None:
        return None
    if (first := seen.setdefault(number.upper(), row[heading].row)) != row[heading].row:
        what = f"this {heading} stands in row {first} too: keep one of the two (H-1 and h-1 are the same)"
        faults.at(row[heading], what)
        return None
    return number


def refuse_many_cohorts(cohorts: Collection[str], faults: Faults) -> None:
    """Note where there are so many cohorts that one of them would tell who somebody is."""
    if (different := len(set(cohorts))) > MAX_COHORTS:
        what = f"{different} different cohorts: write few labels such as 60+, {MAX_COHORTS} at most"
        faults.append(Fault(what))


def _shown(heading: str) -> str:
    shown = heading if len(heading) <= _SHOWN_HEADING else heading[: _SHOWN_HEADING - 1] + "…"
    return f'"{shown}"' if shown.isprintable() else "this"
