"""The list of a distribution cycle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from trust.lists import cells
from trust.lists.faults import Fault
from trust.lists.secret import key_of
from trust.lists.sheet import Cell, Faults, Sheet, needed, optional, own_number, refuse_many_cohorts
from trust.lists.table import Row
from trust.lists.terms import MAX_COLLECTORS, DistributionList, Household, Ration

SETTINGS = ("site", "cycle", "first day", "last day", "desk", "loss cap", "roster")
COLUMNS = {"household": True, "size": True, "collectors": True, "alternates": False, "cohort": False}
"""The headings, and whether each is needed; beside them one for each ration, as "ration rice (kg)"."""
UNITS = ("kg", "l", "piece")
MAX_ALTERNATES = 5
MAX_LOSS_CAP = 10_000
_LONGEST_CYCLE = timedelta(days=366)
_RATION = re.compile(r"ration (?P<item>[^()]{1,30}?) ?\((?P<unit>[^()]+)\)")


def parse_households(rows: Sequence[Row], faults: Faults) -> DistributionList | None:
    """Return the list, or None, with an empty key where it has no secret; `faults` takes what is wrong."""
    sheet = Sheet(rows, "household", faults)
    settings = sheet.settings(SETTINGS)
    columns = sheet.columns(COLUMNS, more=lambda heading: _RATION.fullmatch(heading) is not None)
    rations = _rations(sheet, columns, faults)
    households: list[Household] = []
    seen: dict[str, int] = {}
    collects: dict[str, Cell] = {}
    for row in sheet.rows(columns):
        household = _household(row, rations, seen, collects, faults)
        if household is not None:
            households.append(household)
    for number, cell in collects.items():
        # A household's own number may stand for its collectors, who then share one entry.
        if (other := seen.get(number)) is not None and other != cell.row:
            faults.at(cell, f"this collector has the number of the household in row {other}: correct one")
    if columns and not seen and not faults:
        faults.append(Fault("there are no households below the headings"))
    refuse_many_cohorts([household.cohort for household in households], faults)
    return _with_settings(settings, tuple(households), faults)


def _with_settings(
    settings: Mapping[str, Cell], households: tuple[Household, ...], faults: Faults
) -> DistributionList | None:
    cap_of = partial(cells.whole, least=0, most=MAX_LOSS_CAP, what="rations may be given as exceptions")
    site = needed(settings, "site", cells.name, faults)
    cycle = needed(settings, "cycle", cells.name, faults)
    first_day = needed(settings, "first day", cells.day, faults)
    last_day = needed(settings, "last day", cells.day, faults)
    desk = needed(settings, "desk", cells.label, faults)
    loss_cap = needed(settings, "loss cap", cap_of, faults)
    roster = needed(settings, "roster", cells.names, faults)
    if first_day and last_day and not first_day <= last_day <= first_day + _LONGEST_CYCLE:
        faults.at(settings["last day"], "a cycle ends on its first day or up to a year later")
    if roster is not None and len(set(roster)) != len(roster):
        faults.at(settings["roster"], "an appliance stands here twice: name each once")
    if not (site and cycle and first_day and last_day and desk and roster) or loss_cap is None:
        return None
    key = key_of(optional(settings, "secret", cells.secret, faults), site, cycle)
    return DistributionList(site, cycle, first_day, last_day, desk, loss_cap, roster, households, key)


def _household(
    row: Mapping[str, Cell],
    rations: Mapping[str, tuple[str, str]],
    seen: dict[str, int],
    collects: dict[str, Cell],
    faults: Faults,
) -> Household | None:
    before = len(faults)
    number = own_number(row, "household", seen, faults)
    size = needed(row, "size", cells.household_size, faults)
    collectors = needed(row, "collectors", cells.numbers, faults) or ()
    alternates = optional(row, "alternates", cells.numbers, faults) or ()
    for heading, those, most in (
        ("collectors", collectors, MAX_COLLECTORS),
        ("alternates", alternates, MAX_ALTERNATES),
    ):
        if len(those) > most:
            faults.at(row[heading], f"{len(those)} {heading}: a household has {most} at most")
        if len(set(map(str.upper, those))) != len(those):
            faults.at(row[heading], "a number stands here twice: keep it once")
    if set(map(str.upper, collectors)) & set(map(str.upper, alternates)):
        faults.at(
            row["alternates"], "a collector cannot be their own alternate: keep the number in one place"
        )
    for collector in dict.fromkeys(map(str.upper, collectors)):
        other = collects.setdefault(collector, row["collectors"])
        if other is not row["collectors"]:
            what = f"a collector here collects for the household in row {other.row} too: keep them in one"
            faults.at(row["collectors"], what)
    given = tuple(
        Ration(item, amount, unit)
        for heading, (item, unit) in rations.items()
        if (amount := optional(row, heading, cells.amount, faults)) is not None
    )
    if not given and rations and len(faults) == before:
        what = "this household is due no ration: enter an amount, or delete the row"
        faults.at(row["household"], what)
    cohort = optional(row, "cohort", cells.label, faults) or ""
    if number is None or size is None:
        return None
    return Household(number, size, collectors, alternates, given, cohort)


def _rations(sheet: Sheet, columns: Mapping[str, int], faults: Faults) -> dict[str, tuple[str, str]]:
    """Return item and unit of the columns that are rations, by heading."""
    found = {}
    for heading, column in columns.items():
        if (match := _RATION.fullmatch(heading)) is None:
            continue
        if match["item"].startswith(cells.FORMULA_STARTS):
            what = (
                f"an item that begins with {match['item'][0]} is a formula to spreadsheets: name it in words"
            )
            faults.append(Fault(what, sheet.heading_row, column))
        if match["unit"] not in UNITS:
            what = f"the unit of a ration is one of {', '.join(UNITS)}"
            faults.append(Fault(what, sheet.heading_row, column))
        found[heading] = (match["item"], match["unit"])
    if columns and not found:
        what = 'there is no column of rations: head one with, for example, "ration rice (kg)"'
        faults.append(Fault(what, sheet.heading_row))
    return found
