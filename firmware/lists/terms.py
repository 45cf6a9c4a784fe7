"""The lists as the appliance's parts know them; both ends agree on them, so they are defined in `trust`."""

from trust.lists.terms import (
    MAX_APPOINTMENTS,
    MAX_COLLECTORS,
    Appointment,
    ClinicList,
    DistributionList,
    Household,
    PlannedList,
    Ration,
    household_digest,
)

__all__ = [
    "MAX_APPOINTMENTS",
    "MAX_COLLECTORS",
    "Appointment",
    "ClinicList",
    "DistributionList",
    "Household",
    "PlannedList",
    "Ration",
    "household_digest",
]
