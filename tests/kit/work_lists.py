"""Lists of a day and of a cycle, for tests of the store, the workflows and the report."""

from __future__ import annotations

from datetime import date, time

from firmware.records import Moment
from firmware.workflow.kept import Conclusion
from tests.kit.store_values import DEVICE, SITE, moment
from trust.lists.terms import Appointment, ClinicList, DistributionList, Household, Ration
from trust.service import Answer, Basis, Reason, Workflow

DAY = date(2026, 11, 25)
CYCLE = "2026-11"
LIST_KEY = bytes(range(32))


def clinic_list(people: int = 3) -> ClinicList:
    appointments = tuple(
        Appointment(f"case-{number:04}", time(8, number % 60), cohort="60+" if number % 2 else "18-59")
        for number in range(1, people + 1)
    )
    return ClinicList(SITE, DAY, appointments, LIST_KEY)


def distribution_list(households: int = 3, *, loss_cap: int = 2, key: bytes = LIST_KEY) -> DistributionList:
    return DistributionList(
        site=SITE,
        cycle=CYCLE,
        first_day=DAY,
        last_day=date(2026, 11, 27),
        desk="B",
        loss_cap=loss_cap,
        roster=(DEVICE, "post-2"),
        households=tuple(household(number) for number in range(1, households + 1)),
        key=key,
    )


def household(number: int) -> Household:
    return Household(
        number=f"hh-{number:04}",
        size=number % 8 + 1,
        collectors=(f"p-{number:04}-1", f"p-{number:04}-2"),
        alternates=(f"p-{number:04}-9",),
        rations=(Ration("rice", "12.5", "kg"), Ration("oil", "2", "l")),
        cohort="60+" if number % 2 else "",
    )


def given(
    number: str,
    session: int,
    *,
    basis: Basis = Basis.BIOMETRIC,
    answer: Answer = Answer.GIVEN,
    check_ins: tuple[bytes, ...] = (),
    duration_s: float = 18.0,
    declined: bool = False,
) -> Conclusion:
    """How a session at a distribution ended; `session` tells it from others."""
    return Conclusion(
        session_id=session.to_bytes(16, "big"),
        workflow=Workflow.DISTRIBUTION,
        answer=answer,
        basis=basis if answer is Answer.GIVEN else None,
        reason=Reason.WORN_FINGERS if basis is Basis.EXCEPTION else None,
        number=number,
        check_ins=check_ins,
        duration_ns=int(duration_s * 1e9),
        declined=declined,
        operator="amina",
        supervisor="tomas" if basis is Basis.EXCEPTION else "",
    )


def visit(number: str, session: int, *, basis: Basis = Basis.CARD, duration_s: float = 30.0) -> Conclusion:
    """How a session at a clinic ended."""
    return Conclusion(
        session_id=session.to_bytes(16, "big"),
        workflow=Workflow.CLINIC,
        answer=Answer.VISIT,
        basis=basis,
        number=number,
        duration_ns=int(duration_s * 1e9),
        operator="amina",
    )


def at(seconds: float, *, boot: int = 1) -> Moment:
    """A moment so many seconds after the boot."""
    return moment(seconds / 3600, boot=boot)
