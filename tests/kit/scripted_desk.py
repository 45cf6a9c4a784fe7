"""A desk whose comparisons end as a test says; it commits check-ins to the real store and obeys HELP."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firmware.clock import Clock, random_id
from firmware.desk import AlreadyRegistered, NotRegistered
from firmware.records import CheckIn, Mode, Outcome, Registration
from firmware.session.attempts import Standing
from firmware.session.check_in import CheckInResult, Confirm, Suggestion
from firmware.session.machine import Presentation, Show
from firmware.session.registration import NoticeAnswer, RegistrationResult
from firmware.store.store import Store
from inference.operating_point import Strength
from inference.types import Modality
from sensors.board.port import Button
from sensors.board.signals import Signal
from trust.consent import Consent
from trust.service import ASKED_FOR_HELP


@dataclass(frozen=True, slots=True)
class Ends:
    """How the next comparison ends. suggests: the candidates of a search; raises: instead of a result."""

    outcome: Outcome = Outcome.MATCH
    tries_left: int = 4
    wait_s: float = 0.0
    suggests: tuple[str, ...] = ()
    raises: Exception | None = None


class ScriptedDesk:
    """Ends comparisons by `script`; without one left it waits for HELP."""

    def __init__(self, store: Store, clock: Clock, show: Callable[[Show], None]) -> None:
        self._store = store
        self._clock = clock
        self._show = show
        self._help = asyncio.Event()
        self.script: deque[Ends] = deque()
        self.waits = False
        self.registered: set[str] = set()
        self.compared: list[tuple[str, ...]] = []
        self.captured: list[str] = []
        self.noted: list[bytes | None] = []
        self.missing: tuple[Presentation, ...] = ()
        self.possible_same: tuple[str, ...] = ()

    def press(self, button: Button) -> None:
        if button is Button.HELP:
            self._help.set()

    async def verify(
        self, *subjects: str, order: Sequence[Modality] | None = None, operator: str = ""
    ) -> CheckInResult:
        if not self.registered.intersection(subjects):
            raise NotRegistered("nobody is registered with biometrics")
        self.compared.append(subjects)
        ends = await self._next()
        if ends.outcome is Outcome.MATCH:
            return self._result(Mode.VERIFY, ends.outcome, subject=subjects[0])
        standing = Standing(ends.tries_left, ends.wait_s) if ends.outcome is Outcome.NO_MATCH else None
        return self._result(Mode.VERIFY, ends.outcome, standing=standing)

    async def identify(
        self,
        confirm: Confirm,
        *,
        among: Sequence[str] | None = None,
        order: Sequence[Modality] | None = None,
        operator: str = "",
    ) -> CheckInResult:
        searched = tuple(sorted(self.registered.intersection(among or self.registered)))
        if not searched:
            raise NotRegistered("nobody on this list is registered with biometrics")
        self.compared.append(searched)
        ends = await self._next()
        if not ends.suggests:
            return self._result(Mode.IDENTIFY, ends.outcome)
        answer = asyncio.ensure_future(confirm([Suggestion(s, Strength.STRONG) for s in ends.suggests]))
        pressed = asyncio.ensure_future(self._help.wait())
        await asyncio.wait({answer, pressed}, return_when=asyncio.FIRST_COMPLETED)
        pressed.cancel()
        if not answer.done():
            answer.cancel()
            return self._result(Mode.IDENTIFY, Outcome.UNAVAILABLE)
        chosen = answer.result()
        subject = None if chosen is None else ends.suggests[chosen]
        return self._result(Mode.IDENTIFY, Outcome.SUGGESTION, subject=subject)

    async def register(
        self, subject: str, answer: NoticeAnswer, *, noted: bytes | None = None, capture: bool = True
    ) -> RegistrationResult:
        if subject in self.registered:
            raise AlreadyRegistered("somebody is registered under this subject")
        self.noted.append(noted)
        if capture and answer.consent is Consent.ACCEPTED:
            ends = await self._next()
            if ends.outcome is Outcome.UNAVAILABLE:
                return RegistrationResult(None, None, (), ())
            self.captured.append(subject)
            self.registered.add(subject)
        record = Registration(
            noted or random_id(), None, answer.consent, answer.version, answer.language, 0, 0
        )
        seq = self._store.commit_registration(self._clock.now(), record, None)
        return RegistrationResult(seq, record, self.missing, self.possible_same)

    async def _next(self) -> Ends:
        for _ in range(5):
            await asyncio.sleep(0)  # the real desk looks into the store before its session begins
        self._help.clear()
        self._show(Show(Signal.LOOK_HERE, Presentation(Modality.FACE)))
        if not self.script:
            self.waits = True
            await self._help.wait()
            self.waits = False
            return Ends(Outcome.UNAVAILABLE)
        ends = self.script.popleft()
        if ends.raises is not None:
            raise ends.raises
        return ends

    def _result(
        self,
        mode: Mode,
        outcome: Outcome,
        *,
        subject: str | None = None,
        standing: Standing | None = None,
    ) -> CheckInResult:
        names_entry = subject is not None
        record = CheckIn(
            record_id=random_id(),
            mode=mode,
            outcome=outcome,
            entry_id=bytes(16) if names_entry else None,
            reason=ASKED_FOR_HELP if outcome is Outcome.UNAVAILABLE else "",
            modalities=(Modality.FACE,),
            tries=1,
            score_llr=None,
            threshold_llr=None,
            operating_point="",
            gallery_size=1,
            stages=(),
            confirmed=names_entry and mode is Mode.IDENTIFY,
        )
        seq = self._store.commit_check_in(self._clock.now(), record)
        self._show(Show(Signal.DONE if names_entry else Signal.GO_TO_A_PERSON))
        strength = Strength.STRONG if names_entry else None
        return CheckInResult(seq, record, subject, strength, (), (), standing)
