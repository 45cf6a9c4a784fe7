"""What the workflows need of the rest of the appliance: desk, store, the owners of households, cards.

The machines know none of these; `firmware.workflow.station` performs their effects over them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Protocol, TypeAlias, TypeVar

from firmware.cards.terms import Reading
from firmware.lists.terms import Appointment, Household
from firmware.records import Moment
from firmware.session.check_in import CheckInResult, Confirm
from firmware.session.registration import NoticeAnswer, RegistrationResult
from firmware.workflow.kept import Conclusion as Conclusion
from firmware.workflow.kept import HandOver as HandOver
from firmware.workflow.kept import OpenSession as OpenSession
from firmware.workflow.outcomes import CaregiverLink, Concluded, Networks, PinCheck, Standing
from firmware.workflow.terms import Role
from inference.types import Modality
from sensors.board.port import Button
from trust.service import Concern, Workflow

# --- the capture session ------------------------------------------------------------------------------


class CaptureDesk(Protocol):
    """Runs one capture session at a time (`firmware.desk.Desk`); raises DeskError and StoreError."""

    async def verify(
        self, *subjects: str, order: Sequence[Modality] | None = None, operator: str = ""
    ) -> CheckInResult:
        """1:1 against the entries of these subjects; failed tries are counted for all of them together.

        Raises NotRegistered where none of them has templates, and ClaimWaits.
        """

    async def identify(
        self,
        confirm: Confirm,
        *,
        among: Sequence[str] | None = None,
        order: Sequence[Modality] | None = None,
        operator: str = "",
    ) -> CheckInResult:
        """1:few over the entries of the subjects `among` alone; None: over the whole gallery."""

    async def register(
        self, subject: str, answer: NoticeAnswer, *, noted: bytes | None = None, capture: bool = True
    ) -> RegistrationResult:
        """Register a person whose answer was stored under the id `noted`; capture: False under five years."""

    def press(self, button: Button) -> None:
        """HELP ends the session under way."""


# --- households: who collected, and who is about to ---------------------------------------------------


class Ownership(Protocol):
    """Asks the appliance that owns a household, be it this one. Times are durations: no clock is shared."""

    async def claim(self, household: str, for_s: float) -> Standing:
        """Claim the household for this desk; a claim of this desk's own is renewed."""

    async def given(self, household: str) -> None:
        """Tell the owner that it collected here; after the commit; kept and repeated until it is told."""

    async def release(self, household: str) -> None:
        """Give the claim back: nothing was handed over."""

    def connected(self) -> Networks:
        """Return what can be reached now."""


# --- cards --------------------------------------------------------------------------------------------


class Cards(Protocol):
    """Reads what was scanned or typed (`firmware.cards`)."""

    def read(self, value: str) -> Reading:
        """Return what the payload of a code, or a typed number, says."""


class Scanner(Protocol):
    """Looks for a code in front of the camera."""

    async def scan(self) -> str:
        """Return the payload of the first code that is seen; waits for it, and may be cancelled."""


# --- the day's work in the store ----------------------------------------------------------------------


class Work(Protocol):
    """The day's work (`store.work`), used in the store's thread; every change is one transaction.

    All methods raise StoreError kinds.
    """

    def appointment(self, number: str) -> Appointment | None:
        """Return the appointment of today's list under this number."""

    def todays_numbers(self) -> tuple[str, ...]:
        """Return the numbers of today's list: the only people that a search goes over."""

    def household(self, number: str) -> Household | None:
        """Return the household of the loaded cycle under this number."""

    def has_list(self) -> bool:
        """Tell whether a list is loaded, of today or of the cycle."""

    def help_desk(self) -> str:
        """Return where people are sent whose case the lane cannot settle; "" where the list names none."""

    def link(self, child: str, today: date) -> CaregiverLink | None:
        """Return who answers for a child under five."""

    def note_link(self, moment: Moment, child: str, caregiver: str, until: date) -> None:
        """Link a child to its caregiver until a day; a former link is replaced."""

    def note_question(self, moment: Moment, session_id: bytes, notice: str) -> None:
        """Write down that the person asked about the notice before answering (audit log)."""

    def commit_complaint(self, moment: Moment, workflow: Workflow, concern: Concern) -> int:
        """Write down that somebody complained; nothing about anybody."""

    def note_forged_card(self, moment: Moment) -> None:
        """Write down that a card named a trusted issuer who did not sign it; nothing of who held it."""

    def note_resemblance(self, moment: Moment, subject: str, resembles: Sequence[str]) -> None:
        """Leave it to an adjudicator whether entries are of one person."""

    def keep_open(self, session: OpenSession) -> None:
        """Keep how far the session is; there is one at most, and an earlier state of it is replaced."""

    def open_session(self) -> OpenSession | None:
        """Return the session that a power cut left open."""

    def exceptions_left(self) -> int:
        """Return how many hand-overs of the signed loss cap are left here.

        Those in exception count, and those whose owner did not answer.
        """

    def conclude(self, moment: Moment, conclusion: Conclusion, *, owner_silent: bool = False) -> Concluded:
        """End the open session: its record, the ledger's row where something was given, or the token.

        owner_silent: the household was served without its owner's word.
        """

    def check_pin(self, moment: Moment, name: str, pin: str, need: Role) -> PinCheck:
        """Check a PIN; wrong ones are counted."""


ResultT = TypeVar("ResultT")


class InWork(Protocol):
    """Runs a function with the day's work, in the store's thread, and returns its result."""

    async def __call__(self, work: Callable[[Work], ResultT], /) -> ResultT:
        """Return what `work` returns; raise what it raises."""


NoteAnswer: TypeAlias = Callable[[bytes, NoticeAnswer], Awaitable[None]]
"""Stores the answer to the notice under the session's id, before anything is captured."""
