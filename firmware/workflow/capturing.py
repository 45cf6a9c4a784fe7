"""Runs captures for the workflow, one at a time; what a desk session comes to is fed back as an event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeAlias, assert_never

import structlog

from firmware.desk import AlreadyRegistered, ClaimWaits, DeskError, NotRegistered, RegistrationStopped
from firmware.records import Outcome
from firmware.session.check_in import CheckInResult, Suggestion
from firmware.session.machine import Show
from firmware.store.errors import StoreError
from firmware.workflow import choices
from firmware.workflow.effects import Register, Search, Verify
from firmware.workflow.events import (
    Broken,
    CaptureStopped,
    Event,
    Guided,
    Identified,
    NothingToCompare,
    NotIdentified,
    NotVerified,
    NumberTaken,
    Registered,
    RegistrationWaits,
    Suggested,
    Verified,
)
from firmware.workflow.parts import Parts
from firmware.workflow.screen import Shown
from firmware.workflow.session import Session
from sensors.board.port import Button
from trust.service import ASKED_FOR_HELP

log = structlog.get_logger()

MOST_ROUNDS = 3
"""1:1 comparisons for one person; each asks for the face and for every finger as often as the desk allows."""
LINK_FOR = timedelta(days=365)
"""How long a caregiver answers for a child under five before staff look again."""

Capture: TypeAlias = Verify | Search | Register


class Captures:
    """feed: takes the events. Used from the event loop."""

    def __init__(self, parts: Parts, feed: Callable[[Event], None]) -> None:
        self._parts = parts
        self._desk = parts.desk
        self._in_work = parts.in_work
        self._feed = feed
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._chosen: asyncio.Future[int | None] | None = None

    @property
    def running(self) -> bool:
        """Whether a capture is under way that was not stopped."""
        return self._task is not None and not self._task.done() and not self._stopped

    async def begin(self, capture: Capture, session: Session, language: str) -> None:
        """Begin a capture once the one before has ended. language: of the notice that was answered."""
        await self.ended()
        self._stopped = False

        async def run() -> None:
            event = await self._outcome(capture, session, language)
            # Who was registered before anybody could stop it is registered.
            if not self._stopped or isinstance(event, Registered):
                self._feed(event)

        self._task = asyncio.create_task(run(), name="capture")

    def tell(self, chosen: int | None) -> None:
        """Tell the search which suggestion staff confirmed, None for none."""
        if self._chosen is not None and not self._chosen.done():
            self._chosen.set_result(chosen)

    def guide(self, show: Show) -> None:
        """The desk shows a signal."""
        if self.running:
            self._feed(Guided(show))
        elif self._stopped and self._task is not None and not self._task.done():
            # It was stopped before the desk's session had begun; now it has.
            self._desk.press(Button.HELP)

    def stop(self) -> None:
        """End the capture under way; what still comes of it is recorded, and the workflow goes on without."""
        if self.running:
            self._stopped = True
            self._desk.press(Button.HELP)

    async def ended(self) -> None:
        """Wait until no capture is under way."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _outcome(self, capture: Capture, session: Session, language: str) -> Event:
        try:
            match capture:
                case Verify(subjects):
                    return await self._verify(subjects, session)
                case Search():
                    return await self._search(session)
                case Register():
                    return await self._register(capture, session, language)
                case _:
                    assert_never(capture)
        except NotRegistered:
            return NothingToCompare()
        except (DeskError, StoreError) as error:
            log.warning("capture not done", kind=type(error).__name__, reason=str(error))
            return Broken()
        except (
            Exception
        ):  # a programming error must leave the person with somebody to turn to, not in silence
            log.exception("capture failed")
            return Broken()

    async def _verify(self, subjects: Sequence[str], session: Session) -> Event:
        session.rounds += 1
        rounds_left = MOST_ROUNDS - session.rounds
        try:
            result = await self._desk.verify(*subjects, operator=session.operator)
        except ClaimWaits as waits:
            return NotVerified(0, waits.wait_s)
        _note(result, session)
        if result.record.outcome is Outcome.MATCH:
            return Verified()
        if result.record.reason == ASKED_FOR_HELP:
            return CaptureStopped()
        left = result.standing
        if left is None:
            return NotVerified(rounds_left)
        return NotVerified(min(rounds_left, left.tries_left), left.wait_s)

    async def _search(self, session: Session) -> Event:
        # Without a list there is no smaller set of people: the gallery, at the threshold for its size.
        among = await self._in_work(lambda work: work.todays_numbers() if work.has_list() else None)
        result = await self._desk.identify(self._confirm, among=among, operator=session.operator)
        _note(result, session)
        if result.record.reason == ASKED_FOR_HELP:
            return CaptureStopped()
        if result.record.confirmed and result.subject is not None:
            return Identified(result.subject)
        return NotIdentified()

    async def _register(self, capture: Register, session: Session, language: str) -> Event:
        caregiver, answer = capture.caregiver, self._parts.answer(capture.consent, language)
        if caregiver:
            moment, until = self._parts.now(), self._parts.today() + LINK_FOR
            await self._in_work(lambda work: work.note_link(moment, capture.number, caregiver, until))
        try:
            result = await self._desk.register(
                capture.number, answer, noted=session.session_id, capture=capture.capture
            )
        except AlreadyRegistered:
            return NumberTaken()
        except RegistrationStopped:
            return RegistrationWaits()
        if result.record is None:
            return CaptureStopped()
        if result.possible_same:
            now = self._parts.now()
            await self._in_work(lambda work: work.note_resemblance(now, capture.number, result.possible_same))
        return Registered(result.missing)

    async def _confirm(self, suggestions: Sequence[Suggestion]) -> int | None:
        shown = tuple(
            Shown(choices.candidate(index), suggestion.subject, suggestion.strength)
            for index, suggestion in enumerate(suggestions)
        )
        self._chosen = asyncio.get_running_loop().create_future()
        self._feed(Suggested(shown))
        try:
            return await self._chosen
        finally:
            self._chosen = None


def _note(result: CheckInResult, session: Session) -> None:
    record = result.record
    session.check_ins = (*session.check_ins, record.record_id)
    log.info(
        "check-in",
        seq=result.seq,
        outcome=record.outcome.value,
        confirmed=record.confirmed,
        tries=record.tries,
        stages_ms={stage.stage: round(stage.duration_ns / 1e6, 1) for stage in result.stages},
    )
