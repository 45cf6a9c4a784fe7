"""Whether a list is for this appliance and this day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from trust.consent import Purpose
from trust.lists.faults import Fault
from trust.lists.terms import ClinicList, DistributionList, PlannedList


@dataclass(frozen=True, slots=True)
class Here:
    """This appliance today; cycle: that is loaded already, empty where none is."""

    site: str
    purpose: Purpose
    device_id: str
    today: date
    cycle: str = ""


def unfit(planned: PlannedList, here: Here) -> list[Fault]:
    """Return why the list cannot be loaded here today; none where it can."""
    faults = []
    if planned.site != here.site:
        faults.append(
            Fault(
                f'a list of the site "{planned.site}", and this appliance serves "{here.site}": take its list'
            )
        )
    if planned.purpose is not here.purpose:
        faults.append(
            Fault(f"a list for {planned.purpose.value}, and this appliance is for {here.purpose.value}")
        )
    match planned:
        case ClinicList(day=day) if day != here.today:
            faults.append(Fault(_wrong_day(f"the list of {day}", here.today, past=day < here.today)))
        case DistributionList(last_day=last) if last < here.today:
            faults.append(Fault(_wrong_day(f"a cycle that ended on {last}", here.today, past=True)))
        case DistributionList(first_day=first) if first > here.today:
            faults.append(Fault(_wrong_day(f"a cycle that begins on {first}", here.today, past=False)))
        case _:
            pass
    if isinstance(planned, DistributionList):
        if here.device_id not in planned.roster:
            faults.append(
                Fault(f'this appliance, "{here.device_id}", is not in the roster: add it, or use one that is')
            )
        if here.cycle and here.cycle != planned.cycle:
            faults.append(
                Fault(f'the cycle "{here.cycle}" is loaded: close it before "{planned.cycle}" is loaded')
            )
    return faults


def _wrong_day(what: str, today: date, *, past: bool) -> str:
    remedy = "take the list of today" if past else "load it on that day"
    return f"{what}, and today is {today} by this appliance's clock: {remedy}, or set the clock"
