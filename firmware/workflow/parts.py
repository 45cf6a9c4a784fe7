"""What the workflows are performed on, and what a card comes to for each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import assert_never

from firmware.cards.terms import (
    AppointmentCard,
    Damaged,
    Foreign,
    Forged,
    HouseholdCard,
    OtherCycle,
    OtherDay,
    OtherUse,
    TypedNumber,
    Unusable,
    VisitToken,
    words,
)
from firmware.clock import Clock
from firmware.notices import Notices
from firmware.records import Moment
from firmware.session.registration import NoticeAnswer
from firmware.workflow.events import CardNotUsable
from firmware.workflow.notice import NOTICE_VERSION
from firmware.workflow.ports import CaptureDesk, Cards, InWork, NoteAnswer, Ownership
from trust.consent import Consent
from trust.service import Workflow


@dataclass(frozen=True, slots=True)
class Parts:
    """What the workflows are performed on. local: a wall time in ns since 1970 UTC, as the site's time."""

    desk: CaptureDesk
    in_work: InWork
    note_answer: NoteAnswer
    ownership: Ownership
    cards: Cards
    clock: Clock
    local: Callable[[int], datetime]
    notices: Notices = field(default_factory=Notices)

    def now(self) -> Moment:
        """Return the present moment."""
        return self.clock.now()

    def today(self) -> date:
        """Return the site's date."""
        return self.local(self.clock.wall_ns()).date()

    def notice(self, language: str) -> str:
        """Return version and digest of the very words that are shown."""
        return self.notices.find(NOTICE_VERSION, language).stated

    def answer(self, consent: Consent, language: str) -> NoticeAnswer:
        """Return an answer together with what it was given to."""
        return NoticeAnswer(consent, self.notice(language), language)

    async def unusable(self, reading: Unusable) -> CardNotUsable:
        """Return what staff do about such a card; a forged one is written down, and looks like any other."""
        if isinstance(reading, Forged):
            now = self.now()
            await self.in_work(lambda work: work.note_forged_card(now))
        return CardNotUsable(words(reading))

    def number(self, value: str, workflow: Workflow) -> str | Unusable:
        """Return the number that a card or typed value gives this workflow, or why it gives none."""
        reading = self.cards.read(value)
        match reading:
            case TypedNumber(number):
                return number
            case HouseholdCard(number=number):
                return number if workflow is Workflow.DISTRIBUTION else OtherUse()
            case AppointmentCard(number=number):
                return OtherUse() if workflow is Workflow.DISTRIBUTION else number
            case VisitToken():
                return OtherUse()
            case Damaged() | Foreign() | Forged() | OtherCycle() | OtherDay() | OtherUse():
                return reading
            case _:
                assert_never(reading)
