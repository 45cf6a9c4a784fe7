"""Staff at one lane: they see the screen and the person, and act as staff do, with mistakes.

Everything goes through `Station.act`, as from a page; what the person is really like decides what staff see
by sight, and nothing else is told to the appliance.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace

from firmware.cards.check_character import printed
from firmware.simulate.assumptions import Assumptions, Seconds
from firmware.simulate.desk import SimulatedDesk
from firmware.simulate.population import CardState, Visit
from firmware.workflow import choices
from firmware.workflow.screen import Acted, Choice, Entry, Screen
from firmware.workflow.station import Station
from firmware.workflow.viewing import Stale
from trust.service import Answer, Basis, Reason

MOST_STEPS = 200
_ANSWER = "answer-"
_FORGOTTEN_S = Seconds(45.0, 120.0)
"""Until somebody notices that GIVEN was not pressed."""
_LATER_S = 400.0
"""Nobody notices before the claim has expired."""


class StuckError(AssertionError):
    """Somebody stood at the desk and got no answer: the day's first rule is broken."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done on a screen, and how long it takes before."""

    choice: Choice | Entry
    seconds: float
    value: str = field(default="", repr=False)

    @property
    def act(self) -> str:
        """What is sent."""
        return self.choice.act if isinstance(self.choice, Choice) else self.choice.value


@dataclass(frozen=True, slots=True)
class Left:
    """How somebody left. answer, basis: as the acts at the screen brought them about.

    number: of the card that was shown, be it the wrong one. handed_over: the ration went over the desk,
    whatever was pressed.
    """

    visit: Visit
    answer: Answer
    basis: Basis | None
    number: str
    seconds: float
    handed_over: bool = False
    declined: bool = False
    wrong_card: bool = False
    registered: bool = False


@dataclass(slots=True)
class _Course:
    """What staff remember of who is here. wrong_card: the number of another card that was scanned."""

    visit: Visit
    value: str
    began_s: float
    wrong_card: str = ""
    typed: bool = False
    alternate: bool = False
    retried: int = 0
    basis: Basis | None = None
    declined: bool = False
    handed_over: bool = False
    forgotten: bool = False
    asked: bool = False
    complained: bool = False
    registering: bool = False
    greeted: bool = False


class Staff:
    """One operator, and the supervisor of the site. supervisor: name and PIN."""

    def __init__(
        self,
        station: Station,
        desk: SimulatedDesk,
        source: random.Random,
        assumptions: Assumptions,
        name: str,
        supervisor: tuple[str, str],
        caregivers: dict[str, str],
    ) -> None:
        self._station = station
        self._desk = desk
        self._source = source
        self._times = assumptions.times
        self._shares = assumptions.shares
        self._name = name
        self._supervisor = supervisor
        self._caregivers = caregivers
        self._changed = asyncio.Event()
        station.subscribe(self._changed.set)
        self.stale = 0
        """Acts that were meant for a screen that was over."""

    async def serve(self, visit: Visit, following: Visit | None) -> list[Left]:
        """Serve one person; returns each session that it took. Raises StuckError.

        following: who stands behind, whose card may be scanned by mistake.
        """
        self._desk.here = visit.person
        wrong = following is not None and self._source.random() < self._shares.wrong_card
        sessions = []
        if wrong and following is not None and following.card is CardState.GOOD:
            sessions.append(await self._session(visit, following.scanned, wrong_card=following.number))
            if sessions[0].answer is not Answer.PERSON:
                return sessions
        sessions.append(await self._session(visit, visit.scanned))
        return sessions

    async def _session(self, visit: Visit, value: str, *, wrong_card: str = "") -> Left:
        course = _Course(visit, value, asyncio.get_running_loop().time(), wrong_card)
        left = None
        for _ in range(MOST_STEPS):
            screen = self._station.screen
            answered = screen.name.startswith(_ANSWER)
            if answered and left is None:
                left = self._left(course, screen)
            elif left is not None and screen.name == "answer-registered":
                left = replace(left, registered=True)
            if screen.name.endswith("-ready") and course.greeted and not course.registering:
                if left is None:
                    break
                return left
            deed = self._after(course, screen) if answered else self._next(course, screen)
            if deed is None:
                await self._something_changes()
                continue
            await self._do(course, deed)
        raise StuckError(f"nobody was answered at {self._station.screen.name}: {visit.number}")

    async def _do(self, course: _Course, deed: Deed) -> None:
        revision = self._station.revision
        if not await self._nothing_changes(deed.seconds):
            return  # the screen went on before: staff look again
        acted = Acted(deed.act, deed.value, self._name)
        reply = await self._station.act(revision, acted)
        if deed.choice is Entry.CARD and self._source.random() < self._shares.double_scan:
            self.stale += isinstance(await self._station.act(revision, acted), Stale)
        self.stale += isinstance(reply, Stale)
        await self._station.settled()
        course.greeted = True
        if deed.choice in (choices.WITHOUT, choices.DECLINE):
            course.declined = True
        elif deed.choice is choices.ALTERNATE:
            course.alternate = True

    async def _nothing_changes(self, seconds: float) -> bool:
        """Let time go by; False where another screen came meanwhile."""
        name = self._station.screen.name
        try:
            async with asyncio.timeout(seconds):
                while self._station.screen.name == name:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return True
        return False

    async def _something_changes(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(3600):
                await self._changed.wait()
        except TimeoutError as error:
            raise StuckError(f"nothing happens at {self._station.screen.name}") from error

    def _left(self, course: _Course, screen: Screen) -> Left:
        answer = Answer[screen.name.removeprefix(_ANSWER).upper().replace("-", "_")]
        served = answer in (Answer.GIVEN, Answer.VISIT)
        basis = course.basis or (Basis.ALTERNATE if course.alternate else Basis.BIOMETRIC)
        return Left(
            course.visit,
            answer,
            basis if served else None,
            course.wrong_card or ("" if course.visit.card is CardState.NONE else course.visit.number),
            asyncio.get_running_loop().time() - course.began_s,
            course.handed_over,
            course.declined,
            bool(course.wrong_card),
        )

    def _draw(self, seconds: Seconds) -> float:
        return seconds.draw(self._source)

    def _chance(self, share: float) -> bool:
        return self._source.random() < share

    def _choose(self, choice: Choice) -> Deed:
        return Deed(choice, self._draw(self._times.choose))

    # --- after the answer ------------------------------------------------------------------------------

    def _after(self, course: _Course, screen: Screen) -> Deed | None:
        """The person has the answer: a complaint, a registration, or the next one."""
        times, visit = self._times, course.visit
        if not course.complained and self._chance(self._shares.complains):
            course.complained = True
            return self._choose(choices.COMPLAIN)
        missing = visit.person.subject not in self._desk.registered
        wanted = missing and visit.on_list and not visit.person.declines and not course.registering
        if choices.REGISTER in screen.choices and wanted and self._chance(self._shares.registers):
            course.registering, course.asked = True, False
            return self._choose(choices.REGISTER)
        course.registering = False
        hand = times.hand_token if screen.name == "answer-visit" else times.choose
        return Deed(choices.NEXT, self._draw(hand))

    # --- before it -------------------------------------------------------------------------------------

    def _next(self, course: _Course, screen: Screen) -> Deed | None:
        """Return what staff do on this screen, None where they wait."""
        if screen.busy or screen.name == "not-written-down":
            return None
        if screen.name == "choosing-concern":
            return self._choose(self._source.choice(list(choices.CONCERNS.values())))
        part = screen.name.partition("-")[2]
        match part:
            case "ready":
                return self._on_ready(course)
            case "card":
                return self._on_card(course, screen)
            case "notice" | "question":
                return self._on_notice(course, part)
            case "verify" | "search" | "capture":
                return self._on_capture(course, screen)
            case "not-sure":
                return self._on_not_sure(course, screen)
            case "look-at-card" | "paper":
                return self._on_look(course, screen)
            case "reason":
                return self._on_reason(course)
            case "supervisor":
                return self._on_supervisor(course)
            case "decide":
                return self._on_decide(course, screen)
            case "hand-over":
                return self._on_hand_over(course)
            case "not-here-now":
                return self._on_not_here(course)
            case "not-expected":
                return self._choose(choices.NEXT_STEP)
            case "suggestion":
                return self._on_suggestion(course, screen)
            case "age" | "number" | "caregiver" | "waits" | "help":
                return self._on_registration(course, part)
            case _:
                raise StuckError(f"staff do not know the screen {screen.name}")

    def _on_ready(self, course: _Course) -> Deed:
        visit = course.visit
        if course.wrong_card:
            return Deed(Entry.CARD, self._draw(self._times.show_card), course.value)
        if visit.card is CardState.LOST and choices.LOST_CARD in self._station.screen.choices:
            return self._choose(choices.LOST_CARD)
        if visit.card in (CardState.NONE, CardState.LOST):
            return self._choose(choices.NO_CARD)
        return Deed(Entry.CARD, self._draw(self._times.show_card), course.value)

    def _on_card(self, course: _Course, screen: Screen) -> Deed:
        """The card was no good: its number is typed where it is damaged, else another way is taken."""
        if course.visit.card is CardState.DAMAGED and not course.typed:
            course.typed = True
            return Deed(Entry.CARD, self._draw(self._times.type_number), printed(course.visit.number))
        return self._choose(choices.DESK if choices.DESK in screen.choices else choices.NO_CARD)

    def _on_notice(self, course: _Course, part: str) -> Deed:
        if part == "notice" and not course.asked and self._chance(self._shares.question):
            course.asked = True
            return Deed(choices.QUESTION, self._draw(self._times.read_notice))
        taken = self._times.question if part == "question" else self._times.read_notice
        declines = course.visit.person.declines
        return Deed(choices.DECLINE if declines else choices.ACCEPT, self._draw(taken))

    def _on_capture(self, course: _Course, screen: Screen) -> Deed | None:
        person = course.visit.person
        if person.declines and not course.declined and choices.WITHOUT in screen.choices:
            return self._choose(choices.WITHOUT)
        if course.visit.alternate and not course.alternate and choices.ALTERNATE in screen.choices:
            return self._choose(choices.ALTERNATE)
        return None

    def _on_not_sure(self, course: _Course, screen: Screen) -> Deed:
        if course.wrong_card:
            return self._choose(choices.SUPERVISOR)
        if choices.AGAIN in screen.choices and course.retried < 1:
            course.retried += 1
            return self._choose(choices.AGAIN)
        if choices.ALTERNATE in screen.choices and course.visit.alternate_here:
            self._desk.here = self._desk.registered.get(f"{course.visit.person.subject[:-2]}-9")
            self._desk.here = self._desk.here or course.visit.person
            return self._choose(choices.ALTERNATE)
        return self._choose(choices.SUPERVISOR)

    def _on_look(self, course: _Course, screen: Screen) -> Deed:
        if course.wrong_card:
            return Deed(choices.COLLEAGUE, self._draw(self._times.look_at))
        if choices.AGAIN in screen.choices and course.retried < 1:
            course.retried += 1
            return self._choose(choices.AGAIN)
        if screen.name.startswith("clinic"):
            known = course.visit.card not in (CardState.NONE, CardState.LOST) and not self._no_number(course)
            course.basis = Basis.CARD if known else Basis.PAPER
        else:
            course.basis = Basis.ALTERNATE if course.alternate else Basis.CARD
        return Deed(choices.SEEN, self._draw(self._times.look_at))

    def _no_number(self, course: _Course) -> bool:
        return course.visit.card in (CardState.FOREIGN, CardState.OLD)

    def _on_reason(self, course: _Course) -> Deed:
        if course.wrong_card:
            return self._choose(choices.COLLEAGUE)
        person = course.visit.person
        if not (self._desk.sensors.reader and self._desk.sensors.camera):
            reason = Reason.DEVICE_FAULT
        elif person.covers_face:
            reason = Reason.FACE_NOT_TAKEN
        else:
            reason = Reason.WORN_FINGERS if person.worn else Reason.KNOWN_TO_STAFF
        return self._choose(choices.REASONS[reason])

    def _on_supervisor(self, course: _Course) -> Deed:
        name, pin = self._supervisor
        typed = pin[::-1] if self._chance(self._shares.wrong_pin) else pin
        return Deed(Entry.COUNTERSIGN, self._draw(self._times.pin), f"{name}\n{typed}")

    def _on_decide(self, course: _Course, screen: Screen) -> Deed:
        if choices.GIVE in screen.choices and course.visit.on_list:
            course.basis = Basis.EXCEPTION
            return self._choose(choices.GIVE)
        return self._choose(choices.DESK)

    def _on_hand_over(self, course: _Course) -> Deed | None:
        if course.wrong_card and not course.handed_over:
            return self._choose(choices.NOT_GIVEN)
        course.handed_over = True
        seconds = self._draw(self._times.hand_over)
        if not course.forgotten and self._chance(self._shares.forgotten):
            course.forgotten = True
            never = self._chance(self._shares.never_pressed)
            seconds += _LATER_S if never else self._draw(_FORGOTTEN_S)
        return Deed(choices.GIVEN, seconds)

    def _on_not_here(self, course: _Course) -> Deed:
        if course.retried < 1 and course.visit.on_list:
            course.retried += 1
            return Deed(choices.AGAIN, 20.0)
        return self._choose(choices.DESK)

    def _on_suggestion(self, course: _Course, screen: Screen) -> Deed:
        subject = course.visit.person.subject
        seconds = self._draw(self._times.look_at)
        wrong = self._chance(self._shares.wrong_confirmation)
        for shown in screen.candidates:
            if (shown.subject == subject) is not wrong:
                course.basis = Basis.CONFIRMED
                return Deed(Choice(shown.act, choices.SEEN.label, "tick"), seconds)
        return Deed(choices.NOBODY, seconds)

    def _on_registration(self, course: _Course, part: str) -> Deed:
        visit = course.visit
        match part:
            case "age":
                return self._choose(choices.UNDER_FIVE if visit.infant else choices.FIVE_OR_OLDER)
            case "number":
                return Deed(Entry.NUMBER, self._draw(self._times.type_number), printed(visit.number))
            case "caregiver":
                caregiver = printed(self._caregivers[visit.number])
                return Deed(Entry.CARD, self._draw(self._times.type_number), caregiver)
            case _:
                return self._choose(choices.COLLEAGUE)
