"""The capture desk of a simulated day: what comes of finger and face is drawn, all else is as at the desk.

Check-ins are committed to the real store and count as tries by the real rule; HELP ends a capture.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from firmware.clock import Clock
from firmware.desk import AlreadyRegistered, ClaimWaits, NotRegistered
from firmware.records import Attempts, CheckIn, Mode, Outcome, Registration, StageTime
from firmware.session.attempts import Asked, Failed, Matched, Standing, step
from firmware.session.check_in import CheckInResult, Confirm, Suggestion
from firmware.session.machine import Presentation, Show
from firmware.session.registration import NoticeAnswer, RegistrationResult
from firmware.simulate.assumptions import Times
from firmware.simulate.error_rates import FTA_FACE, FTA_FINGER, ErrorRates
from firmware.simulate.population import Person
from firmware.store.store import Store
from inference.operating_point import Strength
from inference.types import FingerPosition, Modality
from sensors.board.port import Button
from sensors.board.signals import Signal
from sensors.frames import RetryReason
from trust.consent import Consent
from trust.service import ASKED_FOR_HELP

TRIES = 3
_FACE = Presentation(Modality.FACE)
_FINGERS = (
    Presentation(Modality.FINGER, FingerPosition.RIGHT_INDEX),
    Presentation(Modality.FINGER, FingerPosition.LEFT_INDEX),
)


@dataclass(slots=True)
class Sensors:
    """What is in order now."""

    camera: bool = True
    reader: bool = True


@dataclass(slots=True)
class _Taken:
    """What was presented. settled: the sum of what was compared supports who it is."""

    began_s: float
    face: bool = False
    fingers: int = 0
    tries: int = 0
    settled: bool = False
    helped: bool = False
    modalities: list[Modality] = field(default_factory=list)


class SimulatedDesk:
    """One lane's desk (`firmware.workflow.ports.CaptureDesk`).

    registered: everybody with templates, shared by the lanes. twins: subjects who look like another one.
    wrong_suggestion: the chance that a search brings up somebody else, too (FPIR).
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        show: Callable[[Show], None],
        source: random.Random,
        times: Times,
        rates: ErrorRates,
        registered: dict[str, Person],
        twins: dict[str, str],
        wrong_suggestion: float = 0.01,
    ) -> None:
        self._store = store
        self._clock = clock
        self._show = show
        self._source = source
        self._times = times
        self._rates = rates
        self.registered = registered
        self._twins = twins
        self._wrong_suggestion = wrong_suggestion
        self._attempts: dict[str, Attempts] = {}
        self._help = asyncio.Event()
        self.sensors = Sensors()
        self.compared = self.not_matched = self.without_own = 0
        """1:1 comparisons of the right person, and those that did not match; and of people who have no
        templates themselves, as another collector of the household has. No appliance can know it."""
        self.here: Person | None = None
        """Who stands before the sensors."""

    def press(self, button: Button) -> None:
        """HELP ends the capture under way."""
        if button is Button.HELP:
            self._help.set()

    async def verify(
        self, *subjects: str, order: Sequence[Modality] | None = None, operator: str = ""
    ) -> CheckInResult:
        """1:1, as `firmware.desk.Desk`. Raises NotRegistered and ClaimWaits."""
        claimed = [subject for subject in subjects if subject in self.registered]
        if not claimed:
            raise NotRegistered("nobody is registered with biometrics under this subject")
        attempts = self._attempts.get(claimed[0], Attempts())
        _, standing = step(attempts, Asked(self._clock.now()))
        if standing.wait_s:
            raise ClaimWaits(standing.wait_s)
        taken = await self._capture(genuine=self._person.subject in claimed)
        outcome, left = self._outcome(taken), None
        if taken.modalities and not taken.helped:
            own = self._person.subject in claimed
            self.compared += own
            self.not_matched += own and not taken.settled
            self.without_own += not own
        if outcome is Outcome.MATCH:
            self._attempts[claimed[0]], _ = step(attempts, Matched())
        elif outcome is Outcome.NO_MATCH:
            self._attempts[claimed[0]], left = step(attempts, Failed(self._clock.now()))
        return self._result(Mode.VERIFY, outcome, taken, len(claimed), self._matched(taken, claimed), left)

    async def identify(
        self,
        confirm: Confirm,
        *,
        among: Sequence[str] | None = None,
        order: Sequence[Modality] | None = None,
        operator: str = "",
    ) -> CheckInResult:
        """1:few over the registered of `among`; staff confirm. Raises NotRegistered."""
        searched = [subject for subject in among or self.registered if subject in self.registered]
        if not searched:
            raise NotRegistered("nobody on this list is registered with biometrics")
        subject = self._person.subject
        taken = await self._capture(genuine=subject in searched)
        suggested = [subject] if taken.settled and subject in searched else []
        if suggested and (twin := self._twins.get(subject)) in searched:
            suggested.insert(self._source.randrange(2), str(twin))
        if not taken.helped and self._source.random() < self._wrong_suggestion:
            suggested.append(
                self._source.choice([other for other in searched if other != subject] or searched)
            )
        if taken.helped or not suggested:
            return self._result(Mode.IDENTIFY, self._outcome(taken), taken, len(searched))
        answer = asyncio.ensure_future(confirm([Suggestion(each, Strength.STRONG) for each in suggested[:3]]))
        pressed = asyncio.ensure_future(self._help.wait())
        await asyncio.wait({answer, pressed}, return_when=asyncio.FIRST_COMPLETED)
        pressed.cancel()
        if not answer.done():
            answer.cancel()
            taken.helped = True
            return self._result(Mode.IDENTIFY, Outcome.UNAVAILABLE, taken, len(searched))
        chosen = answer.result()
        confirmed = None if chosen is None else suggested[chosen]
        return self._result(Mode.IDENTIFY, Outcome.SUGGESTION, taken, len(searched), confirmed)

    async def register(
        self, subject: str, answer: NoticeAnswer, *, noted: bytes | None = None, capture: bool = True
    ) -> RegistrationResult:
        """Register whoever is here. Raises AlreadyRegistered."""
        if subject in self.registered:
            raise AlreadyRegistered("somebody is registered under this subject")
        faces = fingers = 0
        if capture and answer.consent is Consent.ACCEPTED:
            for _ in range(2):  # two impressions of each
                taken = await self._capture(genuine=True, enrol=True)
                if taken.helped:
                    return RegistrationResult(None, None, (), ())
                faces, fingers = faces + taken.face, fingers + taken.fingers
            self.registered[subject] = self._person
        record = Registration(
            noted or self._source.randbytes(16),
            None,
            answer.consent,
            answer.version,
            answer.language,
            faces,
            fingers,
        )
        seq = self._store.commit_registration(self._clock.now(), record, None)
        return RegistrationResult(seq, record, (), ())

    # What comes of the sensors

    @property
    def _person(self) -> Person:
        if self.here is None:
            raise AssertionError("nobody stands before the sensors")
        return self.here

    async def _capture(self, *, genuine: bool, enrol: bool = False) -> _Taken:
        self._help.clear()
        taken = _Taken(asyncio.get_running_loop().time())
        if self.sensors.camera and not self._person.covers_face:
            await self._present(_FACE, taken)
            if taken.face and not enrol:
                self._settle(taken, genuine, self._rates.face_fails(poor=self._person.poor_face))
        for presentation in _FINGERS if self.sensors.reader else ():
            if taken.helped or taken.settled:
                break
            before = taken.fingers
            await self._present(presentation, taken)
            if taken.fingers > before and not enrol:
                fails = self._rates.finger_fails(
                    poor=self._person.worn, fingers=taken.fingers, face=taken.face
                )
                self._settle(taken, genuine, fails)
        return taken

    def _settle(self, taken: _Taken, genuine: bool, fails: float) -> None:
        # Somebody else matches as often as the threshold allows.
        chance = 1 - fails if genuine else 1e-4
        taken.settled = self._source.random() < chance

    async def _present(self, presentation: Presentation, taken: _Taken) -> None:
        face = presentation.modality is Modality.FACE
        signal = Signal.LOOK_HERE if face else Signal.PLACE_FINGER
        people, work = self._times.look if face else self._times.place, self._times.face_work
        for tried in range(TRIES):
            self._show(Show(signal, presentation, tries_left=TRIES - tried))
            taken.tries += 1
            if await self._spend(people.draw(self._source), taken):
                return
            reason = self._not_acquired(presentation, first=tried == 0)
            if reason is None:
                self._show(Show(Signal.WORKING, presentation))
                work = work if face else self._times.finger_work
                if await self._spend(work.draw(self._source), taken):
                    return
                taken.modalities.append(presentation.modality)
                taken.face, taken.fingers = taken.face or face, taken.fingers + (not face)
                return
            self._show(Show(Signal.TRY_AGAIN, presentation, reason))

    def _not_acquired(self, presentation: Presentation, *, first: bool) -> RetryReason | None:
        if presentation.modality is Modality.FACE:
            return RetryReason.FACE_CAMERA if self._source.random() < FTA_FACE else None
        if self._person.wet and first:
            return RetryReason.TOO_WET
        return RetryReason.PRESS_MORE if self._source.random() < FTA_FINGER else None

    async def _spend(self, seconds: float, taken: _Taken) -> bool:
        """Let time go by; True where HELP ended the capture meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._help.wait()
        except TimeoutError:
            return False
        taken.helped = True
        return True

    def _outcome(self, taken: _Taken) -> Outcome:
        if taken.helped or not (self.sensors.camera or self.sensors.reader):
            return Outcome.UNAVAILABLE
        if taken.settled:
            return Outcome.MATCH
        return Outcome.NO_MATCH if taken.modalities else Outcome.RETRY

    def _matched(self, taken: _Taken, claimed: Sequence[str]) -> str | None:
        if not taken.settled:
            return None
        subject = self._person.subject
        return subject if subject in claimed else claimed[0]

    def _result(
        self,
        mode: Mode,
        outcome: Outcome,
        taken: _Taken,
        gallery: int,
        subject: str | None = None,
        standing: Standing | None = None,
    ) -> CheckInResult:
        if mode is Mode.IDENTIFY and outcome is Outcome.MATCH:
            outcome = Outcome.NO_MATCH  # a search that suggests nobody
        took_ns = int((asyncio.get_running_loop().time() - taken.began_s) * 1e9)
        record = CheckIn(
            record_id=self._source.randbytes(16),
            mode=mode,
            outcome=outcome,
            entry_id=bytes(16) if subject is not None else None,
            reason=ASKED_FOR_HELP if taken.helped else "",
            modalities=tuple(dict.fromkeys(taken.modalities)),
            tries=taken.tries,
            score_llr=None,
            threshold_llr=None,
            operating_point=self._rates.name,
            gallery_size=gallery,
            stages=(StageTime("capture", took_ns),),
            confirmed=subject is not None and mode is Mode.IDENTIFY,
        )
        seq = self._store.commit_check_in(self._clock.now(), record)
        self._show(Show(Signal.DONE if subject is not None else Signal.GO_TO_A_PERSON))
        strength = Strength.STRONG if subject is not None else None
        return CheckInResult(seq, record, subject, strength, (), (), standing)
