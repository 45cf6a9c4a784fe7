"""Performs the effects of a workflow in order, and feeds back what came of each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from firmware.records import Moment
from firmware.store.errors import AlreadyCollected, ListRefused, LossCapReached, StoreError
from firmware.workflow.capturing import Captures
from firmware.workflow.effects import (
    Begin,
    CheckPin,
    Conclude,
    Effect,
    FindAppointment,
    FindHousehold,
    GoOnPaper,
    Greet,
    KeepDecision,
    ReadNumber,
    Register,
    Search,
    StopCapture,
    StoreAnswer,
    StoreComplaint,
    StoreQuestion,
    TellSuggestion,
    Verify,
)
from firmware.workflow.events import (
    AnswerStored,
    AppointmentFound,
    Broken,
    ComplaintStored,
    Ended,
    Event,
    NotOnList,
    NumberRead,
    PinChecked,
)
from firmware.workflow.households import Households
from firmware.workflow.outcomes import Concluded
from firmware.workflow.parts import Parts
from firmware.workflow.session import Session, cut_short
from trust.service import Answer, Workflow

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """One effect, and who caused it in which workflow; operator: "" where nobody is signed in."""

    effect: Effect
    workflow: Workflow
    operator: str


@dataclass(frozen=True, slots=True)
class Unwritten:
    """How a session ended, and when; it is not on the disk."""

    session: Session
    effect: Conclude
    ended: Moment


class Performer:
    """feed: takes what came of an effect. begin: goes on with another workflow. language: of the screen."""

    def __init__(
        self,
        parts: Parts,
        feed: Callable[[Event], None],
        begin: Callable[[Workflow, str], None],
        language: Callable[[], str],
    ) -> None:
        self._parts = parts
        self._feed = feed
        self._begin = begin
        self._language = language
        self.captures = Captures(parts, feed)
        self._households = Households(parts)
        self._waiting: deque[Asked] = deque()
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._unwritten: deque[Unwritten] = deque()

    @property
    def unwritten(self) -> int:
        """How many sessions went on, on paper, and wait until the store writes again."""
        return len(self._unwritten)

    def perform(self, effects: Sequence[Effect], workflow: Workflow, operator: str) -> None:
        """Perform these after those before, and write down what waits for it; returns at once."""
        self._waiting.extend(Asked(effect, workflow, operator) for effect in effects)
        if (self._waiting or self._unwritten) and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._drain(), name="workflow")

    def taken_over(self, operator: str) -> None:
        """Another member of staff goes on with the session."""
        if self._session is not None:
            self._session.operator = operator

    async def settled(self) -> None:
        """Wait until nothing is being performed but a capture."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def resume(self) -> Event | None:
        """Take up, or write down the end of, what a power cut left open; returns what goes on."""
        try:
            return await self._take_up()
        except StoreError as error:
            # People are served all the same; it is written down before the next session begins.
            log.warning("not taken up", kind=type(error).__name__, reason=str(error))
            return None

    async def _take_up(self) -> Event | None:
        kept = await self._parts.in_work(lambda work: work.open_session())
        if kept is None:
            return None
        session = Session.resume(kept)
        event = await self._households.resume(kept, session)
        if event is not None:
            self._session = session
            return event
        await self._end_open_but(None)
        if session.claimed:
            await self._households.release(session)
        return None

    async def _drain(self) -> None:
        try:
            await self._write_waiting()
        except StoreError as error:
            log.warning("still on paper", sessions=len(self._unwritten), kind=type(error).__name__)
        while self._waiting:
            asked = self._waiting.popleft()
            try:
                event = await self._one(asked)
            except StoreError as error:
                log.warning("not written down", kind=type(error).__name__, reason=str(error))
                event = Broken()
            except Exception:  # the person must be left with somebody to turn to, not in silence
                log.exception("workflow step failed")
                event = Broken()
            if event is not None:
                self._feed(event)

    async def _one(self, asked: Asked) -> Event | None:
        parts, effect = self._parts, asked.effect
        now = parts.now()
        match effect:
            case Greet():
                await self._greet(asked)
            case Begin(following):
                self._begin(following, asked.operator)
            case FindAppointment(value):
                return await self._find_appointment(value)
            case FindHousehold(value):
                return await self._households.find(value, self._here)
            case ReadNumber(value):
                number = parts.number(value, asked.workflow)
                return NumberRead(number) if isinstance(number, str) else await parts.unusable(number)
            case StoreAnswer(consent):
                answer = parts.answer(consent, self._language())
                await parts.note_answer(self._here.session_id, answer)
                return AnswerStored(consent)
            case StoreQuestion():
                language, session_id = self._language(), self._here.session_id
                notice = f"{parts.notice(language)} {language}"
                await parts.in_work(lambda work: work.note_question(now, session_id, notice))
            case Verify() | Search() | Register():
                await self.captures.begin(effect, self._here, self._language())
            case TellSuggestion(chosen):
                self.captures.tell(chosen)
            case StopCapture():
                self.captures.stop()
            case KeepDecision():
                return await self._households.keep(effect, self._here)
            case CheckPin(name_and_pin, need):
                name, _, pin = name_and_pin.partition("\n")
                check = await parts.in_work(lambda work: work.check_pin(now, name.strip(), pin, need))
                return PinChecked(check, asked.operator)
            case StoreComplaint(concern):
                workflow = asked.workflow
                await parts.in_work(lambda work: work.commit_complaint(now, workflow, concern))
                return ComplaintStored()
            case Conclude():
                return await self._conclude(effect)
            case GoOnPaper(conclude):
                session, self._session = self._here, None
                self._unwritten.append(Unwritten(session, conclude, now))
                await self._write_waiting()
            case _:
                assert_never(effect)
        return None

    @property
    def _here(self) -> Session:
        if self._session is None:
            raise AssertionError("the machines greet before they do anything for a person")
        return self._session

    async def _greet(self, asked: Asked) -> None:
        self._session = session = Session.begin(asked.workflow, self._parts.now(), asked.operator)
        await self._end_open_but(session)
        kept = session.kept()
        await self._parts.in_work(lambda work: work.keep_open(kept))

    async def _end_open_but(self, session: Session | None) -> None:
        """Write down the end of another session that was left open: nobody is without a record."""
        await self._write_waiting()
        kept = await self._parts.in_work(lambda work: work.open_session())
        if kept is not None and (session is None or kept.session_id != session.session_id):
            conclusion, now = cut_short(kept), self._parts.now()
            await self._parts.in_work(lambda work: work.conclude(now, conclusion))

    async def _find_appointment(self, value: str) -> Event:
        number = self._parts.number(value, Workflow.CLINIC)
        if not isinstance(number, str):
            return await self._parts.unusable(number)
        today = self._parts.today()
        appointment, has_list, link = await self._parts.in_work(
            lambda work: (work.appointment(number), work.has_list(), work.link(number, today))
        )
        if appointment is not None:
            return AppointmentFound(appointment.number, link)
        # Where no list is loaded nobody is unexpected.
        return NotOnList(number, link) if has_list else AppointmentFound(number, link)

    async def _conclude(self, effect: Conclude) -> Event:
        await self.captures.ended()  # so that its record is named
        session, now = self._here, self._parts.now()
        await self._end_open_but(session)
        concluded = await self._write(Unwritten(session, effect, now))
        self._session = None
        await self._households.settle(effect, session)
        return Ended(concluded)

    async def _write(self, end: Unwritten) -> Concluded:
        conclusion, silent = end.session.conclusion(end.effect, end.ended), end.effect.owner_silent
        return await self._parts.in_work(
            lambda work: work.conclude(end.ended, conclusion, owner_silent=silent)
        )

    async def _write_waiting(self) -> None:
        """Write down what went on, on paper, in its order; raises StoreError where it cannot yet."""
        while self._unwritten:
            end = self._unwritten[0]
            try:
                await self._write(end)
            except (AlreadyCollected, LossCapReached, ListRefused) as error:
                # No later try would do better, and nobody may wait for it: they were here, that is kept.
                log.warning("not in the ledger", kind=type(error).__name__, reason=str(error))
                effect = replace(end.effect, answer=Answer.PERSON, basis=None)
                end = replace(end, effect=effect)
                await self._write(end)
            self._unwritten.popleft()
            await self._households.settle(end.effect, end.session)
