"""What a list says, as frozen values: who has an appointment, or which households a cycle serves.

Numbers are card or case numbers; no name is part of a list.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import date, time
from typing import TypeAlias

from trust.consent import Purpose

MAX_APPOINTMENTS = 500
"""WORKFLOWS.md: a search over today's list names one wrong suggestion per so many people; more is no list."""
MAX_COLLECTORS = 5
"""WORKFLOWS.md: 1:1 against the five collectors of a household at most."""
MAX_LABEL = 40
"""Characters of a label, such as a cohort's; the aggregator takes no longer one in a record."""
KEY_BYTES = 32
_HOUSEHOLD_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Ration:
    """So much of one thing; amount: a decimal number with a point, unit: kg, l, piece."""

    item: str
    amount: str
    unit: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """Somebody expected today; at: local time, None for any; cohort: a free label for the report."""

    number: str
    at: time | None = None
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class ClinicList:
    """The appointments of one day at one site.

    key: 32 bytes, of this list alone, the same wherever it is loaded; what is derived from it (visit tokens)
    is good for as long as the list.
    """

    site: str
    day: date
    appointments: tuple[Appointment, ...]
    key: bytes = field(repr=False)

    @property
    def purpose(self) -> Purpose:
        """The one purpose of the gallery that it is for."""
        return Purpose.CLINIC_CHECK_IN

    @property
    def last_day(self) -> date:
        """The last day on which it is of use."""
        return self.day


@dataclass(frozen=True, slots=True)
class Household:
    """One household of a cycle.

    collectors: one to five numbers of people who are registered and may collect; alternates: of people who
    may collect where they cannot. cohort: a free label for the report.
    """

    number: str
    size: int
    collectors: tuple[str, ...]
    alternates: tuple[str, ...]
    rations: tuple[Ration, ...]
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class DistributionList:
    """The households of one cycle at one site.

    desk: where people are sent whose case the lane cannot settle. loss_cap: the most exception hand-overs of
    the cycle at one appliance. roster: the device ids that share the households among them.
    key: 32 bytes, of this cycle alone, the same at each appliance of the roster.
    """

    site: str
    cycle: str
    first_day: date
    last_day: date
    desk: str
    loss_cap: int
    roster: tuple[str, ...]
    households: tuple[Household, ...]
    key: bytes = field(repr=False)

    @property
    def purpose(self) -> Purpose:
        """The one purpose of the gallery that it is for."""
        return Purpose.DISTRIBUTION


PlannedList: TypeAlias = ClinicList | DistributionList


def household_digest(key: bytes, number: str) -> bytes:
    """Return what records say of a household, 16 bytes: HMAC-SHA-256 under the key of the cycle, cut short.

    Equal at all appliances of the cycle, and for capital and small letters; whoever has neither the list nor
    its key learns no number from it.
    """
    said = b"aidpost household\0" + number.upper().encode()
    return hmac.digest(key, said, "sha256")[:_HOUSEHOLD_DIGEST_BYTES]
