"""The list of a clinic's day."""

from __future__ import annotations

from collections.abc import Sequence

from trust.lists import cells
from trust.lists.faults import Fault
from trust.lists.secret import key_of
from trust.lists.sheet import Faults, Sheet, needed, optional, own_number, refuse_many_cohorts
from trust.lists.table import Row
from trust.lists.terms import MAX_APPOINTMENTS, Appointment, ClinicList

SETTINGS = ("site", "day")
COLUMNS = {"number": True, "time": False, "cohort": False}
"""The headings, and whether each is needed."""


def parse_appointments(rows: Sequence[Row], faults: Faults) -> ClinicList | None:
    """Return the list, or None, with an empty key where it has no secret; `faults` takes what is wrong."""
    sheet = Sheet(rows, "number", faults)
    settings = sheet.settings(SETTINGS)
    columns = sheet.columns(COLUMNS)
    appointments: list[Appointment] = []
    seen: dict[str, int] = {}
    for row in sheet.rows(columns):
        number = own_number(row, "number", seen, faults)
        at = optional(row, "time", cells.clock_time, faults)
        cohort = optional(row, "cohort", cells.label, faults) or ""
        if number is not None:
            appointments.append(Appointment(number, at, cohort))
    if len(seen) > MAX_APPOINTMENTS:
        what = (
            f"{len(seen)} appointments: an appliance takes {MAX_APPOINTMENTS} a day; give the others to "
            "another appliance or day"
        )
        faults.append(Fault(what))
    if columns and not seen and not faults:
        faults.append(Fault("there are no appointments below the headings"))
    refuse_many_cohorts([appointment.cohort for appointment in appointments], faults)
    site = needed(settings, "site", cells.name, faults)
    day = needed(settings, "day", cells.day, faults)
    if site is None or day is None:
        return None
    secret = optional(settings, "secret", cells.secret, faults)
    return ClinicList(site, day, tuple(appointments), key_of(secret, site, day.isoformat()))
