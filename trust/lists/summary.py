"""What two supervisors compare before they answer for a list; no number of anybody is in it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from trust.lists.parsing import list_words
from trust.lists.terms import ClinicList, DistributionList, PlannedList


def summary(planned: PlannedList) -> list[str]:
    """Return the list in a few lines: for what, how many, how much, and the words to compare."""
    lines = _clinic(planned) if isinstance(planned, ClinicList) else _distribution(planned)
    return [*lines, f"To compare: {list_words(planned)}"]


def rations_due(planned: DistributionList) -> dict[tuple[str, str], Decimal]:
    """Return how much is due of each item, by item and unit."""
    due: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for household in planned.households:
        for ration in household.rations:
            due[ration.item, ration.unit] += Decimal(ration.amount)
    return dict(due)


def _clinic(planned: ClinicList) -> list[str]:
    timed = sum(appointment.at is not None for appointment in planned.appointments)
    return [
        f"Appointments at {planned.site} on {planned.day}",
        f"{len(planned.appointments)} appointments, {timed} with a time",
    ]


def _distribution(planned: DistributionList) -> list[str]:
    households = planned.households
    collectors = sum(len(household.collectors) for household in households)
    alternates = len({number for household in households for number in household.alternates})
    due = "; ".join(
        f"{item} {amount.normalize():f} {unit}" for (item, unit), amount in rations_due(planned).items()
    )
    return [
        f"Distribution at {planned.site}, cycle {planned.cycle}, {planned.first_day} to {planned.last_day}",
        f"{len(households)} households, {collectors} collectors, {alternates} alternates",
        f"Due: {due}",
        f"At most {planned.loss_cap} hand-overs in exception at each appliance; desk: {planned.desk}",
        f"Appliances: {', '.join(planned.roster)}",
    ]
