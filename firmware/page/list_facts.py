"""What two supervisors compare on the page before they answer for a list; no number of anybody is in it."""

from __future__ import annotations

from typing import TypeAlias

from firmware.lists.reading import ReadList
from firmware.page import words
from firmware.workflow.screen import Ration, Text
from trust.lists.parsing import list_words
from trust.lists.summary import rations_due
from trust.lists.terms import ClinicList, DistributionList

Value: TypeAlias = Text | int | str | tuple[Ration, ...]
Facts: TypeAlias = list[tuple[Text, Value]]


def facts_of(read: ReadList) -> Facts:
    """Return the list as names and values, in the order in which people compare them."""
    planned = read.planned
    signature = words.NOT_SIGNED if read.signed_by is None else words.signed_with(read.signed_by.hex()[:16])
    facts = _clinic(planned) if isinstance(planned, ClinicList) else _distribution(planned)
    return [
        (words.SITE, planned.site),
        *facts,
        (words.LETTERS, list_words(planned)),
        (words.SIGNATURE, signature),
    ]


def _clinic(planned: ClinicList) -> Facts:
    return [
        (words.DAY_OF_LIST, words.days(planned.day, planned.day)),
        (words.APPOINTMENTS, len(planned.appointments)),
    ]


def _distribution(planned: DistributionList) -> Facts:
    households = planned.households
    due = tuple(
        Ration(item, f"{amount.normalize():f}", unit) for (item, unit), amount in rations_due(planned).items()
    )
    return [
        (words.CYCLE, planned.cycle),
        (words.DAY_OF_LIST, words.days(planned.first_day, planned.last_day)),
        (words.HOUSEHOLDS, len(households)),
        (words.COLLECTORS, sum(len(household.collectors) for household in households)),
        (words.ALTERNATES, len({number for household in households for number in household.alternates})),
        (words.DUE, due),
        (words.EXCEPTIONS, planned.loss_cap),
        (words.DESK, planned.desk),
        (words.APPLIANCES, ", ".join(planned.roster)),
    ]
